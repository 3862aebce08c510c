"""Products and elementwise work on plain arrays, whose rows are not padded to whole vectors.

The micro-kernels want whole vectors. So a product packs a block of its right operand into scratch on the stack, and
computes tiles at the right edge there. Elementwise work takes contiguous numbers as rows of one vector each and passes
the last few through scratch. Pointers throughout, so that LLVM can vectorize the loops.
"""

from typing import NamedTuple

from llvmlite import ir
from numba import carray, types
from numba.core.cgutils import alloca_once, memset, raw_memcpy
from numba.extending import intrinsic

from fastnet.kernels.compile.jit import inlined, serial
from fastnet.kernels.vector.activations import activate, derivative
from fastnet.kernels.vector.emit import Emit, const, scalar_of
from fastnet.kernels.vector.optimizers import N_ROW, update_block
from fastnet.kernels.vector.pointers import lanes, panel_width, plus
from fastnet.kernels.vector.shapes import tile_height
from fastnet.kernels.vector.tile import MR, NV, tile_columns, tile_rows

DEPTH = 128  # rows of the right operand that are packed at a time: two vectors wide, 16 kB with 16 lanes, half of an L1


def _stack(vectors):
    @intrinsic
    def stack(typingctx, like):
        def codegen(context, builder, signature, args):
            e = Emit(builder, scalar_of(context, signature))
            room = alloca_once(builder, e.vec, size=vectors)
            return builder.bitcast(room, ir.PointerType(e.scalar))

        return types.CPointer(like.dtype)(like), codegen

    return stack


# Uninitialised vectors of the type that the argument points to; gone when the function returns.
product_scratch = _stack((DEPTH + MR) * NV)
vector_scratch = _stack(N_ROW)  # a row of coefficients fits in, too


@intrinsic
def copy(typingctx, target, source, n):
    """target = source, n numbers that do not overlap: a call, where a loop would be compiled anew in every caller."""

    def codegen(context, builder, signature, args):
        target, source, n = args
        itemsize = signature.args[0].dtype.bitwidth // 8
        raw_memcpy(builder, target, source, n, itemsize)
        return context.get_dummy_value()

    return types.void(target, source, types.intp), codegen


@intrinsic
def zero(typingctx, target, n):
    """target = 0, n numbers."""

    def codegen(context, builder, signature, args):
        itemsize = signature.args[0].dtype.bitwidth // 8
        memset(builder, args[0], builder.mul(args[1], const(itemsize)), 0)
        return context.get_dummy_value()

    return types.void(target, types.intp), codegen


@inlined
def pad(target, source, n, room):
    """target = the n numbers of source, then zeros up to ``room``."""
    copy(target, source, n)
    zero(plus(target, n), room - n)


class Strided(NamedTuple):
    """A matrix: element [i, j] is at i * ld + j, or at j * ld + i if ``transposed``."""

    pointer: object
    ld: int
    transposed: bool


@inlined
def place_in(matrix, i, j):
    """Pointer to element [i, j]."""
    return plus(matrix.pointer, j * matrix.ld + i if matrix.transposed else i * matrix.ld + j)


@serial
def pack(panel, B, start, depth, columns):
    """panel[k] = B[start[0] + k], from column start[1] on, for k < depth; zeros from ``columns`` on."""
    width, (k0, j0) = panel_width(panel), start
    if not B.transposed:
        for k in range(depth):
            pad(plus(panel, k * width), place_in(B, k0 + k, j0), columns, width)
        return
    p = carray(panel, (depth, width))
    for j in range(columns):
        b = carray(place_in(B, k0, j0 + j), (depth,))
        for k in range(depth):
            p[k, j] = b[k]
    for j in range(columns, width):
        for k in range(depth):
            p[k, j] = 0


@serial
def add_tile(C, ldc, edge, A, panel, depth, height, columns):
    """One tile of C += A B; at the right edge of C it is computed in ``edge``."""
    lane, width = lanes(C), panel_width(C)
    vectors = (columns + lane - 1) // lane
    whole = columns == vectors * lane
    c, ld = (C, ldc) if whole else (edge, width)
    if not whole:
        for i in range(height):
            pad(plus(edge, i * width), plus(C, i * ldc), columns, width)
    if A.transposed:
        tile_columns(c, ld, A.pointer, A.ld, panel, depth, True, panel, height, vectors)
    else:
        tile_rows(c, ld, A.pointer, A.ld, panel, depth, True, panel, width, height, vectors)
    if not whole:
        for i in range(height):
            copy(plus(C, i * ldc), plus(edge, i * width), columns)


@serial
def add_product(C, ldc, A, B, rows, columns, K):
    """C (rows, columns) += A B, each sum in the order of k; A and B are Strided."""
    width = panel_width(C)
    panel = product_scratch(C)
    edge = plus(panel, DEPTH * width)
    for j in range(0, columns, width):
        n = min(width, columns - j)
        for k in range(0, K, DEPTH):
            depth, i = min(DEPTH, K - k), 0
            pack(panel, B, (k, j), depth, n)
            while i < rows:
                height, part = tile_height(rows - i), Strided(place_in(A, i, k), A.ld, A.transposed)
                add_tile(plus(C, i * ldc + j), ldc, edge, part, panel, depth, height, n)
                i += height


@serial
def shift_rows(E, Z, rows, k):
    """E = Z - the row's maximum, for contiguous rows: then exp cannot overflow. A NaN makes no maximum but stays."""
    e, z = carray(E, (rows, k)), carray(Z, (rows, k))
    for r in range(rows):
        top = z[r, 0]
        for j in range(1, k):
            top = max(top, z[r, j])
        for j in range(k):
            e[r, j] = z[r, j] - top


@inlined
def row_sum(row, k):
    x = carray(row, (k,))
    total = x[0]
    for j in range(1, k):
        total += x[j]
    return total


@serial
def activate_all(Z, n, activation):
    """Z = f(Z) for n contiguous numbers."""
    lane = lanes(Z)
    zeros, whole = vector_scratch(Z), n // lane
    zero(zeros, lane)
    activate(Z, lane, zeros, whole, 1, activation)
    tail, rest = plus(Z, whole * lane), n - whole * lane
    if rest:
        last = plus(zeros, lane)
        pad(last, tail, rest, lane)
        activate(last, lane, zeros, 1, 1, activation)
        copy(tail, last, rest)


@serial
def derivative_all(delta, A, n, activation):
    """delta *= f'(Z), written with A = f(Z), of GELU with A = Z, for n contiguous numbers."""
    lane = lanes(delta)
    whole = n // lane
    derivative(delta, A, lane, whole, 1, activation)
    tail, rest = plus(delta, whole * lane), n - whole * lane
    if rest:
        d = vector_scratch(delta)
        a = plus(d, lane)
        pad(d, tail, rest, lane)
        pad(a, plus(A, whole * lane), rest, lane)
        derivative(d, a, lane, 1, 1, activation)
        copy(tail, d, rest)


@serial
def update_all(w, first, second, g, coefficients, n, rule):
    """The optimizer on n contiguous weights with gradient g; moments that the rule does without may be ``w`` itself."""
    lane = lanes(w)
    squares, whole = vector_scratch(w), n // lane
    zero(squares, lane)
    update_block(w, first, second, squares, g, coefficients, whole, 1, lane, lane, rule)
    start, rest = whole * lane, n - whole * lane
    if rest:
        w_, first_ = plus(squares, lane), plus(squares, 2 * lane)
        second_, g_ = plus(squares, 3 * lane), plus(squares, 4 * lane)
        pad(w_, plus(w, start), rest, lane)
        pad(first_, plus(first, start), rest, lane)
        pad(second_, plus(second, start), rest, lane)
        pad(g_, plus(g, start), rest, lane)
        update_block(w_, first_, second_, squares, g_, coefficients, 1, 1, lane, lane, rule)
        copy(plus(second, start), second_, rest)
        copy(plus(first, start), first_, rest)
        copy(plus(w, start), w_, rest)  # last: it may be what the moments point to
