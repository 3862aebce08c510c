"""The named kernels of the losses: from logits to each row's loss and to delta."""

import math

from numba import carray, prange
from numba.extending import overload

from fastnet.functions import EXP, SIGMOID
from fastnet.kernels.compile.jit import serial
from fastnet.kernels.named.decorator import current_threads, named_kernel
from fastnet.kernels.named.plain import activate_all, copy, row_sum, shift_rows
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.pointers import at
from fastnet.kernels.vector.shapes import cut


def target(y, r, j, k):
    raise NotImplementedError


@overload(target)
def _(y, r, j, k):
    """Target of output j in row r: of rows (n, k) as given, of labels (n,) one-hot; a lone output takes the label."""
    if y.ndim == 2:
        return lambda y, r, j, k: y[r, j]
    return lambda y, r, j, k: y[r] if k == 1 else int(y[r] == j)


@serial
def cross_entropy_rows(loss, delta, Z, y, scale, part):
    k = Z.shape[1]
    E = at(delta, part.start * k)
    shift_rows(E, at(Z, part.start * k), part.stop - part.start, k)
    for r in range(part.start, part.stop):
        loss[r] = delta[r, y[r]]
    activate_all(E, (part.stop - part.start) * k, EXP)
    for r in range(part.start, part.stop):
        total = row_sum(at(delta, r * k), k)
        loss[r] = math.log(total) - loss[r]
        row, ratio = carray(at(delta, r * k), (k,)), scale / total
        for j in range(k):
            row[j] *= ratio
        row[y[r]] -= scale


@named_kernel
def softmax_cross_entropy(loss, delta, Z, y, scale):
    """Overwrite ``loss (n,)`` with logsumexp(z) - z[y] and ``delta (n, k)`` with scale (softmax(Z) - onehot(y)).

    ``Z (n, k)`` are logits of any finite size, ``y (n,)`` integer labels below k.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        cross_entropy_rows(loss, delta, Z, y, Z.dtype.type(scale), cut(Z.shape[0], 1, threads, t))
        restore_denormals(state)


@serial
def binary_rows(loss, delta, Z, y, scale, part):
    k, one = Z.shape[1], Z.dtype.type(1)
    for r in range(part.start, part.stop):
        z, d = carray(at(Z, r * k), (k,)), carray(at(delta, r * k), (k,))
        for j in range(k):
            d[j] = -abs(z[j])
    activate_all(at(delta, part.start * k), (part.stop - part.start) * k, EXP)
    for r in range(part.start, part.stop):
        total = Z.dtype.type(0)
        for j in range(k):
            z, e, t = Z[r, j], delta[r, j], Z.dtype.type(target(y, r, j, k))
            total += max(z, Z.dtype.type(0)) - t * z + math.log1p(e)
            delta[r, j] = scale * ((one if z > 0 else e) / (one + e) - t)
        loss[r] = total


@named_kernel
def binary_cross_entropy(loss, delta, Z, y, scale):
    """Overwrite ``loss (n,)`` with the row sums of log(1 + exp(z)) - t z, ``delta (n, k)`` with scale (sigmoid(Z) - T).

    ``y`` holds the targets T (n, k) in [0, 1], or integer labels (n,) that stand for their one-hot rows.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        binary_rows(loss, delta, Z, y, Z.dtype.type(scale), cut(Z.shape[0], 1, threads, t))
        restore_denormals(state)


@serial
def squared_rows(loss, delta, Z, y, scale, activation, part):
    k, half, one = Z.shape[1], Z.dtype.type(0.5), Z.dtype.type(1)
    copy(at(delta, part.start * k), at(Z, part.start * k), (part.stop - part.start) * k)
    activate_all(at(delta, part.start * k), (part.stop - part.start) * k, activation)
    for r in range(part.start, part.stop):
        total = Z.dtype.type(0)
        for j in range(k):
            a = delta[r, j]
            d = a - Z.dtype.type(target(y, r, j, k))
            total += d * d
            delta[r, j] = scale * (d * a * (one - a) if activation == SIGMOID else d)
        loss[r] = half * total


@named_kernel
def mse(loss, delta, Z, y, scale, activation):
    """Overwrite ``loss (n,)`` with half the squared distance |f(z) - t|^2, ``delta`` with scale (f(Z) - T) f'(Z).

    ``activation`` f is IDENTITY or SIGMOID; ``y`` holds T (n, k), or integer labels (n,) for one-hot rows.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        squared_rows(loss, delta, Z, y, Z.dtype.type(scale), activation, cut(Z.shape[0], 1, threads, t))
        restore_denormals(state)
