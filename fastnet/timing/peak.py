"""The machine's FMA peak: what a chain of fused multiply-adds that touches no memory reaches."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnet.kernels.compile.target import REGISTERS, lanes_of
from fastnet.kernels.vector.emit import I32, Emit, const

# Independent chains: units times latency is 8 on x86 and 16 on the widest ARM cores.
CHAINS = REGISTERS * 3 // 4
BURST = 0.02  # seconds of one measurement on one thread


@intrinsic
def fma_chain(typingctx, x, n):
    """``n`` times CHAINS vector FMAs that start at ``x``; what they add up to keeps the compiler honest."""
    sig = x(x, types.intp)

    def codegen(context, builder, signature, args):
        start, n = args
        e = Emit(builder, context.get_value_type(signature.args[0]))
        factor, term = e.constant(1 - 2**-10), e.constant(2**-10)  # stays near 1: no denormals, no infinities
        values = [e.fma(e.splat(start), e.constant(1.0 + i), term) for i in range(CHAINS)]
        values = e.loop(const(0), n, 1, values, lambda i, chain: [e.fma(v, factor, term) for v in chain], "chain")
        total = values[0]
        for value in values[1:]:
            total = builder.fadd(total, value)
        return builder.extract_element(total, ir.Constant(I32, 0))

    return sig, codegen


@njit(nogil=True)
def _chain(x, n):
    return fma_chain(x, n)


class Peak:
    """Bursts of FMAs on a number of threads at once. ``run()`` does ``flops`` floating-point operations."""

    def __init__(self, dtype, threads: int):
        self.dtype, self.threads = np.dtype(dtype), threads
        self._pool = ThreadPoolExecutor(threads)
        self._start = self.dtype.type(1)
        _chain(self._start, 1)
        self.n = 10_000
        while (seconds := self._seconds()) < BURST / 4:
            self.n *= 4
        self.n = max(1, int(self.n * BURST / seconds))
        self.flops = 2.0 * lanes_of(self.dtype.itemsize) * CHAINS * self.n * threads

    def _seconds(self) -> float:
        start = time.perf_counter()
        _chain(self._start, self.n)
        return time.perf_counter() - start

    def run(self) -> None:
        """One burst on all threads."""
        list(self._pool.map(lambda _: _chain(self._start, self.n), range(self.threads)))


def measure(dtype, threads: int, bursts: int = 12) -> float:
    """FLOP/s of the best of some bursts."""
    peak, best = Peak(dtype, threads), float("inf")
    for _ in range(bursts):
        start = time.perf_counter()
        peak.run()
        best = min(best, time.perf_counter() - start)
    return peak.flops / best
