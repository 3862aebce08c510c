"""Rows of X, in whatever form, as the first layer wants them.

X is uint8, floating, or the data of a CSR matrix. Dense work copies a chunk's rows into a buffer of floats (`gather`).
Zero skipping wants flags (flags.py). What a byte is worth is at ``plan.byte_values``.
"""

import numpy as np
from numba import carray, types
from numba.extending import overload

from fastnet.kernels.compile.jit import inlined, serial
from fastnet.kernels.step.records import NEXT, NUMBER, PLACE, SAMPLE
from fastnet.kernels.vector.pointers import at, panel_width, prefetch
from fastnet.kernels.vector.shapes import Span
from fastnet.kernels.vector.transpose import SIDE

FETCHED = 2**16  # bytes of the next chunk that are asked for while the weights move
AHEAD = 4  # rows asked for ahead of the one that is read: the batch is shuffled, no hardware can guess them


def is_bytes(X):
    """1 where X holds bytes, else 0; known when the code is compiled."""
    raise NotImplementedError


@overload(is_bytes)
def _(X):
    answer = int(X.dtype is types.uint8)
    return lambda X: answer


def read_row(target, source, n, byte_values, linear):
    """target[k] = source[k] as numbers: byte_values[source[k]] of bytes, floats as they are."""
    raise NotImplementedError


@overload(read_row)
def _(target, source, n, byte_values, linear):
    number = np.float32 if target.dtype is types.float32 else np.float64

    def of_bytes(target, source, n, byte_values, linear):
        t, s, worth = carray(target, (n,)), carray(source, (n,)), carray(byte_values, (256,))
        if linear:  # 10 rows of 784: 0.7 us, by the table 1.9
            for k in range(n):
                t[k] = number(s[k]) * worth[1]
        else:
            for k in range(n):
                t[k] = worth[s[k]]

    def of_floats(target, source, n, byte_values, linear):
        t, s = carray(target, (n,)), carray(source, (n,))
        for k in range(n):
            t[k] = s[k]

    return of_bytes if source.dtype is types.uint8 else of_floats


@inlined
def choose(samples, order, start, rows, grain):
    """Note which rows of X the ``rows`` of a chunk are: order[start + r], or start + r where ``order`` is empty.

    The last one is repeated up to a multiple of ``grain`` rows.
    """
    for r in range(rows.start, (rows.stop + grain - 1) // grain * grain):
        place = min(r, rows.stop - 1)
        samples[SAMPLE, r] = order[start + place] if order.size else start + place
        samples[PLACE, r] = place


@inlined
def choose_rows(samples, steps, rows, grain):
    """Note which rows of X a chunk has, a Span of ``steps.order``, and their numbers among all rows trained on."""
    order, n = steps.order, rows.stop - rows.start
    choose(samples, order, rows.start, Span(np.int64(0), n), grain)
    for r in range(n):
        samples[NUMBER, r] = steps.numbers[rows.start + r]
    for r in range(min(n, SIDE)):
        samples[NEXT, r] = order[min(rows.stop + r, order.size - 1)]


@inlined
def fetched_rows(X, layer, n):
    """How many of the n rows of a chunk are fetched for the next one: what leaves L2 room for other things."""
    return min(n, SIDE, FETCHED // (layer.fan_in * X.itemsize))


@inlined
def fetch_next(samples, X, layer, inputs, rows):
    """Ask for the Span ``inputs`` of some of the first rows of the next chunk, which come from all over X."""
    for r in range(rows.start, rows.stop):
        prefetch(at(X, samples[NEXT, r] * layer.fan_in + inputs.start), inputs.stop - inputs.start)


@serial
def gather(buffers, X, plan, layer, rows, inputs):
    """Copy the Span ``inputs`` of a chunk's ``rows`` from X into the input buffer."""
    memory, samples = buffers.memory, buffers.samples
    width, byte_values = panel_width(memory), at(memory, plan.byte_values)
    d, stride = layer.fan_in, layer.panel_stride_in
    piece = inputs.stop - inputs.start if stride == width else width  # of a row that is contiguous in the buffer
    for r in range(rows.start, rows.stop):
        ahead = samples[SAMPLE, min(r + AHEAD, rows.stop - 1)]
        prefetch(at(X, ahead * d + inputs.start), inputs.stop - inputs.start)
        target = layer.a_in + r * layer.row_stride_in
        for k in range(inputs.start, inputs.stop, piece):
            source, count = at(X, samples[SAMPLE, r] * d + k), min(piece, inputs.stop - k)
            read_row(at(memory, target + k // width * stride), source, count, byte_values, plan.linear)
