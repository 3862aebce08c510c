"""Downloads of known sets: several mirrors, published hashes, one deadline, files that appear when they are whole."""

import hashlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fastnet.data.appearing import appearing
from fastnet.data.known import KNOWN, KnownSet, RemoteFile, present
from fastnet.data.source import PIECE, shown
from fastnet.errors import DataError

PATIENCE = 9.0  # seconds without a byte of wanted data, over all mirrors and files, before giving up
SOCKET_TIMEOUT = 4.0


class DataUnavailable(DataError):
    """A known set that is neither on this machine nor, just now, to be had from its mirrors."""


def fetch(name: str) -> Path:
    """Make sure that the files of a set known by name are on this machine; return their folder.

    Downloads into the user's cache folder what is neither there nor in $FASTNET_DATA, with progress on stderr. Several
    processes may do this at once. Raises DataUnavailable if a file cannot be had, after at most ten seconds without
    data, and DataError if it cannot be stored or there is no such set to download.
    """
    if name not in KNOWN or not KNOWN[name].files:
        names = ", ".join(known.name for known in KNOWN.values() if known.files)
        raise DataError(f"expected the name of a set to download, one of {names}, got {name!r}")
    known = KNOWN[name]
    *given, cache = known.folders
    if known.found in given:
        return known.found
    download_missing(known, cache)
    return cache


def download_missing(known: KnownSet, folder: Path) -> None:
    """Download the files of a set that are missing in ``folder``, which is made if need be."""
    for file in known.files:
        if present(folder, file.name):
            continue
        data = _Download(known, file).result()
        _store(folder / file.name, data)


def _store(path: Path, data: bytes) -> None:
    try:
        with appearing(path) as made, open(made, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except DataError:
        # Another process may have been quicker.
        if not path.exists() or path.read_bytes() != data:
            raise


class _Download:
    """One file from the first mirror that has it.

    The network is used in a daemon thread, since name resolution can hang for minutes and cannot be interrupted. The
    thread only fills memory, so one that was given up leaves nothing behind.
    """

    def __init__(self, known: KnownSet, file: RemoteFile):
        self.known, self.file = known, file
        self.failures: list[str] = []
        self.received = 0
        self.last_byte = time.monotonic()
        self.data: bytes | None = None
        self.abandoned = False

    def result(self) -> bytes:
        """The verified content."""
        thread = threading.Thread(target=self._try_mirrors, name=f"download {self.file.name}", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.1)
                self._show()
                if time.monotonic() - self.last_byte > PATIENCE:
                    self.failures.append(f"no data for {PATIENCE:.0f} s")
                    break
        finally:
            self.abandoned = True
            self._show(done=True)
        if self.data is None:
            raise unavailable(self.known, f"{self.file.name} cannot be downloaded ({'; '.join(self.failures)})")
        return self.data

    def _try_mirrors(self) -> None:
        for mirror in self.known.mirrors:
            if self.abandoned:
                return
            host = mirror.split("/")[2]
            try:
                data = self._download(mirror + self.file.name)
                sha256 = hashlib.sha256(data).hexdigest()
                if sha256 == self.file.sha256:
                    self.data = data
                    return
                self.failures.append(f"{host}: expected sha256 {self.file.sha256[:12]}..., got {sha256[:12]}...")
            except Exception as error:
                # whatever one mirror does wrong, the next one may do right
                self.failures.append(f"{host}: {getattr(error, 'reason', None) or error or type(error).__name__}")

    def _download(self, url: str) -> bytes:
        pieces: list[bytes] = []
        self.received = 0
        with _opened(url) as response:
            while self.received <= self.file.size and not self.abandoned:
                piece = response.read1(PIECE)
                if not piece:
                    break
                if not pieces and not piece.startswith(b"\x1f"):
                    raise DataError("expected a gzip file, got something else, such as a login page")
                pieces.append(piece)
                self.received += len(piece)
                self.last_byte = time.monotonic()
        if self.received != self.file.size:
            raise DataError(f"expected {self.file.size} bytes, got {self.received} or more")
        return b"".join(pieces)

    def _show(self, done: bool = False) -> None:
        if not self.received or sys.stderr is None:
            return
        line = f"{self.known.name}: {self.file.name} {self.received / 1e6:.1f} of {self.file.size / 1e6:.1f} MB"
        if sys.stderr.isatty():
            print(f"\r{line}", end="\n" if done else "", file=sys.stderr, flush=True)
        elif done:
            print(line, file=sys.stderr, flush=True)


def unavailable(known: KnownSet, reason: str) -> DataUnavailable:
    """The error that says why a set cannot be had and where to put its files."""
    files = ", ".join(file.name.removesuffix(".gz") for file in known.files)
    folders = " or ".join(shown(folder) for folder in known.folders)
    wanted = "" if os.environ.get("FASTNET_DATA") else f", or in $FASTNET_DATA/{known.name}"
    return DataUnavailable(
        f"{known.name} is not on this machine and {reason}: put {files} (plain or .gz) into {folders}{wanted}"
    )


def _opened(url: str) -> Any:
    """The response to a request. An error of HTTP is a response too, which is closed."""
    from urllib.error import HTTPError

    try:
        return _opener().open(url, timeout=SOCKET_TIMEOUT)
    except HTTPError as error:
        error.close()
        raise


def _opener():
    """A URL opener that knows http and https and nothing else, whatever a redirect asks for."""
    from urllib import request
    from urllib.error import URLError

    class OnlyHttp(request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):
            if not newurl.lower().startswith(("http://", "https://")):
                fp.close()
                raise URLError(f"redirected to {newurl[:80]!r}, expected http or https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        OnlyHttp(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "fastnet")]
    return opener
