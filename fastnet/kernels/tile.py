"""The micro-kernel: a register tile of C = A B, as LLVM vector IR.

    C[i, j] (+)= sum_k A[i, k] * B[k, j]        i < rows <= MR,  j < vectors * lanes,  vectors <= NV

The accumulators of a whole tile stay in vector registers while k runs: one vector of B is loaded per column, one number
of A is broadcast per row, and rows x vectors fused multiply-adds follow. Two FMAs start each cycle and each takes four
cycles, so at least 8 accumulators are needed to keep the units busy; MR x NV = 14 x 2 uses 28 + 2 (B) + 1 (A) of 32
registers (AVX-512, NEON), 6 x 2 uses 12 + 2 + 1 of 16 (AVX2). Each sum runs in the order of k with one accumulator, so
neither the tile's height nor the split of rows among threads changes a bit.

Operands are panels, [k or row][NV vectors]. B is one, K rows of it. A is read by one number at a time, along the rows
of a run of panels (`tile_rows`) or down the columns of one (`tile_columns`). While it computes, a tile asks for K cache
lines from `ahead` on, one for each k: the panel or the weights that come next arrive from L3 or another core in the
shadow of the arithmetic. `tile_loops` is the plain twin: what the tile computes, in Numba loops.
"""

from functools import partial

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnet.kernels.lanes import CACHE_LINE, I1, I64, REGISTERS, Emit, call_one_of, const, declared

NV = 2  # vectors across; two B loads feed up to 28 FMAs
MR = 14 if REGISTERS == 32 else 6
HEIGHTS = (14, 12, 10, 8, 6, 4, 2, 1) if MR == 14 else (6, 4, 2, 1)
UNROLL = 4  # of k: integer arithmetic takes the FMAs' ports (784-512-512-10 on one thread: 0.72 of peak, 0.79 so)
GROUP = 3  # rows that share a pointer: their distances to it, 0, lda and 2 lda, are part of an x86 address


def _multiply(e, rows, vectors, by_rows, c, ldc, a, lda, b, K, accumulate, ahead, block=None):
    """Emit the body of one tile function."""
    n, width, line = rows * vectors, NV * e.lanes, CACHE_LINE // e.itemsize
    zero = e.constant(0.0)

    def start(row):
        return [e.load(c, e.b.add(e.b.mul(const(row), ldc), const(j * e.lanes))) for j in range(vectors)]

    entry = e.b.block
    resume, begin = (e.b.function.append_basic_block(s) for s in ("resume", "begin"))
    e.b.cbranch(accumulate, resume, begin)
    e.b.position_at_end(resume)
    old = [v for row in range(rows) for v in start(row)]
    e.b.branch(begin)
    e.b.position_at_end(begin)
    acc = [e.b.phi(e.vec) for _ in range(n)]
    for phi, v in zip(acc, old, strict=True):
        phi.add_incoming(zero, entry)
        phi.add_incoming(v, resume)

    def pointers(a, k, unroll):
        """Address of A[i, k + u] for each row i, for each u < unroll."""
        if not by_rows:
            starts = [e.gep(a, e.b.mul(e.b.add(k, const(u)), lda)) for u in range(unroll)]
            return [[e.gep(start, i) for i in range(rows)] for start in starts]
        leaders = [e.in_register(e.gep(a, e.b.add(e.b.mul(const(i), lda), k))) for i in range(0, rows, GROUP)]
        firsts = [e.gep(leaders[i // GROUP], e.b.mul(const(i % GROUP), lda)) for i in range(rows)]
        return [[e.gep(first, u) for first in firsts] for u in range(unroll)]

    def products(a, b, ahead, unroll, k, acc):
        """acc plus the products of ``unroll`` values of k."""
        b_k, ahead_k = e.gep(b, e.b.mul(k, const(width))), e.gep(ahead, e.b.mul(k, const(line)))
        for u, a_k in enumerate(pointers(a, k, unroll)):
            # A panel to be read would not fit into L1 beside this one; a block of weights to be written does.
            e.prefetch(ahead_k, u * line, **({"near": 2} if by_rows else {"write": 1}))
            columns = [e.load(b_k, u * width + j * e.lanes) for j in range(vectors)]
            sums = iter(acc)
            acc = [e.fma(x, y, next(sums)) for x in (e.splat(e.b.load(p)) for p in a_k) for y in columns]
        return acc

    def run(a, b, ahead, K, acc):
        """All k < K of one run of contiguous numbers of A."""
        whole = e.b.and_(K, const(-UNROLL))
        acc = e.loop(const(0), whole, UNROLL, acc, partial(products, a, b, ahead, UNROLL), "whole")
        return e.loop(whole, K, 1, acc, partial(products, a, b, ahead, 1), "rest")

    def panel(k, acc):
        left = e.b.sub(K, k)
        count = e.b.select(e.b.icmp_signed("<", left, const(width)), left, const(width))
        a_k = e.gep(a, e.b.mul(e.b.sdiv(k, const(width)), block))
        return run(a_k, e.gep(b, e.b.mul(k, const(width))), e.gep(ahead, e.b.mul(k, const(line))), count, acc)

    acc = e.loop(const(0), K, width, acc, panel, "panel") if by_rows else run(a, b, ahead, K, acc)
    for i in range(rows):
        for j in range(vectors):
            e.store(acc[i * vectors + j], c, e.b.add(e.b.mul(const(i), ldc), const(j * e.lanes)))
    e.b.ret_void()


def _tile_function(module, scalar, rows, vectors, by_rows):
    pointer = scalar.as_pointer()
    name = f"fastnet_tile_{scalar}_{rows}x{vectors}_{'rows' if by_rows else 'columns'}"
    return declared(module, name, [pointer, I64, pointer, I64, pointer, I64, I1, pointer] + [I64] * by_rows)


def define(module, scalar):
    """Add the tile of every shape to the vector library."""
    for rows in HEIGHTS:
        for vectors in range(1, NV + 1):
            for by_rows in (True, False):
                fn = _tile_function(module, scalar, rows, vectors, by_rows)
                for i in (0, 2, 4):
                    fn.args[i].add_attribute("noalias")
                builder = ir.IRBuilder(fn.append_basic_block("entry"))
                _multiply(Emit(builder, scalar), rows, vectors, by_rows, *fn.args)


def _call_tile(by_rows):
    """Code that calls the tile of the run-time rows and vectors, the last arguments."""

    def codegen(context, builder, signature, args):
        *operands, rows, vectors = args
        scalar = context.get_value_type(signature.args[0].dtype)
        shapes = [(r, v) for r in HEIGHTS for v in range(1, NV + 1)]
        tiles = {4 * r + v: _tile_function(builder.module, scalar, r, v, by_rows) for r, v in shapes}
        call_one_of(builder, builder.add(builder.mul(rows, const(4)), vectors), tiles, operands)
        return context.get_dummy_value()

    return codegen


@intrinsic
def tile_rows(typingctx, C, ldc, A, lda, B, K, accumulate, ahead, block, rows, vectors):
    """One tile with A[i, k] at A[k // w * block + i * lda + k % w], w = NV * lanes: rows of samples times weights.

    Row-major A has its panels side by side: block = w.
    """
    n = types.intp
    return types.void(C, n, A, n, B, n, types.boolean, ahead, n, n, n), _call_tile(by_rows=True)


@intrinsic
def tile_columns(typingctx, C, ldc, A, lda, B, K, accumulate, ahead, rows, vectors):
    """One tile with A[i, k] at A[k * lda + i]: columns of samples (the transpose of a batch) times deltas."""
    n = types.intp
    return types.void(C, n, A, n, B, n, types.boolean, ahead, n, n), _call_tile(by_rows=False)


@njit
def tile_loops(C, A, B, accumulate):
    """Plain twin of the tile on 2-D arrays: C (m, n) (+)= A (m, K) B (K, n)."""
    for i in range(C.shape[0]):
        for j in range(C.shape[1]):
            s = C[i, j] if accumulate else C.dtype.type(0)
            for k in range(A.shape[1]):
                s += A[i, k] * B[k, j]
            C[i, j] = s
