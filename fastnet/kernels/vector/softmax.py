"""Softmax with cross-entropy: outputs, row losses and delta in one go."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.kernels.vector.emit import I64, begin, calls, const, declared
from fastnet.kernels.vector.exponential import exp, log


def _softmax_function(module, scalar):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_softmax_{scalar}", [pointer, I64, pointer, pointer, I64.as_pointer(), I64, I64])


def _larger(e, x, y):
    """Larger of each pair; NaN in either wins, so that a diverged row ends in NaN and not in a wrong answer."""
    return e.b.select(e.b.fcmp_ordered(">", x, y), x, e.b.select(e.b.fcmp_unordered("uno", x, x), x, y))


class _Softmax:
    """Emits the body of `softmax_rows`.

    As many rows as a vector has lanes go through together, turned into columns. Row by row, maximum, sum, division and
    logarithm would wait for each other (`output_loss` of 128 rows of 10: 9.6 us, this way 4.7). The last block repeats
    its last row.
    """

    def __init__(self, e, z, ld, factor, loss, chosen, rows, k):
        self.e, self.z, self.ld, self.factor, self.loss, self.chosen = e, z, ld, factor, loss, chosen
        self.rows, self.k = rows, k
        sizes = (e.lanes, 1, 1, 1)
        self.tile, self.at_label, self.ratio, self.top_log = (
            e.b.bitcast(e.b.alloca(e.vec, size), z.type) for size in sizes
        )

    def emit(self):
        self.e.loop(const(0), self.rows, self.e.lanes, [], self._block, "block")
        self.e.b.ret_void()

    def _block(self, first, _):
        e, b = self.e, self.e.b
        count, starts = self._block_rows(first)
        self._loop(count, "label", lambda i: self._note_label(first, i))
        top = self._largest(starts)
        total = self._exponentials(starts, top)
        e.store(b.fdiv(e.constant(1.0), total), self.ratio)
        e.store(b.fadd(log(e, total), b.fsub(top, e.load(self.at_label))), self.top_log)
        self._loop(count, "finish", lambda i: self._finish(first, i))
        return []

    def _block_rows(self, first):
        """(number of rows of the block, offset of the row of each lane)."""
        b, n = self.e.b, self.e.lanes
        count = b.sub(self.rows, first)
        count = b.select(b.icmp_signed("<", count, const(n)), count, const(n))
        last = b.sub(count, const(1))
        place = [b.select(b.icmp_signed("<", const(i), last), const(i), last) for i in range(n)]
        return count, [b.mul(b.add(first, i), self.ld) for i in place]

    def _loop(self, count, name, body):
        def once(i, _):
            body(i)
            return []

        self.e.loop(const(0), count, 1, [], once, name)

    def _note_label(self, first, i):
        """Keep Z at the row's label."""
        b = self.e.b
        label = b.load(self.e.gep(self.chosen, b.add(first, i)))
        place = b.add(b.mul(b.add(first, i), self.ld), b.select(b.icmp_signed("<", label, const(0)), const(0), label))
        b.store(b.load(self.e.gep(self.z, place)), self.e.gep(self.at_label, i))

    def _turn(self, starts, j):
        """Columns j.. of the rows, to ``tile``."""
        e = self.e
        for i, column in enumerate(e.transposed([e.load(self.z, e.b.add(start, j)) for start in starts])):
            e.store(column, self.tile, i * e.lanes)

    def _column(self, j, i):
        """Column j + i, -inf from k on."""
        e = self.e
        v = e.load(self.tile, e.b.mul(i, const(e.lanes)))
        inside = e.broadcast(e.b.icmp_signed("<", e.b.add(j, i), self.k), e.lanes)
        return e.b.select(inside, v, e.constant(float("-inf")))

    def _largest(self, starts):
        """The maximum of each row."""
        e, n = self.e, self.e.lanes

        def largest(j, top):
            self._turn(starts, j)
            return e.loop(
                const(0), const(n), 1, top, lambda i, top: [_larger(e, top[0], self._column(j, i))], "max_column"
            )

        (top,) = e.loop(const(0), self.k, n, [e.constant(float("-inf"))], largest, "max")
        return top

    def _exponentials(self, starts, top):
        """Z = exp(Z - top); returns each row's sum of them."""
        e, b, n = self.e, self.e.b, self.e.lanes

        def exponentials(j, total):
            self._turn(starts, j)

            def one(i, total):
                y = exp(e, b.fsub(self._column(j, i), top))
                e.store(y, self.tile, b.mul(i, const(n)))
                return [b.fadd(total[0], y)]

            total = e.loop(const(0), const(n), 1, total, one, "exp_column")
            rows = e.transposed([e.load(self.tile, i * n) for i in range(n)])
            for start, v in zip(starts, rows, strict=True):
                e.store(v, self.z, b.add(start, j))
            return total

        (total,) = e.loop(const(0), self.k, n, [e.constant(0.0)], exponentials, "exp")
        return total

    def _finish(self, first, i):
        """One row: probabilities scaled by its factor, less the factor at its label; and its loss."""
        e, b = self.e, self.e.b
        r = b.add(first, i)
        factor, label, start = b.load(e.gep(self.factor, r)), b.load(e.gep(self.chosen, r)), b.mul(r, self.ld)
        scale = e.splat(b.fmul(factor, b.load(e.gep(self.ratio, i))))

        def vector(j, _):
            e.store(b.fmul(e.load(self.z, b.add(start, j)), scale), self.z, b.add(start, j))
            return []

        e.loop(const(0), self.k, e.lanes, [], vector, "scale")
        none = b.icmp_signed("<", label, const(0))
        hot = e.gep(self.z, b.add(start, b.select(none, const(0), label)))
        b.store(b.fsub(b.load(hot), b.select(none, ir.Constant(e.scalar, 0.0), factor)), hot)
        b.store(b.fmul(factor, b.load(e.gep(self.top_log, i))), e.gep(self.loss, r))


def define(module, scalar):
    """Add softmax to the vector library."""
    fn = _softmax_function(module, scalar)
    _Softmax(begin(fn, scalar), *fn.args).emit()


@intrinsic
def softmax_rows(typingctx, Z, ld, factor, loss, chosen, rows, k):
    """Z[i] = factor[i] (softmax(Z[i]) - onehot(chosen[i])), loss[i] = -factor[i] log softmax(Z[i])[chosen[i]].

    ``rows`` rows of ``k`` numbers, padded to whole vectors; the padding becomes zero. ``chosen`` is int64; -1 subtracts
    nothing, and that row's loss means nothing.
    """
    sig = types.void(Z, types.intp, factor, loss, chosen, types.intp, types.intp)
    return sig, calls(_softmax_function)
