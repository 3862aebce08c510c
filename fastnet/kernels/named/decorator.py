"""How the named kernels are compiled, kept and split among Numba's threads."""

from functools import wraps

import numba
from llvmlite import ir
from numba import njit, types
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic

from fastnet.kernels.compile import guards
from fastnet.kernels.compile.cache import KernelCache, use_cache
from fastnet.kernels.compile.jit import OPTIONS
from fastnet.kernels.vector import library
from fastnet.kernels.vector.emit import I32, I64

LINE = 64  # parts of a flat vector start at a multiple of this, so that only the last one ends inside a vector


class _LibraryCache(KernelCache):
    """The cache of a named kernel: before one is compiled or loaded, the vector library that it calls is."""

    def load_overload(self, sig, target_context):
        library.load(normalize_signature(sig)[0][0].dtype.name)
        return super().load_overload(sig, target_context)


def named_kernel(function):
    """A named kernel: compiled on first use for each dtype, kept on disk."""
    dispatcher = use_cache(njit(parallel=True, **OPTIONS)(function), _LibraryCache)
    if guards.has_cache_hooks():
        return dispatcher

    @wraps(function)
    def with_library(out, *arguments):
        library.load(out.dtype)
        return dispatcher(out, *arguments)

    return with_library


def _any_threads():
    return numba.get_num_threads()


@intrinsic
def current_threads(typingctx):
    """``numba.get_num_threads()``, by name: what Numba compiles for it holds an address that a cache cannot keep."""

    def codegen(context, builder, signature, args):
        if not guards.has_thread_symbol():
            return context.compile_internal(builder, _any_threads, signature, args)
        module, name = builder.module, "get_num_threads"
        function = module.globals.get(name) or ir.Function(module, ir.FunctionType(I64, []), name)
        return builder.sext(builder.trunc(builder.call(function, []), I32), I64)  # a C int, declared as Numba does

    return types.intp(), codegen
