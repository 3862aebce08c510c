"""One thread's share of the weights: the gradient of a unit, and the optimizer on it while it is in L1.

A unit is some rows of one layer's W, as many as a panel is wide. It has one owner. Its gradient is computed in
registers, in scratch, or in `memory` at ``plan.gradient`` where it is summed over several chunks of rows, or wanted for
itself.
"""

import numpy as np

from fastnet.functions import ADAM, BETA2, DECAY, L2, SGD_LR
from fastnet.kernels.compile.jit import inlined, piece, serial
from fastnet.kernels.step.flags import flag_rows, flags_at
from fastnet.kernels.step.gather import fetch_next, fetched_rows, gather, is_bytes
from fastnet.kernels.step.gradient_norm import squares_of, unit_squares
from fastnet.kernels.step.gradients import dense_gradient, list_gradient, walk_gradient
from fastnet.kernels.step.lists import column_lists
from fastnet.kernels.step.places import delta_at, transposed_at, weights_at
from fastnet.kernels.step.records import DENSE, LISTS, Operand
from fastnet.kernels.vector.blocks import add_rows, prefetch_block
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.optimizers import LEAST_BETA2, N_ROW, update_block, update_tiles
from fastnet.kernels.vector.pointers import at, lanes, panel_width
from fastnet.kernels.vector.shapes import Span, clear, cut, group_width
from fastnet.kernels.vector.tile import NV
from fastnet.kernels.vector.transpose import transpose_square
from fastnet.kernels.vector.walk import scatter

# Up to so many rows, tiles of the gradient wait in registers until their weights have moved (784-30-10 at batch 10: 1.1
# times as fast with momentum and 1.04 times with Adam; 784-128-128-10, dense, 1.1 times at batch 16, 1.02 at 32).
IN_REGISTERS = 32


@inlined
def scratch_of(plan, thread):
    """Where one thread computes gradients."""
    return plan.scratch + thread * plan.scratch_size


@serial
def transpose_block(memory, layer, v, vectors, row):
    """Bring the transposed copy of W up to date: rows row.. and vectors v.. of its columns, a square block."""
    lane, width = lanes(memory), panel_width(memory)
    source = weights_at(layer, v, row, width)
    target = transposed_at(layer, v, row, width)
    for a in range(0, width, lane):
        for b in range(0, vectors * lane, lane):
            transpose_square(at(memory, target + b * width + a), at(memory, source + a * width + b), width)


@inlined
def update_rows(memory, w, squares, g, plan, coefficients, rows, vectors):
    """The optimizer on rows of one panel, at w, with the gradient at g; both are NV vectors wide."""
    width, first = panel_width(memory), w + plan.moments
    m, s, c = at(memory, first), at(memory, first + plan.moments), at(coefficients, 0)
    if vectors == NV:  # one long row
        rows, vectors = 1, rows * NV
    update_block(at(memory, w), m, s, at(memory, squares), at(memory, g), c, rows, vectors, width, width, plan.rule)


@inlined
def prefetch_rows(memory, plan, w, rows):
    """Fetch the weights and first moments that the optimizer will want, while the gradient is computed."""
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
        delta = at(memory, delta_at(layer, plan, v))
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


@inlined
def gradient_at(layer, plan, w, width, thread):
    """The Operand where the gradient of the weights at w is computed: stored for itself, or in the thread's scratch."""
    if plan.gradient:
        return Operand(w + plan.gradient, width, layer.weights_stride)
    return Operand(scratch_of(plan, thread), width, width * width)


@serial
def update_panels(memory, w, squares, g, plan, layer, coefficients, unit, v, vectors):
    """The optimizer on a unit's columns from vector v on, at w, with the gradient g; and their transposed copy."""
    for q in range(0, vectors, NV):
        some, w_q, g_q = min(NV, vectors - q), w + q // NV * layer.weights_stride, g.offset + q // NV * g.panel_stride
        update_rows(memory, w_q, squares, g_q, plan, coefficients, unit.rows, some)
        if unit.layer > 0:
            transpose_block(memory, layer, v + q, some, unit.first_row)


@serial
def sparse_unit(buffers, X, tables, coefficients, chunk, u, thread):
    """`update_unit` of the first layer where work is for the nonzero inputs only."""
    plan, unit, layer, memory = tables.plans[0], tables.units[u], tables.layers[0], buffers.memory
    width, squares = panel_width(memory), squares_of(memory, plan, u)
    v = np.int64(0)  # a literal would be a type of its own
    while v < layer.vectors:
        vectors, w = group_width(layer.vectors - v), weights_at(layer, v, unit.first_row, width)
        g = gradient_at(layer, plan, w, width, thread)
        if chunk.update:
            for q in range(0, vectors, NV):
                prefetch_rows(memory, plan, w + q // NV * layer.weights_stride, unit.rows)
        if plan.input == LISTS:
            list_gradient(buffers, g, plan, layer, chunk, unit, v, vectors)
        else:
            walk_gradient(buffers, g, X, plan, layer, chunk, unit, v, vectors)
        if chunk.update:
            update_panels(memory, w, squares, g, plan, layer, coefficients, unit, v, vectors)
        v += vectors


@inlined
def waits_in_registers(plan, coefficients, chunk):
    """Whether the gradient is wanted for the step alone, of few rows, with coefficients that `update_tiles` takes."""
    plain = coefficients[L2] == 0 and coefficients[DECAY] == 0  # a gradient that is shrunk has been stored
    plain = plain and (plan.rule != ADAM or coefficients[BETA2] >= LEAST_BETA2)
    return chunk.update and chunk.n <= IN_REGISTERS and not plan.gradient and plain


@serial
def update_by_tiles(memory, plan, layer, a_in, coefficients, unit, n):
    """`update_unit` where the gradient of n rows waits in registers."""
    for v in range(0, layer.vectors, NV):
        vectors, w = min(NV, layer.vectors - v), weights_at(layer, v, unit.first_row, panel_width(memory))
        m, s, c = at(memory, w + plan.moments), at(memory, w + 2 * plan.moments), at(coefficients, 0)
        a, delta = at(memory, a_in.offset), at(memory, delta_at(layer, plan, v))
        update_tiles(at(memory, w), m, s, a, a_in.row_stride, delta, n, c, unit.rows, plan.rule, vectors)
        if unit.layer > 0:
            transpose_block(memory, layer, v, vectors, unit.first_row)


@serial
def update_unit(memory, tables, coefficients, chunk, u, thread):
    """All columns of a unit: gradient, optimizer, transposed copy."""
    plan, unit, width = tables.plans[0], tables.units[u], panel_width(memory)
    layer, row, squares = tables.layers[unit.layer], unit.first_row, squares_of(memory, plan, u)
    # This panel of the inputs meets every panel of the delta.
    a_in = Operand(layer.a_in + row // width * layer.panel_stride_in, layer.row_stride_in, layer.panel_stride_in)
    if waits_in_registers(plan, coefficients, chunk):
        update_by_tiles(memory, plan, layer, a_in, coefficients, unit, chunk.n)
        return
    for v in range(0, layer.vectors, NV):
        vectors, w = min(NV, layer.vectors - v), weights_at(layer, v, row, width)
        g = gradient_at(layer, plan, w, width, thread)
        ahead = places_ahead(plan, layer, w, v, unit, width) if chunk.update else (g.offset, g.offset, g.offset)
        dense_gradient(memory, g.offset, a_in, delta_at(layer, plan, v), chunk, unit.rows, vectors, ahead)
        if chunk.update:
            update_panels(memory, w, squares, g, plan, layer, coefficients, unit, v, vectors)


@serial
def scatter_rows(buffers, X, tables, inputs, n, factor):
    """W[k] += factor X[s, k] delta[s] sample by sample, for n samples and the first layer's rows of a Span of inputs.

    In a small batch a column of X is nearly empty, and walking down each column costs more than the work in it:
    784-30-10 at batch 10 takes 14 us for that, 4 us this way.
    """
    plan, layer, memory, flags = tables.plans[0], tables.layers[0], buffers.memory, buffers.flags
    width, d, table = panel_width(memory), layer.fan_in, at(memory, plan.byte_values)
    start = min(inputs.start, d - BITS)  # a block of flags must not reach beyond its row
    v = np.int64(0)
    while v < layer.vectors:
        vectors = group_width(layer.vectors - v)
        rows = at(memory, weights_at(layer, v, start, width))
        for r in range(n):
            if v == 0 and r < fetched_rows(X, layer, n):
                fetch_next(buffers.samples, X, layer, inputs, Span(r, r + 1))
            row = flags_at(X, flags, buffers.samples[flag_rows(X), r] * d + start)
            values = at(memory, layer.a_in + r * layer.row_stride_in + start)
            delta = at(memory, delta_at(layer, plan, v) + r * width)
            scatter(
                rows, width, layer.weights_stride, row, inputs.stop - start, inputs.start - start,
                is_bytes(X), table, values, delta, plan.panel_stride, factor, vectors,
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


@piece
def units_of_thread(buffers, batch, tables, coefficients, chunk, thread):
    """Gradients and updates of the units that one thread owns."""
    plan, memory = tables.plans[0], buffers.memory
    owned = Span(tables.split[thread], tables.split[thread + 1])
    inputs = first_inputs(tables, owned)
    if inputs.start < inputs.stop:
        if chunk.scatter:
            scatter_rows(buffers, batch.X, tables, inputs, chunk.n, -coefficients[SGD_LR])
        elif plan.tiled and is_bytes(batch.X):  # floats have been gathered for their flags
            gather(buffers, batch.X, plan, tables.layers[0], Span(np.int64(0), chunk.n), inputs)
        elif plan.input == LISTS:
            column_lists(buffers, batch, plan, inputs, chunk.n)
    fetches = inputs.start < inputs.stop and plan.input != LISTS and not chunk.scatter
    for u in range(owned.start, owned.stop):
        unit = tables.units[u]
        if fetches:
            some = cut(fetched_rows(batch.X, tables.layers[0], chunk.n), 1, owned.stop - owned.start, u - owned.start)
            fetch_next(buffers.samples, batch.X, tables.layers[0], inputs, some)
        clear(at(memory, squares_of(memory, plan, u)), 2 * lanes(memory))
        if unit.layer > 0 or plan.input == DENSE or (plan.tiled and not chunk.scatter):
            update_unit(memory, tables, coefficients, chunk, u, thread)
        elif not chunk.scatter:
            sparse_unit(buffers, batch.X, tables, coefficients, chunk, u, thread)
        if unit.first_row + unit.rows == tables.layers[unit.layer].fan_in:
            bias_update(memory, tables, coefficients, chunk, u, thread)
        if plan.max_norm and not chunk.update and not (plan.groups and chunk.n):  # a group has part of the gradient
            unit_squares(memory, tables, coefficients, u)
