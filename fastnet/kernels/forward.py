"""One thread's share of the rows: forward through all layers, loss and delta, backward through all layers."""

import math

import numpy as np

from fastnet.functions import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, IDENTITY, MSE, POISSON, SIGMOID
from fastnet.kernels import plan as p
from fastnet.kernels.dropout import drop_units, dropped_derivative
from fastnet.kernels.elementwise import activate, derivative, softmax_rows
from fastnet.kernels.first import first_layer, join_halves
from fastnet.kernels.jit import inlined, serial
from fastnet.kernels.lanes import at, lanes
from fastnet.kernels.products import layer_forward, product
from fastnet.kernels.tile import NV
from fastnet.kernels.update import copy_block


@serial
def network_forward(X, indices, indptr, memory, flags, samples, start, first, last, plan, layers):
    """All layers for rows first <= r < last of a chunk that begins at ``start``; the last layer's Z stays without its
    activation.
    """
    final = plan[p.N_LAYERS] - 1
    activation = IDENTITY if final == 0 else layers[0, p.ACTIVATION]
    if plan[p.HALF]:
        join_halves(memory, first, last, plan, layers, activation)
    else:
        first_layer(X, indices, indptr, memory, flags, samples, first, last, plan, layers, activation)
    for l in range(1, final + 1):
        layer = layers[l]
        if plan[p.DROPOUT]:
            drop_units(memory, layers[l - 1], l - 1, start, first, last, plan)
        activation = IDENTITY if l == final else layer[p.ACTIVATION]
        layer_forward(memory, layer, first, last, np.int64(0), layer[p.FAN_IN], layer[p.A_OUT], activation)


@inlined
def target_at(labels, targets, sample, j, k):
    """Target of output j: from the label's one-hot row (the label itself for a single output), or as given."""
    if labels.size:
        return targets.dtype.type(labels[sample] == (j if k > 1 else 1))
    return targets[sample * k + j]


@inlined
def clipped(memory, x, clip):
    """x within the two bounds at ``clip``; NaN stays NaN."""
    if x < memory[clip]:
        return memory[clip]
    return memory[clip + 1] if x > memory[clip + 1] else x


@serial
def output_loss(memory, samples, labels, targets, weights, first, last, scale, plan, layers):
    """Row losses, and the last layer's Z replaced by its delta; `scale` is the only factor that the delta gets."""
    layer = layers[plan[p.N_LAYERS] - 1]
    z, ld, k, loss = layer[p.A_OUT], layer[p.LD_OUT], layer[p.FAN_OUT], plan[p.LOSS]
    factor, row_loss, chosen, clip = plan[p.FACTOR], plan[p.ROW_LOSS], 2 * plan[p.CHUNK], plan[p.CLIP]
    for r in range(first, last):
        memory[factor + r] = scale * weights[samples[r]] if weights.size else scale
    if loss == CROSS_ENTROPY:
        for r in range(first, last):
            samples[chosen + r] = labels[samples[r]]
        block, factors = at(memory, z + first * ld), at(memory, factor + first)
        softmax_rows(block, ld, factors, at(memory, row_loss + first), at(samples, chosen + first), last - first, k)
        if clip:
            for r in range(first, last):
                if memory[factor + r] != 0:
                    loss_of_one = memory[row_loss + r] / memory[factor + r]
                    memory[row_loss + r] = memory[factor + r] * clipped(memory, loss_of_one, clip)
        return
    for r in range(first, last):
        sample, total = samples[r], 0.0
        for j in range(k):
            x, t = memory[z + r * ld + j], target_at(labels, targets, sample, j, k)
            if loss == BINARY_CROSS_ENTROPY:
                if clip:
                    # By way of 1 - p, whose rounding is part of the value that scikit-learn reports.
                    eps = memory[clip + 2]
                    share = min(max(1 / (1 + math.exp(-x)), eps), 1 - eps)
                    total -= t * math.log(share) + (1 - t) * math.log(1 - share)
                else:
                    total += max(x, 0) - t * x + math.log1p(math.exp(-abs(x)))
            elif loss == POISSON:
                total -= t * x
        memory[row_loss + r] = total
    block, zeros = at(memory, z + first * ld), at(memory, plan[p.ZEROS])
    activate(block, ld, zeros, last - first, layer[p.VECTORS], layer[p.ACTIVATION])
    for r in range(first, last):
        sample, total, scaled = samples[r], memory[row_loss + r], memory[factor + r]
        for j in range(ld):
            if j >= k:
                memory[z + r * ld + j] = 0
                continue
            a = memory[z + r * ld + j]
            d = a - target_at(labels, targets, sample, j, k)
            if loss == MSE:
                total += d * d / 2
                if layer[p.ACTIVATION] == SIGMOID:
                    d *= a * (1 - a)
            elif loss == POISSON:
                total += a
            memory[z + r * ld + j] = scaled * d
        memory[row_loss + r] = scaled * total


@serial
def network_backward(memory, start, first, last, plan, layers):
    """Deltas of the hidden layers, from the last one down: delta = (delta_next W_next^T) * f'(Z)."""
    for l in range(plan[p.N_LAYERS] - 1, 0, -1):
        layer, below = layers[l], layers[l - 1]
        source, ld, block, K = layer[p.DELTA], below[p.LD_OUT], layer[p.BLOCK_OUT], layer[p.FAN_OUT]
        for v in range(0, below[p.VECTORS], NV):
            vectors = min(NV, below[p.VECTORS] - v)
            panel, place = layer[p.TRANSPOSED] + v // NV * layer[p.PANEL_T], v // NV * below[p.BLOCK_OUT]
            ahead = panel + layer[p.PANEL_T] if v + NV < below[p.VECTORS] else panel
            target = below[p.DELTA] + place
            product(memory, target, ld, source, layer[p.LD_OUT], block, panel, K, first, last, vectors, ahead)
            if not plan[p.DROPOUT]:
                delta, a = at(memory, target + first * ld), at(memory, below[p.A_OUT] + place + first * ld)
                derivative(delta, a, ld, last - first, vectors, below[p.ACTIVATION])
        if plan[p.DROPOUT]:
            dropped_derivative(memory, below, l - 1, start, first, last, plan)


@serial
def pack_delta(memory, layer, first, last, plan):
    """Copy rows of the outputs' delta into panels."""
    width, ld = NV * lanes(at(memory, 0)), layer[p.LD_OUT]
    for v in range(0, layer[p.VECTORS], NV):
        source = at(memory, layer[p.DELTA] + v // NV * layer[p.BLOCK_OUT] + first * ld)
        target = at(memory, layer[p.DELTA_PANELS] + v // NV * plan[p.BLOCK] + first * width)
        copy_block(target, width, source, ld, last - first, min(NV, layer[p.VECTORS] - v))


@serial
def share_of_rows(
    thread, threads, n, X, indices, indptr, start, labels, targets, weights, scale, memory, flags, samples, plan,
    layers,
):  # fmt: skip
    """Forward, loss and backward for one thread's rows of a batch of n rows, which begins at ``start``."""
    grain = plan[p.GRAIN]
    grains = (n + grain - 1) // grain
    first, last = grains * thread // threads * grain, min(n, grains * (thread + 1) // threads * grain)
    if first < last:
        network_forward(X, indices, indptr, memory, flags, samples, start, first, last, plan, layers)
        output_loss(memory, samples, labels, targets, weights, first, last, scale, plan, layers)
        pack_delta(memory, layers[plan[p.N_LAYERS] - 1], first, last, plan)
        network_backward(memory, start, first, last, plan, layers)
