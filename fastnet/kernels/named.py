"""The named kernels: one operation each, parallel, on plain C-contiguous arrays of float32 or float64.

They are the twins of the functions of the same names in `fastnet.reference`, where the formulas are explained, and
what the benches time. Training itself runs the fused step (fastnet.kernels.step), made of the same micro-kernels.

Outputs first, then inputs, then scalars. Outputs are allocated by the caller and overwritten, nothing is allocated,
nothing is checked: shapes and dtypes are the caller's to get right. A thread owns the rows (of `bias_gradient` the
columns) that it writes, and every sum has one order: the bits do not depend on the number of threads.
"""

import math

from llvmlite import ir
from numba import carray, njit, prange, types
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic, overload

from fastnet.functions import ADAM, EXP, MOMENTUM, SGD, SGD_LR, SIGMOID, SOFTMAX
from fastnet.kernels import library
from fastnet.kernels.cache import KernelCache
from fastnet.kernels.floats import flush_denormals, restore_denormals
from fastnet.kernels.jit import OPTIONS, inlined, serial
from fastnet.kernels.lanes import I32, I64, at, plus
from fastnet.kernels.plain import activate_all, add_product, copy, derivative_all, update_all, vector_scratch, zero
from fastnet.kernels.update import N_ROW, REST1, REST2

OWN = SGD_LR  # first of the columns that depend on the rule
LINE = 64  # shares of a flat vector start at a multiple of this, so that only the last one ends inside a vector


class _LibraryCache(KernelCache):
    """The cache of a named kernel: before one is compiled or loaded, the vector library that it calls is."""

    def load_overload(self, sig, target_context):
        library.load(normalize_signature(sig)[0][0].dtype.name)
        return super().load_overload(sig, target_context)


def _parallel(function):
    """A named kernel: compiled on first use for each dtype, kept on disk."""
    dispatcher = njit(parallel=True, **OPTIONS)(function)
    dispatcher._cache = _LibraryCache(function)
    return dispatcher


@intrinsic
def current_threads(typingctx):
    """``numba.get_num_threads()``, by name: what Numba compiles for it holds an address that a cache cannot keep."""

    def codegen(context, builder, signature, args):
        module, name = builder.module, "get_num_threads"
        function = module.globals.get(name) or ir.Function(module, ir.FunctionType(I64, []), name)
        return builder.sext(builder.trunc(builder.call(function, []), I32), I64)  # a C int, declared as Numba does

    return types.intp(), codegen


@inlined
def share(n, grain, thread, threads):
    """First and last + 1 of one thread's part of n things, cut at multiples of ``grain``."""
    grains = (n + grain - 1) // grain
    return grains * thread // threads * grain, min(n, grains * (thread + 1) // threads * grain)


# Forward


@serial
def shift_rows(E, Z, rows, k):
    """E = Z - the row's maximum, for contiguous rows: then exp cannot overflow. A NaN makes no maximum but stays."""
    e, z = carray(E, (rows, k)), carray(Z, (rows, k))
    for r in range(rows):
        top = z[r, 0]
        for j in range(1, k):
            top = max(top, z[r, j])
        for j in range(k):
            e[r, j] = z[r, j] - top


@inlined
def row_sum(row, k):
    x = carray(row, (k,))
    total = x[0]
    for j in range(1, k):
        total += x[j]
    return total


@serial
def forward_rows(out, A, W, b, activation, first, last):
    (fan_in, fan_out), rows = W.shape, last - first
    Z = at(out, first * fan_out)
    for r in range(rows):
        copy(plus(Z, r * fan_out), at(b, 0), fan_out)
    add_product(Z, fan_out, at(A, first * fan_in), fan_in, True, at(W, 0), fan_out, False, rows, fan_out, fan_in)
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


@_parallel
def dense_forward(out, A, W, b, activation):
    """Overwrite ``out (n, fan_out)`` with f(A W + b); ``A (n, fan_in)``, ``W (fan_in, fan_out)``, ``b (fan_out,)``."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(A.shape[0], 1, t, threads)
        forward_rows(out, A, W, b, activation, first, last)
        restore_denormals(state)


# Losses: from the logits Z to each row's loss and to delta, the gradient with respect to Z


def target(y, r, j, k):
    raise NotImplementedError


@overload(target)
def _(y, r, j, k):
    """Target of output j in row r: of rows (n, k) as given, of labels (n,) one-hot; a lone output takes the label."""
    if y.ndim == 2:
        return lambda y, r, j, k: y[r, j]
    return lambda y, r, j, k: y[r] if k == 1 else int(y[r] == j)


@serial
def cross_entropy_rows(loss, delta, Z, y, scale, first, last):
    k = Z.shape[1]
    E = at(delta, first * k)
    shift_rows(E, at(Z, first * k), last - first, k)
    for r in range(first, last):
        loss[r] = delta[r, y[r]]
    activate_all(E, (last - first) * k, EXP)
    for r in range(first, last):
        total = row_sum(at(delta, r * k), k)
        loss[r] = math.log(total) - loss[r]
        row, ratio = carray(at(delta, r * k), (k,)), scale / total
        for j in range(k):
            row[j] *= ratio
        row[y[r]] -= scale


@_parallel
def softmax_cross_entropy(loss, delta, Z, y, scale):
    """Overwrite ``loss (n,)`` with logsumexp(z) - z[y] and ``delta (n, k)`` with scale (softmax(Z) - onehot(y)).

    ``Z (n, k)`` are logits of any finite size, ``y (n,)`` integer labels below k.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(Z.shape[0], 1, t, threads)
        cross_entropy_rows(loss, delta, Z, y, Z.dtype.type(scale), first, last)
        restore_denormals(state)


@serial
def binary_rows(loss, delta, Z, y, scale, first, last):
    k, one = Z.shape[1], Z.dtype.type(1)
    for r in range(first, last):
        z, d = carray(at(Z, r * k), (k,)), carray(at(delta, r * k), (k,))
        for j in range(k):
            d[j] = -abs(z[j])
    activate_all(at(delta, first * k), (last - first) * k, EXP)
    for r in range(first, last):
        total = Z.dtype.type(0)
        for j in range(k):
            z, e, t = Z[r, j], delta[r, j], Z.dtype.type(target(y, r, j, k))
            total += max(z, Z.dtype.type(0)) - t * z + math.log1p(e)
            delta[r, j] = scale * ((one if z > 0 else e) / (one + e) - t)
        loss[r] = total


@_parallel
def binary_cross_entropy(loss, delta, Z, y, scale):
    """Overwrite ``loss (n,)`` with the row sums of log(1 + exp(z)) - t z, ``delta (n, k)`` with scale (sigmoid(Z) - T).

    ``y`` holds the targets T (n, k) in [0, 1], or integer labels (n,) that stand for their one-hot rows.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(Z.shape[0], 1, t, threads)
        binary_rows(loss, delta, Z, y, Z.dtype.type(scale), first, last)
        restore_denormals(state)


@serial
def squared_rows(loss, delta, Z, y, scale, activation, first, last):
    k, half, one = Z.shape[1], Z.dtype.type(0.5), Z.dtype.type(1)
    copy(at(delta, first * k), at(Z, first * k), (last - first) * k)
    activate_all(at(delta, first * k), (last - first) * k, activation)
    for r in range(first, last):
        total = Z.dtype.type(0)
        for j in range(k):
            a = delta[r, j]
            d = a - Z.dtype.type(target(y, r, j, k))
            total += d * d
            delta[r, j] = scale * (d * a * (one - a) if activation == SIGMOID else d)
        loss[r] = half * total


@_parallel
def mse(loss, delta, Z, y, scale, activation):
    """Overwrite ``loss (n,)`` with half the squared distance |f(z) - t|^2, ``delta`` with scale (f(Z) - T) f'(Z).

    ``activation`` f is IDENTITY or SIGMOID; ``y`` holds T (n, k), or integer labels (n,) for one-hot rows.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(Z.shape[0], 1, t, threads)
        squared_rows(loss, delta, Z, y, Z.dtype.type(scale), activation, first, last)
        restore_denormals(state)


# Backward


@serial
def backward_rows(delta, delta_next, W, A, activation, first, last):
    (fan_in, fan_out), rows = W.shape, last - first
    D = at(delta, first * fan_in)
    zero(D, rows * fan_in)
    next_ = at(delta_next, first * fan_out)
    add_product(D, fan_in, next_, fan_out, True, at(W, 0), fan_out, True, rows, fan_in, fan_out)
    derivative_all(D, at(A, first * fan_in), rows * fan_in, activation)


@_parallel
def dense_backward(delta, delta_next, W, A, activation):
    """Overwrite ``delta (n, fan_in)`` with (delta_next W^T) f'(Z), from A = f(Z).

    ``A (n, fan_in)``, whose activation is f, is the input of the layer that has the weights ``W (fan_in, fan_out)`` and
    the delta ``delta_next (n, fan_out)``.
    """
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(A.shape[0], 1, t, threads)
        backward_rows(delta, delta_next, W, A, activation, first, last)
        restore_denormals(state)


@_parallel
def sigmoid_backward(delta, delta_next, W, A):
    """Overwrite ``delta (n, fan_in)`` with (delta_next W^T) A (1 - A): `dense_backward` of a sigmoid layer."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(A.shape[0], 1, t, threads)
        backward_rows(delta, delta_next, W, A, SIGMOID, first, last)
        restore_denormals(state)


@serial
def gradient_rows(dW, A, delta, first, last):
    (n, fan_in), fan_out, rows = A.shape, delta.shape[1], last - first
    g = at(dW, first * fan_out)
    zero(g, rows * fan_out)
    add_product(g, fan_out, at(A, first), fan_in, False, at(delta, 0), fan_out, False, rows, fan_out, n)


@_parallel
def weight_gradient(dW, A, delta):
    """Overwrite ``dW (fan_in, fan_out)`` with A^T delta, from ``A (n, fan_in)`` and ``delta (n, fan_out)``."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(dW.shape[0], 1, t, threads)
        gradient_rows(dW, A, delta, first, last)
        restore_denormals(state)


@serial
def column_sums(db, delta, first, last):
    total, k = carray(at(db, first), (last - first,)), delta.shape[1]
    zero(at(db, first), last - first)
    for r in range(delta.shape[0]):
        d = carray(at(delta, r * k + first), (last - first,))
        for j in range(last - first):
            total[j] += d[j]


@_parallel
def bias_gradient(db, delta):
    """Overwrite ``db (fan_out,)`` with the column sums of ``delta (n, fan_out)``."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        first, last = share(db.shape[0], LINE, t, threads)
        column_sums(db, delta, first, last)
        restore_denormals(state)


# Updates


@serial
def update_share(w, first, second, g, c0, c1, c2, c3, rest1, rest2, rule, thread, threads):
    """One thread's part of a flat vector of weights; c0 to c3 are the rule's own coefficients (fastnet.functions)."""
    begin, end = share(w.size, LINE, thread, threads)
    row = vector_scratch(at(w, 0))
    zero(row, N_ROW)
    c = carray(row, (N_ROW,))
    c[OWN], c[OWN + 1], c[OWN + 2], c[OWN + 3], c[REST1], c[REST2] = c0, c1, c2, c3, rest1, rest2
    if begin < end:
        update_all(at(w, begin), at(first, begin), at(second, begin), at(g, begin), row, end - begin, rule)


@_parallel
def sgd_update(w, gradient, lr):
    """w -= lr g, in place; arrays of one shape."""
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        update_share(w, w, w, gradient, lr, 0.0, 0.0, 0.0, 0.0, 0.0, SGD, t, threads)
        restore_denormals(state)


@_parallel
def momentum_update(w, velocity, gradient, lr, beta, ema, nesterov):
    """v = beta v + g', then w -= lr v or, with ``nesterov``, w -= lr (g' + beta v), in place.

    g' is g or, with ``ema``, (1 - beta) g.
    """
    gain = 1 - beta if ema else 1.0
    step_velocity, step_gradient = (lr * beta, lr * gain) if nesterov else (lr, 0.0)
    threads = current_threads()
    for t in prange(threads):
        state = flush_denormals()
        update_share(w, velocity, w, gradient, beta, gain, step_velocity, step_gradient, 0.0, 0.0, MOMENTUM, t, threads)
        restore_denormals(state)


@_parallel
def adam_update(w, m, v, gradient, lr, beta1, beta2, eps, t):
    """Step number ``t`` (from 1) of Adam, in place in ``w``, ``m`` and ``v``.

    The bias corrections are in the step size: eps is not divided by them.
    """
    lr_t = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
    threads = current_threads()
    for thread in prange(threads):
        state = flush_denormals()
        update_share(w, m, v, gradient, beta1, beta2, eps, lr_t, 1 - beta1, 1 - beta2, ADAM, thread, threads)
        restore_denormals(state)
