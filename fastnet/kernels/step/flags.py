"""Flags: a byte for every input of every row, nonzero where the input is, and the transpose of those bytes.

Where X holds bytes, these are the flags already. Flags of floats are made here.
"""

import numpy as np
from numba import carray, types
from numba.extending import overload

from fastnet.kernels.compile.jit import inlined, serial
from fastnet.kernels.step.gather import gather, is_bytes
from fastnet.kernels.step.records import PLACE, SAMPLE
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.pointers import at, prefetch
from fastnet.kernels.vector.transpose import SIDE, transpose_bytes


def flags_at(X, flags, offset):
    """Pointer to the flags: the bytes of X themselves, or the flags made from floats."""
    raise NotImplementedError


@overload(flags_at)
def _(X, flags, offset):
    if X.dtype is types.uint8:
        return lambda X, flags, offset: at(X, offset)
    return lambda X, flags, offset: at(flags, offset)


@inlined
def flag_rows(X):
    """The row of ``samples`` that numbers the rows as `flags_at` has them."""
    return SAMPLE if is_bytes(X) else PLACE


@inlined
def raise_flags(target, source, n):
    """target[k] = 1 where source[k] is not zero (NaN is not), else 0."""
    t, s = carray(target, (n,)), carray(source, (n,))
    for k in range(n):
        t[k] = np.uint8(s[k] != 0)


@serial
def prepare_flags(buffers, X, plan, layer, rows, inputs, last_row, transpose):
    """Flags of a Span of inputs, for at most SIDE ``rows``; with ``transpose`` their transpose, too.

    The next rows, below ``last_row``, are fetched meanwhile: they arrive while these are walked through.
    """
    flags, samples = buffers.flags, buffers.samples
    d, n = layer.fan_in, inputs.stop - inputs.start
    if is_bytes(X):
        for r in range(rows.start + SIDE, min(rows.start + 2 * SIDE, last_row)):
            prefetch(at(X, samples[SAMPLE, r] * d + inputs.start), n)
    else:
        gather(buffers, X, plan, layer, rows, inputs)
        for r in range(rows.start, rows.stop):
            source = layer.a_in + r * layer.row_stride_in + inputs.start
            raise_flags(at(flags, r * d + inputs.start), at(buffers.memory, source), n)
    if transpose:
        block, row = rows.start // BITS, rows.start % BITS
        target = at(flags, plan.flags_t + (block * d + inputs.start) * BITS + row)
        order = at(samples, flag_rows(X) * samples.shape[1] + rows.start)
        transpose_bytes(target, BITS, flags_at(X, flags, inputs.start), order, d, n)
