"""Forward, losses and backward of one layer: outputs first, then inputs, then scalars."""

import numpy as np

from fastnet.functions import (
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    EXP,
    GELU,
    GELU_CUBE,
    GELU_FACTOR,
    LEAKY_RELU,
    LEAKY_SLOPE,
    MSE,
    POISSON,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
)

# Forward


def dense_forward(out: np.ndarray, A: np.ndarray, W: np.ndarray, b: np.ndarray, activation: int) -> None:
    """Overwrite ``out (n, fan_out)`` with f(A W + b); ``A (n, fan_in)``, ``W (fan_in, fan_out)``, ``b (fan_out,)``."""
    np.matmul(A, W, out=out)
    out += b
    activate(out, activation)


def activate(Z: np.ndarray, activation: int) -> None:
    """Overwrite Z with f(Z). The softmax of row Z is that of Z minus its maximum, so that exp cannot overflow.

    GELU in its form by tanh: D. Hendrycks and K. Gimpel, 2016 (arXiv 1606.08415), section 2.
    """
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
    elif activation == LEAKY_RELU:
        np.multiply(Z, LEAKY_SLOPE, out=Z, where=Z <= 0)
    elif activation == GELU:
        Z[np.isneginf(Z)] = 0  # the limit; -inf times the gate, zero, would be NaN
        Z *= _gelu_gate(Z)


def _gelu_gate(Z: np.ndarray) -> np.ndarray:
    """(1 + tanh u) / 2 with u = GELU_FACTOR (Z + GELU_CUBE Z^3), as sigmoid(2u): near -1, 1 + tanh u loses digits."""
    gate = Z * Z
    gate *= GELU_CUBE
    gate += 1
    gate *= Z
    gate *= 2 * GELU_FACTOR
    activate(gate, SIGMOID)
    return gate


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
    # log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|)): large logits cancel before the small term is added
    small = np.log1p(np.exp(-np.abs(Z)))
    np.sum(np.maximum(Z, 0) - T * Z + small, axis=1, out=loss)
    delta[:] = Z
    activate(delta, SIGMOID)
    delta -= T
    delta *= scale


def mse(loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float, activation: int) -> None:
    """Overwrite ``loss (n,)`` with half the squared distance |f(z) - t|^2, ``delta`` with scale (f(Z) - T) f'(Z).

    ``activation`` f is IDENTITY or SIGMOID; ``y`` holds T (n, k), or integer labels (n,) for one-hot rows.
    """
    A = Z.copy()
    activate(A, activation)
    np.subtract(A, _target_rows(y, Z), out=delta)
    np.sum(delta * delta, axis=1, out=loss)
    loss *= 0.5
    _times_derivative(delta, A, activation)
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


def smoothed_loss(
    loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float, code: int, smoothing: float
) -> None:
    """Cross-entropy or, by ``code``, binary cross-entropy with smoothed targets.

    They are (1 - s) T + s / k over k classes (C. Szegedy et al., 2016, arXiv 1512.00567, section 7), and for outputs of
    two classes each (1 - s) T + s / 2.
    """
    T = (1 - smoothing) * _target_rows(y, Z)
    if code == BINARY_CROSS_ENTROPY:
        T += smoothing / 2
        binary_cross_entropy(loss, delta, Z, T, scale)
        return
    T += smoothing / Z.shape[1]
    np.subtract(Z, Z.max(axis=1, keepdims=True), out=delta)
    np.sum(T * delta, axis=1, out=loss)
    np.exp(delta, out=delta)
    total = delta.sum(axis=1)
    delta /= total[:, None]
    np.subtract(np.log(total), loss, out=loss)
    delta -= T
    delta *= scale


def output_loss(
    loss: np.ndarray, delta: np.ndarray, Z: np.ndarray, y: np.ndarray, scale: float, activation: int, code: int
) -> None:
    """The loss with this ``code`` behind an output layer with this ``activation``."""
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
    """Overwrite ``delta (n, fan_in)`` with (delta_next W^T) f'(Z), from A = f(Z); of GELU from Z, given as ``A``.

    ``A (n, fan_in)``, whose activation is f, is the input of the layer that has the weights ``W (fan_in, fan_out)`` and
    the delta ``delta_next (n, fan_out)``.
    """
    np.matmul(delta_next, W.T, out=delta)
    _times_derivative(delta, A, activation)


def _times_derivative(delta: np.ndarray, A: np.ndarray, activation: int) -> None:
    if activation == SIGMOID:
        delta *= A
        delta *= 1 - A
    elif activation == TANH:
        delta *= 1 - A * A
    elif activation == RELU:
        np.copyto(delta, 0, where=A <= 0)
    elif activation == LEAKY_RELU:
        np.multiply(delta, LEAKY_SLOPE, out=delta, where=A <= 0)
    elif activation == GELU:
        delta *= _gelu_derivative(A)


def _gelu_derivative(Z: np.ndarray) -> np.ndarray:
    """s + Z s (1 - s) 2u' with s = sigmoid(2u); beyond 32 it is 1 or 0, and held there it is not 0 times infinity."""
    Z = np.clip(Z, -32, 32)
    gate = _gelu_gate(Z)
    slope = 2 * GELU_FACTOR * (1 + 3 * GELU_CUBE * Z * Z)
    return gate + Z * gate * (1 - gate) * slope


def weight_gradient(dW: np.ndarray, A: np.ndarray, delta: np.ndarray) -> None:
    """Overwrite ``dW (fan_in, fan_out)`` with A^T delta, from ``A (n, fan_in)`` and ``delta (n, fan_out)``."""
    np.matmul(A.T, delta, out=dW)


def bias_gradient(db: np.ndarray, delta: np.ndarray) -> None:
    """Overwrite ``db (fan_out,)`` with the column sums of ``delta (n, fan_out)``."""
    np.sum(delta, axis=0, out=db)
