"""Signs of life: a process that is stopped, or whose machine is gone, must not keep the others waiting for ever."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from fastnet.distributed.ends import end_job

BEAT = 0.5  # seconds


class Pulse:
    """A thread that tells the next rank of this process every BEAT, and listens to the rank before.

    names : of the processes, by rank. silence : seconds without a sign after which the job ends. Only time that this
    process itself ran counts: where a whole job is stopped and goes on, nobody is missed.
    Attribute ``agreed``: all processes are known to raise.
    """

    def __init__(self, MPI: Any, names: Sequence[str], silence: float):
        self.MPI, self.names, self.silence, self.agreed = MPI, names, silence, False
        self.comm = MPI.COMM_WORLD.Dup()

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Give and expect signs during a block."""
        if self.comm.size == 1 or self.MPI.Query_thread() < self.MPI.THREAD_MULTIPLE:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _beat(self, stop: threading.Event) -> None:
        rank, size = self.comm.rank, self.comm.size
        before, after = (rank - 1) % size, (rank + 1) % size
        sent: list[Any] = []
        silent, last = 0.0, time.monotonic()
        while not stop.wait(BEAT):
            now = time.monotonic()
            silent, last = silent + min(now - last, 2 * BEAT), now
            sent = [request for request in sent if not request.Test()]
            if len(sent) < 8:  # who does not answer takes nothing either
                sent.append(self.comm.isend(None, after))
            while self.comm.iprobe(before):
                self.comm.recv(source=before)
                silent = 0.0
            if silent > self.silence:
                end_job(self.comm, f"{self.names[before]} has not answered for {silent:.0f} seconds")
