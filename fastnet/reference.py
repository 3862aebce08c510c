"""The oracle and the baseline: every kernel and the whole training step in plain NumPy, float32 or float64.

The named functions mirror the compiled kernels: outputs first, then inputs, then scalars. ``Stepper`` trains with them,
row-major, in place, on buffers allocated once, the way a good NumPy programmer writes it: speed is quoted against it.
Scalars are Python floats, which never promote a float32 array.

Formulas: the four equations of back-propagation, and stochastic gradient descent with L2, as in M. Nielsen, Neural
Networks and Deep Learning, chapters 1-3; Adam as in Kingma and Ba, 2015 (arXiv 1412.6980), section 2, last paragraph.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from fastnet.functions import (
    ADAM,
    ADAM_LR,
    BETA,
    BETA1,
    BETA2,
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    DECAY,
    EPS,
    EXP,
    GAIN,
    IDENTITY,
    L2,
    MOMENTS,
    MOMENTUM,
    MSE,
    POISSON,
    RELU,
    SCALE,
    SGD,
    SGD_LR,
    SIGMOID,
    SOFTMAX,
    STEP_GRADIENT,
    STEP_VELOCITY,
    TANH,
)

CHUNK_ROWS = 1024  # rows of X that are ever held as floats: a larger batch is a sum over chunks, in order

Layers = list[tuple[np.ndarray, np.ndarray]]


# Forward


def dense_forward(out: np.ndarray, A: np.ndarray, W: np.ndarray, b: np.ndarray, activation: int) -> None:
    """Overwrite ``out (n, fan_out)`` with f(A W + b); ``A (n, fan_in)``, ``W (fan_in, fan_out)``, ``b (fan_out,)``."""
    np.matmul(A, W, out=out)
    out += b
    _activate(out, activation)


def _activate(Z: np.ndarray, activation: int) -> None:
    if activation == SIGMOID:
        np.negative(Z, out=Z)
        with np.errstate(over="ignore"):  # exp(-z) = inf gives the right limit, 0
            np.exp(Z, out=Z)
        Z += 1
        np.reciprocal(Z, out=Z)
    elif activation == TANH:
        np.tanh(Z, out=Z)
    elif activation == RELU:
        np.maximum(Z, 0, out=Z)
    elif activation == SOFTMAX:
        Z -= Z.max(axis=1, keepdims=True)
        np.exp(Z, out=Z)
        Z /= Z.sum(axis=1, keepdims=True)
    elif activation == EXP:
        np.exp(Z, out=Z)


# Losses: from the logits Z to each row's loss and to delta, the gradient with respect to Z


def softmax_cross_entropy(loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float) -> None:
    """Overwrite ``loss (n,)`` with logsumexp(z) - z[y] and ``delta (n, k)`` with scale (softmax(Z) - onehot(y)).

    ``Z (n, k)`` are logits of any finite size, ``y (n,)`` integer labels below k.
    """
    rows = np.arange(len(y))
    np.subtract(Z, Z.max(axis=1, keepdims=True), out=delta)
    np.negative(delta[rows, y], out=loss)
    np.exp(delta, out=delta)
    total = delta.sum(axis=1)
    delta /= total[:, None]
    np.log(total, out=total)
    loss += total
    delta[rows, y] -= 1
    delta *= scale


def binary_cross_entropy(loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float) -> None:
    """Overwrite ``loss (n,)`` with the row sums of log(1 + exp(z)) - t z, ``delta (n, k)`` with scale (sigmoid(Z) - T).

    ``y`` holds the targets T (n, k) in [0, 1], or integer labels (n,) that stand for their one-hot rows.
    """
    T = _target_rows(y, Z)
    softplus_of_minus_size = np.log1p(np.exp(-np.abs(Z)))
    np.sum(np.maximum(Z, 0) - T * Z + softplus_of_minus_size, axis=1, out=loss)
    delta[:] = Z
    _activate(delta, SIGMOID)
    delta -= T
    delta *= scale


def mse(loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float, activation: int) -> None:
    """Overwrite ``loss (n,)`` with half the squared distance |f(z) - t|^2, ``delta`` with scale (f(Z) - T) f'(Z).

    ``activation`` f is IDENTITY or SIGMOID; ``y`` holds T (n, k), or integer labels (n,) for one-hot rows.
    """
    A = Z.copy()
    _activate(A, activation)
    np.subtract(A, _target_rows(y, Z), out=delta)
    np.sum(delta * delta, axis=1, out=loss)
    loss *= 0.5
    _times_derivative(delta, A, activation, np.empty_like(A))
    delta *= scale


def poisson(loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float) -> None:
    """Overwrite ``loss (n,)`` with the sum over outputs of exp(z) - t z and ``delta`` with scale (exp(Z) - T)."""
    T = _target_rows(y, Z)
    np.exp(Z, out=delta)
    np.sum(delta - T * Z, axis=1, out=loss)
    delta -= T
    delta *= scale


def _target_rows(y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """``y`` as rows like those of ``Z``: labels become one-hot rows, or with one output numbers as they are."""
    if y.ndim == 2:
        return y
    if Z.shape[1] == 1:
        return y.astype(Z.dtype)[:, None]
    T = np.zeros_like(Z)
    T[np.arange(len(y)), y] = 1
    return T


def _output_loss(
    loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float, activation: int, code: int
) -> None:
    if code == CROSS_ENTROPY:
        softmax_cross_entropy(loss, delta, Z, y, scale)
    elif code == BINARY_CROSS_ENTROPY:
        binary_cross_entropy(loss, delta, Z, y, scale)
    elif code == MSE:
        mse(loss, delta, Z, y, scale, activation)
    elif code == POISSON:
        poisson(loss, delta, Z, y, scale)


# Backward


def sigmoid_backward(delta: np.ndarray, delta_next: np.ndarray, W: np.ndarray, A: np.ndarray) -> None:
    """Overwrite ``delta (n, fan_in)`` with (delta_next W^T) A (1 - A): ``dense_backward`` of a sigmoid layer."""
    dense_backward(delta, delta_next, W, A, SIGMOID)


def dense_backward(delta: np.ndarray, delta_next: np.ndarray, W: np.ndarray, A: np.ndarray, activation: int) -> None:
    """Overwrite ``delta (n, fan_in)`` with (delta_next W^T) f'(Z), from A = f(Z).

    ``A (n, fan_in)`` is the input of the layer with weights ``W (fan_in, fan_out)`` and delta ``delta_next (n, fan_out)``;
    ``activation`` f is that of A.
    """
    np.matmul(delta_next, W.T, out=delta)
    _times_derivative(delta, A, activation, np.empty_like(A))


def _times_derivative(delta: np.ndarray, A: np.ndarray, activation: int, scratch: np.ndarray) -> None:
    if activation == SIGMOID:
        delta *= A
        np.subtract(1, A, out=scratch)
        delta *= scratch
    elif activation == TANH:
        np.multiply(A, A, out=scratch)
        np.subtract(1, scratch, out=scratch)
        delta *= scratch
    elif activation == RELU:
        np.copyto(delta, 0, where=A <= 0)


def weight_gradient(dW: np.ndarray, A: np.ndarray, delta: np.ndarray) -> None:
    """Overwrite ``dW (fan_in, fan_out)`` with A^T delta, from ``A (n, fan_in)`` and ``delta (n, fan_out)``."""
    np.matmul(A.T, delta, out=dW)


def bias_gradient(db: np.ndarray, delta: np.ndarray) -> None:
    """Overwrite ``db (fan_out,)`` with the column sums of ``delta (n, fan_out)``."""
    np.sum(delta, axis=0, out=db)


# Updates, in place. A row of coefficients (fastnet.functions) says everything about one step.


def sgd_update(w: np.ndarray, gradient: np.ndarray, lr: float) -> None:
    """w -= lr g, in place."""
    _sgd(w, (), gradient, [1, 0, 0, lr], np.empty_like(w))


def momentum_update(
    w: np.ndarray, velocity: np.ndarray, gradient: np.ndarray, lr: float, beta: float, ema: bool, nesterov: bool
) -> None:
    """v = beta v + g', then w -= lr v or, with ``nesterov``, w -= lr (g' + beta v), in place.

    g' is g or, with ``ema``, (1 - beta) g.
    """
    gain = 1 - beta if ema else 1.0
    steps = (lr * beta, lr * gain) if nesterov else (lr, 0.0)
    _momentum(w, (velocity,), gradient, [1, 0, 0, beta, gain, *steps], np.empty_like(w))


def adam_update(
    w: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    gradient: np.ndarray,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    t: int,
) -> None:
    """Step number ``t`` (from 1) of Adam, in place in ``w``, ``m`` and ``v``; the step size holds the bias corrections."""
    lr_t = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    _adam(w, (m, v), gradient, [1, 0, 0, beta1, beta2, eps, lr_t], np.empty_like(w))


Moments = tuple[np.ndarray, ...]


def _sgd(w: np.ndarray, moments: Moments, g: np.ndarray, row: Sequence[float], scratch: np.ndarray) -> None:
    np.multiply(g, row[SGD_LR], out=scratch)
    w -= scratch


def _momentum(w: np.ndarray, moments: Moments, g: np.ndarray, row: Sequence[float], scratch: np.ndarray) -> None:
    (velocity,) = moments
    velocity *= row[BETA]
    if row[GAIN] == 1:
        velocity += g
    else:
        np.multiply(g, row[GAIN], out=scratch)
        velocity += scratch
    np.multiply(velocity, row[STEP_VELOCITY], out=scratch)
    w -= scratch
    if row[STEP_GRADIENT]:
        np.multiply(g, row[STEP_GRADIENT], out=scratch)
        w -= scratch


def _adam(w: np.ndarray, moments: Moments, g: np.ndarray, row: Sequence[float], scratch: np.ndarray) -> None:
    m, v = moments
    m *= row[BETA1]
    np.multiply(g, 1 - row[BETA1], out=scratch)
    m += scratch
    v *= row[BETA2]
    np.multiply(g, g, out=scratch)
    scratch *= 1 - row[BETA2]
    v += scratch
    np.sqrt(v, out=scratch)
    scratch += row[EPS]
    np.divide(m, scratch, out=scratch)
    scratch *= row[ADAM_LR]
    w -= scratch


_UPDATES = {SGD: _sgd, MOMENTUM: _momentum, ADAM: _adam}


# Rows of X as floats


class _Rows(Protocol):
    def take(self, out: np.ndarray, rows: np.ndarray) -> None: ...


class _FloatRows:
    def __init__(self, X: np.ndarray):
        self._X = np.asarray(X)

    def take(self, out: np.ndarray, rows: np.ndarray) -> None:
        np.take(self._X, rows, axis=0, out=out, mode="clip")  # mode "raise" would go through one more buffer


class _PixelRows:
    def __init__(self, X: np.ndarray, dtype: np.dtype, capacity: int):
        self._X = np.asarray(X)
        self._bytes = np.empty((capacity, X.shape[1]), np.uint8)
        self._unit = dtype.type(1 / 255)

    def take(self, out: np.ndarray, rows: np.ndarray) -> None:
        pixels = self._bytes[: len(rows)]
        np.take(self._X, rows, axis=0, out=pixels, mode="clip")
        np.multiply(pixels, self._unit, out=out)


class _SparseRows:
    def __init__(self, X: Any):
        self._data, self._indices, self._indptr = X.data, X.indices, np.asarray(X.indptr, np.intp)

    def take(self, out: np.ndarray, rows: np.ndarray) -> None:
        starts = self._indptr[rows]
        counts = self._indptr[rows + 1] - starts
        first = np.cumsum(counts) - counts
        stored = np.arange(counts.sum()) + np.repeat(starts - first, counts)
        out[:] = 0
        # add, not assign: a row may store one column twice
        np.add.at(out, (np.repeat(np.arange(len(rows)), counts), self._indices[stored]), self._data[stored])


def _rows_of(X: Any, dtype: np.dtype, capacity: int) -> _Rows:
    if hasattr(X, "indptr"):
        return _SparseRows(X)
    if X.dtype == np.uint8:
        return _PixelRows(X, dtype, capacity)
    return _FloatRows(X)


# The whole step


def _layers(sizes: Sequence[int], vector: np.ndarray) -> Layers:
    """Views (W, b) of each layer in a flat vector of parameters."""
    layers, start = [], 0
    for fan_in, fan_out in pairwise(sizes):
        middle, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        layers.append((vector[start:middle].reshape(fan_in, fan_out), vector[middle:stop]))
        start = stop
    return layers


class Stepper:
    """Optimisation steps of one network on one training set; ``fastnet.engine.Stepper`` is its compiled twin.

    ``params`` and ``moments`` (flat vectors of one layout) are read at the start and by ``load``, and written by ``store``
    alone. X (n, d) is uint8 pixels, floats of the parameters' dtype, or CSR, and never copied as a whole. ``targets`` is
    int64 (n,) or floats (n, k), ``weight`` None or floats (n,). ``threads`` is for the twin: NumPy's BLAS has its own.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[int],
        params: np.ndarray,
        X: Any,
        targets: np.ndarray,
        *,
        loss: int,
        rule: int,
        batch_size: int,
        threads: int | None = None,
        weight: np.ndarray | None = None,
    ):
        dtype = params.dtype
        self._capacity = min(X.shape[0], CHUNK_ROWS)
        self.params = params
        self.moments = tuple(np.zeros_like(params) for _ in range(MOMENTS[rule]))
        self._activations, self._loss, self._rule, self._batch_size = activations, loss, rule, batch_size
        self._targets, self._weight = targets, weight
        self._X = _rows_of(X, dtype, self._capacity)
        self._w = params.copy()
        self._state = tuple(np.zeros_like(params) for _ in self.moments)
        self._gradient = np.empty_like(params)
        self._scratch = np.empty_like(params)
        self._layers = _layers(sizes, self._w)
        self._gradients = _layers(sizes, self._gradient)
        self._scratches = _layers(sizes, self._scratch)
        self._A = [np.empty((self._capacity, size), dtype) for size in sizes]
        self._delta = [np.empty((self._capacity, size), dtype) for size in sizes[1:]]
        self._row_loss = np.empty(self._capacity, dtype)

    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """One step per row of ``coefficients`` (steps, 7), each on the next ``batch_size`` rows of ``order``.

        Returns float64 (steps, 2): the batch's loss and the L2 penalty, both before the update.
        """
        losses = np.empty((len(coefficients), 2))
        update = _UPDATES[self._rule]
        for i, row in enumerate(coefficients.tolist()):
            batch = order[i * self._batch_size : (i + 1) * self._batch_size]
            losses[i] = self._batch_gradient(batch, row[SCALE], row[L2])
            if row[DECAY]:
                for W, _ in self._layers:
                    W *= 1 - row[DECAY]
            update(self._w, self._state, self._gradient, row, self._scratch)
        return losses

    def gradient(self, order: np.ndarray, scale: float, l2: float) -> tuple[float, float, np.ndarray]:
        """Loss, penalty and gradient (flat, a new array) over all rows of ``order`` as one batch; updates nothing."""
        loss, penalty = self._batch_gradient(order, scale, l2)
        return loss, penalty, self._gradient.copy()

    def store(self) -> None:
        """Write the current weights and moments into ``params`` and ``moments``."""
        np.copyto(self.params, self._w)
        for moment, current in zip(self.moments, self._state, strict=True):
            np.copyto(moment, current)

    def load(self) -> None:
        """Take weights and moments from ``params`` and ``moments``."""
        np.copyto(self._w, self.params)
        for moment, current in zip(self.moments, self._state, strict=True):
            np.copyto(current, moment)

    def _batch_gradient(self, batch: np.ndarray, scale: float, l2: float) -> tuple[float, float]:
        loss = 0.0
        for start in range(0, len(batch), self._capacity):
            loss += self._chunk_gradient(batch[start : start + self._capacity], scale, first=start == 0)
        penalty = 0.0
        if l2:
            for (W, _), (dW, _), (scratch, _) in zip(self._layers, self._gradients, self._scratches, strict=True):
                penalty += 0.5 * l2 * float(np.vdot(W, W))
                np.multiply(W, l2, out=scratch)
                dW += scratch
        return loss, penalty

    def _chunk_gradient(self, rows: np.ndarray, scale: float, first: bool) -> float:
        """Write (or, after the first chunk, add) the gradient of these rows; return their share of the loss."""
        n = len(rows)
        A, delta, loss = [a[:n] for a in self._A], [d[:n] for d in self._delta], self._row_loss[:n]
        self._X.take(A[0], rows)
        _forward(A, self._layers, [*self._activations[:-1], IDENTITY])
        _output_loss(loss, delta[-1], A[-1], self._targets[rows], scale, self._activations[-1], self._loss)
        if self._weight is not None:
            weight = self._weight[rows]
            loss *= weight
            delta[-1] *= weight[:, None]
        gradients = self._gradients if first else self._scratches
        for i in reversed(range(len(self._layers))):
            dW, db = gradients[i]
            weight_gradient(dW, A[i], delta[i])
            bias_gradient(db, delta[i])
            if i > 0:
                dense_backward(delta[i - 1], delta[i], self._layers[i][0], A[i], self._activations[i - 1])
        if not first:
            self._gradient += self._scratch
        return scale * float(loss.sum(dtype=np.float64))


# Whole networks


def predict(sizes: Sequence[int], activations: Sequence[int], params: np.ndarray, X: Any) -> np.ndarray:
    """The outputs (n, k) of the network for X (n, d): uint8 pixels, floats of the parameters' dtype, or CSR."""
    outputs = np.empty((X.shape[0], sizes[-1]), params.dtype)
    for rows, Z in _outputs(sizes, activations, params, X):
        outputs[rows] = Z
    return outputs


def evaluate(
    sizes: Sequence[int], activations: Sequence[int], params: np.ndarray, X: Any, targets: np.ndarray, loss: int
) -> tuple[float, float]:
    """Mean loss and accuracy over the rows of X.

    ``targets`` are integer labels (n,) or rows (n, k), of which the largest entry is the class. A single sigmoid output
    is the probability of class 1; a single output of another kind knows no classes, and the accuracy is nan.
    """
    total = right = 0.0
    for rows, Z in _outputs(sizes, [*activations[:-1], IDENTITY], params, X):
        row_loss, delta = np.empty(len(Z), Z.dtype), np.empty_like(Z)
        _output_loss(row_loss, delta, Z, targets[rows], 1.0, activations[-1], loss)
        total += float(row_loss.sum(dtype=np.float64))
        right += float(np.count_nonzero(_classes(Z, 0.0) == _classes(targets[rows], 0.5)))
    n = X.shape[0]
    has_classes = sizes[-1] > 1 or activations[-1] == SIGMOID
    return total / n, right / n if has_classes else np.nan


def _classes(values: np.ndarray, threshold: float) -> np.ndarray:
    if values.ndim == 1:
        return values
    return values.argmax(axis=1) if values.shape[1] > 1 else values[:, 0] > threshold


def _forward(A: list[np.ndarray], layers: Layers, activations: Sequence[int]) -> None:
    for i, (W, b) in enumerate(layers):
        dense_forward(A[i + 1], A[i], W, b, activations[i])


def _outputs(
    sizes: Sequence[int], activations: Sequence[int], params: np.ndarray, X: Any
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers and outputs of one block of rows after another; the outputs are overwritten by the next block."""
    n = X.shape[0]
    capacity = min(n, CHUNK_ROWS)
    buffers, layers = [np.empty((capacity, size), params.dtype) for size in sizes], _layers(sizes, params)
    source = _rows_of(X, params.dtype, capacity)
    for start in range(0, n, CHUNK_ROWS):
        rows = np.arange(start, min(start + CHUNK_ROWS, n))
        A = [buffer[: len(rows)] for buffer in buffers]
        source.take(A[0], rows)
        _forward(A, layers, activations)
        yield rows, A[-1]
