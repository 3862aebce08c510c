"""The first layer's operand: how rows of X, in whatever form, reach the kernels.

X is uint8 (pixels, worth a 255th each), floating, or the data of a CSR matrix. Dense work copies a batch's rows into a
buffer of floats; zero skipping wants a byte for every input that says whether it is zero, and the transpose of those
bytes. Pixels are such bytes already.
"""

import numpy as np
from numba import carray, types
from numba.extending import overload

from fastnet.kernels import plan as p
from fastnet.kernels.flags import BITS
from fastnet.kernels.jit import inlined, serial
from fastnet.kernels.lanes import at, lanes, prefetch
from fastnet.kernels.tile import NV
from fastnet.kernels.transpose import SIDE, transpose_bytes

AHEAD = 4  # rows asked for ahead of the one that is read: the batch is shuffled, no hardware can guess them


def _is_bytes(X):
    return X.dtype is types.uint8


def is_bytes(X):
    raise NotImplementedError


@overload(is_bytes)
def _(X):
    answer = int(_is_bytes(X))
    return lambda X: answer


def read_row(target, source, n, unit):
    raise NotImplementedError


@overload(read_row)
def _(target, source, n, unit):
    """target[k] = source[k] as numbers: pixels are scaled by ``unit``, floats are taken as they are."""
    number = np.float32 if target.dtype is types.float32 else np.float64

    def pixels(target, source, n, unit):
        t, s = carray(target, (n,)), carray(source, (n,))
        for k in range(n):
            t[k] = number(s[k]) * unit

    def floats(target, source, n, unit):
        t, s = carray(target, (n,)), carray(source, (n,))
        for k in range(n):
            t[k] = s[k]

    return pixels if source.dtype is types.uint8 else floats


def flags_at(X, flags, offset):
    raise NotImplementedError


@overload(flags_at)
def _(X, flags, offset):
    """Pointer to the bytes that say which inputs are nonzero: the pixels themselves, or the flags made from floats."""
    if _is_bytes(X):
        return lambda X, flags, offset: at(X, offset)
    return lambda X, flags, offset: at(flags, offset)


@inlined
def choose(samples, order, start, first, last, plan):
    """samples[r] = number of the row of X in row r of the batch; the last is repeated up to a multiple of GRAIN rows.

    The second half of ``samples`` numbers the rows of the batch itself, for buffers that are filled by batch row.
    """
    grain = plan[p.GRAIN]
    for r in range(first, (last + grain - 1) // grain * grain):
        row = min(r, last - 1)
        samples[r] = order[start + row] if order.size else start + row
        samples[plan[p.CHUNK] + r] = row


@inlined
def flag_rows(X, plan):
    """Where in ``samples`` the rows are numbered as `flags_at` wants them."""
    return 0 if is_bytes(X) else plan[p.CHUNK]


@inlined
def raise_flags(target, source, n):
    """target[k] = 1 where source[k] is not zero (NaN is not), else 0."""
    t, s = carray(target, (n,)), carray(source, (n,))
    for k in range(n):
        t[k] = np.uint8(s[k] != 0)


@serial
def gather(X, memory, samples, first, last, begin, end, plan, layers):
    """Copy inputs begin <= k < end of rows first <= r < last of the batch, X[samples[r]], into the input buffer."""
    layer, width, unit = layers[0], NV * lanes(at(memory, 0)), memory[plan[p.TABLE] + 1]
    n, block = layer[p.FAN_IN], layer[p.BLOCK_IN]
    piece = end - begin if block == width else width  # of a row that is contiguous in the buffer
    for r in range(first, last):
        prefetch(at(X, samples[min(r + AHEAD, last - 1)] * n + begin), end - begin)
        target = layer[p.A_IN] + r * layer[p.LD_IN]
        for k in range(begin, end, piece):
            source, count = at(X, samples[r] * n + k), min(piece, end - k)
            read_row(at(memory, target + k // width * block), source, count, unit)


@serial
def prepare_flags(X, memory, flags, samples, first, last, rows, begin, end, plan, layers):
    """Flags of inputs begin <= k < end of the rows first <= r < last, one block of SIDE rows, and their transpose where
    it is wanted.

    The next block, below ``rows``, is fetched meanwhile, to be there when this one has been walked through.
    """
    n, numbers = layers[0, p.FAN_IN], flag_rows(X, plan)
    if is_bytes(X):
        for r in range(first + SIDE, min(first + 2 * SIDE, rows)):
            prefetch(at(X, samples[r] * n + begin), end - begin)
    else:
        gather(X, memory, samples, first, last, begin, end, plan, layers)
        for r in range(first, last):
            source = layers[0, p.A_IN] + r * layers[0, p.LD_IN] + begin
            raise_flags(at(flags, r * n + begin), at(memory, source), end - begin)
    if plan[p.TRAINS] and not plan[p.SCATTER]:
        target = at(flags, plan[p.FLAGS_T] + (first // BITS * n + begin) * BITS + first % BITS)
        transpose_bytes(target, BITS, flags_at(X, flags, begin), at(samples, numbers + first), n, end - begin)
