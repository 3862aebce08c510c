"""What all walks share: the way through the nonzero inputs of one row, or of two rows at once.

A row has one byte, a flag, for each input. Sixty-four flags are compared with zero at once. Each set bit of the
resulting mask is the number of a nonzero input.
"""

from functools import partial, reduce

from llvmlite import ir

from fastnet.kernels.compile.target import FEATURES, VECTOR_BYTES, compresses
from fastnet.kernels.vector.emit import I1, I8, I16, I64, const

BITS = 64  # inputs per mask; fewer mean more loop exits, each a likely misprediction
FLAGS = ir.VectorType(I8, BITS)
LIST = 1024  # flags whose numbers make one list: an MNIST row fits, and a list takes 3 or 4 kB of L1
COMPRESS = compresses(FEATURES, VECTOR_BYTES)


def _each_bit(e, mask, carried, body):
    """Emit ``for each set bit t of mask: carried = body(t, carried)``; returns the last values."""
    b, before = e.b, e.b.block
    bit, done = (b.function.append_basic_block(s) for s in ("bit", "bits_done"))
    none = const(0)
    b.cbranch(b.icmp_unsigned("!=", mask, none), bit, done)
    b.position_at_end(bit)
    left = b.phi(I64)
    old = [b.phi(v.type) for v in carried]
    t = e.call("llvm.cttz.i64", I64, left, ir.Constant(I1, 1))
    rest = b.and_(left, b.sub(left, const(1)))
    new = body(t, old)
    left.add_incoming(mask, before)
    left.add_incoming(rest, b.block)
    for phi, start, value in zip(old, carried, new, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, b.block)
    b.cbranch(b.icmp_unsigned("!=", rest, none), bit, done)
    b.position_at_end(done)
    merged = [b.phi(v.type) for v in carried]
    for phi, start, value in zip(merged, carried, new, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, bit)
    return merged


def _nonzero(e, raw):
    """Mask of the nonzero bytes of a block."""
    return e.b.icmp_unsigned("!=", raw, ir.Constant(FLAGS, [0] * BITS))


class NonzeroFlags:
    """Emits code that goes through the nonzero flags of one row, or of a pair: those that are nonzero in either.

    A row has n flags in blocks of BITS; ``flags`` holds the address of each row's first. With ``overlap`` the last
    block starts early enough to end with the row, so nothing beyond the row is read; without, it reads on to its own
    end. Either way only flags below n that no earlier block held count. The value of flag t is table[flag] with
    ``by_table``, else it is read t * value_step behind the row's address in ``values``.
    """

    def __init__(self, e, flags, flags_step, n, overlap, by_table, table, values, value_step):
        self.e, self.flags, self.flags_step, self.n, self.overlap = e, flags, flags_step, n, overlap
        self.by_table, self.table, self.values, self.value_step = by_table, table, values, value_step

    def _flags(self, q, back=None):
        """(addresses, flags of each row, mask of those nonzero in any) of the block at flag q, or ``back`` before."""
        b = self.e.b
        start = b.mul(b.lshr(q, const(6)), self.flags_step)
        start = b.sub(start, back) if back else start
        addresses = [self.e.gep(row, start) for row in self.flags]
        raws = [b.load(b.bitcast(address, FLAGS.as_pointer())) for address in addresses]
        for raw in raws:
            raw.align = 1
        return addresses, raws, b.bitcast(_nonzero(self.e, reduce(b.or_, raws)), I64)

    def whole_block(self, q):
        """(number of its first flag, addresses, flags, mask of those that count) of a block that ends below n."""
        return q, *self._flags(q)

    def block(self, q):
        """As `whole_block`, of any block."""
        b = self.e.b
        last = b.sub(self.n, const(BITS))
        base = b.select(b.and_(self.overlap, b.icmp_signed(">", q, last)), last, q)
        left = b.sub(self.n, base)
        some = b.sub(b.shl(const(1), b.and_(left, const(BITS - 1))), const(1))
        wanted = b.select(b.icmp_signed(">=", left, const(BITS)), const(-1), some)
        wanted = b.and_(wanted, b.shl(const(-1), b.sub(q, base)))
        addresses, raws, mask = self._flags(q, b.sub(q, base))
        return base, addresses, raws, b.and_(mask, wanted)

    def _values(self, t, flags):
        """Splat of each row's value of flag t, whose byte is at its address in ``flags``."""
        e = self.e
        if self.by_table:
            return [e.splat(e.b.load(e.gep(self.table, e.b.zext(e.b.load(flag), I64)))) for flag in flags]
        place = e.b.mul(t, self.value_step)
        return [e.splat(e.b.load(e.gep(row, place))) for row in self.values]

    def each(self, carried, body, first=None):
        """Emit ``carried = body(t, values of t, carried)`` for each nonzero flag t >= first; first < BITS."""
        return (self._each_in_lists if COMPRESS else self._each_in_masks)(carried, body, first)

    def _beyond(self, mask, q, first):
        """The mask without the flags below ``first``."""
        b = self.e.b
        if first is None:
            return mask
        return b.and_(mask, b.shl(const(-1), b.select(b.icmp_signed("==", q, const(0)), first, const(0))))

    def _each_in_masks(self, carried, body, first):
        """Bit by bit through the mask of each block. (A list by a table of the positions in each byte of the mask is
        slower: 784-64-10 and 784-30-10 take 2 to 8 % longer with 256-bit vectors.)
        """
        e = self.e

        def block(q, carried):
            base, addresses, _, mask = self.block(q)

            def bit(t, carried):
                number = e.b.add(base, t)
                return body(number, self._values(number, [e.gep(address, t) for address in addresses]), carried)

            return _each_bit(e, self._beyond(mask, q, first), carried, bit)

        return e.loop(const(0), self.n, BITS, carried, block, "block")

    def _each_in_lists(self, carried, body, first):
        """Through a list of numbers and flags, made first. One loop has one end; each mask has an end that the
        processor cannot foresee (forward, 128 rows of MNIST, 64 outputs: 32 us instead of 39).
        """
        e, b = self.e, self.e.b
        with b.goto_entry_block():
            numbers, *flags = [b.alloca(item, LIST + BITS) for item in (I16, *(I8 for _ in self.flags))]
            for items in (numbers, *flags):
                items.align = 64
        upward = ir.Constant(FLAGS, list(range(BITS)))

        def part(start, carried):
            end = b.select(b.icmp_signed("<", self.n, b.add(start, const(LIST))), self.n, b.add(start, const(LIST)))

            def compress(block, q, count):
                base, _, raws, mask = block(q)
                mask = self._beyond(mask, q, first)
                chosen = b.bitcast(mask, ir.VectorType(I1, BITS))
                place = e.broadcast(b.trunc(b.sub(base, start), I16), BITS)
                number = b.add(b.zext(self._chosen(upward, chosen), place.type), place)
                entries = [number, *(self._chosen(raw, chosen) for raw in raws)]
                for target, items in zip((numbers, *flags), entries, strict=True):
                    at = b.bitcast(e.gep(target, count[0]), items.type.as_pointer())
                    b.store(items, at).align = 1
                return [b.add(count[0], e.call("llvm.ctpop.i64", I64, mask))]

            whole = b.and_(end, const(-BITS))
            count = e.loop(start, whole, BITS, [const(0)], partial(compress, self.whole_block), "compress")
            (count,) = e.loop(whole, end, BITS, count, partial(compress, self.block), "rest")

            def entry(i, carried):
                t = b.add(start, b.zext(b.load(e.gep(numbers, i)), I64))
                return body(t, self._values(t, [e.gep(row, i) for row in flags]), carried)

            return e.loop(const(0), count, 1, carried, entry, "entry")

        return e.loop(const(0), self.n, LIST, carried, part, "part")

    def _chosen(self, items, chosen):
        return self.e.call("llvm.x86.avx512.mask.compress.v64i8", FLAGS, items, ir.Constant(FLAGS, [0] * BITS), chosen)
