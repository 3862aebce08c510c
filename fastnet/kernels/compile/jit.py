"""The decorators that kernels are compiled with, and the options behind them."""

from numba import njit, typeof
from numba.core.compiler import Compiler

from fastnet.kernels.compile import guards
from fastnet.kernels.compile.cache import use_cache
from fastnet.kernels.compile.pieces import PiecedCache, callable_by_name, make_known

# Without nnan and ninf, or `isfinite` stops working; without reassoc, or a change of code could change the order of
# sums.
FASTMATH = frozenset({"contract", "nsz"})
# The default error model tests every division and raises, which keeps loops from being vectorized.
OPTIONS = {"error_model": "numpy", "fastmath": set(FASTMATH), "nogil": True}


def _with_library(library_class: type) -> type[Compiler]:
    """A compiler that puts the code of a function into a library of this class."""

    class LibraryCompiler(Compiler):
        def __init__(self, *args, **settings):
            super().__init__(*args, **settings)
            if self.state["library"] is None:
                library = library_class(self.state.targetctx.codegen(), "fastnet")
                library.enable_object_caching()  # as Numba does with one that it makes
                self.state["library"] = library

    return LibraryCompiler


def _entry_compiler() -> type[Compiler]:
    """The compiler of kernels and pieces, which may call pieces by name."""
    code_library = guards.code_library()
    if code_library is None:
        return Compiler

    class EntryLibrary(code_library):  # type: ignore[misc, valid-type]
        def _finalize_final_module(self):
            make_known(self._final_module)
            super()._finalize_final_module()

    return _with_library(EntryLibrary)


def _part_compilers() -> tuple[type[Compiler], type[Compiler]]:
    """The compilers of serial and of parallel helpers, whose code is only linked into other code.

    That code is optimized and translated once, where it is linked, not again at each level of the call tree:
    all of a training compiles in 6.7 s, with Numba's own compiler in 9.4 s. Numba puts three more such levels between a
    parallel helper and its loop. Without them a slower machine compiles in 11 s, not 17.
    """
    code_library = guards.code_library()
    if code_library is None:
        return Compiler, Compiler

    class PartLibrary(code_library):  # type: ignore[misc, valid-type]
        def _optimize_final_module(self):
            pass

        def _finalize_final_module(self):
            self._finalize_dynamic_globals()
            self._verify_declare_only_symbols()
            self._finalized = True

        @property
        def codegen(self):
            """Numba gives the addresses of environments to this object: `set_env` below."""
            return self

        def set_env(self, env_name, env):
            """Nothing to do: a helper has no Python objects, and without machine code no place for their address."""

    PartCompiler = _with_library(PartLibrary)

    class ParallelCompiler(PartCompiler):  # type: ignore[misc, valid-type]
        def _compile_core(self):
            """Have the loop's functions, too, made as parts."""
            codegen = self.state.targetctx.codegen()
            before = codegen._library_class
            codegen._library_class = PartLibrary
            try:
                return super()._compile_core()
            finally:
                codegen._library_class = before

    return PartCompiler, ParallelCompiler


_part_compiler, _parallel_compiler = _part_compilers()
_ENTRY = {"pipeline_class": _entry_compiler(), **OPTIONS}
# Helpers have no entry from Python or C: the wrappers would take a fifth of the time that a first run compiles.
_CALLED = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_PART = {"pipeline_class": _part_compiler, **_CALLED, **OPTIONS}

# A helper that one thread runs.
serial = njit(**_PART)

# A helper that splits its work among threads.
parallel = njit(parallel=True, **_PART | {"pipeline_class": _parallel_compiler})

# A helper of a line or two: Numba pastes it into its callers, which saves a tenth of a second of compilation each.
inlined = njit(inline="always", **OPTIONS)


def piece(function):
    """A large helper that is compiled and kept by itself; see `fastnet.kernels.compile.pieces`."""
    if guards.code_library() is None or not guards.has_cache_hooks():
        return serial(function)
    return callable_by_name(use_cache(njit(**_ENTRY | _CALLED)(function), PiecedCache))


def compile_piece(called, *arguments) -> None:
    """Load a piece, or compile it, for arguments of the types of these."""
    if hasattr(called, "piece"):
        called.piece.make_known(tuple(map(typeof, arguments)))


def entry(function):
    """A kernel that is called from Python: compiled once, kept on disk with all that it calls but its pieces."""
    return use_cache(njit(**_ENTRY)(function), PiecedCache)
