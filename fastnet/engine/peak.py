"""The machine's FMA peak: what chains of fused multiply-adds that touch no memory reach."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fastnet.kernels.compile import cache, guards
from fastnet.kernels.compile.target import lanes_of
from fastnet.kernels.vector.chain import CHAINS, run_chain
from fastnet.machine import processor

BURST = 0.02  # seconds of one measurement on one thread
GLANCE, GLANCES = 0.004, 8  # the same for `best_known`: where cores are busy, some of many short bursts get them


class Peak:
    """Bursts of FMAs on a number of threads at once. ``run()`` does ``flops`` floating-point operations."""

    def __init__(self, dtype, threads: int, burst: float = BURST):
        self.dtype, self.threads = np.dtype(dtype), threads
        self._pool = ThreadPoolExecutor(threads)
        self._start = self.dtype.type(1)
        run_chain(self._start, 1)
        self.n = 10_000
        while (seconds := self._seconds()) < burst / 4:
            self.n *= 4
        self.n = max(1, int(self.n * burst / seconds))
        self.flops = 2.0 * lanes_of(self.dtype.itemsize) * CHAINS * self.n * threads

    def _seconds(self) -> float:
        start = time.perf_counter()
        run_chain(self._start, self.n)
        return time.perf_counter() - start

    def run(self) -> None:
        """One burst on all threads."""
        list(self._pool.map(lambda _: run_chain(self._start, self.n), range(self.threads)))

    def best(self, bursts: int) -> float:
        """FLOP/s of the best of some bursts."""
        seconds = float("inf")
        for _ in range(bursts):
            start = time.perf_counter()
            self.run()
            seconds = min(seconds, time.perf_counter() - start)
        return self.flops / seconds


def best_known(dtype, threads: int) -> float:
    """FLOP/s: the best of some short bursts, 0.05 s in all, and of what earlier calls found on this machine.

    Other programs on the cores make a measurement too low and never too high, so the largest counts. It is kept beside
    the compiled kernels.
    """
    name = "peak-" + cache.key(processor()["cpu"], guards.target(), np.dtype(dtype).name, threads)
    kept = float(cache.read(name) or 0)
    found = Peak(dtype, threads, GLANCE).best(GLANCES)
    if found > kept:
        cache.write(name, repr(found).encode())
    return max(found, kept)
