"""The compiled entries that train and predict: they only split the work of a step among threads.

A step has three parts, each a parallel region: inputs (the first layer's sums; fastnet.kernels.first), rows (the rest
of forward, loss, backward), units (gradient and optimizer). Small steps leave the first layer to rows. A thread owns
the sums, the rows, the weights that it writes, and each sum has one order, so the bits do not depend on the number of
threads. A batch longer than CHUNK rows goes through in chunks, its gradient summed in index order.
"""

import numpy as np
from numba import prange

from fastnet.functions import L2, SCALE, SOFTMAX
from fastnet.kernels import plan as p
from fastnet.kernels.backward import share_of_units
from fastnet.kernels.clip import shorten_step
from fastnet.kernels.elementwise import activate, softmax_rows
from fastnet.kernels.first import share_of_inputs
from fastnet.kernels.floats import flush_denormals, restore_denormals
from fastnet.kernels.forward import network_forward, output_loss, share_of_rows
from fastnet.kernels.inputs import choose
from fastnet.kernels.jit import entry, inlined, parallel, serial
from fastnet.kernels.lanes import at, lanes

INPUTS, ROWS, UNITS, PARTS = range(4)


@inlined
def sum_of_losses(memory, n, plan):
    total = 0.0
    for r in range(n):
        total += memory[plan[p.ROW_LOSS] + r]
    return total


@inlined
def sum_of_squares(memory, units, plan):
    """Squares of all weights before the step; each unit left a vector of partial sums."""
    lane, total = lanes(at(memory, 0)), 0.0
    for u in range(units.shape[0]):
        for j in range(lane):
            total += memory[plan[p.SQUARES] + 2 * u * lane + j]
    return total


@serial
def share(
    part, thread, threads, n, X, indices, indptr, start, labels, targets, weights, scale, memory, flags, samples, lists,
    coefficients, units, split, last, accumulate, plan, layers,
):  # fmt: skip
    """What one thread does in one part of a step, for n rows of the batch from ``start`` on."""
    state = flush_denormals()
    if part == INPUTS:
        share_of_inputs(thread, threads, n, X, memory, flags, samples, plan, layers)
    elif part == ROWS:
        share_of_rows(
            thread, threads, n, X, indices, indptr, start, labels, targets, weights, scale, memory, flags, samples,
            plan, layers,
        )  # fmt: skip
    else:
        share_of_units(
            thread, n, X, indices, indptr, memory, flags, samples, lists, coefficients, units, split, last, accumulate,
            plan, layers,
        )  # fmt: skip
    restore_denormals(state)


@parallel
def region(
    part, threads, n, X, indices, indptr, start, labels, targets, weights, scale, memory, flags, samples, lists,
    coefficients, units, split, last, accumulate, plan, layers,
):  # fmt: skip
    """All shares of one part of a step, each in a thread of its own."""
    for t in prange(threads):
        share(
            part, np.int64(t), threads, n, X, indices, indptr, start, labels, targets, weights, scale, memory, flags,
            samples, lists, coefficients, units, split, last, accumulate, plan, layers,
        )  # fmt: skip


@entry
def train_steps(
    losses, memory, flags, samples, lists, X, indices, indptr, labels, targets, weights, order, batch_size,
    coefficients, update, plan, layers, units, split,
):  # fmt: skip
    """One optimisation step for each row of `coefficients`; losses (steps, 2) gets loss and L2 penalty.

    Arguments as fastnet.workspace builds them; `update` False leaves the gradient in `memory` and the weights alone.
    """
    threads, chunk, rows = split.shape[0] - 1, plan[p.CHUNK], order.shape[0]
    clips = update and plan[p.MAX_NORM] > 0
    for step in range(coefficients.shape[0]):
        start, stop = step * batch_size, min(rows, (step + 1) * batch_size)
        row, loss = coefficients[step], 0.0
        scale, last = row[SCALE], False
        while start < stop or (clips and not last):
            n = min(chunk, stop - start)  # a clipped step ends with a chunk of no rows: the norm wants all of them
            accumulate, last = start > step * batch_size, update and start + n == stop and (not clips or n == 0)
            if clips and last:
                shorten_step(memory, row, units.shape[0], plan)
            choose(samples, order, start, 0, n, plan)
            for part in range(INPUTS if plan[p.HALF] else ROWS, PARTS):
                if threads == 1:
                    share(
                        part, np.int64(0), threads, n, X, indices, indptr, start, labels, targets, weights, scale,
                        memory, flags, samples, lists, row, units, split, last, accumulate, plan, layers,
                    )  # fmt: skip
                else:
                    region(
                        part, threads, n, X, indices, indptr, start, labels, targets, weights, scale, memory, flags,
                        samples, lists, row, units, split, last, accumulate, plan, layers,
                    )  # fmt: skip
            loss += sum_of_losses(memory, n, plan)
            start += n
        losses[step, 0] = loss
        losses[step, 1] = 0.5 * row[L2] * sum_of_squares(memory, units, plan) if update else 0.0


@serial
def store_outputs(outputs, memory, samples, first, last, plan, layers):
    """outputs[sample] = f(Z) of the last layer."""
    layer = layers[plan[p.N_LAYERS] - 1]
    z, ld, k = layer[p.A_OUT], layer[p.LD_OUT], layer[p.FAN_OUT]
    if layer[p.ACTIVATION] == SOFTMAX:
        chosen = 2 * plan[p.CHUNK]
        for r in range(first, last):
            memory[plan[p.FACTOR] + r], samples[chosen + r] = 1, -1
        block, factor = at(memory, z + first * ld), at(memory, plan[p.FACTOR] + first)
        loss, none = at(memory, plan[p.ROW_LOSS] + first), at(samples, chosen + first)
        softmax_rows(block, ld, factor, loss, none, last - first, k)
    else:
        zeros = at(memory, plan[p.ZEROS])
        activate(at(memory, z + first * ld), ld, zeros, last - first, layer[p.VECTORS], layer[p.ACTIVATION])
    for r in range(first, last):
        for j in range(k):
            outputs[samples[r], j] = memory[z + r * ld + j]


@serial
def store_classes(classes, memory, samples, first, last, plan, layers):
    """classes[sample] = index of the largest Z; of a single output, whether it is above one half (Z above zero)."""
    layer = layers[plan[p.N_LAYERS] - 1]
    z, ld, k = layer[p.A_OUT], layer[p.LD_OUT], layer[p.FAN_OUT]
    for r in range(first, last):
        best = 0
        for j in range(1, k):
            if memory[z + r * ld + j] > memory[z + r * ld + best]:
                best = j
        classes[samples[r]] = best if k > 1 else memory[z + r * ld] > 0


@serial
def share_of_prediction(
    thread, threads, n, outputs, classes, row_loss, memory, flags, samples, X, indices, indptr, labels, targets,
    plan, layers,
):  # fmt: skip
    """One thread's blocks of the n rows of X; plan[CHUNK] / threads rows of the buffers are its own."""
    state = flush_denormals()
    block = plan[p.CHUNK] // threads
    blocks = (n + block - 1) // block
    for q in range(blocks * thread // threads, blocks * (thread + 1) // threads):
        first, start = thread * block, q * block - thread * block
        last = first + min(block, n - q * block)
        choose(samples, samples[:0], start, first, last, plan)
        network_forward(X, indices, indptr, memory, flags, samples, start, first, last, plan, layers)
        if classes.size:
            store_classes(classes, memory, samples, first, last, plan, layers)
        if outputs.size:
            store_outputs(outputs, memory, samples, first, last, plan, layers)
        elif row_loss.size:
            one = memory.dtype.type(1)
            output_loss(memory, samples, labels, targets, memory[:0], first, last, one, plan, layers)
            for r in range(first, last):
                row_loss[samples[r]] = memory[plan[p.ROW_LOSS] + r]
    restore_denormals(state)


@parallel
def region_of_prediction(
    threads, n, outputs, classes, row_loss, memory, flags, samples, X, indices, indptr, labels, targets, plan, layers,
):  # fmt: skip
    """All shares of a prediction, each in a thread of its own."""
    for t in prange(threads):
        share_of_prediction(
            np.int64(t), threads, n, outputs, classes, row_loss, memory, flags, samples, X, indices, indptr, labels,
            targets, plan, layers,
        )  # fmt: skip


@entry
def predict_rows(
    outputs, classes, row_loss, memory, flags, samples, X, indices, indptr, labels, targets, plan, layers, threads, n,
):  # fmt: skip
    """Forward alone, for rows 0 <= r < n of X; fills those of outputs (n, k), classes (n,), row_loss (n,) not empty."""
    if threads == 1:
        share_of_prediction(
            np.int64(0), threads, n, outputs, classes, row_loss, memory, flags, samples, X, indices, indptr, labels,
            targets, plan, layers,
        )  # fmt: skip
    else:
        region_of_prediction(
            threads, n, outputs, classes, row_loss, memory, flags, samples, X, indices, indptr, labels, targets, plan,
            layers,
        )  # fmt: skip
