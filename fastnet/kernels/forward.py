"""One thread's share of the rows: forward through all layers, loss and delta, backward through all layers."""

import math

import numpy as np

from fastnet.functions import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, IDENTITY, MSE, POISSON, SIGMOID
from fastnet.kernels import plan as p
from fastnet.kernels.dropout import drop_units, dropped_derivative
from fastnet.kernels.elementwise import activate, derivative, softmax_rows
from fastnet.kernels.inputs import choose, flag_rows, flags_at, gather, is_bytes, prepare_flags
from fastnet.kernels.jit import inlined, serial
from fastnet.kernels.lanes import at, lanes, prefetch
from fastnet.kernels.lists import lists_forward
from fastnet.kernels.shapes import group_width, tile_height
from fastnet.kernels.skip import BITS, SIDE, walk
from fastnet.kernels.tile import MR, NV, tile_rows
from fastnet.kernels.update import copy_block


@serial
def product(memory, C, ldc, A, lda, B, K, first, last, vectors, ahead):
    """C[r] = A[r] B for rows first <= r < last, B one panel of K rows and up to NV vectors; all offsets in memory.

    The panel at ``ahead``, which comes next, is fetched meanwhile, by each tile a part.
    """
    width = NV * lanes(at(memory, 0))
    part = K * width // ((last - first + MR - 1) // MR)
    r = first
    while r < last:
        height, c, a = tile_height(last - r), at(memory, C + r * ldc), at(memory, A + r * lda)
        tile_rows(c, ldc, a, lda, at(memory, B), width, K, False, at(memory, ahead), height, vectors)
        r += height
        ahead += part


@serial
def layer_forward(memory, layer, first, last, activation):
    """A_OUT = f(A_IN W + b), panel by panel: the activation meets its block of Z in L1."""
    n, out, ld, K = lanes(at(memory, 0)), layer[p.A_OUT], layer[p.LD_OUT], layer[p.FAN_IN]
    for v in range(0, layer[p.VECTORS], NV):
        vectors = min(NV, layer[p.VECTORS] - v)
        panel = layer[p.WEIGHTS] + v // NV * layer[p.PANEL]
        ahead = panel + layer[p.PANEL] if v + NV < layer[p.VECTORS] else panel
        product(memory, out + v * n, ld, layer[p.A_IN], layer[p.LD_IN], panel, K, first, last, vectors, ahead)
        z, bias = at(memory, out + v * n + first * ld), at(memory, layer[p.BIAS] + v * n)
        activate(z, ld, bias, last - first, vectors, activation)


@serial
def skip_forward(X, memory, flags, samples, first, last, plan, layers, activation):
    """A_OUT = f(X W + b) of the first layer, with work for the nonzero inputs only."""
    layer = layers[0]
    n, out, ld, K = lanes(at(memory, 0)), layer[p.A_OUT], layer[p.LD_OUT], layer[p.FAN_IN]
    width, order, table = NV * n, at(samples, flag_rows(X, plan) + first), at(memory, plan[p.TABLE])
    values, bytes_ = at(memory, layer[p.A_IN] + first * layer[p.LD_IN]), flags_at(X, flags, 0)
    v = np.int64(0)  # a literal would be a type of its own and compile everything below twice
    while v < layer[p.VECTORS]:
        vectors, panel = group_width(layer[p.VECTORS] - v), layer[p.WEIGHTS] + v // NV * layer[p.PANEL]
        walk(
            at(memory, out + first * ld + v * n), ld, width, last - first, order, 1, bytes_, K, BITS, K, is_bytes(X),
            table, values, layer[p.LD_IN], 1, at(memory, panel), width, layer[p.PANEL], 0, vectors,
        )  # fmt: skip
        v += vectors
    z, bias = at(memory, out + first * ld), at(memory, layer[p.BIAS])
    activate(z, ld, bias, last - first, layer[p.VECTORS], activation)


@serial
def network_forward(X, indices, indptr, memory, flags, samples, start, first, last, plan, layers):
    """All layers for rows first <= r < last of a chunk that begins at ``start``; the last layer's Z stays without its
    activation.
    """
    final = plan[p.N_LAYERS] - 1
    activation = IDENTITY if final == 0 else layers[0, p.ACTIVATION]
    if plan[p.INPUT] == p.LISTS:
        lists_forward(X, indices, indptr, memory, samples, first, last, layers, activation)
    elif plan[p.INPUT] == p.SKIP:
        for r in range(first, last, SIDE):
            block = min(r + SIDE, last)
            prepare_flags(X, memory, flags, samples, r, block, last, plan, layers)
            skip_forward(X, memory, flags, samples, r, block, plan, layers, activation)
    else:
        gather(X, memory, samples, first, last, plan, layers)
        layer_forward(memory, layers[0], first, last, activation)
    for l in range(1, final + 1):
        if plan[p.DROPOUT]:
            drop_units(memory, layers[l - 1], l - 1, start, first, last, plan)
        layer_forward(memory, layers[l], first, last, IDENTITY if l == final else layers[l, p.ACTIVATION])


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
    n = lanes(at(memory, 0))
    for l in range(plan[p.N_LAYERS] - 1, 0, -1):
        layer, below = layers[l], layers[l - 1]
        source, ld, K = layer[p.DELTA], below[p.LD_OUT], layer[p.FAN_OUT]
        for v in range(0, below[p.VECTORS], NV):
            vectors = min(NV, below[p.VECTORS] - v)
            panel, target = layer[p.TRANSPOSED] + v // NV * layer[p.PANEL_T], below[p.DELTA] + v * n
            ahead = panel + layer[p.PANEL_T] if v + NV < below[p.VECTORS] else panel
            product(memory, target, ld, source, layer[p.LD_OUT], panel, K, first, last, vectors, ahead)
            if not plan[p.DROPOUT]:
                a = at(memory, below[p.A_OUT] + v * n + first * ld)
                derivative(at(memory, target + first * ld), a, ld, last - first, vectors, below[p.ACTIVATION])
        if plan[p.DROPOUT]:
            dropped_derivative(memory, below, l - 1, start, first, last, plan)
        pack_delta(memory, below, first, last, plan)


@serial
def pack_delta(memory, layer, first, last, plan):
    """Copy rows of a delta into panels, which the weight gradient streams: strided, they would miss the TLB."""
    width, ld, chunk = NV * lanes(at(memory, 0)), layer[p.LD_OUT], plan[p.CHUNK]
    for v in range(0, layer[p.VECTORS], NV):
        source, target = layer[p.DELTA] + v // NV * width, layer[p.DELTA_PANELS] + v // NV * chunk * width
        copy_block(
            at(memory, target + first * width),
            width,
            at(memory, source + first * ld),
            ld,
            last - first,
            min(NV, layer[p.VECTORS] - v),
        )


@serial
def share_of_rows(
    thread, threads, n, X, indices, indptr, order, start, labels, targets, weights, scale,
    memory, flags, samples, plan, layers,
):  # fmt: skip
    """Forward, loss and backward for one thread's rows of a batch of n rows, order[start : start + n]."""
    grain = plan[p.GRAIN]
    grains = (n + grain - 1) // grain
    first, last = grains * thread // threads * grain, min(n, grains * (thread + 1) // threads * grain)
    if first < last:
        choose(samples, order, start, first, last, plan)
        if threads > 1 and plan[p.INPUT] == p.SKIP:
            prefetch(at(memory, layers[0, p.WEIGHTS]), layers[0, p.BIAS] - layers[0, p.WEIGHTS])
        network_forward(X, indices, indptr, memory, flags, samples, start, first, last, plan, layers)
        output_loss(memory, samples, labels, targets, weights, first, last, scale, plan, layers)
        pack_delta(memory, layers[plan[p.N_LAYERS] - 1], first, last, plan)
        network_backward(memory, start, first, last, plan, layers)
