"""The named kernels of one layer: forward, backward, gradients."""

from numba import carray, prange

from fastnet.functions import EXP, SIGMOID, SOFTMAX
from fastnet.kernels.compile.jit import serial
from fastnet.kernels.named.decorator import LINE, current_threads, named_kernel
from fastnet.kernels.named.plain import (
    Strided,
    activate_all,
    add_product,
    copy,
    derivative_all,
    row_sum,
    shift_rows,
    zero,
)
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.pointers import at, plus
from fastnet.kernels.vector.shapes import cut


@serial
def forward_rows(out, A, W, b, activation, part):
    (fan_in, fan_out), rows = W.shape, part.stop - part.start
    Z = at(out, part.start * fan_out)
    for r in range(rows):
        copy(plus(Z, r * fan_out), at(b, 0), fan_out)
    inputs, weights = Strided(at(A, part.start * fan_in), fan_in, False), Strided(at(W, 0), fan_out, False)
    add_product(Z, fan_out, inputs, weights, rows, fan_out, fan_in)
    if activation == SOFTMAX:
        shift_rows(Z, Z, rows, fan_out)
        activate_all(Z, rows * fan_out, EXP)
        for r in range(rows):
            row = carray(plus(Z, r * fan_out), (fan_out,))
            total = row_sum(plus(Z, r * fan_out), fan_out)
            for j in range(fan_out):
                row[j] /= total
    else:
        activate_all(Z, rows * fan_out, activation)


@named_kernel
def dense_forward(out, A, W, b, activation):
    """Overwrite ``out (n, fan_out)`` with f(A W + b); ``A (n, fan_in)``, ``W (fan_in, fan_out)``, ``b (fan_out,)``."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        forward_rows(out, A, W, b, activation, cut(A.shape[0], 1, threads, t))
        restore_denormals(state)


@serial
def backward_rows(delta, delta_next, W, A, activation, part):
    (fan_in, fan_out), rows = W.shape, part.stop - part.start
    D = at(delta, part.start * fan_in)
    zero(D, rows * fan_in)
    next_ = at(delta_next, part.start * fan_out)
    add_product(D, fan_in, Strided(next_, fan_out, False), Strided(at(W, 0), fan_out, True), rows, fan_in, fan_out)
    derivative_all(D, at(A, part.start * fan_in), rows * fan_in, activation)


@named_kernel
def dense_backward(delta, delta_next, W, A, activation):
    """Overwrite ``delta (n, fan_in)`` with (delta_next W^T) f'(Z), from A = f(Z); of GELU from Z, given as ``A``.

    ``A (n, fan_in)``, whose activation is f, is the input of the layer that has the weights ``W (fan_in, fan_out)`` and
    the delta ``delta_next (n, fan_out)``.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        backward_rows(delta, delta_next, W, A, activation, cut(A.shape[0], 1, threads, t))
        restore_denormals(state)


@named_kernel
def sigmoid_backward(delta, delta_next, W, A):
    """Overwrite ``delta (n, fan_in)`` with (delta_next W^T) A (1 - A): `dense_backward` of a sigmoid layer."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        backward_rows(delta, delta_next, W, A, SIGMOID, cut(A.shape[0], 1, threads, t))
        restore_denormals(state)


@serial
def gradient_rows(dW, A, delta, part):
    (n, fan_in), fan_out, rows = A.shape, delta.shape[1], part.stop - part.start
    g = at(dW, part.start * fan_out)
    zero(g, rows * fan_out)
    inputs, deltas = Strided(at(A, part.start), fan_in, True), Strided(at(delta, 0), fan_out, False)
    add_product(g, fan_out, inputs, deltas, rows, fan_out, n)


@named_kernel
def weight_gradient(dW, A, delta):
    """Overwrite ``dW (fan_in, fan_out)`` with A^T delta, from ``A (n, fan_in)`` and ``delta (n, fan_out)``."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        gradient_rows(dW, A, delta, cut(dW.shape[0], 1, threads, t))
        restore_denormals(state)


@serial
def column_sums(db, delta, part):
    total, k = carray(at(db, part.start), (part.stop - part.start,)), delta.shape[1]
    zero(at(db, part.start), part.stop - part.start)
    for r in range(delta.shape[0]):
        d = carray(at(delta, r * k + part.start), (part.stop - part.start,))
        for j in range(part.stop - part.start):
            total[j] += d[j]


@named_kernel
def bias_gradient(db, delta):
    """Overwrite ``db (fan_out,)`` with the column sums of ``delta (n, fan_out)``."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        column_sums(db, delta, cut(db.shape[0], LINE, threads, t))
        restore_denormals(state)
