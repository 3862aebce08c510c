"""The gradient of a block of rows of W: inputs^T delta, summed over the rows of a chunk."""

from fastnet.kernels.compile.jit import serial
from fastnet.kernels.step.gather import is_bytes
from fastnet.kernels.step.records import SKIP
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.pointers import at, panel_width
from fastnet.kernels.vector.shapes import clear, tile_height
from fastnet.kernels.vector.tile import NV, tile_columns
from fastnet.kernels.vector.walk import PAIRED_COLUMNS, walk, walk_list


@serial
def dense_gradient(memory, g, inputs, delta, chunk, rows, vectors, places):
    """g (rows, up to NV vectors) = inputs^T delta; g and delta are panels in memory, inputs is an Operand.

    The tiles fetch for the optimizer what is at three ``places``: the first one at the first, later ones by turns.
    """
    width, i = panel_width(memory), 0
    ahead, odd, even = places
    while i < rows:
        height, c, a = tile_height(rows - i), at(memory, g + i * width), at(memory, inputs.offset + i)
        d, next_ = at(memory, delta), at(memory, ahead)
        tile_columns(c, width, a, inputs.row_stride, d, chunk.n, chunk.accumulate, next_, height, vectors)
        i += height
        ahead = even if ahead == odd else odd


@serial
def skip_gradient(buffers, X, tables, chunk, g, unit, v, vectors):
    """The Operand g = X^T delta over the nonzero inputs, columns from vector v on: a walk down each input's column."""
    plan, layer, memory = tables.plans[0], tables.layers[0], buffers.memory
    width, row = panel_width(memory), unit.first_row
    delta = at(memory, layer.delta_panels + v // NV * plan.panel_stride)
    if plan.input == SKIP:
        flags, values = at(buffers.flags, plan.flags_t + row * BITS), at(memory, layer.a_in + row)
        walk(
            at(memory, g.offset), width, g.panel_stride, unit.rows, at(buffers.samples, 0), 0,
            flags, BITS, layer.fan_in * BITS, chunk.n, is_bytes(X), at(memory, plan.table),
            values, 1, layer.row_stride_in,
            delta, width, plan.panel_stride, chunk.accumulate, vectors, 2 if vectors <= PAIRED_COLUMNS else 1,
        )  # fmt: skip
        return
    for i in range(unit.rows):
        target, count = g.offset + i * width, buffers.lists[row + i]
        if not chunk.accumulate:
            for q in range(0, vectors, NV):
                clear(at(memory, target + q // NV * g.panel_stride), width)
        start = buffers.lists[plan.ends + row + i] - count
        rows, values = at(buffers.lists, plan.entries + start), at(memory, plan.values + start)
        walk_list(at(memory, target), g.panel_stride, rows, values, count, delta, width, plan.panel_stride, vectors)
