"""The first layer, whose weights are the most: forward over all inputs, or over the half that one thread owns.

Large steps sum the first layer in two halves, even on one thread, so that the result has the same bits for any thread
count (not where X is very large: see FAR in fastnet.engine.strategy). With two threads each then meets only the rows
of W that it owns, in forward as in the update. What travels between their caches is a sum for each output, not half of
W (784-64-10, batch 128: 79 us a step before, 71 this way).
"""

import numpy as np

from fastnet.kernels.compile.jit import serial
from fastnet.kernels.step.flags import flag_rows, flags_at, prepare_flags
from fastnet.kernels.step.gather import gather, is_bytes
from fastnet.kernels.step.lists import lists_forward
from fastnet.kernels.step.places import weights_at
from fastnet.kernels.step.products import PRODUCT, layer_forward
from fastnet.kernels.step.records import LISTS, SKIP
from fastnet.kernels.vector.activations import activate
from fastnet.kernels.vector.blocks import add_block
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.pointers import at, lanes, panel_width
from fastnet.kernels.vector.shapes import Span, cut, group_width
from fastnet.kernels.vector.tile import NV
from fastnet.kernels.vector.transpose import SIDE
from fastnet.kernels.vector.walk import PAIRED_ROWS, walk

# Most inputs that a walk takes in one go: their rows of W meet the next row of X in L1 more often than all would
# (784-64-10, predictions of 10 000 rows: 1.09 times as fast). For few rows it does not pay (784-30-10, batch 10: 0.93).
PART = 448


@serial
def skip_forward(buffers, out, X, plan, layer, rows, inputs):
    """out = X W over a Span of inputs, with work for the nonzero ones only."""
    memory, samples = buffers.memory, buffers.samples
    width, n, ld = panel_width(memory), rows.stop - rows.start, layer.row_stride_out
    order, table = at(samples, flag_rows(X) * samples.shape[1] + rows.start), at(memory, plan.byte_values)
    parts = (inputs.stop - inputs.start + PART - 1) // PART if n >= SIDE else 1
    for p in range(parts):
        part = cut(inputs.stop - inputs.start, BITS, parts, p)
        first, count = inputs.start + part.start, part.stop - part.start
        flags, values = flags_at(X, buffers.flags, first), layer.a_in + rows.start * layer.row_stride_in + first
        v = np.int64(0)
        while v < layer.vectors:
            vectors = group_width(layer.vectors - v)
            w = weights_at(layer, v, first, width)
            z = at(memory, out + v // NV * layer.panel_stride_out + rows.start * ld)
            walk(
                z, ld, layer.panel_stride_out, n, order, 1, flags, layer.fan_in, BITS, count,
                is_bytes(X), table, at(memory, values), layer.row_stride_in, 1,
                at(memory, w), width, layer.weights_stride, p, vectors, 2 if vectors <= PAIRED_ROWS else 1,
            )  # fmt: skip
            v += vectors


@serial
def activate_rows(memory, layer, rows, activation):
    """a_out = f(a_out + b)."""
    n, ld = lanes(memory), layer.row_stride_out
    for v in range(0, layer.vectors, NV):
        z = at(memory, layer.a_out + v // NV * layer.panel_stride_out + rows.start * ld)
        bias, vectors = at(memory, layer.bias + v * n), min(NV, layer.vectors - v)
        activate(z, ld, bias, rows.stop - rows.start, vectors, activation)


@serial
def first_layer(buffers, batch, tables, rows, transpose, activation):
    """a_out = f(X W + b) for a chunk's ``rows``, from all inputs; ``transpose`` as for `prepare_flags`."""
    plan, layer, memory = tables.plans[0], tables.layers[0], buffers.memory
    inputs = Span(np.int64(0), layer.fan_in)
    if plan.input == LISTS:
        lists_forward(buffers, batch, layer, rows)
        activate_rows(memory, layer, rows, activation)
    elif plan.input == SKIP:
        for r in range(rows.start, rows.stop, SIDE):
            block = Span(r, min(r + SIDE, rows.stop))
            prepare_flags(buffers, batch.X, plan, layer, block, inputs, rows.stop, transpose)
            skip_forward(buffers, layer.a_out, batch.X, plan, layer, block, inputs)
            activate_rows(memory, layer, block, activation)
    else:
        gather(buffers, batch.X, plan, layer, rows, inputs)
        layer_forward(memory, layer.a_out, layer, rows, inputs, activation)


@serial
def half_layer(buffers, out, X, plan, layer, rows, inputs, transpose):
    """out = X W over the Span ``inputs``, one half of them."""
    if plan.input == SKIP:
        for r in range(rows.start, rows.stop, SIDE):
            block = Span(r, min(r + SIDE, rows.stop))
            prepare_flags(buffers, X, plan, layer, block, inputs, rows.stop, transpose)
        skip_forward(buffers, out, X, plan, layer, rows, inputs)
    else:
        gather(buffers, X, plan, layer, rows, inputs)
        layer_forward(buffers.memory, out, layer, rows, inputs, np.int64(PRODUCT))


@serial
def inputs_of_thread(buffers, X, tables, chunk, threads, thread):
    """One thread's part of the halves: the rows of the first and then of the second form one run, cut equally."""
    plan, layer = tables.plans[0], tables.layers[0]
    grain, grains = plan.grain, (chunk.n + plan.grain - 1) // plan.grain
    run = cut(2 * grains, 1, threads, thread)
    rows = Span(run.start * grain, min(chunk.n, min(run.stop, grains) * grain))
    transpose = np.int64(not (chunk.scatter or plan.tiled))
    if rows.start < rows.stop:
        half_layer(buffers, layer.a_out, X, plan, layer, rows, Span(np.int64(0), plan.half), transpose)
    rows = Span(max(run.start - grains, 0) * grain, min(chunk.n, (run.stop - grains) * grain))
    if rows.start < rows.stop:
        half_layer(buffers, plan.z_half, X, plan, layer, rows, Span(plan.half, layer.fan_in), transpose)


@serial
def join_halves(memory, plan, layer, rows, activation):
    """a_out = f(Z of one half + Z of the other + b)."""
    ld = layer.row_stride_out
    for v in range(0, layer.vectors, NV):
        place = v // NV * layer.panel_stride_out + rows.start * ld
        z, other = at(memory, layer.a_out + place), at(memory, plan.z_half + place)
        add_block(z, ld, other, ld, rows.stop - rows.start, min(NV, layer.vectors - v))
    activate_rows(memory, layer, rows, activation)
