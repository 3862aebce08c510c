"""Small decisions about shapes, and clearing: pasted into the kernels that need them."""

from numba import carray

from fastnet.kernels.jit import inlined
from fastnet.kernels.tile import MR


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
    """Vectors of the next walk, of ``left``: a width that `walk` has."""
    return 8 if left >= 8 else 6 if left >= 6 else 4 if left >= 4 else left


@inlined
def clear(pointer, n):
    x = carray(pointer, (n,))
    for i in range(n):
        x[i] = 0
