"""The first layer on data with many zeros: work for the nonzero inputs only.

A row of bytes says which inputs are nonzero: the pixels themselves, or flags made from floating data (nonzero.py). Each
nonzero input names a row of weights. `walk` adds these rows, scaled, to sums that stay in registers. On the transposed
bytes the same walk computes the weight gradient: it goes down a column of the batch and adds rows of the delta. A walk
adds the same products in the same order as the dense tile, without those that are zero.

A walk over two rows at once loads what both want only once, and waits less often for a sum: columns of neighbouring
pixels have most of their nonzeros in common. It skips what is zero in both rows, so an infinite weight makes NaN of
both sums.
"""

from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.target import REGISTERS
from fastnet.kernels.vector.emit import I8, I32, I64, begin, calls_one_of, const, declared
from fastnet.kernels.vector.nonzero import BITS, NonzeroFlags
from fastnet.kernels.vector.shapes import WIDEST

WIDTHS = range(1, WIDEST + 1)  # vectors of sums in one walk
# Two rows at once pay up to these widths. Rows of a batch have less in common than columns: forward with 64 outputs
# takes 38 us in pairs and 33 one by one, with 32 outputs 20 and 22; the gradient of 64 takes 27 and 31 (128 rows of
# MNIST). Of eight vectors two rows take 26 registers (784-100-10, batch 128: 183 us a step in pairs, 201 one by one).
PAIRED_ROWS, PAIRED_COLUMNS = 2, WIDEST if REGISTERS == 32 else 4
WALKS = [  # vectors of sums to a row, rows at once
    *((vectors, 1) for vectors in WIDTHS if vectors > PAIRED_ROWS),
    *((vectors, 2) for vectors in WIDTHS if vectors <= PAIRED_COLUMNS),
]


def _group(e, start, vectors, panel_stride):
    """Pointer to each vector of a group that starts at ``start``: two vectors to a panel."""
    pointers = []
    for j in range(vectors):
        if j > 0 and j % 2 == 0:
            start = e.gep(start, panel_stride)
        if j % 2 == 0:
            start = e.in_register(start)
        pointers.append(e.gep(start, j % 2 * e.lanes))
    return pointers


def _walk(
    e, vectors, height, out, out_step, out_panel_stride, count, order, ordered, flags, stride, flags_step, n, by_table,
    table, values, value_stride, value_step, rows, row_step, row_panel_stride, accumulate,
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
        entries = NonzeroFlags(e, bytes_, flags_step, n, whole, by_table, table, numbers, value_step)

        def add(t, factors, acc):
            source = [e.load(p) for p in _group(e, e.gep(rows, b.mul(t, row_step)), vectors, row_panel_stride)]
            return [e.fma(f, w, acc[j * vectors + v]) for j, f in enumerate(factors) for v, w in enumerate(source)]

        target = [p for m in members for p in _group(e, e.gep(out, b.mul(m, out_step)), vectors, out_panel_stride)]
        acc = entries.each([b.select(again, e.load(p), e.constant(0.0)) for p in target], add)
        for p, v in zip(target, acc, strict=True):
            e.store(v, p)
        return []

    def every(by_table):
        e.loop(const(0), count, height, [], lambda i, _: some(by_table, i), "row")

    e.either(b.icmp_signed("!=", by_table, const(0)), every)


def _scatter(
    e,
    vectors,
    rows,
    row_step,
    row_panel_stride,
    flags,
    n,
    first,
    by_table,
    table,
    values,
    source,
    source_panel_stride,
    factor,
):
    """Emit the body of one scatter function; the arguments are those of `scatter`."""
    b = e.b
    scale = e.splat(factor)
    added = [b.fmul(scale, e.load(p)) for p in _group(e, source, vectors, source_panel_stride)]

    def whole_row(by_table):
        overlap = b.icmp_signed(">=", n, const(BITS))
        row = NonzeroFlags(e, [flags], const(BITS), n, overlap, by_table, table, [values], const(1))

        def add(t, factors, _):
            (value,) = factors
            target = _group(e, e.gep(rows, b.mul(t, row_step)), vectors, row_panel_stride)
            for p, v in zip(target, added, strict=True):
                e.store(e.fma(value, v, e.load(p)), p)
            return []

        row.each([], add, first)

    e.either(b.icmp_signed("!=", by_table, const(0)), whole_row)


def _walk_function(module, scalar, vectors, height):
    pointer, bytes_, order = scalar.as_pointer(), I8.as_pointer(), I64.as_pointer()
    arguments = [
        pointer, I64, I64, I64, order, I64, bytes_, I64, I64, I64, I64, pointer, pointer, I64, I64, pointer, I64, I64,
        I64,
    ]  # fmt: skip
    return declared(module, f"fastnet_walk_{scalar}_{vectors}x{height}", arguments)


def _list(e, vectors, out, out_panel_stride, indices, values, n, rows, row_step, row_panel_stride):
    """Emit the body of one list function; the arguments are those of `walk_list`."""
    outs = _group(e, out, vectors, out_panel_stride)

    def body(i, acc):
        index = e.b.sext(e.b.load(e.gep(indices, i)), I64)
        value, row = e.splat(e.b.load(e.gep(values, i))), e.gep(rows, e.b.mul(index, row_step))
        return [e.fma(value, e.load(p), s) for p, s in zip(_group(e, row, vectors, row_panel_stride), acc, strict=True)]

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
    widths = [(vectors,) for vectors in WIDTHS]
    families = (
        (_walk_function, _walk, WALKS),
        (_scatter_function, _scatter, widths),
        (_list_function, _list, widths),
    )
    for function, body, shapes in families:
        for shape in shapes:
            fn = function(module, scalar, *shape)
            body(begin(fn, scalar), *shape, *fn.args)


# Up to 22 arguments: a micro-kernel takes pointers and numbers, which LLVM keeps in registers. A record would have to
# be filled for each of the thousands of calls in a step.


@intrinsic
def walk(
    typingctx, out, out_step, out_panel_stride, count, order, ordered, flags, stride, flags_step, n, by_table, table,
    values, value_stride, value_step, rows, row_step, row_panel_stride, accumulate, vectors, height,
):  # fmt: skip
    """out[i] (+)= sum over t < n with flag(i, t) != 0 of value(i, t) * rows[t], for i < count.

    out[i], at i * out_step, and rows[t], at t * row_step, are groups of ``vectors`` vectors, two to a panel; panels are
    ``out_panel_stride`` and ``row_panel_stride`` apart. ``height`` rows i go together, through what is nonzero in any
    of them; with height 2 a flag that is zero must have a value of zero. (vectors, height) is one of WALKS.
    The flags of row i start at stride * order[i] (``ordered`` 1) or stride * i. Blocks of 64 of them are ``flags_step``
    apart. If that is not 64, or n < 64, the last block must be readable as a whole.
    A value is table[flag] with ``by_table`` 1, values[i * value_stride + t * value_step] with 0.
    """
    i = types.intp
    sig = types.void(out, i, i, i, order, i, flags, i, i, i, i, table, values, i, i, rows, i, i, i, i, i)
    return sig, calls_one_of(_walk_function, WALKS)


@intrinsic
def scatter(
    typingctx, rows, row_step, row_panel_stride, flags, n, first, by_table, table, values, source,
    source_panel_stride, factor, vectors,
):  # fmt: skip
    """rows[t * row_step] += value(t) * factor * source, for all first <= t < n with flags[t] != 0.

    The transpose of `walk`, for one sample: groups of vectors, flags and values as there; first < 64, and 64 flags
    must be readable.
    """
    i = types.intp
    sig = types.void(rows, i, i, flags, i, i, i, table, values, source, i, factor, i)
    return sig, calls_one_of(_scatter_function, [(v,) for v in WIDTHS])


@intrinsic
def walk_list(typingctx, out, out_panel_stride, indices, values, n, rows, row_step, row_panel_stride, vectors):
    """out += sum over i < n of values[i] * rows[indices[i] * row_step]; int32 indices; groups as in `walk`."""
    i = types.intp
    return types.void(out, i, indices, values, i, rows, i, i, i), calls_one_of(_list_function, [(v,) for v in WIDTHS])
