"""Losses: each row's loss, and the last layer's Z replaced by its delta.

A row's loss and delta are both multiplied by its factor, ``scale`` times its weight, and by nothing else. A new loss is
a function like `squared_loss`, a case of `output_loss`, and an entry in LOSSES of rare.py.
"""

import math

from fastnet.functions import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, MSE, SIGMOID
from fastnet.kernels.compile.jit import inlined, piece, rare_piece, serial
from fastnet.kernels.step.places import last_layer
from fastnet.kernels.step.records import LABEL, SAMPLE
from fastnet.kernels.step.smoothing import note_smoothing, smooth_loss
from fastnet.kernels.step.targets import target_at
from fastnet.kernels.vector.activations import activate
from fastnet.kernels.vector.pointers import at
from fastnet.kernels.vector.softmax import softmax_rows


@inlined
def bounded(memory, x, bounds):
    """x within the two numbers at ``bounds``; NaN stays NaN."""
    if x < memory[bounds]:
        return memory[bounds]
    return memory[bounds + 1] if x > memory[bounds + 1] else x


@serial
def activate_outputs(memory, tables, rows):
    """Z of the last layer = f(Z); the bias is in it already."""
    plan, layer = tables.plans[0], last_layer(tables)
    z, zeros = at(memory, layer.a_out + rows.start * layer.row_stride_out), at(memory, plan.zeros)
    activate(z, layer.row_stride_out, zeros, rows.stop - rows.start, layer.vectors, layer.activation)


@serial
def finish_row(memory, plan, layer, r, total):
    """Keep one row's loss, scaled; the columns behind its delta become zero."""
    memory[plan.row_loss + r] = memory[plan.factor + r] * total
    for j in range(layer.fan_out, layer.row_stride_out):
        memory[layer.a_out + r * layer.row_stride_out + j] = 0


@serial
def cross_entropy(buffers, batch, tables, rows):
    """-log softmax(Z)[label], for labels."""
    plan, memory, samples = tables.plans[0], buffers.memory, buffers.samples
    layer, bounds = last_layer(tables), plan.loss_bounds
    for r in range(rows.start, rows.stop):
        samples[LABEL, r] = batch.labels[samples[SAMPLE, r]]
    z, ld = at(memory, layer.a_out + rows.start * layer.row_stride_out), layer.row_stride_out
    factor, row_loss = at(memory, plan.factor + rows.start), at(memory, plan.row_loss + rows.start)
    softmax_rows(z, ld, factor, row_loss, at(samples[LABEL], rows.start), rows.stop - rows.start, layer.fan_out)
    if bounds:
        for r in range(rows.start, rows.stop):
            if memory[plan.factor + r] != 0:
                loss = memory[plan.row_loss + r] / memory[plan.factor + r]
                memory[plan.row_loss + r] = memory[plan.factor + r] * bounded(memory, loss, bounds)


@inlined
def binary_term(memory, x, t, bounds):
    """-t log p - (1 - t) log(1 - p) with p = sigmoid(x)."""
    if bounds:
        # By way of 1 - p, whose rounding is part of the value that scikit-learn reports.
        eps = memory[bounds + 2]
        p = min(max(1 / (1 + math.exp(-x)), eps), 1 - eps)
        return -(t * math.log(p) + (1 - t) * math.log(1 - p))
    return max(x, 0) - t * x + math.log1p(math.exp(-abs(x)))


@rare_piece
def binary_cross_entropy(buffers, batch, tables, rows):
    """Sum over the outputs of -t log p - (1 - t) log(1 - p), taken from the logits."""
    plan, layer, memory = tables.plans[0], last_layer(tables), buffers.memory
    z, ld, k = layer.a_out, layer.row_stride_out, layer.fan_out
    for r in range(rows.start, rows.stop):
        sample, total = buffers.samples[SAMPLE, r], 0.0
        for j in range(k):
            total += binary_term(memory, memory[z + r * ld + j], target_at(batch, sample, j, k), plan.loss_bounds)
        memory[plan.row_loss + r] = total
    activate_outputs(memory, tables, rows)
    for r in range(rows.start, rows.stop):
        sample, factor = buffers.samples[SAMPLE, r], memory[plan.factor + r]
        for j in range(k):
            memory[z + r * ld + j] = factor * (memory[z + r * ld + j] - target_at(batch, sample, j, k))
        finish_row(memory, plan, layer, r, memory[plan.row_loss + r])


@rare_piece
def squared_loss(buffers, batch, tables, rows):
    """Half the squared distance of outputs and targets."""
    plan, layer, memory = tables.plans[0], last_layer(tables), buffers.memory
    z, ld, k = layer.a_out, layer.row_stride_out, layer.fan_out
    activate_outputs(memory, tables, rows)
    for r in range(rows.start, rows.stop):
        sample, factor, total = buffers.samples[SAMPLE, r], memory[plan.factor + r], 0.0
        for j in range(k):
            a = memory[z + r * ld + j]
            d = a - target_at(batch, sample, j, k)
            total += d * d / 2
            if layer.activation == SIGMOID:
                d *= a * (1 - a)
            memory[z + r * ld + j] = factor * d
        finish_row(memory, plan, layer, r, total)


@rare_piece
def poisson_loss(buffers, batch, tables, rows):
    """Sum over the outputs of a - t log a, with a = exp(z)."""
    plan, layer, memory = tables.plans[0], last_layer(tables), buffers.memory
    z, ld, k = layer.a_out, layer.row_stride_out, layer.fan_out
    for r in range(rows.start, rows.stop):
        sample, total = buffers.samples[SAMPLE, r], 0.0
        for j in range(k):
            total -= target_at(batch, sample, j, k) * memory[z + r * ld + j]
        memory[plan.row_loss + r] = total
    activate_outputs(memory, tables, rows)
    for r in range(rows.start, rows.stop):
        sample, factor, total = buffers.samples[SAMPLE, r], memory[plan.factor + r], 0.0
        total += memory[plan.row_loss + r]
        for j in range(k):
            a = memory[z + r * ld + j]
            total += a
            memory[z + r * ld + j] = factor * (a - target_at(batch, sample, j, k))
        finish_row(memory, plan, layer, r, total)


@piece
def output_loss(buffers, batch, tables, rows, scale):
    """Row losses, and the last layer's Z replaced by its delta; both get the factor ``scale`` times row weight."""
    plan, memory = tables.plans[0], buffers.memory
    for r in range(rows.start, rows.stop):
        weights = batch.row_weights
        memory[plan.factor + r] = scale * weights[buffers.samples[SAMPLE, r]] if weights.size else scale
    if plan.smoothing:
        note_smoothing(buffers, batch, tables, rows)
    if plan.loss == CROSS_ENTROPY:
        cross_entropy(buffers, batch, tables, rows)
    elif plan.loss == BINARY_CROSS_ENTROPY:
        binary_cross_entropy(buffers, batch, tables, rows)
    elif plan.loss == MSE:
        squared_loss(buffers, batch, tables, rows)
    else:
        poisson_loss(buffers, batch, tables, rows)
    if plan.smoothing:
        smooth_loss(buffers, batch, tables, rows)


@inlined
def sum_of_losses(memory, plan, n):
    """The losses of the n rows of a chunk, in order."""
    total = 0.0
    for r in range(n):
        total += memory[plan.row_loss + r]
    return total
