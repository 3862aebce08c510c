"""The micro-kernel of dense work: a register tile of C = A B, as LLVM vector IR.

    C[i, j] (+)= sum_k A[i, k] * B[k, j]        i < rows <= MR,  j < vectors * lanes,  vectors <= NV

The accumulators of a whole tile stay in vector registers while k runs: one vector of B is loaded per column, one number
of A is broadcast per row, and rows x vectors fused multiply-adds follow. Two FMAs start each cycle and each takes four
cycles, so at least 8 accumulators keep the units busy. MR x NV = 14 x 2 uses 28 + 2 (B) + 1 (A) of 32
registers (AVX-512, NEON), 6 x 2 uses 12 + 2 + 1 of 16 (AVX2). Each sum runs in the order of k with one accumulator, so
neither the tile's height nor the split of rows among threads changes a bit.

Operands are panels, [k or row][NV vectors]. B is one panel of K rows. A is read one number at a time: along the rows of
several panels (`tile_rows`) or down the columns of one (`tile_columns`). While it computes, a tile asks for K cache
lines from `ahead` on, one for each k. So the panel or the weights that come next arrive from L3 or another core in the
shadow of the arithmetic.
"""

from functools import partial

from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.target import CACHE_LINE, REGISTERS
from fastnet.kernels.vector.emit import I1, I64, begin, calls_one_of, const, declared

NV = 2  # vectors across; two B loads feed up to 28 FMAs
MR = 14 if REGISTERS == 32 else 6
HEIGHTS = (14, 12, 10, 8, 6, 4, 2, 1) if MR == 14 else (6, 4, 2, 1)
SHAPES = [(rows, vectors) for rows in HEIGHTS for vectors in range(1, NV + 1)]
UNROLL = 4  # of k: integer arithmetic takes the FMAs' ports (784-512-512-10 on one thread: 0.72 of peak, 0.79 so)
GROUP = 3  # rows that share a pointer: their distances to it, 0, lda and 2 lda, are part of an x86 address


class _Tile:
    """Emits the body of one tile function: rows x vectors sums that stay in registers while k runs."""

    def __init__(self, e, rows, vectors, by_rows):
        self.e, self.rows, self.vectors, self.by_rows = e, rows, vectors, by_rows
        self.width, self.line = NV * e.lanes, CACHE_LINE // e.itemsize

    def emit(self, c, ldc, a, lda, b, K, accumulate, ahead, panel_stride=None):
        sums = self._first_sums(c, ldc, accumulate)
        operands = a, lda, b, K, ahead
        sums = self._panels(*operands, panel_stride, sums) if self.by_rows else self._run(*operands, sums)
        for total, place in zip(sums, self._places(c, ldc), strict=True):
            self.e.store(total, place)
        self.e.b.ret_void()

    def _places(self, c, ldc):
        """Address of each vector of C; taken anew where it is used, or the loop would hold them all."""
        e = self.e
        return [
            e.gep(c, e.b.add(e.b.mul(const(i), ldc), const(j * e.lanes)))
            for i in range(self.rows)
            for j in range(self.vectors)
        ]

    def _first_sums(self, c, ldc, accumulate):
        """C as it is, or zeros."""
        e, entry = self.e, self.e.b.block
        resume, start = (e.b.function.append_basic_block(s) for s in ("resume", "start"))
        e.b.cbranch(accumulate, resume, start)
        e.b.position_at_end(resume)
        old = [e.load(place) for place in self._places(c, ldc)]
        e.b.branch(start)
        e.b.position_at_end(start)
        sums = [e.b.phi(e.vec) for _ in old]
        for phi, v in zip(sums, old, strict=True):
            phi.add_incoming(e.constant(0.0), entry)
            phi.add_incoming(v, resume)
        return sums

    def _panels(self, a, lda, b, K, ahead, panel_stride, sums):
        """All k < K, one panel of A after the other."""
        e, width = self.e, self.width

        def panel(k, sums):
            left = e.b.sub(K, k)
            count = e.b.select(e.b.icmp_signed("<", left, const(width)), left, const(width))
            a_k = e.gep(a, e.b.mul(e.b.sdiv(k, const(width)), panel_stride))
            return self._run(a_k, lda, self._row(b, k, width), count, self._row(ahead, k, self.line), sums)

        return e.loop(const(0), K, width, sums, panel, "panel")

    def _run(self, a, lda, b, K, ahead, sums):
        """All k < K where A is contiguous, or a column."""
        e = self.e
        whole = e.b.and_(K, const(-UNROLL))
        sums = e.loop(const(0), whole, UNROLL, sums, partial(self._products, a, lda, b, ahead, UNROLL), "whole")
        return e.loop(whole, K, 1, sums, partial(self._products, a, lda, b, ahead, 1), "rest")

    def _products(self, a, lda, b, ahead, unroll, k, sums):
        """The sums plus the products of ``unroll`` values of k, from k on."""
        e, b_k, ahead_k = self.e, self._row(b, k, self.width), self._row(ahead, k, self.line)
        for u, a_k in enumerate(self._addresses(a, lda, k, unroll)):
            # A panel to be read would not fit into L1 beside this one; a block of weights to be written does.
            e.prefetch(ahead_k, u * self.line, **({"near": 2} if self.by_rows else {"write": 1}))
            columns = [e.load(b_k, u * self.width + j * e.lanes) for j in range(self.vectors)]
            old = iter(sums)
            sums = [e.fma(x, y, next(old)) for x in (e.splat(e.b.load(p)) for p in a_k) for y in columns]
        return sums

    def _addresses(self, a, lda, k, unroll):
        """Address of A[i, k + u] for each row i, for each u < unroll."""
        e = self.e
        if not self.by_rows:
            starts = [e.gep(a, e.b.mul(e.b.add(k, const(u)), lda)) for u in range(unroll)]
            return [[e.gep(start, i) for i in range(self.rows)] for start in starts]
        leaders = [e.in_register(e.gep(a, e.b.add(e.b.mul(const(i), lda), k))) for i in range(0, self.rows, GROUP)]
        firsts = [e.gep(leaders[i // GROUP], e.b.mul(const(i % GROUP), lda)) for i in range(self.rows)]
        return [[e.gep(first, u) for first in firsts] for u in range(unroll)]

    def _row(self, pointer, k, length):
        """Address of row k of rows that are ``length`` long."""
        return self.e.gep(pointer, self.e.b.mul(k, const(length)))


def _tile_function(module, scalar, rows, vectors, by_rows):
    pointer = scalar.as_pointer()
    name = f"fastnet_tile_{scalar}_{rows}x{vectors}_{'rows' if by_rows else 'columns'}"
    return declared(module, name, [pointer, I64, pointer, I64, pointer, I64, I1, pointer] + [I64] * by_rows)


_rows_function, _columns_function = partial(_tile_function, by_rows=True), partial(_tile_function, by_rows=False)


def define(module, scalar):
    """Add the tile of every shape to the vector library."""
    for rows, vectors in SHAPES:
        for by_rows in (True, False):
            fn = _tile_function(module, scalar, rows, vectors, by_rows)
            for i in (0, 2, 4):
                fn.args[i].add_attribute("noalias")
            _Tile(begin(fn, scalar), rows, vectors, by_rows).emit(*fn.args)


# Eleven and twelve arguments: a micro-kernel takes pointers and numbers, which LLVM keeps in registers.


@intrinsic
def tile_rows(typingctx, C, ldc, A, lda, B, K, accumulate, ahead, panel_stride, rows, vectors):
    """One tile with A[i, k] at A[k // w * panel_stride + i * lda + k % w], where w = NV * lanes.

    Rows of samples times weights. Row-major A has its panels side by side: panel_stride = w.
    """
    n = types.intp
    sig = types.void(C, n, A, n, B, n, types.boolean, ahead, n, n, n)
    return sig, calls_one_of(_rows_function, SHAPES)


@intrinsic
def tile_columns(typingctx, C, ldc, A, lda, B, K, accumulate, ahead, rows, vectors):
    """One tile with A[i, k] at A[k * lda + i]: columns of samples (the transpose of a batch) times deltas."""
    n = types.intp
    sig = types.void(C, n, A, n, B, n, types.boolean, ahead, n, n)
    return sig, calls_one_of(_columns_function, SHAPES)
