"""Pointers into arrays, for loops that LLVM can vectorize: no bounds, no wraparound of negative indices."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.jit import inlined
from fastnet.kernels.compile.target import CACHE_LINE, lanes_of
from fastnet.kernels.vector.emit import I8, Emit, const
from fastnet.kernels.vector.tile import NV


@intrinsic
def at(typingctx, array, offset):
    """Pointer to ``array.ravel()[offset]`` of a contiguous array."""
    sig = types.CPointer(array.dtype)(array, types.intp)

    def codegen(context, builder, signature, args):
        return builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])

    return sig, codegen


@intrinsic
def plus(typingctx, pointer, offset):
    """Pointer arithmetic: ``pointer + offset`` elements."""
    sig = pointer(pointer, types.intp)

    def codegen(context, builder, signature, args):
        return builder.gep(args[0], [args[1]])

    return sig, codegen


@intrinsic
def lanes(typingctx, numbers):
    """How many elements of ``numbers``, an array or a pointer, fill a vector register: a compile-time constant."""
    sig = types.intp(numbers)

    def codegen(context, builder, signature, args):
        return const(lanes_of(signature.args[0].dtype.bitwidth // 8))

    return sig, codegen


@inlined
def panel_width(numbers):
    """Columns of a panel: NV vectors."""
    return NV * lanes(numbers)


@intrinsic
def prefetch(typingctx, pointer, n):
    """Ask for the cache lines of ``n`` elements that will be read soon."""
    sig = types.void(pointer, types.intp)

    def codegen(context, builder, signature, args):
        pointer, n = args
        itemsize = signature.args[0].dtype.bitwidth // 8
        e = Emit(builder, ir.FloatType())
        base = builder.bitcast(pointer, I8.as_pointer())

        def line(i, _):
            e.prefetch(base, i)
            return []

        e.loop(const(0), builder.mul(n, const(itemsize)), CACHE_LINE, [], line, "line")
        return context.get_dummy_value()

    return sig, codegen
