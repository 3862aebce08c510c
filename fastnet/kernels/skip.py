"""The first layer on data with many zeros: work for the nonzero inputs only.

A row of bytes says which inputs are nonzero (the pixels themselves, or flags made from floating data). Sixty-four of
them are compared with zero at once; each set bit of the mask names a row of weights to be added, scaled, to a group of
accumulators that stay in registers: `walk`. With the bytes transposed, the weight gradient is the same walk down a
column of the batch with the deltas as operand. A walk adds the same products in the same order as the dense tile, less
those that are zero.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnet.kernels.lanes import I1, I8, I32, I64, Emit, call_one_of, const, declared

BITS = 64  # inputs per mask; fewer mean more loop exits, each a likely misprediction
WIDEST = 8  # accumulators of one walk: enough for 64 float32 outputs on AVX2, 128 on AVX-512
WIDTHS = (8, 6, 4, 3, 2, 1)
FLAGS = ir.VectorType(I8, BITS)
SIDE = 16  # bytes are transposed in registers, SIDE x SIDE at a time


def _masked_sum(e, acc, mask, value_at, row_at):
    """Emit ``for each set bit t of mask: acc += value_at(t) * row_at(t)``; returns the new accumulators."""
    b, before = e.b, e.b.block
    bit, done = (b.function.append_basic_block(s) for s in ("bit", "bits_done"))
    none = ir.Constant(I64, 0)
    b.cbranch(b.icmp_unsigned("!=", mask, none), bit, done)
    b.position_at_end(bit)
    left = b.phi(I64)
    sums = [b.phi(e.vec) for _ in acc]
    t = e.call("llvm.cttz.i64", I64, left, ir.Constant(I1, 1))
    rest = b.and_(left, b.sub(left, ir.Constant(I64, 1)))
    value, row = e.splat(value_at(t)), row_at(t)
    new = [e.fma(value, x, s) for x, s in zip(row, sums, strict=True)]
    left.add_incoming(mask, before)
    left.add_incoming(rest, b.block)
    for s, old, after in zip(sums, acc, new, strict=True):
        s.add_incoming(old, before)
        s.add_incoming(after, b.block)
    b.cbranch(b.icmp_unsigned("!=", rest, none), bit, done)
    b.position_at_end(done)
    merged = [b.phi(e.vec) for _ in acc]
    for m, old, after in zip(merged, acc, new, strict=True):
        m.add_incoming(old, before)
        m.add_incoming(after, bit)
    return merged


def _offsets(e, vectors, panel):
    """Offset of each vector of a group from its first panel: two vectors to a panel."""
    return [e.b.add(e.b.mul(const(j // 2), panel), const(j % 2 * e.lanes)) for j in range(vectors)]


def _walk(e, vectors, out, out_panel, flags, flags_step, n, by_table, table, values, value_step, rows, row_step, row_panel):
    """Emit the body of one walk function; the arguments are those of `walk`."""
    b = e.b
    outs = [e.gep(out, o) for o in _offsets(e, vectors, out_panel)]
    ins = _offsets(e, vectors, row_panel)
    # The last block of a long contiguous row overlaps the one before it, so that nothing beyond the row is read.
    whole = b.and_(b.icmp_signed("==", flags_step, const(BITS)), b.icmp_signed(">=", n, const(BITS)))
    last = b.sub(n, const(BITS))

    def block(value_of):
        def body(q, acc):
            overlap = b.and_(whole, b.icmp_signed(">", q, last))
            base = b.select(overlap, last, q)
            place = b.add(b.mul(b.lshr(q, const(6)), flags_step), b.sub(base, q))
            bytes_ = e.gep(flags, place)
            raw = b.load(b.bitcast(bytes_, FLAGS.as_pointer()))
            raw.align = 1
            mask = b.bitcast(b.icmp_unsigned("!=", raw, ir.Constant(FLAGS, [0] * BITS)), I64)
            left = b.sub(n, base)
            some = b.sub(b.shl(const(1), b.and_(left, const(BITS - 1))), const(1))
            mask = b.and_(mask, b.select(b.icmp_signed(">=", left, const(BITS)), const(-1), some))
            mask = b.and_(mask, b.shl(const(-1), b.sub(q, base)))

            def row_at(t):
                row = e.gep(rows, b.mul(b.add(base, t), row_step))
                return [e.load(row, o) for o in ins]

            return _masked_sum(e, acc, mask, lambda t: value_of(bytes_, base, t), row_at)

        return body

    def from_table(bytes_, base, t):
        return b.load(e.gep(table, b.zext(b.load(e.gep(bytes_, t)), I64)))

    def from_values(bytes_, base, t):
        return b.load(e.gep(values, b.mul(b.add(base, t), value_step)))

    start = [e.load(p) for p in outs]
    for value_of, wanted in ((from_table, 1), (from_values, 0)):
        run, after = (b.function.append_basic_block(s) for s in ("run", "after"))
        b.cbranch(b.icmp_signed("==", by_table, const(wanted)), run, after)
        b.position_at_end(run)
        acc = e.loop(const(0), n, BITS, start, block(value_of), "block")
        for p, v in zip(outs, acc, strict=True):
            e.store(v, p)
        b.branch(after)
        b.position_at_end(after)
    b.ret_void()


def _walk_function(module, scalar, vectors):
    pointer = scalar.as_pointer()
    arguments = [pointer, I64, I8.as_pointer(), I64, I64, I64, pointer, pointer, I64, pointer, I64, I64]
    return declared(module, f"fastnet_walk_{scalar}_{vectors}", arguments)


def _list(e, vectors, out, out_panel, indices, values, n, rows, row_step, row_panel):
    """Emit the body of one list function; the arguments are those of `walk_list`."""
    outs = [e.gep(out, o) for o in _offsets(e, vectors, out_panel)]
    ins = _offsets(e, vectors, row_panel)

    def body(i, acc):
        index = e.b.sext(e.b.load(e.gep(indices, i)), I64)
        value, row = e.splat(e.b.load(e.gep(values, i))), e.gep(rows, e.b.mul(index, row_step))
        return [e.fma(value, e.load(row, o), s) for o, s in zip(ins, acc, strict=True)]

    acc = e.loop(const(0), n, 1, [e.load(p) for p in outs], body, "entry")
    for p, v in zip(outs, acc, strict=True):
        e.store(v, p)
    e.b.ret_void()


def _list_function(module, scalar, vectors):
    pointer = scalar.as_pointer()
    arguments = [pointer, I64, I32.as_pointer(), pointer, I64, pointer, I64, I64]
    return declared(module, f"fastnet_list_{scalar}_{vectors}", arguments)


def _transpose_function(module):
    return declared(module, "fastnet_transpose_bytes", [I8.as_pointer(), I64, I8.as_pointer(), I64.as_pointer(), I64])


def _transpose(b, dst, ld, src, order, stride):
    """Emit the body of `transpose_bytes`: four rounds of interleaving."""
    vec = ir.VectorType(I8, SIDE)
    half = [[v for i in range(h, h + SIDE // 2) for v in (i, SIDE + i)] for h in (0, SIDE // 2)]
    low, high = (ir.Constant(ir.VectorType(I32, SIDE), lanes) for lanes in half)
    rows = []
    for i in range(SIDE):
        row = b.gep(src, [b.mul(b.load(b.gep(order, [const(i)])), stride)])
        rows.append(b.load(b.bitcast(row, vec.as_pointer())))
        rows[-1].align = 1
    for _ in range(4):
        rows = [b.shuffle_vector(rows[i], rows[i + 8], part) for i in range(8) for part in (low, high)]
    for i in range(SIDE):
        b.store(rows[i], b.bitcast(b.gep(dst, [b.mul(const(i), ld)]), vec.as_pointer())).align = 1
    b.ret_void()


def define(module, scalar):
    """Add the walks of every width and the transpose of bytes to the vector library."""
    for vectors in WIDTHS:
        for function, body in ((_walk_function, _walk), (_list_function, _list)):
            fn = function(module, scalar, vectors)
            body(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), vectors, *fn.args)
    fn = _transpose_function(module)
    _transpose(ir.IRBuilder(fn.append_basic_block("entry")), *fn.args)


def _dispatch(context, builder, signature, args, function):
    """Call ``function(module, scalar, vectors)`` for the run-time number of vectors, the last argument."""
    *operands, vectors = args
    scalar = context.get_value_type(signature.args[0].dtype)
    call_one_of(builder, vectors, {v: function(builder.module, scalar, v) for v in WIDTHS}, operands)
    return context.get_dummy_value()


@intrinsic
def walk(
    typingctx, out, out_panel, flags, flags_step, n, by_table, table, values, value_step, rows, row_step, row_panel,
    vectors,
):  # fmt: skip
    """out += sum over t < n with flag(t) != 0 of value(t) * rows[t * row_step]; out and rows are groups of vectors.

    ``vectors`` (one of WIDTHS) vectors, two to a panel; panels lie ``out_panel`` and ``row_panel`` apart. Blocks of 64
    flags lie ``flags_step`` apart; if that is not 64, or n < 64, the last block must be readable as a whole. The value is
    table[flag(t)] with ``by_table`` 1, values[t * value_step] with 0.
    """
    i = types.intp
    sig = types.void(out, i, flags, i, i, i, table, values, i, rows, i, i, i)

    def codegen(context, builder, signature, args):
        return _dispatch(context, builder, signature, args, _walk_function)

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
def transpose_bytes(typingctx, dst, ld, src, order, stride):
    """dst[k * ld + i] = src[order[i] * stride + k] for i, k < SIDE."""
    sig = types.void(dst, types.intp, src, order, types.intp)

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
