"""Copies and sums of blocks of whole vectors."""

from functools import partial

from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.target import CACHE_LINE
from fastnet.kernels.vector.emit import I64, Emit, begin, calls, const, declared, scalar_of


def _block_function(module, scalar, what):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_{what}_{scalar}", [pointer, I64, pointer, I64, I64, I64])


def _block(e, what, target, ld_target, source, ld_source, rows, vectors):
    """Emit the body of `copy_block` or `add_block`."""
    b = e.b

    def row(i, _):
        def vector(j, _):
            column = b.mul(j, const(e.lanes))
            place, value = b.add(b.mul(i, ld_target), column), e.load(source, b.add(b.mul(i, ld_source), column))
            e.store(b.fadd(e.load(target, place), value) if what == "add" else value, target, place)
            return []

        e.loop(const(0), vectors, 1, [], vector, "vector")
        return []

    e.loop(const(0), rows, 1, [], row, "row")
    b.ret_void()


def _sum_function(module, scalar):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_add_rows_{scalar}", [pointer, pointer, I64, I64, I64])


def _sum(e, target, source, ld, rows, vectors):
    """Emit the body of `add_rows`."""
    b = e.b

    def vector(j, _):
        column = b.mul(j, const(e.lanes))

        def row(i, total):
            return [b.fadd(total[0], e.load(source, b.add(b.mul(i, ld), column)))]

        (total,) = e.loop(const(0), rows, 1, [e.load(target, column)], row, "row")
        e.store(total, target, column)
        return []

    e.loop(const(0), vectors, 1, [], vector, "vector")
    b.ret_void()


def define(module, scalar):
    """Add copies and sums to the vector library."""
    for what in ("copy", "add"):
        fn = _block_function(module, scalar, what)
        _block(begin(fn, scalar), what, *fn.args)
    fn = _sum_function(module, scalar)
    _sum(begin(fn, scalar), *fn.args)


@intrinsic
def copy_block(typingctx, target, ld_target, source, ld_source, rows, vectors):
    """target[i] = source[i] for ``rows`` rows of ``vectors`` vectors."""
    n = types.intp
    return types.void(target, n, source, n, n, n), calls(partial(_block_function, what="copy"))


@intrinsic
def add_block(typingctx, target, ld_target, source, ld_source, rows, vectors):
    """target[i] += source[i] for ``rows`` rows of ``vectors`` vectors."""
    n = types.intp
    return types.void(target, n, source, n, n, n), calls(partial(_block_function, what="add"))


@intrinsic
def add_rows(typingctx, target, source, ld, rows, vectors):
    """target += the sum, in order, of ``rows`` rows of ``vectors`` vectors."""
    n = types.intp
    return types.void(target, source, n, n, n), calls(_sum_function)


@intrinsic
def prefetch_block(typingctx, pointer, n):
    """Ask for ``n`` numbers that will be written soon: they arrive while a tile computes."""
    sig = types.void(pointer, types.intp)

    def codegen(context, builder, signature, args):
        pointer, n = args
        e = Emit(builder, scalar_of(context, signature))

        def line(i, _):
            e.prefetch(pointer, i, write=1)
            return []

        e.loop(const(0), n, CACHE_LINE // e.itemsize, [], line, "line")
        return context.get_dummy_value()

    return sig, codegen
