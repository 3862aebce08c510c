"""Each update rule against its textbook formula, over several steps from zero moments."""

import numpy as np
import pytest

from fastnet import reference
from fastnet.functions import ADAM, MOMENTUM, SGD
from fastnet.reference.updates import UPDATES

LR, BETA, STEPS = 0.3, 0.8, 6
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture
def start(rng):
    return rng.standard_normal(101)


@pytest.fixture
def gradients(rng):
    return rng.standard_normal((STEPS, 101))


def agree(w, expected, start):
    # a few roundings a step, of numbers below 10
    np.testing.assert_allclose(w, expected, rtol=0, atol=40 * STEPS * np.finfo(w.dtype).eps)
    assert np.abs(w - start).min() > 1e-5


@BOTH
def test_sgd(dtype, start, gradients):
    w = start.astype(dtype)
    for g in gradients:
        reference.sgd_update(w, g.astype(dtype), LR)
    assert w.dtype == dtype
    agree(w, start - LR * gradients.sum(axis=0), start)


@BOTH
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("ema", [False, True])
def test_momentum(dtype, start, gradients, ema, nesterov):
    w, velocity = start.astype(dtype), np.zeros_like(start, dtype)
    expected, v = start.copy(), np.zeros_like(start)
    for g in gradients:
        given = g.astype(dtype)
        reference.momentum_update(w, velocity, given, LR, BETA, ema, nesterov)
        np.testing.assert_array_equal(given, g.astype(dtype))
        if ema:
            v = BETA * v + (1 - BETA) * g
            expected -= LR * ((1 - BETA) * g + BETA * v if nesterov else v)
        else:
            v = BETA * v + g
            expected -= LR * (g + BETA * v if nesterov else v)
    agree(w, expected, start)
    agree(velocity, v, 0)


def test_nesterov_is_the_gradient_ahead(rng, start):
    # The original form moves theta by the gradient taken ahead of it, at w = theta - lr beta v; here w is what is kept.
    curvature = rng.random(start.size) + 0.5
    w, velocity = start.copy(), np.zeros_like(start)
    theta, v = start.copy(), np.zeros_like(start)
    for _ in range(STEPS):
        reference.momentum_update(w, velocity, curvature * w, LR, BETA, False, True)
        v = BETA * v + curvature * (theta - LR * BETA * v)
        theta = theta - LR * v
    agree(w, theta - LR * BETA * v, start)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_with_the_rate_inside_the_velocity(start, gradients, nesterov):
    # scikit-learn's form, where the rate may change from step to step: it moves by velocity = beta velocity - lr g
    w, velocity = start.copy(), np.zeros_like(start)
    expected, v = start.copy(), np.zeros_like(start)
    for t, g in enumerate(gradients, start=1):
        lr = LR / t
        steps = (BETA, lr) if nesterov else (1, 0)
        UPDATES[MOMENTUM](w, (velocity,), g, [1, 0, 0, BETA, lr, *steps], np.empty_like(w))
        v = BETA * v - lr * g
        expected += BETA * v - lr * g if nesterov else v
    agree(w, expected, start)


@BOTH
def test_adam(dtype, start, gradients):
    beta1, beta2, eps = 0.7, 0.9, 1e-3
    w, m, v = start.astype(dtype), np.zeros_like(start, dtype), np.zeros_like(start, dtype)
    expected, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for t, g in enumerate(gradients, start=1):
        reference.adam_update(w, m, v, g.astype(dtype), LR, beta1, beta2, eps, t)
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g**2
        corrected_mean, corrected_square = mean / (1 - beta1**t), square / (1 - beta2**t)
        expected -= LR * corrected_mean / (np.sqrt(corrected_square) + eps / np.sqrt(1 - beta2**t))
    agree(w, expected, start)
    agree(m, mean, 0)
    np.testing.assert_allclose(v, square, rtol=20 * STEPS * np.finfo(dtype).eps)


def test_first_step_of_adam_is_the_rate():
    w, m, v = np.array([1.0, 1.0]), np.zeros(2), np.zeros(2)
    reference.adam_update(w, m, v, np.array([1e-3, -50.0]), 0.1, 0.9, 0.999, 1e-12, 1)
    np.testing.assert_allclose(w, [0.9, 1.1], rtol=1e-6)


@pytest.mark.parametrize("rule", [SGD, MOMENTUM, ADAM])
def test_zero_rate_leaves_the_weights_alone(start, gradients, rule):
    w = start.copy()
    rows = {SGD: [0, 0, 0, 0], MOMENTUM: [BETA, 1, 0, 0], ADAM: [0.9, 0.999, 1e-8, 0]}
    moments = tuple(np.zeros_like(w) for _ in range(rule))
    UPDATES[rule](w, moments, gradients[0], [1, 0, 0, *rows[rule]], np.empty_like(w))
    np.testing.assert_array_equal(w, start)
