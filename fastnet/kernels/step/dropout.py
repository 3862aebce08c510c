"""Inverted dropout: a pass over the activations of a hidden layer, and the derivative that goes with it.

A hash of (seed, number of the row among all rows trained on, layer, neuron) decides whether a neuron is dropped. So
the bits are the same on any number of threads, and nothing is kept between forward and backward.
`fastnet.reference.dropout` says the same in NumPy.
"""

import numpy as np
from numba import carray

from fastnet.functions import LEAKY_RELU, LEAKY_SLOPE, RELU, SIGMOID, TANH
from fastnet.kernels.compile.jit import inlined, rare_piece, serial
from fastnet.kernels.step.records import NUMBER
from fastnet.kernels.vector.pointers import at, panel_width


def drop_threshold(dropout: float) -> int:
    """``dropout``, from 0 up to but not 1, as a whole number of 2^-32."""
    return min(round(dropout * 2**32), 2**32 - 1)


@inlined
def mix64(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@serial
def key_of(row, layer, seed):
    """64 bits for one row, numbered among all rows trained on, in one layer."""
    x = mix64(np.uint64(seed) + np.uint64(row) * np.uint64(0x9E3779B97F4A7C15))
    return mix64(x + np.uint64(layer))


@inlined
def is_kept(neuron, key, threshold):
    """Whether the neuron's hash, made with the row's key, reaches the uint32 threshold."""
    low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
    x = np.uint32(np.uint32(neuron) * np.uint32(0x9E3779B9) + low)
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32(np.uint32((x ^ (x >> np.uint32(15))) + high) * np.uint32(0x846CA68B))
    return (x ^ (x >> np.uint32(16))) >= threshold


@inlined
def panel_row(memory, layer, start, r, neuron):
    """Row r of the panel that begins with ``neuron``, of a_out or delta at ``start``."""
    width = panel_width(memory)
    row = start + neuron // width * layer.panel_stride_out + r * layer.row_stride_out
    return carray(at(memory, row), (min(width, layer.fan_out - neuron),))


@rare_piece
def drop_neurons(memory, samples, tables, l, rows):
    """a_out of hidden layer l = A / (1 - p) for the neurons kept and 0 for the others, p = layer.dropout / 2^32."""
    plan, layer, width = tables.plans[0], tables.layers[l], panel_width(memory)
    threshold = np.uint32(layer.dropout)
    factor, zero = memory.dtype.type(1 / (1 - layer.dropout / 2**32)), memory.dtype.type(0)
    for r in range(rows.start, rows.stop):
        key = key_of(samples[NUMBER, r], l, plan.seed)
        for neuron in range(0, layer.fan_out, width):
            a = panel_row(memory, layer, layer.a_out, r, neuron)
            for j in range(a.size):
                a[j] = a[j] * factor if is_kept(neuron + j, key, threshold) else zero


@rare_piece
def dropped_derivative(memory, samples, tables, l, rows):
    """delta *= f'(Z) / (1 - p) for the neurons kept, and 0 for the others.

    The derivative wants f(Z), and a_out holds f(Z) / (1 - p). Multiplying it back costs a rounding, and is right for
    every neuron kept. A zero does not prove that a neuron was dropped: tanh(0) is zero, too. So the hash is
    taken again. Where Z is kept, `derivative` has been there, and only the mask is left.
    """
    plan, layer, width = tables.plans[0], tables.layers[l], panel_width(memory)
    threshold, code, keep_rate = np.uint32(layer.dropout), layer.activation, 1 - layer.dropout / 2**32
    keep, factor = memory.dtype.type(keep_rate), memory.dtype.type(1 / keep_rate)
    zero, one, slope = memory.dtype.type(0), memory.dtype.type(1), memory.dtype.type(LEAKY_SLOPE)
    for r in range(rows.start, rows.stop):
        key = key_of(samples[NUMBER, r], l, plan.seed)
        for neuron in range(0, layer.fan_out, width):
            a = panel_row(memory, layer, layer.a_out, r, neuron)
            delta = panel_row(memory, layer, layer.delta, r, neuron)
            if code == SIGMOID:
                for j in range(a.size):
                    delta[j] *= a[j] * keep * (one - a[j] * keep)
            elif code == TANH:
                for j in range(a.size):
                    delta[j] *= one - a[j] * keep * a[j] * keep
            elif code == RELU:
                for j in range(a.size):
                    delta[j] = zero if a[j] <= zero else delta[j]
            elif code == LEAKY_RELU:
                for j in range(a.size):
                    delta[j] = slope * delta[j] if a[j] <= zero else delta[j]
            for j in range(a.size):
                delta[j] = delta[j] * factor if is_kept(neuron + j, key, threshold) else zero
