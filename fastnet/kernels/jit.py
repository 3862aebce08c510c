"""How the kernels are compiled, in one place: the decorators and the options behind them.

Where results go is decided in fastnet.kernels.cache.
"""

from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from fastnet.kernels.cache import use_cache

# Without nnan and ninf, or `isfinite` stops working; without reassoc, or a change of code could change the order of
# sums.
FASTMATH = frozenset({"contract", "nsz"})
# The default error model tests every division and raises, which keeps loops from being vectorized.
OPTIONS = {"error_model": "numpy", "fastmath": set(FASTMATH), "nogil": True}


class _PartLibrary(JITCodeLibrary):
    """Code that is only linked into other code: it is optimized and translated there, once, and not by itself at each
    level of the call tree (`train_steps` compiles in 6.7 s, before in 9.4 s).
    """

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    @property
    def codegen(self):
        """What Numba gives the addresses of environments to: `set_env` below."""
        return self

    def set_env(self, env_name, env):
        """Nothing to do: a part has no Python objects, and without machine code no place for their address."""


class _PartCompiler(Compiler):
    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        if self.state["library"] is None:
            self.state["library"] = _PartLibrary(self.state.targetctx.codegen(), "fastnet")


# A helper that one thread runs; compiled into the kernels that call it.
# No entry from Python or C: the wrappers would take a fifth of the time that a first run compiles.
serial = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_PartCompiler, **OPTIONS)


# The same for a line or two: Numba pastes it into its callers, which spares a tenth of a second of compilation each.
inlined = njit(inline="always", **OPTIONS)


# A helper that splits its work among threads.
parallel = njit(parallel=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_PartCompiler, **OPTIONS)


def parallel_entry(function):
    """A kernel that is called from Python and splits its work among threads: compiled once, kept on disk."""
    return use_cache(njit(parallel=True, **OPTIONS)(function))


def entry(function):
    """A kernel that is called from Python: compiled once, kept on disk with all that it calls."""
    return use_cache(njit(**OPTIONS)(function))
