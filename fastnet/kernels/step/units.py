"""One thread's share of the weights: the gradient of a block of rows of W, and the optimizer on it while it is in L1.

A unit is a block of rows of one layer's W, as high as a panel is wide. It has one owner. Its gradient is computed in
scratch, or in `memory` at ``plan.gradient`` where it is summed over several chunks of rows or wanted for itself.
"""

import numpy as np

from fastnet.functions import ADAM, SGD_LR
from fastnet.kernels.compile.jit import inlined, serial
from fastnet.kernels.step.flags import flag_rows, flags_at
from fastnet.kernels.step.gather import is_bytes
from fastnet.kernels.step.gradient_norm import unit_squares
from fastnet.kernels.step.gradients import dense_gradient, skip_gradient
from fastnet.kernels.step.lists import column_lists
from fastnet.kernels.step.records import DENSE, LISTS, Operand
from fastnet.kernels.vector.blocks import add_rows, prefetch_block
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.optimizers import N_ROW, update_block
from fastnet.kernels.vector.pointers import at, lanes, panel_width
from fastnet.kernels.vector.shapes import Span, clear, group_width
from fastnet.kernels.vector.tile import NV
from fastnet.kernels.vector.transpose import transpose_square
from fastnet.kernels.vector.walk import WIDEST, scatter


@inlined
def squares_of(memory, plan, u):
    """Where unit u leaves its sums of squares: a vector for W, then one for the bias."""
    return plan.squares + 2 * u * lanes(memory)


@inlined
def scratch_of(plan, thread):
    """Where one thread computes gradients."""
    return plan.scratch + thread * plan.scratch_size


@inlined
def transposed_at(layer, v, row, width):
    """Where the transposed copy of a block of W is: rows row.. and vectors v.. of its columns."""
    return layer.transposed + row // width * layer.transposed_stride + v // NV * width * width


@serial
def transpose_block(memory, layer, v, vectors, row):
    """Bring the transposed copy of W up to date: rows row.. and vectors v.. of its columns, a square block."""
    lane, width = lanes(memory), panel_width(memory)
    source = layer.weights + v // NV * layer.weights_stride + row * width
    target = transposed_at(layer, v, row, width)
    for a in range(0, width, lane):
        for b in range(0, vectors * lane, lane):
            transpose_square(at(memory, target + b * width + a), at(memory, source + a * width + b), width)


@inlined
def update_rows(memory, plan, coefficients, squares, w, g, rows, vectors):
    """The optimizer on rows of one panel, at w, with the gradient at g; both are NV vectors wide."""
    width, first = panel_width(memory), w + plan.moments
    m, s, c = at(memory, first), at(memory, first + plan.moments), at(coefficients, 0)
    update_block(at(memory, w), m, s, at(memory, squares), at(memory, g), c, rows, vectors, width, width, plan.rule)


@inlined
def prefetch_rows(memory, plan, w, rows):
    """Fetch the weights and moments that the optimizer will want, while the gradient is computed."""
    width = panel_width(memory)
    prefetch_block(at(memory, w), rows * width)
    if plan.moments:
        prefetch_block(at(memory, w + plan.moments), rows * width)


@serial
def bias_update(memory, tables, coefficients, chunk, u, thread):
    """Gradient of the bias, the sum of the delta's rows, and the optimizer on it (without L2 and decay)."""
    plan, layer = tables.plans[0], tables.layers[tables.units[u].layer]
    lane, size = lanes(memory), layer.vectors * lanes(memory)
    b = layer.bias
    g = b + plan.gradient if plan.gradient else scratch_of(plan, thread)
    if not chunk.accumulate:
        clear(at(memory, g), size)
    for v in range(0, layer.vectors, NV):
        delta = at(memory, layer.delta_panels + v // NV * plan.panel_stride)
        add_rows(at(memory, g + v * lane), delta, NV * lane, chunk.n, min(NV, layer.vectors - v))
    if chunk.update:
        m, squares = b + plan.moments, squares_of(memory, plan, u) + lane
        first, second, c = at(memory, m), at(memory, m + plan.moments), at(coefficients, N_ROW)
        update_block(
            at(memory, b), first, second, at(memory, squares), at(memory, g), c, 1, layer.vectors, size, size, plan.rule
        )


@inlined
def places_ahead(plan, layer, w, v, unit, width):
    """What the tiles of a dense gradient fetch for the optimizer: W, first moments, second ones or the transposed W."""
    also = w
    if plan.rule == ADAM:
        also = w + 2 * plan.moments
    elif unit.layer > 0:
        also = transposed_at(layer, v, unit.first_row, width)
    return w, w + plan.moments, also


@serial
def update_unit(buffers, X, tables, coefficients, chunk, u, thread):
    """All columns of one block of rows of W: gradient, optimizer, transposed copy."""
    plan, unit, memory = tables.plans[0], tables.units[u], buffers.memory
    layer, row, rows, width = tables.layers[unit.layer], unit.first_row, unit.rows, panel_width(memory)
    skip = unit.layer == 0 and plan.input != DENSE
    # This panel of the inputs meets every panel of the delta.
    inputs = Operand(layer.a_in + row // width * layer.panel_stride_in, layer.row_stride_in, layer.panel_stride_in)
    v = np.int64(0)  # a literal would be a type of its own
    while v < layer.vectors:
        left = layer.vectors - v
        vectors = group_width(min(left, WIDEST)) if skip else min(left, NV)
        w = layer.weights + v // NV * layer.weights_stride + row * width
        if plan.gradient:
            g = Operand(w + plan.gradient, width, layer.weights_stride)
        else:
            g = Operand(scratch_of(plan, thread), width, width * width)
        if skip:
            if chunk.update:
                for q in range(0, vectors, NV):
                    prefetch_rows(memory, plan, w + q // NV * layer.weights_stride, rows)
            skip_gradient(buffers, X, tables, chunk, g, unit, v, vectors)
        else:
            delta = layer.delta_panels + v // NV * plan.panel_stride
            places = places_ahead(plan, layer, w, v, unit, width)
            dense_gradient(memory, g.offset, inputs, delta, chunk, rows, vectors, places)
        if chunk.update:
            update_panels(memory, tables, coefficients, g, u, v, vectors)
        v += vectors


@serial
def update_panels(memory, tables, coefficients, g, u, v, vectors):
    """The optimizer on the columns from vector v on of one unit, with the gradient g; and their transposed copy."""
    plan, unit = tables.plans[0], tables.units[u]
    layer, squares = tables.layers[unit.layer], squares_of(memory, plan, u)
    w = layer.weights + v // NV * layer.weights_stride + unit.first_row * panel_width(memory)
    for q in range(0, vectors, NV):
        part, w_q, g_q = min(NV, vectors - q), w + q // NV * layer.weights_stride, g.offset + q // NV * g.panel_stride
        update_rows(memory, plan, coefficients, squares, w_q, g_q, unit.rows, part)
        if unit.layer > 0:
            transpose_block(memory, layer, v + q, part, unit.first_row)


@serial
def scatter_update(buffers, X, tables, inputs, n, lr):
    """Plain SGD on a Span of rows of the first W, sample by sample: W[k] -= lr X[s, k] delta[s], for n samples.

    In a small batch a column of X is nearly empty, and walking down each column costs more than the work in it:
    784-30-10 at batch 10 takes 14 us for that, 4 us this way.
    """
    plan, layer, memory, flags = tables.plans[0], tables.layers[0], buffers.memory, buffers.flags
    width, d, table = panel_width(memory), layer.fan_in, at(memory, plan.table)
    start = min(inputs.start, d - BITS)  # a block of flags must not reach beyond its row
    v = np.int64(0)
    while v < layer.vectors:
        vectors = group_width(min(layer.vectors - v, WIDEST))
        w = at(memory, layer.weights + v // NV * layer.weights_stride + start * width)
        for r in range(n):
            row = flags_at(X, flags, buffers.samples[flag_rows(X), r] * d + start)
            values = at(memory, layer.a_in + r * layer.row_stride_in + start)
            delta = at(memory, layer.delta_panels + v // NV * plan.panel_stride + r * width)
            scatter(
                w, width, layer.weights_stride, row, inputs.stop - start, inputs.start - start,
                is_bytes(X), table, values, delta, plan.panel_stride, -lr, vectors,
            )  # fmt: skip
        v += vectors


@serial
def first_inputs(tables, owned):
    """The Span of inputs whose rows of the first W are among the ``owned`` units; empty if none is."""
    start, stop = tables.layers[0].fan_in, np.int64(0)
    for u in range(owned.start, owned.stop):
        unit = tables.units[u]
        if unit.layer == 0:
            start, stop = min(start, unit.first_row), max(stop, unit.first_row + unit.rows)
    return Span(start, stop)


@serial
def units_of_thread(buffers, batch, tables, coefficients, chunk, thread):
    """Gradients and updates of the units that one thread owns."""
    plan, memory = tables.plans[0], buffers.memory
    owned = Span(tables.split[thread], tables.split[thread + 1])
    if plan.input == LISTS or chunk.scatter:
        inputs = first_inputs(tables, owned)
        if inputs.start < inputs.stop and chunk.scatter:
            scatter_update(buffers, batch.X, tables, inputs, chunk.n, coefficients[SGD_LR])
        elif inputs.start < inputs.stop:
            column_lists(buffers, batch, plan, inputs, chunk.n)
    for u in range(owned.start, owned.stop):
        unit = tables.units[u]
        clear(at(memory, squares_of(memory, plan, u)), 2 * lanes(memory))
        if unit.layer > 0 or not chunk.scatter:
            update_unit(buffers, batch.X, tables, coefficients, chunk, u, thread)
        if unit.first_row + unit.rows == tables.layers[unit.layer].fan_in:
            bias_update(memory, tables, coefficients, chunk, u, thread)
        if plan.max_norm and not chunk.update:
            unit_squares(memory, tables, coefficients, squares_of(memory, plan, u), u)
