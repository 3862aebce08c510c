"""The gradient of some rows of W: a_in^T delta, summed over the rows of a chunk."""

from fastnet.kernels.compile.jit import serial
from fastnet.kernels.step.gather import is_bytes
from fastnet.kernels.step.places import delta_at
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.pointers import at, panel_width
from fastnet.kernels.vector.shapes import clear, tile_height
from fastnet.kernels.vector.tile import NV, tile_columns
from fastnet.kernels.vector.walk import PAIRED_COLUMNS, walk, walk_list


@serial
def dense_gradient(memory, g, a_in, delta, chunk, rows, vectors, places):
    """g (rows, up to NV vectors) = a_in^T delta; g and delta are panels in memory, a_in is an Operand.

    Meanwhile the tiles prefetch what the optimizer will want: the first tile at places[0], later ones at places[1] and
    places[2] in turn.
    """
    width, i = panel_width(memory), 0
    ahead, odd, even = places
    while i < rows:
        height, c, a = tile_height(rows - i), at(memory, g + i * width), at(memory, a_in.offset + i)
        d, next_ = at(memory, delta), at(memory, ahead)
        tile_columns(c, width, a, a_in.row_stride, d, chunk.n, chunk.accumulate, next_, height, vectors)
        i += height
        ahead = even if ahead == odd else odd


@serial
def walk_gradient(buffers, g, X, plan, layer, chunk, unit, v, vectors):
    """The Operand g = X^T delta over the nonzero inputs, columns from vector v on: a walk down each input's column."""
    memory, row = buffers.memory, unit.first_row
    width = panel_width(memory)
    flags, values = at(buffers.flags, plan.flags_t + row * BITS), at(memory, layer.a_in + row)
    walk(
        at(memory, g.offset), width, g.panel_stride, unit.rows, at(buffers.samples, 0), 0,
        flags, BITS, layer.fan_in * BITS, chunk.n, is_bytes(X), at(memory, plan.byte_values),
        values, 1, layer.row_stride_in,
        at(memory, delta_at(layer, plan, v)), width, plan.panel_stride, chunk.accumulate, vectors,
        2 if vectors <= PAIRED_COLUMNS else 1,
    )  # fmt: skip


@serial
def list_gradient(buffers, g, plan, layer, chunk, unit, v, vectors):
    """The same from the entries of a CSR matrix, which `column_lists` has listed by input."""
    memory, lists = buffers.memory, buffers.lists
    width, delta = panel_width(memory), at(memory, delta_at(layer, plan, v))
    for i in range(unit.rows):
        target, k = g.offset + i * width, unit.first_row + i
        if not chunk.accumulate:
            for q in range(0, vectors, NV):
                clear(at(memory, target + q // NV * g.panel_stride), width)
        start = lists[plan.ends + k] - lists[k]
        rows, values = at(lists, plan.entries + start), at(memory, plan.values + start)
        walk_list(at(memory, target), g.panel_stride, rows, values, lists[k], delta, width, plan.panel_stride, vectors)
