"""Transposes in registers: of squares of weights, whose copy backward reads, and of the bytes of a batch."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.target import VECTOR_BYTES
from fastnet.kernels.vector.emit import I8, I32, I64, begin, calls, const, declared

SIDE = 16  # bytes are transposed in registers, in squares of SIDE x SIDE


def _bytes_function(module, scalar):
    return declared(
        module, "fastnet_transpose_bytes", [I8.as_pointer(), I64, I8.as_pointer(), I64.as_pointer(), I64, I64]
    )


def _bytes(e, dst, ld, src, order, stride, n):
    """Emit the body of `transpose_bytes`: four rounds of interleaving, on as many squares as fit into a vector."""
    b = e.b
    narrow, squares = ir.VectorType(I8, SIDE), VECTOR_BYTES // SIDE
    wide = ir.VectorType(I8, VECTOR_BYTES)

    def halves(vec, count):
        """Interleave the lower, the upper halves of two vectors, each square for itself."""
        n = SIDE * count
        return [
            ir.Constant(
                ir.VectorType(I32, n), [c * SIDE + v for c in range(count) for i in range(h, h + 8) for v in (i, n + i)]
            )
            for h in (0, SIDE // 2)
        ]

    def columns(k, vec, count):
        rows = []
        for i in range(SIDE):
            row = e.gep(src, b.add(b.mul(b.load(e.gep(order, i)), stride), k))
            rows.append(b.load(b.bitcast(row, vec.as_pointer())))
            rows[-1].align = 1
        parts = halves(vec, count)
        for _ in range(4):
            rows = [b.shuffle_vector(rows[i], rows[i + 8], part) for i in range(8) for part in parts]
        for i in range(SIDE):
            for c in range(count):
                lanes = ir.Constant(ir.VectorType(I32, SIDE), [c * SIDE + j for j in range(SIDE)])
                square = b.shuffle_vector(rows[i], rows[i], lanes) if count > 1 else rows[i]
                target = e.gep(dst, b.mul(b.add(k, const(c * SIDE + i)), ld))
                b.store(square, b.bitcast(target, narrow.as_pointer())).align = 1

    def one(k, vec, count):
        columns(k, vec, count)
        return []

    whole = b.and_(n, const(-VECTOR_BYTES))
    e.loop(const(0), whole, VECTOR_BYTES, [], lambda k, _: one(k, wide, squares), "wide")

    def rest(k, _):
        last = b.sub(n, const(SIDE))  # the last square overlaps the one before it
        return one(b.select(b.icmp_signed("<", k, last), k, last), narrow, 1)

    e.loop(whole, n, SIDE, [], rest, "narrow")
    b.ret_void()


def _square_function(module, scalar):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_transpose_{scalar}", [pointer, pointer, I64])


def _square(e, dst, src, ld):
    """Emit the body of `transpose_square`."""
    for i, column in enumerate(e.transposed([e.load(src, e.b.mul(const(i), ld)) for i in range(e.lanes)])):
        e.store(column, dst, e.b.mul(const(i), ld))
    e.b.ret_void()


def define(module, scalar):
    """Add both transposes to the vector library."""
    for function, body in ((_bytes_function, _bytes), (_square_function, _square)):
        fn = function(module, scalar)
        body(begin(fn, scalar), *fn.args)


@intrinsic
def transpose_bytes(typingctx, dst, ld, src, order, stride, n):
    """dst[k * ld + i] = src[order[i] * stride + k] for i < SIDE and k < n; n is at least SIDE."""
    return types.void(dst, types.intp, src, order, types.intp, types.intp), calls(_bytes_function)


@intrinsic
def transpose_square(typingctx, dst, src, ld):
    """dst[j * ld + i] = src[i * ld + j] for i, j < lanes."""
    return types.void(dst, src, types.intp), calls(_square_function)
