"""The named kernels of the optimizers, on flat vectors of weights."""

import math

from numba import carray, prange

from fastnet.functions import ADAM, MOMENTUM, SGD, SGD_LR
from fastnet.kernels.compile.jit import serial
from fastnet.kernels.named.decorator import LINE, current_threads, named_kernel
from fastnet.kernels.named.plain import update_all, vector_scratch, zero
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.optimizers import N_ROW, REST1, REST2, SHRINK
from fastnet.kernels.vector.pointers import at
from fastnet.kernels.vector.shapes import cut

OWN = SGD_LR  # first of the columns that depend on the rule


@serial
def update_part(w, first, second, g, numbers, rule, threads, thread):
    """One thread's part of a flat vector of weights.

    numbers : the four coefficients that depend on the rule (fastnet.functions), then 1 - beta1 and 1 - beta2 of Adam.
    """
    part = cut(w.size, LINE, threads, thread)
    row = vector_scratch(at(w, 0))
    zero(row, N_ROW)
    c = carray(row, (N_ROW,))
    c[OWN], c[OWN + 1], c[OWN + 2], c[OWN + 3], c[REST1], c[REST2] = numbers
    c[SHRINK] = 1
    if part.start < part.stop:
        m, s = at(first, part.start), at(second, part.start)
        update_all(at(w, part.start), m, s, at(g, part.start), row, part.stop - part.start, rule)


@named_kernel
def sgd_update(w, gradient, lr):
    """w -= lr g, in place; arrays of one shape."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        update_part(w, w, w, gradient, (lr, 0.0, 0.0, 0.0, 0.0, 0.0), SGD, threads, t)
        restore_denormals(state)


@named_kernel
def momentum_update(w, velocity, gradient, lr, beta, ema, nesterov):
    """v = beta v + g', then w -= lr v or, with ``nesterov``, w -= lr (g' + beta v), in place.

    g' is g or, with ``ema``, (1 - beta) g.
    """
    gain = 1 - beta if ema else 1.0
    step_velocity, step_gradient = (lr * beta, lr * gain) if nesterov else (lr, 0.0)
    numbers = (beta, gain, step_velocity, step_gradient, 0.0, 0.0)
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        update_part(w, velocity, w, gradient, numbers, MOMENTUM, threads, t)
        restore_denormals(state)


@named_kernel
def adam_update(w, m, v, gradient, lr, beta1, beta2, eps, t):
    """Step number ``t`` (from 1) of Adam, in place in ``w``, ``m`` and ``v``.

    The bias corrections are in the step size: eps is not divided by them.
    """
    numbers = (beta1, beta2, eps, lr * math.sqrt(1 - beta2**t) / (1 - beta1**t), 1 - beta1, 1 - beta2)
    threads = current_threads()
    for thread in prange(threads):
        state = flush_denormals()
        update_part(w, m, v, gradient, numbers, ADAM, threads, thread)
        restore_denormals(state)
