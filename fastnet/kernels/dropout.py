"""Inverted dropout: a pass over the activations of a hidden layer, and the derivative that goes with it.

Whether a unit is dropped follows from (seed, number of the row among all rows trained on, layer, unit) by a hash: the
same bits on any number of threads, and nothing to be kept between forward and backward. `fastnet.reference.dropout`
says the same in NumPy.
"""

import numpy as np
from numba import carray

from fastnet.functions import RELU, SIGMOID, TANH
from fastnet.kernels import plan as p
from fastnet.kernels.jit import inlined, serial
from fastnet.kernels.lanes import at


def drop_threshold(dropout: float) -> int:
    """``dropout``, from 0 up to but not 1, as a whole number of 2^-32."""
    return min(round(dropout * 2**32), 2**32 - 1)


@inlined
def mix64(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@serial
def key_of(row, layer, plan):
    """64 bits for one row in one layer."""
    number = np.uint64(plan[p.ROWS_SEEN] + row)
    x = mix64(np.uint64(plan[p.SEED]) + number * np.uint64(0x9E3779B97F4A7C15))
    return mix64(x + np.uint64(layer))


@inlined
def is_kept(unit, low, high, threshold):
    """Whether the unit's hash, of the two halves of the row's key, reaches the threshold; all uint32."""
    x = np.uint32(np.uint32(unit) * np.uint32(0x9E3779B9) + low)
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32(np.uint32((x ^ (x >> np.uint32(15))) + high) * np.uint32(0x846CA68B))
    return (x ^ (x >> np.uint32(16))) >= threshold


@serial
def drop_units(memory, layer, number, start, first, last, plan):
    """A_OUT of hidden layer ``number`` = A / (1 - p) for the units kept and 0 for the others, p = DROPOUT / 2^32.

    Rows first <= r < last of a chunk that begins ``start`` rows after those seen before this call.
    """
    units, threshold = layer[p.FAN_OUT], np.uint32(plan[p.DROPOUT])
    factor, zero = memory.dtype.type(1 / (1 - plan[p.DROPOUT] / 2**32)), memory.dtype.type(0)
    for r in range(first, last):
        key = key_of(start + r, number, plan)
        low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
        a = carray(at(memory, layer[p.A_OUT] + r * layer[p.LD_OUT]), (units,))
        for j in range(units):
            a[j] = a[j] * factor if is_kept(j, low, high, threshold) else zero


@serial
def dropped_derivative(memory, layer, number, start, first, last, plan):
    """DELTA *= f'(Z) / (1 - p) for the units kept, and 0 for the others.

    The derivative wants f(Z), and A_OUT holds f(Z) / (1 - p): multiplying it back costs a rounding, and is right for
    every unit kept. A zero does not tell a dropped unit (tanh of zero is one), so the hash is taken again.
    """
    units, threshold, code = layer[p.FAN_OUT], np.uint32(plan[p.DROPOUT]), layer[p.ACTIVATION]
    share = 1 - plan[p.DROPOUT] / 2**32
    keep, factor = memory.dtype.type(share), memory.dtype.type(1 / share)
    zero, one = memory.dtype.type(0), memory.dtype.type(1)
    for r in range(first, last):
        key = key_of(start + r, number, plan)
        low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
        a = carray(at(memory, layer[p.A_OUT] + r * layer[p.LD_OUT]), (units,))
        delta = carray(at(memory, layer[p.DELTA] + r * layer[p.LD_OUT]), (units,))
        if code == SIGMOID:
            for j in range(units):
                delta[j] *= a[j] * keep * (one - a[j] * keep)
        elif code == TANH:
            for j in range(units):
                delta[j] *= one - a[j] * keep * a[j] * keep
        elif code == RELU:
            for j in range(units):
                delta[j] = zero if a[j] <= zero else delta[j]
        for j in range(units):
            delta[j] = delta[j] * factor if is_kept(j, low, high, threshold) else zero
