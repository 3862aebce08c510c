"""The first layer, whose weights are the most: forward over the inputs that one thread owns, or over all of them.

In a step that is worth two threads the sums over the inputs are taken in two halves, on any number of threads, so that
the bits stay the same (not where X is very large: `fastnet.engine.FAR`). With two threads each then meets only those
rows of W, in forward as in the update, that it owns: what travels between their caches is a sum for each output, not
half of W (784-64-10, batch 128: 79 us a step before, 71 this way).
"""

import numpy as np

from fastnet.kernels import plan as p
from fastnet.kernels.elementwise import activate
from fastnet.kernels.flags import BITS
from fastnet.kernels.inputs import flag_rows, flags_at, gather, is_bytes, prepare_flags
from fastnet.kernels.jit import serial
from fastnet.kernels.lanes import at, lanes
from fastnet.kernels.lists import lists_forward
from fastnet.kernels.products import PRODUCT, layer_forward
from fastnet.kernels.shapes import group_width
from fastnet.kernels.skip import PAIRED_ROWS, walk
from fastnet.kernels.tile import NV
from fastnet.kernels.transpose import SIDE
from fastnet.kernels.update import add_block


@serial
def skip_forward(X, memory, flags, samples, first, last, begin, end, out, plan, layers):
    """out = X W over the inputs begin <= k < end, with work for the nonzero ones only."""
    layer = layers[0]
    n, ld, K = lanes(at(memory, 0)), layer[p.LD_OUT], layer[p.FAN_IN]
    width, order, table = NV * n, at(samples, flag_rows(X, plan) + first), at(memory, plan[p.TABLE])
    values, bytes_ = at(memory, layer[p.A_IN] + first * layer[p.LD_IN] + begin), flags_at(X, flags, begin)
    block = layer[p.BLOCK_OUT]
    v = np.int64(0)
    while v < layer[p.VECTORS]:
        vectors = group_width(layer[p.VECTORS] - v)
        panel = layer[p.WEIGHTS] + v // NV * layer[p.PANEL] + begin * width
        walk(
            at(memory, out + v // NV * block + first * ld), ld, block, last - first, order, 1, bytes_, K, BITS,
            end - begin, is_bytes(X), table, values, layer[p.LD_IN], 1, at(memory, panel), width, layer[p.PANEL], 0,
            vectors, 2 if vectors <= PAIRED_ROWS else 1,
        )  # fmt: skip
        v += vectors


@serial
def activate_rows(memory, layer, first, last, activation):
    """A_OUT = f(A_OUT + b)."""
    n, ld = lanes(at(memory, 0)), layer[p.LD_OUT]
    for v in range(0, layer[p.VECTORS], NV):
        z = at(memory, layer[p.A_OUT] + v // NV * layer[p.BLOCK_OUT] + first * ld)
        activate(z, ld, at(memory, layer[p.BIAS] + v * n), last - first, min(NV, layer[p.VECTORS] - v), activation)


@serial
def first_layer(X, indices, indptr, memory, flags, samples, first, last, plan, layers, activation):
    """A_OUT = f(X W + b) for the rows first <= r < last of the batch, from all inputs."""
    layer, none = layers[0], np.int64(0)  # a literal would be a type of its own and compile what it is passed to twice
    inputs, out = layer[p.FAN_IN], layer[p.A_OUT]
    if plan[p.INPUT] == p.LISTS:
        lists_forward(X, indices, indptr, memory, samples, first, last, layers)
        activate_rows(memory, layer, first, last, activation)
    elif plan[p.INPUT] == p.SKIP:
        for r in range(first, last, SIDE):
            block = min(r + SIDE, last)
            prepare_flags(X, memory, flags, samples, r, block, last, none, inputs, plan, layers)
            skip_forward(X, memory, flags, samples, r, block, none, inputs, out, plan, layers)
            activate_rows(memory, layer, r, block, activation)
    else:
        gather(X, memory, samples, first, last, none, inputs, plan, layers)
        layer_forward(memory, layer, first, last, none, inputs, out, activation)


@serial
def half_layer(X, memory, flags, samples, first, last, begin, end, out, plan, layers):
    """out = X W over the inputs begin <= k < end, one half of them."""
    if plan[p.INPUT] == p.SKIP:
        for r in range(first, last, SIDE):
            prepare_flags(X, memory, flags, samples, r, min(r + SIDE, last), last, begin, end, plan, layers)
        skip_forward(X, memory, flags, samples, first, last, begin, end, out, plan, layers)
    else:
        gather(X, memory, samples, first, last, begin, end, plan, layers)
        layer_forward(memory, layers[0], first, last, begin, end, out, np.int64(PRODUCT))


@serial
def share_of_inputs(thread, threads, n, X, memory, flags, samples, plan, layers):
    """One thread's part of the halves: all rows of the first, then all rows of the second, cut into equal shares."""
    grain, half, inputs = plan[p.GRAIN], plan[p.HALF], layers[0, p.FAN_IN]
    grains = (n + grain - 1) // grain
    start, stop = 2 * grains * thread // threads, 2 * grains * (thread + 1) // threads
    first, last = start * grain, min(n, min(stop, grains) * grain)
    if first < last:
        half_layer(X, memory, flags, samples, first, last, np.int64(0), half, layers[0, p.A_OUT], plan, layers)
    first, last = max(start - grains, 0) * grain, min(n, (stop - grains) * grain)
    if first < last:
        half_layer(X, memory, flags, samples, first, last, half, inputs, plan[p.Z_HALF], plan, layers)


@serial
def join_halves(memory, first, last, plan, layers, activation):
    """A_OUT = f(Z of one half + Z of the other + b)."""
    layer = layers[0]
    ld = layer[p.LD_OUT]
    for v in range(0, layer[p.VECTORS], NV):
        start = v // NV * layer[p.BLOCK_OUT] + first * ld
        z, rest = at(memory, layer[p.A_OUT] + start), at(memory, plan[p.Z_HALF] + start)
        add_block(z, ld, rest, ld, last - first, min(NV, layer[p.VECTORS] - v))
    activate_rows(memory, layer, first, last, activation)
