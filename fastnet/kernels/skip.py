"""The first layer on data with many zeros: work for the nonzero inputs only.

A row of bytes says which inputs are nonzero (the pixels themselves, or flags made from floating data). Sixty-four of
them are compared with zero at once; each set bit of the mask names a row of weights to be added, scaled, to a group of
accumulators that stay in registers: `walk`. With the bytes transposed, the weight gradient is the same walk down a
column of the batch with the deltas as operand. A walk adds the same products in the same order as the dense tile, less
those that are zero. Two rows at once read an operand that both want only once, and wait less often for a sum: columns
of neighbouring pixels have most of their nonzeros in common. They skip what is zero in both, so that an infinite weight
makes NaN of the sums of either.
"""

from functools import partial, reduce

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnet.kernels.lanes import FEATURES, I1, I8, I16, I32, I64, VECTOR_BYTES, Emit, call_one_of, const, declared

BITS = 64  # inputs per mask; fewer mean more loop exits, each a likely misprediction
WIDEST = 8  # accumulators of one walk: enough for 64 float32 outputs on AVX2, 128 on AVX-512
WIDTHS = (8, 6, 4, 3, 2, 1)
# Widths up to which two rows at once pay. Rows of a batch have less in common than columns: forward with 64 outputs
# takes 38 us in pairs and 33 one by one, with 32 outputs 20 and 22; the gradient of 64 takes 27 and 31 (128 rows of
# MNIST).
PAIRED_ROWS, PAIRED_COLUMNS = 2, 4
WALKS = ((8, 1), (6, 1), (4, 1), (3, 1), (4, 2), (3, 2), (2, 2), (1, 2))  # accumulators to a row, rows at once
FLAGS = ir.VectorType(I8, BITS)
LIST = 1024  # flags whose numbers make one list: those of an MNIST row, 3 or 4 kB of L1
COMPRESS = VECTOR_BYTES == 64 and FEATURES.get("avx512vbmi2", False)  # presses the chosen bytes of a vector together
SIDE = 16  # bytes are transposed in registers, in squares of SIDE x SIDE


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


class _Rows:
    """Emits code that goes through the nonzero flags of one row, or of a pair: those that are nonzero in either.

    There are n flags in blocks of BITS, each row's from its address in ``flags`` on. With ``overlap`` the last block
    reaches back over flags that were done, so that nothing beyond the row is read; without, it reads on to its end.
    Either way only the flags of this block that are new and below n count. A row's value is table[flag] where
    ``by_table``, else its address in ``values`` at t * value_step.
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
        """Bit by bit through the mask of each block."""
        e = self.e

        def block(q, carried):
            base, addresses, _, mask = self.block(q)

            def bit(t, carried):
                number = e.b.add(base, t)
                return body(number, self._values(number, [e.gep(address, t) for address in addresses]), carried)

            return _each_bit(e, self._beyond(mask, q, first), carried, bit)

        return e.loop(const(0), self.n, BITS, carried, block, "block")

    def _each_in_lists(self, carried, body, first):
        """Numbers and flags are pressed into lists first: one loop has one end, where each mask has an end that the
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

            def press(block, q, count):
                base, _, raws, mask = block(q)
                mask = self._beyond(mask, q, first)
                chosen = b.bitcast(mask, ir.VectorType(I1, BITS))
                place = e.broadcast(b.trunc(b.sub(base, start), I16), BITS)
                number = b.add(b.zext(self._pressed(upward, chosen), place.type), place)
                pressed = [number, *(self._pressed(raw, chosen) for raw in raws)]
                for target, items in zip((numbers, *flags), pressed, strict=True):
                    at = b.bitcast(e.gep(target, count[0]), items.type.as_pointer())
                    b.store(items, at).align = 1
                return [b.add(count[0], e.call("llvm.ctpop.i64", I64, mask))]

            whole = b.and_(end, const(-BITS))
            count = e.loop(start, whole, BITS, [const(0)], partial(press, self.whole_block), "press")
            (count,) = e.loop(whole, end, BITS, count, partial(press, self.block), "rest")

            def entry(i, carried):
                t = b.add(start, b.zext(b.load(e.gep(numbers, i)), I64))
                return body(t, self._values(t, [e.gep(row, i) for row in flags]), carried)

            return e.loop(const(0), count, 1, carried, entry, "entry")

        return e.loop(const(0), self.n, LIST, carried, part, "part")

    def _pressed(self, items, chosen):
        return self.e.call("llvm.x86.avx512.mask.compress.v64i8", FLAGS, items, ir.Constant(FLAGS, [0] * BITS), chosen)


def _either(e, by_table, emit):
    """Emit ``emit(True)`` or ``emit(False)``, as by_table says when the code runs."""
    for case in (True, False):
        run, after = (e.b.function.append_basic_block(s) for s in ("run", "after"))
        e.b.cbranch(e.b.icmp_signed("==", by_table, const(int(case))), run, after)
        e.b.position_at_end(run)
        emit(case)
        e.b.branch(after)
        e.b.position_at_end(after)
    e.b.ret_void()


def _group(e, start, vectors, panel):
    """Pointer to each vector of a group that starts at ``start``: two vectors to a panel."""
    pointers = []
    for j in range(vectors):
        if j > 0 and j % 2 == 0:
            start = e.gep(start, panel)
        if j % 2 == 0:
            start = e.in_register(start)
        pointers.append(e.gep(start, j % 2 * e.lanes))
    return pointers


def _walk(
    e, vectors, height, out, out_step, out_panel, count, order, ordered, flags, stride, flags_step, n, by_table, table,
    values, value_stride, value_step, rows, row_step, row_panel, accumulate,
):  # fmt: skip
    """Emit the body of one walk function; the arguments are those of `walk`."""
    b = e.b
    whole = b.and_(b.icmp_signed("==", flags_step, const(BITS)), b.icmp_signed(">=", n, const(BITS)))
    again, by_order = (b.icmp_signed("!=", flag, const(0)) for flag in (accumulate, ordered))

    def some(by_table, i):
        next_ = b.add(i, const(1))  # an odd last row is its own partner: it is summed twice and stored twice, alike
        members = [i, b.select(b.icmp_signed("<", next_, count), next_, i)][:height]
        places = [b.select(by_order, b.load(e.gep(order, b.select(by_order, m, const(0)))), m) for m in members]
        numbers = [e.gep(values, b.mul(m, value_stride)) for m in members]
        bytes_ = [e.gep(flags, b.mul(place, stride)) for place in places]
        entries = _Rows(e, bytes_, flags_step, n, whole, by_table, table, numbers, value_step)

        def add(t, factors, acc):
            source = [e.load(p) for p in _group(e, e.gep(rows, b.mul(t, row_step)), vectors, row_panel)]
            return [e.fma(f, w, acc[j * vectors + v]) for j, f in enumerate(factors) for v, w in enumerate(source)]

        target = [p for m in members for p in _group(e, e.gep(out, b.mul(m, out_step)), vectors, out_panel)]
        acc = entries.each([b.select(again, e.load(p), e.constant(0.0)) for p in target], add)
        for p, v in zip(target, acc, strict=True):
            e.store(v, p)
        return []

    _either(e, by_table, lambda by_table: e.loop(const(0), count, height, [], lambda i, _: some(by_table, i), "row"))


def _scatter(
    e, vectors, rows, row_step, row_panel, flags, n, first, by_table, table, values, source, source_panel, factor
):
    """Emit the body of one scatter function; the arguments are those of `scatter`."""
    b = e.b
    scale = e.splat(factor)
    added = [b.fmul(scale, e.load(p)) for p in _group(e, source, vectors, source_panel)]

    def whole_row(by_table):
        overlap = b.icmp_signed(">=", n, const(BITS))
        row = _Rows(e, [flags], const(BITS), n, overlap, by_table, table, [values], const(1))

        def add(t, factors, _):
            (value,) = factors
            target = _group(e, e.gep(rows, b.mul(t, row_step)), vectors, row_panel)
            for p, v in zip(target, added, strict=True):
                e.store(e.fma(value, v, e.load(p)), p)
            return []

        row.each([], add, first)

    _either(e, by_table, whole_row)


def _walk_function(module, scalar, vectors, height):
    pointer, bytes_, order = scalar.as_pointer(), I8.as_pointer(), I64.as_pointer()
    arguments = [
        pointer, I64, I64, I64, order, I64, bytes_, I64, I64, I64, I64, pointer, pointer, I64, I64, pointer, I64, I64,
        I64,
    ]  # fmt: skip
    return declared(module, f"fastnet_walk_{scalar}_{vectors}x{height}", arguments)


def _list(e, vectors, out, out_panel, indices, values, n, rows, row_step, row_panel):
    """Emit the body of one list function; the arguments are those of `walk_list`."""
    outs = _group(e, out, vectors, out_panel)

    def body(i, acc):
        index = e.b.sext(e.b.load(e.gep(indices, i)), I64)
        value, row = e.splat(e.b.load(e.gep(values, i))), e.gep(rows, e.b.mul(index, row_step))
        return [e.fma(value, e.load(p), s) for p, s in zip(_group(e, row, vectors, row_panel), acc, strict=True)]

    acc = e.loop(const(0), n, 1, [e.load(p) for p in outs], body, "entry")
    for p, v in zip(outs, acc, strict=True):
        e.store(v, p)
    e.b.ret_void()


def _scatter_function(module, scalar, vectors):
    pointer = scalar.as_pointer()
    arguments = [pointer, I64, I64, I8.as_pointer(), I64, I64, I64, pointer, pointer, pointer, I64, scalar]
    return declared(module, f"fastnet_scatter_{scalar}_{vectors}", arguments)


def _list_function(module, scalar, vectors):
    pointer = scalar.as_pointer()
    arguments = [pointer, I64, I32.as_pointer(), pointer, I64, pointer, I64, I64]
    return declared(module, f"fastnet_list_{scalar}_{vectors}", arguments)


def _transpose_function(module):
    return declared(
        module, "fastnet_transpose_bytes", [I8.as_pointer(), I64, I8.as_pointer(), I64.as_pointer(), I64, I64]
    )


def _transpose(e, dst, ld, src, order, stride, n):
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


def define(module, scalar):
    """Add the walks, scatters and lists of every width and the transpose of bytes to the vector library."""

    def emit(function, body, *shape):
        fn = function(module, scalar, *shape)
        body(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), *shape, *fn.args)

    for shape in WALKS:
        emit(_walk_function, _walk, *shape)
    for vectors in WIDTHS:
        emit(_scatter_function, _scatter, vectors)
        emit(_list_function, _list, vectors)
    fn = _transpose_function(module)
    _transpose(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), *fn.args)


def _dispatch(context, builder, signature, args, function):
    """Call ``function(module, scalar, vectors)`` for the run-time number of vectors, the last argument."""
    *operands, vectors = args
    scalar = context.get_value_type(signature.args[0].dtype)
    call_one_of(builder, vectors, {v: function(builder.module, scalar, v) for v in WIDTHS}, operands)
    return context.get_dummy_value()


@intrinsic
def walk(
    typingctx, out, out_step, out_panel, count, order, ordered, flags, stride, flags_step, n, by_table, table, values,
    value_stride, value_step, rows, row_step, row_panel, accumulate, vectors, height,
):  # fmt: skip
    """out[i] (+)= sum over t < n with flag(i, t) != 0 of value(i, t) * rows[t], for i < count.

    out[i], at i * out_step, and rows[t], at t * row_step, are groups of ``vectors`` vectors, two to a panel; panels lie
    ``out_panel`` and ``row_panel`` apart. ``height`` rows i go together, through what is nonzero in any of them: where
    there are two, a flag that is zero must have a value of zero. (vectors, height) is one of WALKS.
    The flags of row i start at stride * order[i] (``ordered`` 1) or stride * i; blocks of 64 of them lie ``flags_step``
    apart, and if that is not 64, or n < 64, the last block must be readable as a whole.
    A value is table[flag] with ``by_table`` 1, values[i * value_stride + t * value_step] with 0.
    """
    i = types.intp
    sig = types.void(out, i, i, i, order, i, flags, i, i, i, i, table, values, i, i, rows, i, i, i, i, i)

    def codegen(context, builder, signature, args):
        *operands, vectors, height = args
        scalar = context.get_value_type(signature.args[0].dtype)
        key = builder.add(builder.mul(vectors, const(2)), height)
        functions = {2 * v + h: _walk_function(builder.module, scalar, v, h) for v, h in WALKS}
        call_one_of(builder, key, functions, operands)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def scatter(
    typingctx,
    rows,
    row_step,
    row_panel,
    flags,
    n,
    first,
    by_table,
    table,
    values,
    source,
    source_panel,
    factor,
    vectors,
):
    """rows[t * row_step] += value(t) * factor * source, for all first <= t < n with flags[t] != 0.

    The transpose of `walk`, for one sample: groups of vectors, flags and values as there; first < 64, and 64 flags
    must be readable.
    """
    i = types.intp
    sig = types.void(rows, i, i, flags, i, i, i, table, values, source, i, factor, i)

    def codegen(context, builder, signature, args):
        return _dispatch(context, builder, signature, args, _scatter_function)

    return sig, codegen


@intrinsic
def walk_list(typingctx, out, out_panel, indices, values, n, rows, row_step, row_panel, vectors):
    """out += sum over i < n of values[i] * rows[indices[i] * row_step]; int32 indices; groups as in `walk`."""
    i = types.intp
    sig = types.void(out, i, indices, values, i, rows, i, i, i)

    def codegen(context, builder, signature, args):
        return _dispatch(context, builder, signature, args, _list_function)

    return sig, codegen


@intrinsic
def transpose_bytes(typingctx, dst, ld, src, order, stride, n):
    """dst[k * ld + i] = src[order[i] * stride + k] for i < SIDE and k < n; n is at least SIDE."""
    sig = types.void(dst, types.intp, src, order, types.intp, types.intp)

    def codegen(context, builder, signature, args):
        builder.call(_transpose_function(builder.module), args)
        return context.get_dummy_value()

    return sig, codegen


@njit
def walk_loops(out, flags, values, rows):
    """Plain twin of `walk`: out (v,) += sum of values[t] * rows[t] (n, v) over t with flags[t] != 0."""
    for t in range(flags.shape[0]):
        if flags[t] != 0:
            for j in range(out.shape[0]):
                out[j] += values[t] * rows[t, j]
