"""The optimizers, applied to one block of weights while its gradient is still in L1.

A new optimizer gets a code and up to four coefficients in fastnet.functions, and an entry in RULES.
"""

from functools import partial, reduce
from itertools import product

import numpy as np
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
from fastnet.kernels.compile.target import REGISTERS
from fastnet.kernels.vector.emit import I64, begin, calls_one_of, const, declared
from fastnet.kernels.vector.tile import NV


def _sgd(e, kept, g, c, at, first, second, plain):
    return e.fma(e.b.fneg(c[SGD_LR]), g, kept)


def _momentum(e, kept, g, c, at, velocity, second, plain):
    v = e.fma(c[BETA], e.load(velocity, at), e.b.fmul(c[GAIN], g))
    e.store(v, velocity, at)
    return e.fma(e.b.fneg(c[STEP_VELOCITY]), v, e.fma(e.b.fneg(c[STEP_GRADIENT]), g, kept))


SMALLEST = 2.0**-126  # of the normal float32


def _less_over_root(e, kept, x, v, eps):
    """kept - x / (sqrt(v) + eps), for v from 0 to the largest number, or NaN.

    AVX-512 takes 22 cycles to divide and to take roots, 8 to estimate and to improve both by a step of Newton's method,
    to 2 units in the last place (784-30 weights: 12.5 us, 8.7 so). There zero counts as the smallest number, or its
    product with the estimate would be NaN.
    """
    b = e.b
    if not e.estimates:
        root = e.call(f"llvm.sqrt.{e.suffix}", e.vec, v)
        return b.fsub(kept, b.fdiv(x, b.fadd(root, eps)))
    v = b.select(b.fcmp_ordered("<", v, e.constant(SMALLEST)), e.constant(SMALLEST), v)
    inverse = e.estimate("rsqrt", v)
    root, half = b.fmul(v, inverse), b.fmul(inverse, e.constant(0.5))
    root = e.fma(root, e.fma(b.fneg(root), half, e.constant(0.5)), root)
    return e.fma(b.fneg(x), e.reciprocal(b.fadd(root, eps)), kept)


def _second_moment(e, v, g, c, plain):
    """beta2 v + (1 - beta2) g^2; for plain coefficients by an operation less, which cancels where beta2 is small."""
    b = e.b
    if plain:
        return e.fma(c[REST2], e.fma(g, g, b.fneg(v)), v)
    return e.fma(c[BETA2], v, b.fmul(c[REST2], b.fmul(g, g)))


def _adam(e, kept, g, c, at, first, second, plain):
    b, largest = e.b, e.constant(float(np.finfo(f"f{e.itemsize}").max))
    m = e.fma(c[BETA1], e.load(first, at), b.fmul(c[REST1], g))
    v = _second_moment(e, e.load(second, at), g, c, plain)
    # Infinity counts as the largest number, also where it has become NaN. NaN of g shows in m.
    v = b.select(b.fcmp_unordered(">", v, largest), largest, v)
    e.store(m, first, at)
    e.store(v, second, at)
    return _less_over_root(e, kept, b.fmul(c[ADAM_LR], m), v, c[EPS])


# A row of coefficients as the kernels take it: the driver's, then 1 - beta1 and 1 - beta2, which must be taken before
# rounding (1 - 0.999 in float32 is off by 1e-5), then what the gradient is multiplied by: 1, or less where it is held
# to a largest norm.
REST1, REST2, SHRINK = range(N_COEFFICIENTS, N_COEFFICIENTS + 3)
N_ROW = N_COEFFICIENTS + 3
LEAST_BETA2 = 0.5  # of plain coefficients

RULES = {SGD: _sgd, MOMENTUM: _momentum, ADAM: _adam}


def _coefficients(e, row):
    """Splat of each number of a row of coefficients."""
    return [e.splat(e.b.load(e.gep(row, i))) for i in range(N_ROW)]


def is_plain(e, rule, row):
    """Whether a row of coefficients has no L2 and no decay, leaves the gradient as it is, and has no small beta2."""
    usual = [("==", L2, 0.0), ("==", DECAY, 0.0), ("==", SHRINK, 1.0), (">=", BETA2, LEAST_BETA2)]
    compared = [
        e.b.fcmp_ordered(how, e.b.load(e.gep(row, i)), ir.Constant(e.scalar, x))
        for how, i, x in usual[: 4 if rule == ADAM else 3]
    ]
    return reduce(e.b.and_, compared)


def _step(e, rule, c, w, first, second, at, g):
    """Emit the step of one vector of weights, w[at], by the gradient g, where the coefficients are plain."""
    e.store(RULES[rule](e, e.load(w, at), g, c, at, first, second, True), w, at)


def _full_step(e, rule, c, w, first, second, at, g, total):
    """The same with any coefficients; gives total + the squares of the weights before it."""
    b, old = e.b, e.load(w, at)
    kept, g = b.fmul(old, b.fsub(e.constant(1.0), c[DECAY])), b.fmul(c[SHRINK], e.fma(c[L2], old, g))
    e.store(RULES[rule](e, kept, g, c, at, first, second, False), w, at)
    return e.fma(old, old, total)


def _update_function(module, scalar, rule):
    arguments = [scalar.as_pointer()] * 6 + [I64] * 4
    return declared(module, f"fastnet_update_{scalar}_{rule}", arguments)


def _update(e, rule, w, first, second, squares, g, coefficients, rows, vectors, ld, ldg):
    """Emit the body of `update_block`."""
    b, c = e.b, _coefficients(e, coefficients)

    def vector(plain, i, j, total):
        column = b.mul(j, const(e.lanes))
        at, gradient = b.add(b.mul(i, ld), column), e.load(g, b.add(b.mul(i, ldg), column))
        if plain:
            _step(e, rule, c, w, first, second, at, gradient)
            return total
        return _full_step(e, rule, c, w, first, second, at, gradient, total)

    def pairs(plain, i, totals):
        """A row, two vectors at a time: one sum of squares alone would wait for itself in each step."""
        one = partial(vector, plain, i)
        even = b.and_(vectors, const(-2))
        totals = e.loop(const(0), even, 2, totals, lambda j, t: [one(j, t[0]), one(b.add(j, const(1)), t[1])], "pair")
        last = e.loop(even, vectors, 1, totals[:1], lambda j, t: [one(j, t[0])], "last")
        return [last[0], totals[1]]

    def all_rows(plain):
        totals = e.loop(const(0), rows, 1, [e.load(squares), e.constant(0.0)], partial(pairs, plain), "row")
        e.store(b.fadd(*totals), squares)

    # Three operations fewer for each vector: Adam on 784-30 weights takes 7.7 us in place of 9.0.
    e.either(is_plain(e, rule, coefficients), all_rows)


# Eleven arguments: a micro-kernel takes pointers and numbers, which LLVM keeps in registers.


@intrinsic
def update_block(typingctx, W, first, second, squares, g, coefficients, rows, vectors, ld, ldg, rule):
    """One optimisation step on ``rows`` rows of ``vectors`` vectors: W (row stride ld) by the gradient g (row stride
    ldg).

    ``first``, ``second``: the rule's moments, laid out as W; ``coefficients``: a row of N_ROW numbers;
    ``squares``: one vector, to which the squares of the weights before the step are added, unless the
    coefficients are plain (`is_plain`).
    """
    n = types.intp
    sig = types.void(W, first, second, squares, g, coefficients, n, n, n, n, n)
    return sig, calls_one_of(_update_function, [(rule,) for rule in RULES])


TILE = 8 if REGISTERS == 32 else 4  # rows of weights whose gradient, NV vectors wide, is held in registers
TILES = [(rule, vectors) for rule in RULES for vectors in range(1, NV + 1)]


def _tile_function(module, scalar, rule, vectors):
    pointer = scalar.as_pointer()
    arguments = [pointer] * 4 + [I64, pointer, I64, pointer, I64]
    return declared(module, f"fastnet_update_tiles_{scalar}_{rule}x{vectors}", arguments)


def _tiles(e, rule, vectors, w, first, second, a, lda, delta, n, coefficients, rows):
    """Emit the body of `update_tiles`."""
    b, c, width = e.b, _coefficients(e, coefficients), NV * e.lanes

    def tile(height, i, _):
        def sample(k, sums):
            a_k, delta_k = e.gep(a, b.add(b.mul(k, lda), i)), e.gep(delta, b.mul(k, const(width)))
            columns = [e.load(delta_k, j * e.lanes) for j in range(vectors)]
            factors = [e.splat(b.load(e.gep(a_k, r))) for r in range(height)]
            return [e.fma(x, y, s) for (x, y), s in zip(product(factors, columns), sums, strict=True)]

        gradient = e.loop(const(0), n, 1, [e.constant(0.0)] * (height * vectors), sample, "sample")
        for (r, j), g in zip(product(range(height), range(vectors)), gradient, strict=True):
            at = b.add(b.mul(b.add(i, const(r)), const(width)), const(j * e.lanes))
            _step(e, rule, c, w, first, second, at, g)
        return []

    whole = b.and_(rows, const(-TILE))
    e.loop(const(0), whole, TILE, [], partial(tile, TILE), "tile")
    e.loop(whole, rows, 1, [], partial(tile, 1), "row")
    b.ret_void()


@intrinsic
def update_tiles(typingctx, W, first, second, A, lda, delta, n, coefficients, rows, rule, vectors):
    """One optimisation step on ``rows`` rows of a panel of W, up to NV vectors wide, with the gradient A^T delta of n
    samples, which never leaves the registers. The coefficients must be plain (`is_plain`).

    A[k * lda + i] : what enters row i of W in sample k. delta : panel of the samples' deltas. The rest is as for
    `update_block`.
    """
    i = types.intp
    sig = types.void(W, first, second, A, i, delta, i, coefficients, i, i, i)
    return sig, calls_one_of(_tile_function, TILES)


def define(module, scalar):
    """Add the updates of every rule to the vector library."""
    families = (_update_function, _update, [(rule,) for rule in RULES]), (_tile_function, _tiles, TILES)
    for function, body, shapes in families:
        for shape in shapes:
            fn = function(module, scalar, *shape)
            body(begin(fn, scalar), *shape, *fn.args)
