"""How the kernels are compiled, in one place: the two decorators and the options behind them.

Where results go is decided in fastnet.kernels.cache.
"""

from numba import njit

from fastnet.kernels.cache import use_cache

# Without nnan and ninf, or `isfinite` stops working; without reassoc, or a change of code could change the order of sums.
FASTMATH = frozenset({"contract", "nsz"})
# The default error model tests every division and raises, which keeps loops from being vectorized.
OPTIONS = {"error_model": "numpy", "fastmath": set(FASTMATH), "nogil": True}

# A helper that one thread runs; compiled into the kernels that call it.
serial = njit(**OPTIONS)


def parallel(function):
    """A kernel that splits work among threads, or another entry from Python: compiled once, kept on disk."""
    return use_cache(njit(parallel=True, **OPTIONS)(function))


def entry(function):
    """A serial kernel that is called from Python: compiled once, kept on disk."""
    return use_cache(njit(**OPTIONS)(function))
