"""Compiled kernels on disk, in a way that never gives stale or damaged code.

Numba's own cache looks at the file that holds a function, not at the files of the helpers that it calls, and trusts
what it reads. Here the key covers the source of every kernel module, the versions, the CPU with its features and the
settings of the compiler; a file starts with the SHA-256 of the rest. A file that does not fit is compiled anew.
"""

import contextlib
import hashlib
import os
import pickle
import platform
import threading
from collections.abc import Iterator
from functools import cache, wraps
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import llvmlite
import numba
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from fastnet.files import replacing
from fastnet.kernels.compile import guards
from fastnet.kernels.compile.lock import Lock
from fastnet.kernels.compile.target import VECTOR_BYTES
from fastnet.paths import cache_dir

PACKAGE = files("fastnet")  # where it lies: in a folder, or in a zip file
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "CPU_NAME", "CPU_FEATURES", "DEBUGINFO_DEFAULT")
listeners: list = []  # called with the name of every kernel that has to be compiled
_thread = threading.local()


@cache
def source_stamp() -> str:
    """Hash of all that decides what the compiler makes of the kernels, except signature and CPU."""
    digest = hashlib.sha256()
    for name, source in _sources(PACKAGE):
        digest.update(name.encode() + b"\0" + source)
    settings = [str(getattr(numba.config, name, None)) for name in SETTINGS]
    versions = [numba.__version__, llvmlite.__version__, platform.python_version(), str(VECTOR_BYTES)]
    digest.update("\0".join(versions + settings).encode())
    return digest.hexdigest()


def _sources(package: Traversable) -> list[tuple[str, bytes]]:
    """(path, content) of every file that the kernels are made of."""
    found, folders = [("functions.py", (package / "functions.py").read_bytes())], ["kernels"]
    for folder in folders:
        for entry in (package / folder).iterdir():
            path = f"{folder}/{entry.name}"
            if entry.is_dir():
                folders.append(path)
            elif path.endswith(".py"):
                found.append((path, entry.read_bytes()))
    return sorted(found)


source_stamp()  # taken on import: what is on disk later may not be what runs


def folder() -> Path:
    """Where compiled kernels go: NUMBA_CACHE_DIR if it is set, else the user's cache folder."""
    return Path(numba.config.CACHE_DIR) / "fastnet" if numba.config.CACHE_DIR else cache_dir() / "kernels"


def is_writable() -> bool:
    """Whether compiled kernels can be kept; the folder is made."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder(), os.W_OK)


def read(name: str) -> bytes | None:
    """What `write` kept under that name; None if there is nothing, or it is damaged or a stranger's."""
    try:
        with open(folder() / name, "rb") as file:
            if not _is_trusted(os.fstat(file.fileno())):
                return None
            data = file.read()
    except OSError:
        return None
    return data[32:] if hashlib.sha256(data[32:]).digest() == data[:32] else None


def _is_trusted(file: os.stat_result) -> bool:
    """Whether a file may be run as code: it is this user's or root's, or of whose NUMBA_CACHE_DIR was chosen."""
    if not hasattr(os, "geteuid"):
        return True
    shared = [os.stat(folder()).st_uid] if numba.config.CACHE_DIR else []
    return file.st_uid in (os.geteuid(), 0, *shared)


def write(name: str, data: bytes) -> None:
    """Keep ``data``, whole or not at all; where nothing can be written, it is compiled again next time."""
    path = folder() / name
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(hashlib.sha256(data).digest() + data)


def key(*parts) -> str:
    """A file name for what ``parts``, the sources and the compiler together determine."""
    text = repr((source_stamp(), *parts))
    return hashlib.sha256(text.encode()).hexdigest()[:32] + ".bin"


def compiling(what: str) -> None:
    """Tell the listeners."""
    for listener in tuple(listeners):
        listener(what)


class NotKeptError(LookupError):
    """A kernel was not compiled before, and is not to be compiled now."""


@contextlib.contextmanager
def only_kept() -> Iterator[None]:
    """A block in which this Python thread loads kernels, and gets a NotKeptError where it would have to compile one."""
    _thread.compiles_nothing = True
    try:
        yield
    finally:
        _thread.compiles_nothing = False


def code_of(compiled):
    """Numba's library of the code of a compiled function."""
    return compiled._asdict()["library"]


class KernelCache:
    """What a Numba dispatcher asks of its cache, for one kernel."""

    def __init__(self, function):
        self.function = function
        self.lock: Lock | None = None  # from a miss until the kernel is kept

    @property
    def cache_path(self):
        return str(folder())

    def _name(self, sig) -> str:
        f = self.function
        return f"{f.__name__}-{key(f.__module__, f.__qualname__, str(sig), guards.target())}"

    def lock_of(self, sig) -> Path:
        """The file that is there while a process compiles for this signature."""
        return folder() / f"{self._name(sig)}.lock"

    def load_overload(self, sig, target_context):
        """The compiled kernel for this signature, or None. Whatever goes wrong is a miss: it is compiled anew.

        Numba compiles it then and calls `save_overload`. Other processes wait for that, and load what is kept.
        """
        self.let_others()
        found = self._load(sig, target_context)
        if found is None and getattr(_thread, "compiles_nothing", False):
            raise NotKeptError(self.function.__name__)
        if found is None:
            self.lock = Lock(self.lock_of(sig))
            self.lock.take()
            found = self._load(sig, target_context)
        if found is None:
            compiling(self.function.__name__)
        else:
            self.let_others()
        return found

    def let_others(self):
        """Give back the lock, if it was taken."""
        if self.lock is not None:
            self.lock.give_back()
            self.lock = None

    def _load(self, sig, target_context):
        data = read(self._name(sig))
        if data is not None:
            with contextlib.suppress(Exception):
                guards.prepare_loading(target_context)
                return self._rebuilt(pickle.loads(data), target_context)
            if not hasattr(CompileResult, "_rebuild"):
                guards.missing("CompileResult._rebuild", "each process compiles its kernels anew")
        return None

    def save_overload(self, sig, compiled):
        """Keep the compiled kernel, unless it holds addresses of this process."""
        try:
            self._save(sig, compiled)
        finally:
            self.let_others()

    def _save(self, sig, compiled):
        try:
            if code_of(compiled).has_dynamic_globals:
                return
            data = dumps(self._reduced(compiled))
        except Exception:
            guards.missing("CompileResult._reduce as it was", "each process compiles its kernels anew")
            return
        write(self._name(sig), data)

    def _reduced(self, compiled):
        """What is kept of a compiled kernel."""
        return compiled._reduce()

    def _rebuilt(self, kept, target_context):
        """The inverse of `_reduced`."""
        return CompileResult._rebuild(target_context, *kept)

    def enable(self):
        """Asked for by Numba; this cache is always on."""

    def flush(self):
        """Forget what is kept for this kernel."""
        for path in folder().glob(f"{self.function.__name__}-*.bin"):
            path.unlink(missing_ok=True)


def use_cache(dispatcher, kernel_cache: type[KernelCache] = KernelCache):
    """Give a dispatcher this cache instead of Numba's."""
    if guards.has_cache_hooks():
        dispatcher._cache = kernel_cache(dispatcher.py_func)
        dispatcher.compile = _letting_others(dispatcher.compile, dispatcher._cache)
    return dispatcher


def _letting_others(compile_kernel, kernel_cache):
    """``compile_kernel``, after which no other process waits for this one, also where it failed."""

    @wraps(compile_kernel)
    def compile_and_let(*args, **kwargs):
        try:
            return compile_kernel(*args, **kwargs)
        finally:
            kernel_cache.let_others()

    return compile_and_let
