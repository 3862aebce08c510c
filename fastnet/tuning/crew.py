"""The worker processes, and what they say."""

import contextlib
import json
import pickle
import queue
import subprocess
import sys
import threading
from typing import Any

from fastnet.tuning.scoring import Task

# Not multiprocessing: it would run the user's script again in each worker, unless that has the usual guard.
PROGRAM = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from fastnet.tuning.worker import main; main()"


class Worker:
    """A process that trains one trial at a time.

    events : gets (this worker, its message) for each message, and (this worker, None) when the process has ended.
    trial : what it works on, None while it has nothing to do. is_ready : whether its kernels are loaded.
    """

    def __init__(self, task: bytes, events: "queue.Queue[tuple[Worker, Any]]"):
        if not sys.executable or getattr(sys, "frozen", False):
            raise ChildProcessError("tune starts Python processes, and this program has no Python interpreter to start")
        self.events, self.is_ready = events, False
        self.trial: Any = None
        command = [sys.executable, "-P", "-c", PROGRAM, json.dumps(sys.path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self._listen, daemon=True).start()
        self._write(task)

    def send(self, message: Any) -> None:
        """Send settings of a trial, or the answer to a report."""
        self._write(pickle.dumps(message))

    def end(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _write(self, message: bytes) -> None:
        """A process that is gone takes nothing; `events` say so."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(message)
            self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(EOFError, OSError, ValueError, pickle.UnpicklingError):
            while True:
                self.events.put((self, pickle.load(self.process.stdout)))
        self.events.put((self, None))


class Crew:
    """Workers that are replaced when they end, up to a point.

    events : what they say, in the order in which they say it.
    """

    def __init__(self, task: Task, jobs: int):
        self.task = pickle.dumps(task)
        self.events: queue.Queue[tuple[Worker, Any]] = queue.Queue()
        self.workers: list[Worker] = []
        self.jobs, self.lost_early = jobs, 0

    def start(self) -> None:
        """Start as many workers as are missing."""
        while len(self.workers) < self.jobs:
            self.workers.append(Worker(self.task, self.events))

    def free(self) -> list[Worker]:
        """The workers that have nothing to do."""
        return [worker for worker in self.workers if worker.is_ready and worker.trial is None]

    def replace(self, worker: Worker) -> int:
        """Start another worker for one that has ended; returns its exit code. ChildProcessError if they end again
        before they are ready.
        """
        self.lost_early = 0 if worker.is_ready else self.lost_early + 1
        worker.end()
        self.workers.remove(worker)
        code = worker.process.returncode
        if self.lost_early > 2:
            raise ChildProcessError(
                f"the processes that train end before they begin, the last one with exit code {code}"
            )
        self.start()
        return code

    def end(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.end()
