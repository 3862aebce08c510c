"""Rows of X as images, shifted and rotated, each by what a hash of its number among all rows trained on says.

A pixel of the result lies between four of the image. Three loops find it, each over all pixels: where they are
(arithmetic), what they are (loads, one after the other), and what is between them (arithmetic). So LLVM vectorizes the
first and the last, which it would not in one loop, as no compiler can know that the loads do not read what was just
written: 28 x 28 bytes take 1.1 us, in one loop 7.5. `fastnet.reference.augment` says the same in NumPy.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import carray, prange, types
from numba.extending import overload

from fastnet.kernels.compile.jit import entry, inlined, parallel, serial
from fastnet.kernels.step.dropout import key_of
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.pointers import at, prefetch
from fastnet.kernels.vector.shapes import cut

STREAM = 2**32  # in place of a layer's number, where the draws are those of dropout
DRAW_BITS = 21  # of a row's 64, for each of three draws


class Motion(NamedTuple):
    """How rows may move, and their images' sides."""

    seed: int
    shift: float  # pixels, at most
    angle: float  # radians, at most
    height: int
    width: int


class Canvas(NamedTuple):
    """The places of all pixels, and scratch; p = height * width. A frame of zeros lies around an image.

    The padded image has height + 3 rows of width + 2, with a frame one wide, two at the bottom.
    """

    grid: np.ndarray  # like X, of bytes float32 (2 * p,): how far below, and right of, the centre pixels are
    padded: np.ndarray  # like X (threads, (height + 3) * (width + 2) + 1), zeros at first
    quads: np.ndarray  # uint32 (threads, (height + 2) * (width + 2)): four bytes of the padded image in one
    where: np.ndarray  # int32 (threads, p): the upper left of the four pixels, in the padded image
    shares: np.ndarray  # like grid (threads, 2 * p): of the lower pixels, of the right ones
    corners: np.ndarray  # uint32 (threads, p) of bytes; of floats like X (threads, 4 * p)


@inlined
def draw(bits, i, most):
    """The i-th of three draws from 64 bits, evenly between -most and most."""
    k = np.int64((bits >> np.uint64(DRAW_BITS * i)) & np.uint64(2**DRAW_BITS - 1))
    return most * ((2 * k + 1) / 2**DRAW_BITS - 1)


@serial
def find_places(where, shares, grid, motion, bits):
    """Where each pixel of the result comes from in the padded image: out[p] = image[R (p - c - t) + c], centre c."""
    number, pixels = grid.dtype.type, motion.height * motion.width
    down, right = number(draw(bits, 0, motion.shift)), number(draw(bits, 1, motion.shift))
    angle = draw(bits, 2, motion.angle)
    cos, sin = number(math.cos(angle)), number(math.sin(angle))
    zero, bottom, end = number(0), number(motion.height + 1), number(motion.width + 1)
    middle_y, middle_x, stride = bottom / number(2), end / number(2), np.int32(motion.width + 2)
    grid_y, grid_x = carray(at(grid, 0), (pixels,)), carray(at(grid, pixels), (pixels,))
    share_y, share_x = carray(at(shares, 0), (pixels,)), carray(at(shares, pixels), (pixels,))
    places = carray(at(where, 0), (pixels,))
    for k in range(pixels):
        y, x = grid_y[k] - down, grid_x[k] - right
        from_y = min(max(middle_y + cos * y + sin * x, zero), bottom)
        from_x = min(max(middle_x + cos * x - sin * y, zero), end)
        row, column = np.int32(from_y), np.int32(from_x)
        share_y[k], share_x[k] = from_y - number(row), from_x - number(column)
        places[k] = row * stride + column


@inlined
def between(a, b, c, d, share_y, share_x):
    """The value among four pixels, a and b above c and d."""
    upper, lower = a + share_x * (b - a), c + share_x * (d - c)
    return upper + share_y * (lower - upper)


@serial
def pack_quads(quads, padded, n, stride):
    """quads[k] = the byte at k, the ones right of it, below it, and right of that, from the lowest byte on."""
    q = carray(at(quads, 0), (n,))
    a, b = carray(at(padded, 0), (n,)), carray(at(padded, 1), (n,))
    c, d = carray(at(padded, stride), (n,)), carray(at(padded, stride + 1), (n,))
    for k in range(n):
        upper = np.uint32(a[k]) | (np.uint32(b[k]) << np.uint32(8))
        q[k] = upper | (np.uint32(c[k]) << np.uint32(16)) | (np.uint32(d[k]) << np.uint32(24))


@inlined
def byte_of(quad, i):
    """One of its four bytes as a number; by way of int32, for which there is an instruction."""
    return np.float32(np.int32((quad >> np.uint32(8 * i)) & np.uint32(255)))


def fill_image(out, padded, quads, where, shares, corners, motion):
    """out = the image at the places found: bytes are rounded, floats stay as they come."""
    raise NotImplementedError


def _fill_bytes(out, padded, quads, where, shares, corners, motion):
    pixels, stride = motion.height * motion.width, motion.width + 2
    n = (motion.height + 2) * stride
    pack_quads(quads, padded, n, stride)
    q, places, v = carray(at(quads, 0), (n,)), carray(at(where, 0), (pixels,)), carray(at(corners, 0), (pixels,))
    for k in range(pixels):
        v[k] = q[places[k]]
    share_y, share_x = carray(at(shares, 0), (pixels,)), carray(at(shares, pixels), (pixels,))
    image = carray(out, (pixels,))
    for k in range(pixels):
        a, b, c, d = byte_of(v[k], 0), byte_of(v[k], 1), byte_of(v[k], 2), byte_of(v[k], 3)
        image[k] = np.uint8(np.int32(between(a, b, c, d, share_y[k], share_x[k]) + np.float32(0.5)))


def _fill_floats(out, padded, quads, where, shares, corners, motion):
    pixels, stride = motion.height * motion.width, motion.width + 2
    p, places = carray(at(padded, 0), (padded.size,)), carray(at(where, 0), (pixels,))
    a, b = carray(at(corners, 0), (pixels,)), carray(at(corners, pixels), (pixels,))
    c, d = carray(at(corners, 2 * pixels), (pixels,)), carray(at(corners, 3 * pixels), (pixels,))
    for k in range(pixels):
        place = places[k]
        a[k], b[k], c[k], d[k] = p[place], p[place + 1], p[place + stride], p[place + stride + 1]
    share_y, share_x = carray(at(shares, 0), (pixels,)), carray(at(shares, pixels), (pixels,))
    image = carray(out, (pixels,))
    for k in range(pixels):
        image[k] = between(a[k], b[k], c[k], d[k], share_y[k], share_x[k])


@overload(fill_image)
def _(out, padded, quads, where, shares, corners, motion):
    return _fill_bytes if padded.dtype is types.uint8 else _fill_floats


@serial
def frame(padded, X, offset, motion):
    """Copy the image at X[offset] into its frame."""
    width = motion.width
    for y in range(motion.height):
        target = carray(at(padded, (y + 1) * (width + 2) + 1), (width,))
        source = carray(at(X, offset + y * width), (width,))
        for x in range(width):
            target[x] = source[x]


@serial
def augment_of_thread(out, X, order, numbers, motion, canvas, threads, thread):
    """One thread's part of the rows, on its own scratch."""
    state, d = flush_denormals(), motion.height * motion.width
    rows = cut(order.shape[0], 1, threads, thread)
    padded, quads, where = canvas.padded[thread], canvas.quads[thread], canvas.where[thread]
    shares, corners = canvas.shares[thread], canvas.corners[thread]
    for r in range(rows.start, rows.stop):
        prefetch(at(X, order[min(r + 1, rows.stop - 1)] * d), d)
        frame(padded, X, order[r] * d, motion)
        find_places(where, shares, canvas.grid, motion, key_of(numbers[r], STREAM, motion.seed))
        fill_image(at(out, r * d), padded, quads, where, shares, corners, motion)
    restore_denormals(state)


@parallel
def augment_of_all(out, X, order, numbers, motion, canvas, threads):
    """All threads' parts at once."""
    for t in prange(threads):
        augment_of_thread(out, X, order, numbers, motion, canvas, threads, np.int64(t))


@entry
def augment_rows(out, X, order, numbers, motion, canvas, threads):
    """out[r] = row order[r] of X as an image that has moved; both flat, rows of height * width.

    order : int64 (rows,). numbers : int64 (rows,), theirs among all rows trained on. motion, canvas : the fields of
        Motion and Canvas, as plain tuples.
    """
    motion, canvas = Motion(*motion), Canvas(*canvas)
    if threads == 1:
        augment_of_thread(out, X, order, numbers, motion, canvas, threads, np.int64(0))
    else:
        augment_of_all(out, X, order, numbers, motion, canvas, threads)
