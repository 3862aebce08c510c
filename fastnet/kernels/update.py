"""The optimizers, applied to one block of weights while its gradient is still in L1; copies and sums of blocks."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.functions import (
    ADAM,
    ADAM_LR,
    BETA,
    BETA1,
    BETA2,
    DECAY,
    EPS,
    GAIN,
    L2,
    MOMENTUM,
    N_COEFFICIENTS,
    SGD,
    SGD_LR,
    STEP_GRADIENT,
    STEP_VELOCITY,
)
from fastnet.kernels.lanes import CACHE_LINE, I64, Emit, call_one_of, const, declared


def _sgd(e, g, c, at, first, second):
    return e.b.fmul(c[SGD_LR], g)


def _momentum(e, g, c, at, velocity, second):
    v = e.fma(c[BETA], e.load(velocity, at), e.b.fmul(c[GAIN], g))
    e.store(v, velocity, at)
    return e.fma(c[STEP_VELOCITY], v, e.b.fmul(c[STEP_GRADIENT], g))


def _adam(e, g, c, at, first, second):
    b = e.b
    m = e.fma(c[BETA1], e.load(first, at), b.fmul(c[REST1], g))
    v = e.fma(c[BETA2], e.load(second, at), b.fmul(c[REST2], b.fmul(g, g)))
    e.store(m, first, at)
    e.store(v, second, at)
    root = e.call(f"llvm.sqrt.{e.suffix}", e.vec, v)
    return b.fdiv(b.fmul(c[ADAM_LR], m), b.fadd(root, c[EPS]))


# A row of coefficients as the kernels take it: the driver's, then 1 - beta1 and 1 - beta2, which must be taken before
# rounding (1 - 0.999 in float32 is off by 1e-5).
REST1, REST2 = N_COEFFICIENTS, N_COEFFICIENTS + 1
N_ROW = N_COEFFICIENTS + 2

RULES = {SGD: _sgd, MOMENTUM: _momentum, ADAM: _adam}


def _update_function(module, scalar, rule):
    arguments = [scalar.as_pointer()] * 6 + [I64] * 4
    return declared(module, f"fastnet_update_{scalar}_{rule}", arguments)


def _update(e, rule, w, first, second, squares, g, coefficients, rows, vectors, ld, ldg):
    """Emit the body of `update_block`."""
    b = e.b
    c = [e.splat(b.load(e.gep(coefficients, i))) for i in range(N_ROW)]
    keep = b.fsub(e.constant(1.0), c[DECAY])

    def vector(i, j, total):
        column = b.mul(j, const(e.lanes))
        at = b.add(b.mul(i, ld), column)
        old = e.load(w, at)
        gradient = e.fma(c[L2], old, e.load(g, b.add(b.mul(i, ldg), column)))
        step = RULES[rule](e, gradient, c, at, first, second)
        e.store(b.fsub(b.fmul(old, keep), step), w, at)
        return e.fma(old, old, total)

    def pairs(i, totals):
        """A row, two vectors at a time: one sum of squares alone would wait for itself in each step."""
        even = b.and_(vectors, const(-2))
        totals = e.loop(
            const(0), even, 2, totals, lambda j, t: [vector(i, j, t[0]), vector(i, b.add(j, const(1)), t[1])], "pair"
        )
        last = e.loop(even, vectors, 1, totals[:1], lambda j, t: [vector(i, j, t[0])], "last")
        return [last[0], totals[1]]

    totals = e.loop(const(0), rows, 1, [e.load(squares), e.constant(0.0)], pairs, "row")
    e.store(b.fadd(*totals), squares)
    b.ret_void()


@intrinsic
def update_block(typingctx, W, first, second, squares, g, coefficients, rows, vectors, ld, ldg, rule):
    """One optimisation step on ``rows`` rows of ``vectors`` vectors: W (row stride ld) by the gradient g (row stride
    ldg).

    ``first``, ``second``: the rule's moments, laid out as W; ``coefficients``: a row of N_ROW numbers;
    ``squares``: one vector, to which the squares of the weights before the step are added.
    """
    n = types.intp
    sig = types.void(W, first, second, squares, g, coefficients, n, n, n, n, n)

    def codegen(context, builder, signature, args):
        *operands, rule = args
        scalar = context.get_value_type(signature.args[0].dtype)
        call_one_of(builder, rule, {r: _update_function(builder.module, scalar, r) for r in RULES}, operands)
        return context.get_dummy_value()

    return sig, codegen


def _call_block(what, target, source):
    """Signature of `copy_block` or `add_block`, and code that calls it."""
    n = types.intp

    def codegen(context, builder, signature, args):
        scalar = context.get_value_type(signature.args[0].dtype)
        builder.call(_block_function(builder.module, scalar, what), args)
        return context.get_dummy_value()

    return types.void(target, n, source, n, n, n), codegen


@intrinsic
def copy_block(typingctx, target, ld_target, source, ld_source, rows, vectors):
    """target[i] = source[i] for ``rows`` rows of ``vectors`` vectors."""
    return _call_block("copy", target, source)


@intrinsic
def add_block(typingctx, target, ld_target, source, ld_source, rows, vectors):
    """target[i] += source[i] for ``rows`` rows of ``vectors`` vectors."""
    return _call_block("add", target, source)


@intrinsic
def prefetch_block(typingctx, pointer, n):
    """Ask for ``n`` numbers that will be written soon: they arrive while a tile computes."""
    sig = types.void(pointer, types.intp)

    def codegen(context, builder, signature, args):
        pointer, n = args
        e = Emit(builder, context.get_value_type(signature.args[0].dtype))

        def line(i, _):
            e.prefetch(pointer, i, write=1)
            return []

        e.loop(const(0), n, CACHE_LINE // e.itemsize, [], line, "line")
        return context.get_dummy_value()

    return sig, codegen


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


@intrinsic
def add_rows(typingctx, target, source, ld, rows, vectors):
    """target += the sum, in order, of ``rows`` rows of ``vectors`` vectors."""
    n = types.intp
    sig = types.void(target, source, n, n, n)

    def codegen(context, builder, signature, args):
        builder.call(_add_function(builder.module, context.get_value_type(signature.args[0].dtype)), args)
        return context.get_dummy_value()

    return sig, codegen


def _add_function(module, scalar):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_add_rows_{scalar}", [pointer, pointer, I64, I64, I64])


def _add(e, target, source, ld, rows, vectors):
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
    """Add the update of every rule, copies and sums of blocks to the vector library."""
    for rule in RULES:
        fn = _update_function(module, scalar, rule)
        _update(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), rule, *fn.args)
    for what in ("copy", "add"):
        fn = _block_function(module, scalar, what)
        _block(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), what, *fn.args)
    fn = _add_function(module, scalar)
    _add(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), *fn.args)
