"""The first layer on data with many zeros: work for the nonzero inputs only.

A row of bytes says which inputs are nonzero (the pixels themselves, or flags made from floating data;
fastnet.kernels.flags). Each names a row of weights to be added, scaled, to a group of accumulators that stay in
registers: `walk`. With the bytes transposed, the weight gradient is the same walk down a column of the batch with the
deltas as operand. A walk adds the same products in the same order as the dense tile, less those that are zero.

Two rows at once read an operand that both want only once, and wait less often for a sum: columns of neighbouring pixels
have most of their nonzeros in common. They skip what is zero in both, so that an infinite weight makes NaN of the sums
of either.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnet.kernels.flags import BITS, Rows
from fastnet.kernels.lanes import I8, I32, I64, Emit, call_one_of, const, declared

WIDEST = 8  # accumulators of one walk: enough for 64 float32 outputs on AVX2, 128 on AVX-512
WIDTHS = (8, 6, 4, 3, 2, 1)
# Widths up to which two rows at once pay. Rows of a batch have less in common than columns: forward with 64 outputs
# takes 38 us in pairs and 33 one by one, with 32 outputs 20 and 22; the gradient of 64 takes 27 and 31 (128 rows of
# MNIST).
PAIRED_ROWS, PAIRED_COLUMNS = 2, 4
WALKS = ((8, 1), (6, 1), (4, 1), (3, 1), (4, 2), (3, 2), (2, 2), (1, 2))  # accumulators to a row, rows at once


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
        entries = Rows(e, bytes_, flags_step, n, whole, by_table, table, numbers, value_step)

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
        row = Rows(e, [flags], const(BITS), n, overlap, by_table, table, [values], const(1))

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


def define(module, scalar):
    """Add the walks, scatters and lists of every width to the vector library."""

    def emit(function, body, *shape):
        fn = function(module, scalar, *shape)
        body(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), *shape, *fn.args)

    for shape in WALKS:
        emit(_walk_function, _walk, *shape)
    for vectors in WIDTHS:
        emit(_scatter_function, _scatter, vectors)
        emit(_list_function, _list, vectors)


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


@njit
def walk_loops(out, flags, values, rows):
    """Plain twin of `walk`: out (v,) += sum of values[t] * rows[t] (n, v) over t with flags[t] != 0."""
    for t in range(flags.shape[0]):
        if flags[t] != 0:
            for j in range(out.shape[0]):
                out[j] += values[t] * rows[t, j]
