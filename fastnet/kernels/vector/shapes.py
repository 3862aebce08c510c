"""Which tile or walk comes next, how work is cut among threads, and clearing: pasted into kernels that need them."""

from typing import NamedTuple

import numpy as np
from numba import carray

from fastnet.kernels.compile.jit import inlined
from fastnet.kernels.vector.tile import MR, NV

WIDEST = 8  # vectors of sums in one walk (walk.py): enough for 64 float32 outputs on AVX2, 128 on AVX-512


class Span(NamedTuple):
    """The numbers start <= i < stop: rows of a batch, inputs, units."""

    start: int | np.int64
    stop: int | np.int64


@inlined
def cut(n, grain, threads, thread):
    """One thread's Span of n things, cut at multiples of ``grain``."""
    grains, t = (n + grain - 1) // grain, np.int64(thread)
    return Span(grains * t // threads * grain, min(n, grains * (t + 1) // threads * grain))


@inlined
def tile_height(left):
    """Rows of the next tile: ``left`` rows go into as few tiles as possible, of nearly equal and even height."""
    tiles = (left + MR - 1) // MR
    height = (left + tiles - 1) // tiles
    height += height & 1
    if height > left:
        height = max(1, left - 1)
    return height


@inlined
def group_width(left):
    """Vectors of the next walk, of ``left``, which go into as few walks as possible, of nearly equal width.

    Only the last walk of a row may end within a panel.
    """
    walks = (left + WIDEST - 1) // WIDEST
    width = (left + walks - 1) // walks
    return width if walks == 1 else (width + NV - 1) // NV * NV


@inlined
def clear(pointer, n):
    """n zeros at the pointer."""
    x = carray(pointer, (n,))
    for i in range(n):
        x[i] = 0
