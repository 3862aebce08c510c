"""The micro-kernel: a register tile of C = A B, as LLVM vector IR.

    C[i, j] (+)= sum_k A[i, k] * B[k, j]        i < rows <= MR,  j < vectors * lanes,  vectors <= NV

The accumulators of a whole tile stay in vector registers while k runs: one vector of B is loaded per column, one number
of A is broadcast per row, and rows x vectors fused multiply-adds follow. Two FMAs start each cycle and each takes four
cycles, so at least 8 accumulators are needed to keep the units busy; MR x NV = 14 x 2 uses 28 + 2 (B) + 1 (A) of 32
registers (AVX-512, NEON), 6 x 2 uses 12 + 2 + 1 of 16 (AVX2). Each sum runs in the order of k with one accumulator, so
neither the tile's height nor the split of rows among threads changes a bit.

A is read by one number at a time and may have any strides; one of them is always 1, and knowing which lets the
addresses be constants. While it computes, a tile asks for K cache lines from `ahead` on, one for each k: the panel or
the weights that come next arrive from L3 or another core in the shadow of the arithmetic. `tile_loops` is the plain
twin: what the tile computes, in Numba loops.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnet.kernels.lanes import CACHE_LINE, I1, I64, REGISTERS, Emit, call_one_of, const, declared

NV = 2  # vectors across; two B loads feed up to 28 FMAs
MR = 14 if REGISTERS == 32 else 6
HEIGHTS = (14, 12, 10, 8, 6, 4, 2, 1) if MR == 14 else (6, 4, 2, 1)
UNROLL = 2


def _multiply(e, rows, vectors, by_rows, c, ldc, a, lda, b, ldb, K, accumulate, ahead):
    """Emit the body of one tile function."""
    n = rows * vectors
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

    def pointers(k):
        """Address of A[i, k] for each row i."""
        if by_rows:
            return [e.gep(a, e.b.add(e.b.mul(const(i), lda), k)) for i in range(rows)]
        column = e.gep(a, e.b.mul(k, lda))
        return [e.gep(column, i) for i in range(rows)]

    def one_k(k, acc):
        a_k, b_k = pointers(k), e.gep(b, e.b.mul(k, ldb))
        e.prefetch(ahead, e.b.mul(k, const(CACHE_LINE // e.itemsize)), write=0 if by_rows else 1)
        columns = [e.load(b_k, j * e.lanes) for j in range(vectors)]
        out = []
        for i in range(rows):
            x = e.splat(e.b.load(a_k[i]))
            out += [e.fma(x, columns[j], acc[i * vectors + j]) for j in range(vectors)]
        return out

    # One k at a time: unrolled by hand, LLVM gathers the neighbouring A[i, k..k+3] into one vector and takes it apart
    # with shuffles, of which only one starts a cycle (14 x 2: 83 GFLOP/s instead of 175).
    acc = e.loop(const(0), K, 1, acc, one_k, "k")
    for i in range(rows):
        for j in range(vectors):
            e.store(acc[i * vectors + j], c, e.b.add(e.b.mul(const(i), ldc), const(j * e.lanes)))
    e.b.ret_void()


def _tile_function(module, scalar, rows, vectors, by_rows):
    pointer = scalar.as_pointer()
    name = f"fastnet_tile_{scalar}_{rows}x{vectors}_{'rows' if by_rows else 'columns'}"
    return declared(module, name, [pointer, I64, pointer, I64, pointer, I64, I64, I1, pointer])


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


def _make_tile(by_rows):
    @intrinsic
    def tile(typingctx, C, ldc, A, lda, B, ldb, K, accumulate, ahead, rows, vectors):
        n = types.intp
        sig = types.void(C, n, A, n, B, n, n, types.boolean, ahead, n, n)

        def codegen(context, builder, signature, args):
            *operands, rows, vectors = args
            scalar = context.get_value_type(signature.args[0].dtype)
            shapes = [(r, v) for r in HEIGHTS for v in range(1, NV + 1)]
            tiles = {4 * r + v: _tile_function(builder.module, scalar, r, v, by_rows) for r, v in shapes}
            key = builder.add(builder.mul(rows, const(4)), vectors)
            call_one_of(builder, key, tiles, operands)
            return context.get_dummy_value()

        return sig, codegen

    return tile


# A[i, k] at A[i * lda + k]: rows of samples times weights.
tile_rows = _make_tile(by_rows=True)
# A[i, k] at A[k * lda + i]: columns of samples (the transpose of a batch) times deltas.
tile_columns = _make_tile(by_rows=False)


@njit
def tile_loops(C, A, B, accumulate):
    """Plain twin of the tile on 2-D arrays: C (m, n) (+)= A (m, K) B (K, n)."""
    for i in range(C.shape[0]):
        for j in range(C.shape[1]):
            s = C[i, j] if accumulate else C.dtype.type(0)
            for k in range(A.shape[1]):
                s += A[i, k] * B[k, j]
            C[i, j] = s
