"""The optimizers, applied to one block of weights while its gradient is still in L1.

A new optimizer gets a code and up to four coefficients in fastnet.functions, an entry in RULES, and a case in
step/gradient_norm.py.
"""

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
from fastnet.kernels.compile.target import FEATURES, VECTOR_BYTES, estimates
from fastnet.kernels.vector.emit import I16, I64, begin, calls_one_of, const, declared


def _sgd(e, g, c, at, first, second):
    return e.b.fmul(c[SGD_LR], g)


def _momentum(e, g, c, at, velocity, second):
    v = e.fma(c[BETA], e.load(velocity, at), e.b.fmul(c[GAIN], g))
    e.store(v, velocity, at)
    return e.fma(c[STEP_VELOCITY], v, e.b.fmul(c[STEP_GRADIENT], g))


ESTIMATES = estimates(FEATURES, VECTOR_BYTES)
SMALLEST, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127  # of the normal float32


def _estimate(e, name, x):
    """A function of x to 14 bits."""
    return e.call(f"llvm.x86.avx512.{name}14.ps.512", e.vec, x, e.constant(0.0), ir.Constant(I16, -1))


def _over_root(e, x, v, eps):
    """x / (sqrt(v) + eps).

    AVX-512 takes 22 cycles to divide and to take roots, 8 to estimate and to improve both by a step of Newton's method,
    to 2 units in the last place (784-30 weights: 12.5 us, 8.7 so). There zero counts as the smallest number, infinity
    as the largest, or their products with the estimate would be NaN. NaN stays NaN.
    """
    b = e.b
    if not ESTIMATES or e.itemsize != 4:
        root = e.call(f"llvm.sqrt.{e.suffix}", e.vec, v)
        return b.fdiv(x, b.fadd(root, eps))
    for order, bound in (("<", SMALLEST), (">", LARGEST)):
        v = b.select(b.fcmp_ordered(order, v, e.constant(bound)), e.constant(bound), v)
    inverse = _estimate(e, "rsqrt", v)
    root, half = b.fmul(v, inverse), b.fmul(inverse, e.constant(0.5))
    root = e.fma(root, e.fma(b.fneg(root), half, e.constant(0.5)), root)
    divisor = b.fadd(root, eps)
    inverse = _estimate(e, "rcp", divisor)
    inverse = e.fma(inverse, e.fma(b.fneg(divisor), inverse, e.constant(1.0)), inverse)
    return b.fmul(x, inverse)


def _adam(e, g, c, at, first, second):
    b = e.b
    m = e.fma(c[BETA1], e.load(first, at), b.fmul(c[REST1], g))
    v = e.fma(c[BETA2], e.load(second, at), b.fmul(c[REST2], b.fmul(g, g)))
    e.store(m, first, at)
    e.store(v, second, at)
    return _over_root(e, b.fmul(c[ADAM_LR], m), v, c[EPS])


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


# Eleven arguments: a micro-kernel takes pointers and numbers, which LLVM keeps in registers.


@intrinsic
def update_block(typingctx, W, first, second, squares, g, coefficients, rows, vectors, ld, ldg, rule):
    """One optimisation step on ``rows`` rows of ``vectors`` vectors: W (row stride ld) by the gradient g (row stride
    ldg).

    ``first``, ``second``: the rule's moments, laid out as W; ``coefficients``: a row of N_ROW numbers;
    ``squares``: one vector, to which the squares of the weights before the step are added.
    """
    n = types.intp
    sig = types.void(W, first, second, squares, g, coefficients, n, n, n, n, n)
    return sig, calls_one_of(_update_function, [(rule,) for rule in RULES])


def define(module, scalar):
    """Add the update of every rule to the vector library."""
    for rule in RULES:
        fn = _update_function(module, scalar, rule)
        _update(begin(fn, scalar), rule, *fn.args)
