"""The decorators that kernels are compiled with, and the options behind them."""

from numba import njit, typeof

from fastnet.kernels.compile import guards
from fastnet.kernels.compile.cache import use_cache
from fastnet.kernels.compile.linking import entry_compiler, part_compilers
from fastnet.kernels.compile.pieces import PiecedCache, callable_by_name

# Without nnan and ninf, or `isfinite` stops working; without reassoc, or a change of code could change the order of
# sums.
FASTMATH = frozenset({"contract", "nsz"})
# The default error model tests every division and raises, which keeps loops from being vectorized.
OPTIONS = {"error_model": "numpy", "fastmath": set(FASTMATH), "nogil": True}


_part_compiler, _parallel_compiler = part_compilers()
_ENTRY = {"pipeline_class": entry_compiler(), **OPTIONS}
# Helpers have no entry from Python or C: the wrappers would take a fifth of the time that a first run compiles.
_CALLED = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_PART = {"pipeline_class": _part_compiler, **_CALLED, **OPTIONS}

# A helper that one thread runs.
serial = njit(**_PART)

# A helper that splits its work among threads.
parallel = njit(parallel=True, **_PART | {"pipeline_class": _parallel_compiler})

# A helper of a line or two: Numba pastes it into its callers, which saves a tenth of a second of compilation each.
inlined = njit(inline="always", **OPTIONS)


def piece(function, is_rare=False):
    """A large helper that is compiled and kept by itself; see `fastnet.kernels.compile.pieces`."""
    if guards.code_library() is None or not guards.has_cache_hooks():
        return serial(function)
    return callable_by_name(use_cache(njit(**_ENTRY | _CALLED)(function), PiecedCache), is_rare)


def rare_piece(function):
    """A helper that most runs do without. Before a kernel calls it, `want_piece` must have been called."""
    return piece(function, is_rare=True)


def want_piece(called) -> None:
    """Have the code of a rare piece, for kernels compiled or loaded now or later."""
    if hasattr(called, "piece"):
        called.piece.want()


def compile_piece(called, *arguments) -> None:
    """Load a piece, or compile it, for arguments of the types of these."""
    if hasattr(called, "piece"):
        called.piece.make_known(tuple(map(typeof, arguments)))


def entry(function):
    """A kernel that is called from Python: compiled once, kept on disk with all that it calls but its pieces."""
    return use_cache(njit(**_ENTRY)(function), PiecedCache)
