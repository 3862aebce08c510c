"""The optimizers, applied to one block of weights while its gradient is still in L1; and the transpose of a block."""

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
from fastnet.kernels.lanes import CACHE_LINE, I32, I64, Emit, const, local_function


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
    pointer = scalar.as_pointer()
    arguments = [pointer] * 6 + [I64] * 4
    fn, new = local_function(module, f"fastnet_update_{scalar}_{rule}", arguments)
    if not new:
        return fn
    w, first, second, squares, g, coefficients, rows, vectors, ld, ldg = fn.args
    e = Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar)
    b = e.b
    c = [e.splat(b.load(e.gep(coefficients, i))) for i in range(N_ROW)]
    keep = b.fsub(e.constant(1.0), c[DECAY])

    def row(i, total):
        start, start_g = b.mul(i, ld), b.mul(i, ldg)

        def vector(j, total):
            column = b.mul(j, const(e.lanes))
            at = b.add(start, column)
            old = e.load(w, at)
            gradient = e.fma(c[L2], old, e.load(g, b.add(start_g, column)))
            step = RULES[rule](e, gradient, c, at, first, second)
            e.store(b.fsub(b.fmul(old, keep), step), w, at)
            return [e.fma(old, old, total[0])]

        return e.loop(const(0), vectors, 1, total, vector, "vector")

    (total,) = e.loop(const(0), rows, 1, [e.load(squares)], row, "row")
    e.store(total, squares)
    b.ret_void()
    return fn


@intrinsic
def update_block(typingctx, W, first, second, squares, g, coefficients, rows, vectors, ld, ldg, rule):
    """One optimisation step on ``rows`` rows of ``vectors`` vectors: W (row stride ld) by the gradient g (row stride ldg).

    ``first``, ``second``: the rule's moments, laid out as W; ``coefficients``: a row of N_ROW numbers;
    ``squares``: one vector, to which the squares of the weights before the step are added.
    """
    n = types.intp
    sig = types.void(W, first, second, squares, g, coefficients, n, n, n, n, n)

    def codegen(context, builder, signature, args):
        *operands, rule = args
        scalar = context.get_value_type(signature.args[0].dtype)
        done = builder.function.append_basic_block("updated")
        switch = builder.switch(rule, done)
        for code in RULES:
            block = builder.function.append_basic_block(f"rule_{code}")
            switch.add_case(const(code), block)
            builder.position_at_end(block)
            builder.call(_update_function(builder.module, scalar, code), operands)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return sig, codegen


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


def _transpose_function(module, scalar):
    pointer = scalar.as_pointer()
    fn, new = local_function(module, f"fastnet_transpose_{scalar}", [pointer, pointer, I64])
    if not new:
        return fn
    dst, src, ld = fn.args
    e = Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar)
    b, n = e.b, e.lanes
    half = [[v for i in range(h, h + n // 2) for v in (i, n + i)] for h in (0, n // 2)]
    low, high = (ir.Constant(ir.VectorType(I32, n), lanes) for lanes in half)
    rows = [e.load(src, b.mul(const(i), ld)) for i in range(n)]
    for _ in range(n.bit_length() - 1):
        rows = [b.shuffle_vector(rows[i], rows[i + n // 2], part) for i in range(n // 2) for part in (low, high)]
    for i in range(n):
        e.store(rows[i], dst, b.mul(const(i), ld))
    b.ret_void()
    return fn


@intrinsic
def transpose_square(typingctx, dst, src, ld):
    """dst[j * ld + i] = src[i * ld + j] for i, j < lanes: log2(lanes) rounds of interleaving, in registers."""
    sig = types.void(dst, src, types.intp)

    def codegen(context, builder, signature, args):
        scalar = context.get_value_type(signature.args[0].dtype)
        builder.call(_transpose_function(builder.module, scalar), args)
        return context.get_dummy_value()

    return sig, codegen
