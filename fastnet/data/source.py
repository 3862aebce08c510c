"""Open files: what may be opened, gzip undone on the way, how much may come out, and how failures are told."""

import io
import math
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fastnet.data.budget import Budget
from fastnet.errors import DataError

MAP_FROM = 1 << 28  # plain arrays from this size on are mapped, not read
DEFLATE = 1032  # times its size that a gzip file can hold at most (https://zlib.net/zlib_tech.html)
PIECE = 1 << 20
LONGEST_MESSAGE = 600


def shown(path: str | os.PathLike) -> str:
    """The path as it can stand in a one-line message."""
    text = os.fspath(path)
    return text if text.isprintable() else ascii(text)


def data_error(path: str | os.PathLike, message: object) -> DataError:
    """A DataError in one line that begins with the file's name; what comes from the file cannot spoil the line."""
    text = " ".join(str(message).split())
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:LONGEST_MESSAGE])
    return DataError(f"{shown(path)}: {text}")


@contextmanager
def told_as_data_errors(path: str | os.PathLike, deed: str = "read") -> Iterator[None]:
    """Turns what reading (or another deed) can raise into DataErrors that name the file."""
    try:
        yield
    except DataError:
        raise
    except MemoryError:
        raise data_error(path, "does not fit into the memory of this machine") from None
    except OSError as error:
        raise data_error(path, f"cannot be {deed}: {error.strerror or error}") from None
    except zlib.error as error:
        raise data_error(path, f"damaged compressed data ({error})") from None
    except (ValueError, TypeError, OverflowError, EOFError, struct.error) as error:
        raise data_error(path, error or "ends too early") from None


def require_file(path: str | os.PathLike) -> None:
    """Raise DataError if there is something else than a regular file, which may wait for ever when it is opened."""
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    raise data_error(path, f"expected a regular file, got a {kinds.get(stat.S_IFMT(mode), 'device')}")


class Source:
    """A regular file open for reading; gzip content is decompressed piece by piece.

    ``stream`` gives the content, ``gz`` tells if it is compressed, ``size`` is the file's own size, and ``limit`` the
    most bytes that a part of the content may have. Who reads accounts to the ``budget``, which several files may share.
    """

    def __init__(self, path: str | os.PathLike, budget: Budget | None = None):
        self.path = Path(path)
        self.budget = Budget() if budget is None else budget
        require_file(path)
        file = open(self.path, "rb")  # noqa: SIM115 - closed with the stream that wraps it
        found = os.fstat(file.fileno())
        self.size = found.st_size
        self.budget.opened(found)
        self.stream: io.BufferedReader = file
        self.gz = file.peek(2)[:2] == b"\x1f\x8b"
        self.limit = self.budget.limit if self.gz else self.size
        if self.gz:
            self.stream = io.BufferedReader(_Gunzip(file, self.path, self.budget), PIECE)
        elif self.size == 0:
            file.close()
            raise data_error(path, "expected data, got an empty file")

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def head(self) -> bytes:
        """The first bytes of the content, without moving on (at least 512 of them where there are so many)."""
        return self.stream.peek(512)

    def exactly(self, n: int, what: str) -> bytes:
        """The next n bytes; n is small or already checked."""
        data = self.stream.read(n)
        if len(data) != n:
            raise data_error(self.path, f"truncated: expected {n} bytes of {what}, got {len(data)}")
        return data

    def fill(self, array: np.ndarray, what: str) -> None:
        """Read the next bytes of the content straight into a C-contiguous array."""
        view = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            got = self.stream.readinto(view[done:])
            if not got:
                raise data_error(self.path, f"truncated: expected {len(view)} bytes of {what}, got {done}")
            done += got

    def end(self, what: str) -> None:
        """Complain unless the content ends here."""
        if self.stream.read(1):
            raise data_error(self.path, f"expected the end of the file after {what}, got further bytes")


class _Gunzip(io.RawIOBase):
    """The content of a gzip file of one or several members, with checksums verified and at most a piece in memory."""

    def __init__(self, file: io.BufferedReader, path: Path, budget: Budget):
        self._file, self._path, self._budget = file, path, budget
        self._waiting = b""
        self._inflate: zlib._Decompress | None = zlib.decompressobj(31)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        while self._inflate is not None and len(view):
            compressed = self._waiting or self._file.read(PIECE)
            if not compressed:
                raise data_error(self._path, "truncated: the gzip data end in the middle")
            try:
                data = self._inflate.decompress(compressed, min(len(view), PIECE))
            except zlib.error as error:
                raise data_error(self._path, f"corrupted gzip data ({error})") from None
            self._waiting = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._waiting = self._inflate.unused_data or self._file.read(PIECE)
                self._inflate = zlib.decompressobj(31) if self._waiting else None
                if self._waiting and not self._waiting.startswith(b"\x1f"):
                    raise data_error(self._path, "expected the end of the gzip data, got further bytes")
            self._budget.unpack(len(data))
            if data:
                view[: len(data)] = data
                return len(data)
        return 0


def read_or_map(source: Source, shape: tuple[int, ...], dtype: np.dtype, what: str) -> np.ndarray:
    """The array of this shape and dtype that makes up the rest of the content, which must end with it.

    The size is checked before anything is allocated. Large plain files of native numbers are mapped read-only.
    """
    expected = dtype.itemsize * math.prod(shape)
    position = source.stream.tell() if not source.gz else 0
    described = f"{what} of shape {'x'.join(map(str, shape))}"
    if not source.gz:
        rest = source.size - position
        if rest != expected:
            trouble = "truncated" if rest < expected else "trailing bytes"
            raise data_error(source.path, f"{trouble}: expected {expected} bytes for {described}, got {rest}")
        if expected >= MAP_FROM and dtype.isnative:
            return np.asarray(np.memmap(source.path, dtype, "r", position, shape))
    elif expected > DEFLATE * source.size:
        most = f"at most {DEFLATE * source.size} bytes from a gzip file of {source.size}"
        raise data_error(source.path, f"expected {most}, its header claims {expected}")
    source.budget.take(expected)
    array = np.empty(shape, dtype)
    source.fill(array, described)
    source.end(described)
    return array if dtype.isnative else in_native_order(array)


def in_native_order(array: np.ndarray) -> np.ndarray:
    """The numbers of an array of the other byte order, turned round where they are."""
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))
