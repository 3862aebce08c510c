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
from fastnet.kernels.lanes import at, lanes
from fastnet.kernels.tile import NV


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


@inlined
def panel_row(memory, layer, start, r, unit):
    """What one panel, that which begins with ``unit``, holds of row r of A_OUT or DELTA at ``start``."""
    width = NV * lanes(at(memory, 0))
    row = start + unit // width * layer[p.BLOCK_OUT] + r * layer[p.LD_OUT]
    return carray(at(memory, row), (min(width, layer[p.FAN_OUT] - unit),))


@serial
def drop_units(memory, layer, number, start, first, last, plan):
    """A_OUT of hidden layer ``number`` = A / (1 - p) for the units kept and 0 for the others, p = DROPOUT / 2^32.

    Rows first <= r < last of a chunk that begins ``start`` rows after those seen before this call.
    """
    units, width, threshold = layer[p.FAN_OUT], NV * lanes(at(memory, 0)), np.uint32(plan[p.DROPOUT])
    factor, zero = memory.dtype.type(1 / (1 - plan[p.DROPOUT] / 2**32)), memory.dtype.type(0)
    for r in range(first, last):
        key = key_of(start + r, number, plan)
        low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
        for first_unit in range(0, units, width):
            a = panel_row(memory, layer, layer[p.A_OUT], r, first_unit)
            for j in range(a.size):
                a[j] = a[j] * factor if is_kept(first_unit + j, low, high, threshold) else zero


@serial
def dropped_derivative(memory, layer, number, start, first, last, plan):
    """DELTA *= f'(Z) / (1 - p) for the units kept, and 0 for the others.

    The derivative wants f(Z), and A_OUT holds f(Z) / (1 - p): multiplying it back costs a rounding, and is right for
    every unit kept. A zero does not tell a dropped unit (tanh of zero is one), so the hash is taken again.
    """
    units, width, threshold = layer[p.FAN_OUT], NV * lanes(at(memory, 0)), np.uint32(plan[p.DROPOUT])
    code, share = layer[p.ACTIVATION], 1 - plan[p.DROPOUT] / 2**32
    keep, factor = memory.dtype.type(share), memory.dtype.type(1 / share)
    zero, one = memory.dtype.type(0), memory.dtype.type(1)
    for r in range(first, last):
        key = key_of(start + r, number, plan)
        low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
        for first_unit in range(0, units, width):
            a = panel_row(memory, layer, layer[p.A_OUT], r, first_unit)
            delta = panel_row(memory, layer, layer[p.DELTA], r, first_unit)
            if code == SIGMOID:
                for j in range(a.size):
                    delta[j] *= a[j] * keep * (one - a[j] * keep)
            elif code == TANH:
                for j in range(a.size):
                    delta[j] *= one - a[j] * keep * a[j] * keep
            elif code == RELU:
                for j in range(a.size):
                    delta[j] = zero if a[j] <= zero else delta[j]
            for j in range(a.size):
                delta[j] = delta[j] * factor if is_kept(first_unit + j, low, high, threshold) else zero
