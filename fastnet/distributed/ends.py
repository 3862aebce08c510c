"""An error in one process ends the job: the others would wait for it for ever."""

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any

from fastnet.errors import UsageError

WAIT = 2.0  # seconds for the others to fail in the same way, on arguments that all were given
APART = 0.2  # seconds that each rank waits longer than the one before, so that one alone prints its error
LAST = 2.0  # seconds for MPI to end the job, before this process just leaves
# Errors that a line tells well enough; others come with their traceback.
PLAIN = (UsageError, ValueError, TypeError, OSError, MemoryError, ImportError, ArithmeticError, KeyboardInterrupt)


class Ends:
    """How a process leaves a block that all were to leave together. names : of the processes, by rank.

    is_guarded : the process is in such a block. agreed : it is known that all processes raise.
    """

    def __init__(self, MPI: Any, names: Sequence[str]):
        self.comm, self.names = MPI.COMM_WORLD.Dup(), names
        self.is_guarded, self.agreed = False, False

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """A block whose errors pass on where all processes fail; one that this process alone meets ends the job."""
        self.is_guarded, self.agreed = True, False
        try:
            yield
        except BaseException as error:
            if not self.all_fail(None if self.agreed else WAIT):
                self.abort(error)
            raise
        finally:
            self.is_guarded = False

    def watch(self) -> None:
        """End the job on SIGTERM that nobody handles and errors that nobody catches. Rank 0 tells what all meet."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self.terminated)
        before = sys.excepthook

        def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            fail = self.all_fail(WAIT)
            if not fail or self.comm.rank == 0:
                before(kind, error, trace)
            if not fail:
                self.end(describe(error), code_of(error))

        sys.excepthook = uncaught

    def terminated(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM where there is nothing to keep."""
        self.end("got SIGTERM", 128 + number)

    def all_fail(self, seconds: float | None) -> bool:
        """Whether all processes get here within so many seconds, of each rank a little more; None waits for them."""
        request, start = self.comm.Ibarrier(), time.monotonic()
        while not request.Test():
            if seconds is not None and time.monotonic() - start > seconds + APART * self.comm.rank:
                return False
            time.sleep(0.01)
        return True

    def abort(self, error: BaseException) -> None:
        """End the job, and say why."""
        if not isinstance(error, (*PLAIN, SystemExit)):
            print("".join(traceback.format_exception(error)), end="", file=sys.__stderr__)
        self.end(describe(error), code_of(error))

    def end(self, why: str, code: int) -> None:
        """End the job with this exit code."""
        end_job(self.comm, f"{self.names[self.comm.rank]}: {why}", code)


def end_job(comm: Any, message: str, code: int = 1) -> None:
    """Print a message and end all processes."""
    print(f"fastnet: {message}; all processes end", file=sys.__stderr__, flush=True)
    # MPI itself may be stuck.
    timer = threading.Timer(LAST, os._exit, (code,))
    timer.daemon = True
    timer.start()
    comm.Abort(code)


def describe(error: BaseException) -> str:
    """An error in a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def code_of(error: BaseException) -> int:
    """The exit code of a process that ends with this error."""
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code or 1
    return 130 if isinstance(error, KeyboardInterrupt) else 1
