"""Update rules in place: as textbooks write them, and as a row of coefficients (``fastnet.functions``) says them."""

from collections.abc import Sequence

import numpy as np

from fastnet.functions import (
    ADAM,
    ADAM_LR,
    BETA,
    BETA1,
    BETA2,
    EPS,
    GAIN,
    MOMENTUM,
    SGD,
    SGD_LR,
    STEP_GRADIENT,
    STEP_VELOCITY,
)

Moments = tuple[np.ndarray, ...]


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
    """Step number ``t`` (from 1) of Adam, in place in ``w``, ``m`` and ``v``.

    The bias corrections are in the step size: eps is not divided by them.
    """
    lr_t = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    _adam(w, (m, v), gradient, [1, 0, 0, beta1, beta2, eps, lr_t], np.empty_like(w))


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


UPDATES = {SGD: _sgd, MOMENTUM: _momentum, ADAM: _adam}
