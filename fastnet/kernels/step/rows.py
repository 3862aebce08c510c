"""One thread's share of the rows: forward through all layers, loss and delta, backward through all layers."""

import numpy as np

from fastnet.kernels.compile.jit import piece, serial
from fastnet.kernels.step.dropout import drop_neurons, dropped_derivative
from fastnet.kernels.step.first_layer import first_layer, join_halves
from fastnet.kernels.step.loss import output_loss
from fastnet.kernels.step.places import delta_at, last_layer
from fastnet.kernels.step.products import layer_forward, product
from fastnet.kernels.step.records import Operand
from fastnet.kernels.vector.activations import activate, derivative
from fastnet.kernels.vector.blocks import copy_block
from fastnet.kernels.vector.pointers import at, panel_width
from fastnet.kernels.vector.shapes import Span, cut
from fastnet.kernels.vector.tile import NV


@serial
def keep_z(memory, plan, layer, rows):
    """z = a_out, which holds Z, and then a_out = f(Z): for activations whose derivative is by Z."""
    ld = layer.row_stride_out
    for v in range(0, layer.vectors, NV):
        n, vectors = rows.stop - rows.start, min(NV, layer.vectors - v)
        place = v // NV * layer.panel_stride_out + rows.start * ld
        a = at(memory, layer.a_out + place)
        copy_block(at(memory, layer.z + place), ld, a, ld, n, vectors)
        activate(a, ld, at(memory, plan.zeros), n, vectors, layer.activation)


@piece
def network_forward(buffers, batch, tables, rows, transpose):
    """All layers for some rows of a chunk; the last layer's Z stays without its activation.

    ``transpose`` says whether the gradient will want transposed flags.
    """
    plan, layers, memory = tables.plans[0], tables.layers, buffers.memory
    if plan.half:
        join_halves(memory, plan, layers[0], rows, layers[0].forward)
    else:
        first_layer(buffers, batch, tables, rows, transpose, layers[0].forward)
    for l in range(1, plan.n_layers):
        layer, below = layers[l], layers[l - 1]
        if below.z:
            keep_z(memory, plan, below, rows)
        if below.dropout:
            drop_neurons(memory, buffers.samples, tables, l - 1, rows)
        layer_forward(memory, layer.a_out, layer, rows, Span(np.int64(0), layer.fan_in), layer.forward)


@serial
def network_backward(memory, samples, tables, rows):
    """Deltas of the hidden layers, from the last one down: delta = (delta_next W_next^T) * f'(Z)."""
    layers = tables.layers
    for l in range(tables.plans[0].n_layers - 1, 0, -1):
        layer, below = layers[l], layers[l - 1]
        ld, source = below.row_stride_out, Operand(layer.delta, layer.row_stride_out, layer.panel_stride_out)
        for v in range(0, below.vectors, NV):
            vectors, place = min(NV, below.vectors - v), v // NV * below.panel_stride_out
            panel = layer.transposed + v // NV * layer.transposed_stride
            ahead = panel + layer.transposed_stride if v + NV < below.vectors else panel
            target = below.delta + place
            product(memory, target, ld, source, panel, layer.fan_out, rows, vectors, ahead)
            if not below.dropout or below.z:
                delta, a = target + rows.start * ld, below.derivative_from + place + rows.start * ld
                derivative(at(memory, delta), at(memory, a), ld, rows.stop - rows.start, vectors, below.activation)
        if below.dropout:
            dropped_derivative(memory, samples, tables, l - 1, rows)


@serial
def pack_delta(memory, tables, rows):
    """Copy rows of the outputs' delta into panels."""
    plan, layer, width = tables.plans[0], last_layer(tables), panel_width(memory)
    ld = layer.row_stride_out
    for v in range(0, layer.vectors, NV):
        source = at(memory, layer.delta + v // NV * layer.panel_stride_out + rows.start * ld)
        target = at(memory, delta_at(layer, plan, v) + rows.start * width)
        copy_block(target, width, source, ld, rows.stop - rows.start, min(NV, layer.vectors - v))


@piece
def rows_of_thread(buffers, batch, tables, chunk, threads, thread):
    """Forward, loss and backward for one thread's rows of a chunk."""
    rows = cut(chunk.n, tables.plans[0].grain, threads, thread)
    if rows.start < rows.stop:
        network_forward(buffers, batch, tables, rows, np.int64(not (chunk.scatter or tables.plans[0].tiled)))
        output_loss(buffers, batch, tables, rows, chunk.scale)
        pack_delta(buffers.memory, tables, rows)
        network_backward(buffers.memory, buffers.samples, tables, rows)
