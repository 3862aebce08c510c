"""How the kernels are compiled, in one place: the two decorators and the options behind them.

Where results go is decided in fastnet.kernels.cache.
"""

from numba import njit

from fastnet.kernels.cache import use_cache

# Without nnan and ninf, or `isfinite` stops working; without reassoc, or a change of code could change the order of
# sums.
FASTMATH = frozenset({"contract", "nsz"})
# The default error model tests every division and raises, which keeps loops from being vectorized.
OPTIONS = {"error_model": "numpy", "fastmath": set(FASTMATH), "nogil": True}

# A helper that one thread runs; compiled into the kernels that call it.
# No entry from Python or C: the wrappers would take a fifth of the time that a first run compiles.
serial = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)


# The same for a line or two: Numba pastes it into its callers, which spares a tenth of a second of compilation each.
inlined = njit(inline="always", **OPTIONS)


def parallel_entry(function):
    """A kernel that is called from Python and splits its work among threads: compiled once, kept on disk."""
    return use_cache(njit(parallel=True, **OPTIONS)(function))


def entry(function):
    """A kernel that is called from Python: compiled once, kept on disk with all that it calls."""
    return use_cache(njit(**OPTIONS)(function))
