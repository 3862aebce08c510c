"""One thread's share of the named kernels: plain arrays, whose rows are not padded to whole vectors.

The micro-kernels want whole vectors. A product packs a block of its right operand into scratch on the stack, and so it
does with tiles at the right edge; elementwise work takes contiguous numbers as rows of one vector each and passes the
last few through scratch. Pointers throughout, so that LLVM can vectorize the loops.
"""

from llvmlite import ir
from numba import carray, types
from numba.core.cgutils import alloca_once, memset, raw_memcpy
from numba.extending import intrinsic

from fastnet.kernels.elementwise import activate, derivative
from fastnet.kernels.jit import inlined, serial
from fastnet.kernels.lanes import Emit, const, lanes, plus
from fastnet.kernels.shapes import tile_height
from fastnet.kernels.tile import MR, NV, tile_columns, tile_rows
from fastnet.kernels.update import update_block

DEPTH = 128  # rows of the right operand that are packed at a time: two vectors wide, 16 kB with 16 lanes, half of an L1


def _stack(vectors):
    @intrinsic
    def stack(typingctx, like):
        def codegen(context, builder, signature, args):
            e = Emit(builder, context.get_value_type(signature.args[0].dtype))
            room = alloca_once(builder, e.vec, size=vectors)
            return builder.bitcast(room, ir.PointerType(e.scalar))

        return types.CPointer(like.dtype)(like), codegen

    return stack


# Uninitialised vectors of the type that the argument points to; gone when the function returns.
product_scratch = _stack((DEPTH + MR) * NV)
vector_scratch = _stack(6)


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


@serial
def pack(panel, width, B, ldb, transposed, rows, columns):
    """panel[k, j] = B[k * ldb + j], or B[j * ldb + k] if ``transposed``; zero from ``columns`` on."""
    if not transposed:
        for k in range(rows):
            pad(plus(panel, k * width), plus(B, k * ldb), columns, width)
        return
    p = carray(panel, (rows, width))
    for j in range(columns):
        b = carray(plus(B, j * ldb), (rows,))
        for k in range(rows):
            p[k, j] = b[k]
    for j in range(columns, width):
        for k in range(rows):
            p[k, j] = 0


@serial
def add_tile(C, ldc, edge, A, lda, by_rows, panel, depth, height, columns):
    """One tile of C += A B; at the right edge of C it is computed in ``edge``."""
    lane = lanes(C)
    width, vectors = NV * lane, (columns + lane - 1) // lane
    whole = columns == vectors * lane
    c, ld = (C, ldc) if whole else (edge, width)
    if not whole:
        for i in range(height):
            pad(plus(edge, i * width), plus(C, i * ldc), columns, width)
    if by_rows:
        tile_rows(c, ld, A, lda, panel, depth, True, panel, width, height, vectors)
    else:
        tile_columns(c, ld, A, lda, panel, depth, True, panel, height, vectors)
    if not whole:
        for i in range(height):
            copy(plus(C, i * ldc), plus(edge, i * width), columns)


@serial
def add_product(C, ldc, A, lda, by_rows, B, ldb, transposed, rows, columns, K):
    """C (rows, columns) += A B, each sum in the order of k.

    A[i, k] is A[i * lda + k] with ``by_rows``, else A[k * lda + i]; B[k, j] is B[k * ldb + j] or B[j * ldb + k].
    """
    width = NV * lanes(C)
    panel = product_scratch(C)
    edge = plus(panel, DEPTH * width)
    for j in range(0, columns, width):
        n = min(width, columns - j)
        for k in range(0, K, DEPTH):
            depth, i = min(DEPTH, K - k), 0
            pack(panel, width, plus(B, j * ldb + k if transposed else k * ldb + j), ldb, transposed, depth, n)
            while i < rows:
                height = tile_height(rows - i)
                a = plus(A, i * lda + k if by_rows else k * lda + i)
                add_tile(plus(C, i * ldc + j), ldc, edge, a, lda, by_rows, panel, depth, height, n)
                i += height


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
    """delta *= f'(Z), written with A = f(Z), for n contiguous numbers."""
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
