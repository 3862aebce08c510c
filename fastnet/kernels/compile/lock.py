"""One process compiles a kernel; others that want it wait and load what it kept."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PATIENCE = 120.0  # seconds to wait for another process, which may be a stopped one
PAUSE = 0.05


class Lock:
    """A file in the folder of kernels that one process has open and locked; the system unlocks it when that one ends.

    Where no file can be locked, everybody has the lock, and kernels are compiled more than once.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file: int | None = None
        self._is_mine = False

    def take(self, patience: float | None = None) -> bool:
        """Wait until no other process has it, or for so many seconds (PATIENCE); whether it is this one's now."""
        end = time.monotonic() + (PATIENCE if patience is None else patience)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            while not (mine := _locks(self._file)) and time.monotonic() < end:
                time.sleep(PAUSE)
            self._is_mine = mine
        return self._is_mine

    def give_back(self) -> None:
        """Let others have it; nothing happens if it was not taken."""
        if self._file is None:
            return
        file, self._file = self._file, None
        if fcntl is None:  # Windows removes no open file
            os.close(file)
        if self._is_mine:
            with contextlib.suppress(OSError):  # another may have it open already
                self.path.unlink()
        if fcntl is not None:
            os.close(file)
        self._is_mine = False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """A block that one process is in at a time."""
    lock = Lock(path)
    lock.take()
    try:
        yield
    finally:
        lock.give_back()


def _locks(file: int) -> bool:
    """Lock an open file; False if another process has."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        return True
    return True
