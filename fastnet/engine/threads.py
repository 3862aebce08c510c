"""How many threads a kernel runs on. The bits of its results do not depend on it."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from fastnet.engine.strategy import WORK_PER_THREAD, busy_threads
from fastnet.kernels.compile import numba
from fastnet.machine import threading_layer

# Seconds that two threads take for an empty parallel region, by threading layer.
REGION = {"omp": 2.4e-6, "tbb": 3.7e-6, "workqueue": 49e-6}
RATE = 8e10  # FLOPs that a core does in a second


def _openmp_threads() -> int:
    """What OMP_NUM_THREADS says of a first level of threads: 1 in Dask's workers, if they are processes."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return (int(said) if said.isdecimal() else 0) or sys.maxsize


class _Process:
    """What must be known of this process before a parallel region is entered."""

    def __init__(self) -> None:
        # Two Python threads inside a parallel region abort the process under Numba's workqueue layer. Under any layer
        # they would only take the cores from each other.
        self.one_at_a_time = threading.Lock()
        self.lost_threads = False
        self.share = sys.maxsize  # of the threads of this machine, where other processes train with this one
        self.openmp = _openmp_threads()  # known from the start: who starts Dask's workers gets their variables, too

    def forked(self) -> None:
        """Called in a child made by fork: the threads that the parent had started are not there any more."""
        self.one_at_a_time = threading.Lock()
        with contextlib.suppress(ValueError):  # Numba's word for: no threads were started
            self.lost_threads = self.lost_threads or numba.threading_layer() != "tbb"  # which starts new ones


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forked)


def available_threads() -> int:
    """Threads that Numba may use here: NUMBA_NUM_THREADS, or the cores; one in a child whose parent ran kernels."""
    return 1 if _process.lost_threads else numba.config.NUMBA_NUM_THREADS


def take_at_most(threads: int) -> None:
    """Let this process choose no more threads from now on; more may still be asked for."""
    _process.share = threads


def most_threads() -> int:
    """Threads that may be chosen: those that there are, or this process's share of them, or OMP_NUM_THREADS."""
    return max(1, min(available_threads(), _process.share, _process.openmp))


def choose_threads(sizes: Sequence[int], rows: int, *, has_region: bool = False) -> int:
    """Threads for a step of ``rows`` rows: as many as it keeps busy, and no more than this process may take.

    has_region : whether a parallel region is entered for these rows alone, as by a prediction, and not for many steps.
    Under workqueue one thread is chosen where another Python thread might be in parallel code: the process would be
    aborted.
    """
    threads = min(most_threads(), busy_threads(sizes, rows))
    if threads == 1:
        return 1
    layer = threading_layer()
    if layer == "workqueue" and not _is_alone():
        return 1
    if has_region:
        return min(threads, busy_threads(sizes, rows, WORK_PER_THREAD + RATE * REGION.get(layer, REGION["omp"])))
    return threads


def _is_alone() -> bool:
    """Whether no other Python thread runs but daemons: those of notebooks and progress bars run no parallel code."""
    here = threading.current_thread()
    return all(thread is here or thread.daemon for thread in threading.enumerate())


def usable(threads: int) -> int:
    """``threads``, or one where a parallel region would never end."""
    return 1 if _process.lost_threads else threads


def run_parallel(threads: int, kernel: Callable, *arguments: Any) -> None:
    """Call a kernel that runs on so many threads: one Python thread at a time, on no more threads than Numba has."""
    if threads == 1:
        kernel(*arguments)
        return
    # No context manager of ours: an interrupt between its two halves would leave the lock held.
    with _process.one_at_a_time:
        before = numba.get_num_threads()
        try:
            numba.set_num_threads(min(threads, available_threads()))
            kernel(*arguments)
        finally:
            try:
                numba.set_num_threads(before)
            finally:  # once more: Ctrl-C may have come before it was done
                numba.set_num_threads(before)


class Pace:
    """Chooses between all threads and one by the time that steps take.

    Two threads on a machine whose cores are busy wait for each other: a step of microseconds takes milliseconds. The
    bits do not depend on the threads, so a timing may decide. Now and then the other choice gets a few steps to show
    what it can do.
    """

    AGAIN = 16  # runs after which the other choice is tried
    FIRST_TRIAL = 2  # the run with the first trial: a first run may include compilation
    TRIAL = 8  # a trial gets one in so many steps of a run

    def __init__(self, threads: int):
        self.seconds = dict.fromkeys({threads, 1}, 0.0)  # a step's, as last seen; 0 if never
        self.best, self.runs = threads, 0

    def parts(self, steps: int) -> list[tuple[int, int]]:
        """(threads, steps) of the calls that make up a run."""
        other = next((t for t in self.seconds if t != self.best), self.best)
        trial = max(1, steps // self.TRIAL)
        self.runs += 1
        if other == self.best or trial >= steps or self.runs % self.AGAIN != self.FIRST_TRIAL:
            return [(self.best, steps)]
        return [(other, trial), (self.best, steps - trial)]

    def took(self, threads: int, steps: int, seconds: float) -> None:
        """Note what a call took, and choose."""
        self.seconds[threads] = seconds / steps
        if all(self.seconds.values()):
            best = min(self.seconds, key=self.seconds.__getitem__)
            if best != self.best:
                self.best, self.runs = best, 0  # and soon another trial, in case something else disturbed this one
