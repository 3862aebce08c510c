"""The compiled entry that predicts: forward alone, and what is wanted of the outputs."""

import numpy as np
from numba import prange

from fastnet.functions import SOFTMAX
from fastnet.kernels.compile.jit import entry, inlined, parallel, serial
from fastnet.kernels.step.gather import choose
from fastnet.kernels.step.loss import activate_outputs, output_loss
from fastnet.kernels.step.places import last_layer
from fastnet.kernels.step.records import LABEL, SAMPLE, Batch, Buffers, Tables
from fastnet.kernels.step.rows import network_forward
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.pointers import at
from fastnet.kernels.vector.shapes import Span, cut
from fastnet.kernels.vector.softmax import softmax_rows


@inlined
def softmax_outputs(buffers, plan, layer, rows):
    """Z of the last layer = softmax(Z): a loss with factor 1 and no label."""
    memory, samples = buffers.memory, buffers.samples
    for r in range(rows.start, rows.stop):
        memory[plan.factor + r], samples[LABEL, r] = 1, -1
    z, factor = at(memory, layer.a_out + rows.start * layer.row_stride_out), at(memory, plan.factor + rows.start)
    loss, none = at(memory, plan.row_loss + rows.start), at(samples[LABEL], rows.start)
    softmax_rows(z, layer.row_stride_out, factor, loss, none, rows.stop - rows.start, layer.fan_out)


@serial
def store_outputs(outputs, buffers, tables, rows):
    """outputs[sample] = f(Z) of the last layer."""
    plan, layer, memory = tables.plans[0], last_layer(tables), buffers.memory
    if layer.activation == SOFTMAX:
        softmax_outputs(buffers, plan, layer, rows)
    else:
        activate_outputs(memory, tables, rows)
    for r in range(rows.start, rows.stop):
        for j in range(layer.fan_out):
            outputs[buffers.samples[SAMPLE, r], j] = memory[layer.a_out + r * layer.row_stride_out + j]


@serial
def store_classes(classes, buffers, tables, rows):
    """classes[sample] = index of the largest Z; of a single output, whether it is above one half (Z above zero)."""
    memory, layer = buffers.memory, last_layer(tables)
    for r in range(rows.start, rows.stop):
        z, best = layer.a_out + r * layer.row_stride_out, 0
        for j in range(1, layer.fan_out):
            if memory[z + j] > memory[z + best]:
                best = j
        classes[buffers.samples[SAMPLE, r]] = best if layer.fan_out > 1 else memory[z] > 0


@serial
def store_losses(row_loss, buffers, batch, tables, rows):
    """row_loss[sample] = loss."""
    memory = buffers.memory
    output_loss(buffers, batch, tables, rows, memory.dtype.type(1))
    for r in range(rows.start, rows.stop):
        row_loss[buffers.samples[SAMPLE, r]] = memory[tables.plans[0].row_loss + r]


@serial
def prediction_of_thread(results, buffers, batch, tables, n, threads, thread):
    """One thread's part of the n rows of X; it owns ``chunk_rows`` / threads rows of the buffers."""
    outputs, classes, row_loss = results
    state, plan = flush_denormals(), tables.plans[0]
    most, none = plan.chunk_rows // threads, buffers.samples[SAMPLE, :0]
    groups = cut((n + most - 1) // most, 1, threads, thread)
    for g in range(groups.start, groups.stop):
        first = thread * most
        rows = Span(first, first + min(most, n - g * most))
        choose(buffers.samples, none, g * most - first, rows, plan.grain)
        network_forward(buffers, batch, tables, rows, np.int64(0))
        if classes.size:
            store_classes(classes, buffers, tables, rows)
        if outputs.size:
            store_outputs(outputs, buffers, tables, rows)
        elif row_loss.size:
            store_losses(row_loss, buffers, batch, tables, rows)
    restore_denormals(state)


@parallel
def prediction_of_all(results, buffers, batch, tables, n, threads):
    """All threads' parts at once."""
    for t in prange(threads):
        prediction_of_thread(results, buffers, batch, tables, n, threads, np.int64(t))


@entry
def predict_rows(results, buffers, batch, tables, n, threads):
    """Forward alone, for rows 0 <= r < n of X.

    results : (outputs (n, k), classes (n,), row_loss (n,)); those that are not empty are filled, but of outputs and
        row_loss only one. buffers, batch,
        tables : as for `train_steps`.
    """
    buffers, batch, tables = Buffers(*buffers), Batch(*batch), Tables(*tables)
    if threads == 1:
        prediction_of_thread(results, buffers, batch, tables, n, threads, np.int64(0))
    else:
        prediction_of_all(results, buffers, batch, tables, n, threads)
