"""Signs of life: a process that is stopped, or whose machine is gone, must not keep the others waiting for ever."""

import atexit
import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from fastnet.distributed.ends import end_job
from fastnet.errors import warn

BEAT = 0.5  # seconds
UNANSWERED = 8  # signs that may be under way; a stopped process takes none


class Pulse:
    """A thread that sends the next rank a sign every BEAT, and listens to the rank before.

    names : of the processes, by rank. Only time in which this process itself ran counts as silence: where a whole job
    is stopped and goes on, nobody is missed.
    """

    def __init__(self, MPI: Any, names: Sequence[str]):
        self.MPI, self.names = MPI, names
        self.silence, self.silent = float("inf"), 0.0  # seconds that are too many, and those since the last sign
        self.comm = MPI.COMM_WORLD.Dup()
        self._stop = threading.Event()

    def begin(self) -> None:
        """Send signs from now on until Python ends."""
        if self.MPI.Query_thread() < self.MPI.THREAD_MULTIPLE:
            if self.comm.rank == 0:
                warn("this MPI has no thread support (MPI_THREAD_MULTIPLE): a stopped process will not be noticed")
            return
        thread = threading.Thread(target=self._beat, daemon=True)
        thread.start()
        atexit.register(self._end, thread)  # before MPI itself ends

    @contextlib.contextmanager
    def expected(self, silence: float) -> Iterator[None]:
        """A block in which the job ends after so many seconds without a sign from the rank before."""
        self.silence, self.silent = silence, 0.0
        try:
            yield
        finally:
            self.silence = float("inf")

    def _end(self, thread: threading.Thread) -> None:
        self._stop.set()
        thread.join()

    def _beat(self) -> None:
        rank, size = self.comm.rank, self.comm.size
        before, after = (rank - 1) % size, (rank + 1) % size
        sent: list[Any] = []
        last = time.monotonic()
        while not self._stop.wait(BEAT):
            now = time.monotonic()
            self.silent, last = self.silent + min(now - last, 2 * BEAT), now
            sent = [request for request in sent if not request.Test()]
            if len(sent) < UNANSWERED:
                sent.append(self.comm.isend(None, after))
            while self.comm.iprobe(before):
                self.comm.recv(source=before)
                self.silent = 0.0
            if self.silent > self.silence:
                end_job(self.comm, f"{self.names[before]} has not answered for {self.silent:.0f} seconds")
