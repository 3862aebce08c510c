"""Whole networks: the training step, prediction and evaluation, through X in chunks of rows."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastnet.functions import BY_Z, DECAY, IDENTITY, L2, MOMENTS, SCALE, SIGMOID
from fastnet.reference.augment import MovedRows
from fastnet.reference.dropout import drop_threshold, dropout_factors
from fastnet.reference.operations import (
    activate,
    bias_gradient,
    dense_backward,
    dense_forward,
    output_loss,
    smoothed_loss,
    weight_gradient,
)
from fastnet.reference.rows import rows_of
from fastnet.reference.updates import UPDATES

CHUNK_ROWS = 1024  # rows of X that are ever held as floats: a larger batch is a sum over chunks, in order

Layers = list[tuple[np.ndarray, np.ndarray]]

# A diverged run shows in its losses, as in the compiled twin, not in warnings.
_quiet = np.errstate(over="ignore", invalid="ignore")


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

    ``params`` and ``moments``, flat vectors of one layout, are read at first and by ``load``; ``store`` writes them.
    X (n, d) is uint8, worth ``scale`` each, floats of the parameters' dtype, or CSR, and never copied as a whole.
    ``targets`` is int64 (n,) or floats (n, k), ``weight`` None or floats (n,). ``threads`` is for the twin: NumPy's
    BLAS has its own.
    ``max_norm`` is the largest norm that the gradient of a step, L2 included, is allowed; a longer one is scaled.
    ``dropout`` is the chance of a hidden unit to be left out for a row, one number or one for each hidden layer, drawn
    from ``seed`` and the number of that row among all rows trained on, of which ``rows_seen`` counts those before the
    next step. ``augment``, a fastnet.augmentation.Augment, moves rows that are images, by the same numbers.
    ``smoothing`` is s of smoothed targets, for cross-entropy and binary cross-entropy.
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
        max_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        seed: int = 0,
        smoothing: float = 0.0,
        augment: Any = None,
        scale: float = 1 / 255,
    ):
        dtype = params.dtype
        self._capacity = min(X.shape[0], CHUNK_ROWS)
        self.params, self.rows_seen = params, 0
        self.moments = tuple(np.zeros_like(params) for _ in range(MOMENTS[rule]))
        self._activations, self._loss, self._rule, self._batch_size = list(activations), loss, rule, batch_size
        self._targets, self._weight = targets, weight
        self._X = rows_of(X, dtype, self._capacity, scale)
        self._moved = None if augment is None else MovedRows(X, augment, seed, scale)
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
        self._max_norm, self._smoothing = max_norm, smoothing
        hidden = range(len(sizes) - 2)
        self._thresholds, self._seed = [drop_threshold(p) for p in np.broadcast_to(dropout, len(hidden)).tolist()], seed
        dropped = [i for i in hidden if self._thresholds[i]]
        by_z = [i for i in hidden if activations[i] in BY_Z]
        self._factors = {i: np.empty((self._capacity, sizes[i + 1]), dtype) for i in dropped}
        # What the derivative is computed from, where that is not what enters the next layer.
        self._sources = {i: np.empty((self._capacity, sizes[i + 1]), dtype) for i in {*dropped, *by_z}}

    @_quiet
    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """One step per row of ``coefficients`` (steps, 7), each on the next ``batch_size`` rows of ``order``.

        Returns float64 (steps, 2): the batch's loss and the L2 penalty, both before the update.
        """
        losses = np.empty((len(coefficients), 2))
        update = UPDATES[self._rule]
        for i, row in enumerate(coefficients.tolist()):
            batch = order[i * self._batch_size : (i + 1) * self._batch_size]
            losses[i] = self._batch_gradient(batch, row[SCALE], row[L2])
            if self._max_norm is not None:
                norm = float(np.linalg.norm(self._gradient))
                if norm > self._max_norm:
                    self._gradient *= self._max_norm / norm
            if row[DECAY]:
                for W, _ in self._layers:
                    W *= 1 - row[DECAY]
            update(self._w, self._state, self._gradient, row, self._scratch)
            self.rows_seen += len(batch)
        return losses

    @_quiet
    def gradient(self, order: np.ndarray, scale: float, l2: float) -> tuple[float, float, np.ndarray]:
        """Loss, penalty and gradient (flat, a new array) over all rows of ``order`` as one batch; updates nothing.

        With dropout it is that of the step that ``run`` would make next.
        """
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
            loss += self._chunk_gradient(batch[start : start + self._capacity], scale, start)
        penalty = 0.0
        if l2:
            for (W, _), (dW, _), (scratch, _) in zip(self._layers, self._gradients, self._scratches, strict=True):
                penalty += 0.5 * l2 * float(np.vdot(W, W))
                np.multiply(W, l2, out=scratch)
                dW += scratch
        return loss, penalty

    def _chunk_gradient(self, rows: np.ndarray, scale: float, start: int) -> float:
        """Write (or, after the first chunk, add) the gradient of these rows, of which ``start`` rows of the batch were
        before; return their share of the loss."""
        n = len(rows)
        A, delta, loss = [a[:n] for a in self._A], [d[:n] for d in self._delta], self._row_loss[:n]
        if self._moved is None:
            self._X.take(A[0], rows)
        else:
            self._moved.take(A[0], rows, self.rows_seen + start)
        sources = self._forward(A, start)
        self._output_loss(loss, delta[-1], A[-1], self._targets[rows], scale)
        if self._weight is not None:
            weight = self._weight[rows]
            loss *= weight
            delta[-1] *= weight[:, None]
        gradients = self._gradients if start == 0 else self._scratches
        for i in reversed(range(len(self._layers))):
            dW, db = gradients[i]
            weight_gradient(dW, A[i], delta[i])
            bias_gradient(db, delta[i])
            if i > 0:
                dense_backward(delta[i - 1], delta[i], self._layers[i][0], sources[i], self._activations[i - 1])
                if i - 1 in self._factors:
                    delta[i - 1] *= self._factors[i - 1][:n]
        if start > 0:
            self._gradient += self._scratch
        return scale * float(loss.sum(dtype=np.float64))

    def _output_loss(self, loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float) -> None:
        if self._smoothing:
            smoothed_loss(loss, delta, Z, y, scale, self._loss, self._smoothing)
        else:
            output_loss(loss, delta, Z, y, scale, self._activations[-1], self._loss)

    def _forward(self, A: list[np.ndarray], start: int) -> list[np.ndarray]:
        """Fill A with what enters every layer, and with the logits.

        Returns, in the places of A, what the derivatives are computed from: the activations before dropout, or Z.
        """
        n, sources = len(A[0]), list(A)
        rows = self.rows_seen + start + np.arange(n)
        for i, (W, b) in enumerate(self._layers):
            code = self._activations[i] if i < len(self._layers) - 1 else IDENTITY
            if i in self._sources:
                sources[i + 1] = self._sources[i][:n]
            dense_forward(sources[i + 1], A[i], W, b, IDENTITY if code in BY_Z else code)
            if i in self._sources:
                np.copyto(A[i + 1], sources[i + 1])
            if code in BY_Z:
                activate(A[i + 1], code)
            if i in self._factors:
                factors = self._factors[i][:n]
                dropout_factors(factors, self._thresholds[i], self._seed, rows, i)
                A[i + 1] *= factors
        return sources


@_quiet
def predict(
    sizes: Sequence[int], activations: Sequence[int], params: np.ndarray, X: Any, *, scale: float = 1 / 255
) -> np.ndarray:
    """The outputs (n, k) of the network for X (n, d): uint8, worth ``scale`` each, floats like ``params``, or CSR."""
    outputs = np.empty((X.shape[0], sizes[-1]), params.dtype)
    for rows, Z in _outputs(sizes, activations, params, X, scale):
        outputs[rows] = Z
    return outputs


@_quiet
def evaluate(
    sizes: Sequence[int],
    activations: Sequence[int],
    params: np.ndarray,
    X: Any,
    targets: np.ndarray,
    loss: int,
    *,
    scale: float = 1 / 255,
) -> tuple[float, float]:
    """Mean loss and accuracy over the rows of X.

    ``targets`` are integer labels (n,) or rows (n, k), of which the largest entry is the class. A single sigmoid output
    is the probability of class 1; a single output of another kind knows no classes, and the accuracy is nan.
    """
    total = right = 0.0
    for rows, Z in _outputs(sizes, [*activations[:-1], IDENTITY], params, X, scale):
        row_loss, delta = np.empty(len(Z), Z.dtype), np.empty_like(Z)
        output_loss(row_loss, delta, Z, targets[rows], 1.0, activations[-1], loss)
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
    sizes: Sequence[int], activations: Sequence[int], params: np.ndarray, X: Any, scale: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers and outputs of one block of rows after another; the outputs are overwritten by the next block."""
    n = X.shape[0]
    capacity = min(n, CHUNK_ROWS)
    buffers, layers = [np.empty((capacity, size), params.dtype) for size in sizes], _layers(sizes, params)
    source = rows_of(X, params.dtype, capacity, scale)
    for start in range(0, n, CHUNK_ROWS):
        rows = np.arange(start, min(start + CHUNK_ROWS, n))
        A = [buffer[: len(rows)] for buffer in buffers]
        source.take(A[0], rows)
        _forward(A, layers, activations)
        yield rows, A[-1]
