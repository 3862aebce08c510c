"""fastnet as a contestant in one process or in the ranks of mpiexec: [mpiexec -n 2] python ranks.py NAME FOLDER.

Ranks, which is what a NAME with that word makes, take steps as `fastnet.train(..., distributed=)` does. For every word
on the standard input of rank 0 a line of JSON is printed:

    run             seconds of a pass
    parts           seconds of what a step consists of, in a pass: add_up, wait, allreduce, move
    gradient ROWS   seconds of a rank's compute for so many rows; of its processor, where one thread does it
    move            seconds of an update, likewise
    add             seconds of adding one gradient to another, likewise
    allreduce BYTES seconds of an Allreduce
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.contestants import Job, Steps
from fastnet import engine
from fastnet.driver.batches import Batches
from fastnet.driver.team import ALONE, Team

NAP = 0.002  # seconds
FEWEST, MOST = 3, 200  # times that a part is timed
ENOUGH = 0.5  # seconds that this may take, where it is more than FEWEST times
IN_A_ROW = 10  # Allreduces that are timed together: one that starts late finds the other rank's message there


class Rank(Steps):
    """The steps of one process, on its share of every batch."""

    def __init__(self, job: Job, team: Team):
        share, size = team.share(len(job.X)), -(-job.batch // team.size)
        super().__init__(job, engine, slice(share.start, share.stop), batch_size=size, threads=job.threads)
        self.team, self.local, self.rows = team, self.stepper, share.stop - share.start
        self.threads = job.threads
        if team.size > 1:
            self.stepper = team.stepper(self.local, share, Batches(len(self.order), job.batch))

    @property
    def gradient(self) -> np.ndarray:
        return self.local.kept_gradient

    def answer(self, word: str, number: int = 0) -> Any:
        """What is printed for a word."""
        if word == "parts":
            return self.parts()
        if word == "run":
            self.reset()
            self.team.total(np.zeros(1))  # ranks start together
            return _seconds(self.run)
        call = self._part(word, number)
        if word == "allreduce":
            return _fastest(lambda: [call() for _ in range(IN_A_ROW)], self.team, time.perf_counter) / IN_A_ROW
        # What others do on the machine does not count where one thread does all.
        return _fastest(call, self.team, time.thread_time if self.threads == 1 else time.perf_counter)

    def _part(self, word: str, number: int) -> Callable[[], Any]:
        coefficients = self.coefficients[:1]
        if word == "gradient":
            rows = np.arange(number) % self.rows
            return lambda: self.local.add_up(rows, rows, coefficients)
        if word == "move":
            self.gradient[:] = 0
            return lambda: self.local.move(coefficients)
        if word == "allreduce":
            buffer = np.zeros(max(1, number // 4), np.float32)
            return lambda: self._sum(buffer)
        if word == "add":
            one, other = np.zeros_like(self.gradient), np.zeros_like(self.gradient)
            return lambda: np.add(one, other, out=one)
        raise ValueError(f"expected one of the words above, got {word}")

    def _sum(self, buffer: np.ndarray) -> None:
        from mpi4py import MPI

        self.team.comm.Allreduce(MPI.IN_PLACE, buffer)  # type: ignore[attr-defined]

    def parts(self) -> dict[str, float]:
        """Mean seconds of the parts of a step over a pass; wait is for the rank that has more rows."""
        taken = dict.fromkeys(("add_up", "wait", "allreduce", "move"), 0.0)
        self.reset()
        self.team.total(np.zeros(1))
        for step, (rows, numbers, _) in enumerate(self.stepper._own_rows(self.order, len(self.coefficients))):
            row = self.coefficients[step : step + 1]
            calls = {
                "add_up": partial(self.local.add_up, rows, numbers, row), "wait": self.team.comm.Barrier,
                "allreduce": partial(self._sum, self.gradient), "move": partial(self.local.move, row),
            }  # fmt: skip
            for name, call in calls.items():
                taken[name] += _seconds(call) / len(self.coefficients)
        return taken


def _seconds(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    call()
    return clock() - start


def _fastest(call: Callable[[], Any], team: Team, clock: Callable[[], float]) -> float:
    """Of many calls, as many on all ranks: others on the machine only make them slower.

    Nothing is told between the calls, or ranks would not start together.
    """
    call()
    times = team.same(round(min(max(FEWEST, ENOUGH / _seconds(call)), MOST)))
    return min(_seconds(call, clock) for _ in range(times))


def words(team: Team) -> Iterator[str]:
    """Lines that rank 0 reads, on all ranks. Meanwhile the others sleep: a rank that waits in MPI takes a core."""
    while True:
        line = sys.stdin.readline() if team.rank == 0 else ""
        if team.size > 1:
            request = team.comm.Ibarrier()  # type: ignore[attr-defined]
            while not request.Test():
                time.sleep(NAP)
        line = team.same(line)
        if not line:
            return
        yield line


def main() -> None:
    """Serve."""
    name, folder = sys.argv[1:]
    team = ALONE
    if "rank" in name:
        import fastnet.distributed

        team = fastnet.distributed.mpi()
    rank = Rank(Job(folder), team)
    rank.reset()
    loss = rank.run()  # compiles
    about = {
        "version": rank.version, "loss": loss, "pids": team.gather(os.getpid()), "bytes": rank.gradient.nbytes,
        "vectors": 1 + len(rank.local.moments), "steps": len(rank.coefficients),
    }  # fmt: skip
    if team.rank == 0:
        print(json.dumps(about), flush=True)
    for line in words(team):
        word, *numbers = line.split()
        found = rank.answer(word, *map(int, numbers))
        if team.rank == 0:
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
