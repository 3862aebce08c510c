"""Smoothed labels in both Steppers: the loss, the gradient through it, and that evaluation knows nothing of them."""

import numpy as np
import pytest
from engine_makers import KINDS, Problem, check_against_oracle, pieces

from fastnet import engine, reference
from fastnet.functions import ADAM, BINARY_CROSS_ENTROPY, CROSS_ENTROPY, MOMENTUM
from fastnet.kernels.step.train import train_steps

BASE = Problem((70, 33, 20, 10), rule=MOMENTUM)
LOSSES = pytest.mark.parametrize(
    ("loss", "targets", "outputs"),
    [
        (CROSS_ENTROPY, "labels", 10),
        (CROSS_ENTROPY, "labels", 2),
        (BINARY_CROSS_ENTROPY, "labels", 10),
        (BINARY_CROSS_ENTROPY, "labels", 1),
        (BINARY_CROSS_ENTROPY, "rows", 10),
    ],
)


def smoothed(problem, targets, s):
    """Target rows, from the definition."""
    k = problem.sizes[-1]
    T = targets if targets.ndim == 2 else targets[:, None] if k == 1 else np.eye(k)[targets]
    return (1 - s) * T + s / (k if problem.loss == CROSS_ENTROPY else 2)


@LOSSES
def test_loss_is_that_of_smoothed_targets(loss, targets, outputs):
    problem = Problem((6, outputs), loss=loss, targets=targets, dtype="float64", kind="floats", n=9, batch_size=9)
    p = pieces(problem)
    Z = p.X @ p.params[: 6 * outputs].reshape(6, outputs) + p.params[6 * outputs :]
    T = smoothed(problem, p.targets, 0.2)
    if loss == CROSS_ENTROPY:
        expected = -(T * (Z - np.log(np.exp(Z).sum(axis=1, keepdims=True)))).sum()
    else:
        expected = -(T * np.log(1 / (1 + np.exp(-Z))) + (1 - T) * np.log(1 / (1 + np.exp(Z)))).sum()
    for module in (reference, engine):
        got, _, _ = p.stepper(module, smoothing=0.2).gradient(p.order, 1 / 9, 0.0)
        assert got == pytest.approx(expected / 9, rel=1e-12)


@LOSSES
def test_gradient_is_the_finite_difference(loss, targets, outputs):
    problem = Problem((5, 4, outputs), loss=loss, targets=targets, dtype="float64", kind="floats", n=11, batch_size=11)
    p = pieces(problem)

    def gradient(params):
        s = p.stepper(reference, smoothing=0.3)
        s.params[:] = params
        s.load()
        return s.gradient(p.order, 0.3, 0.7)

    step = np.finfo(float).eps ** (1 / 3)
    shifts = step * np.eye(p.params.size)
    expected = [(sum(gradient(p.params + s)[:2]) - sum(gradient(p.params - s)[:2])) / (2 * step) for s in shifts]
    largest = max(np.abs(expected).max(), 1)
    np.testing.assert_allclose(gradient(p.params)[2], expected, rtol=0, atol=100 * step**2 * largest)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@LOSSES
def test_steps_agree_with_the_oracle(loss, targets, outputs, dtype):
    problem = BASE.but(sizes=(70, 33, outputs), loss=loss, targets=targets, dtype=dtype, weighted=True)
    check_against_oracle(problem, smoothing=0.1)
    check_against_oracle(problem.but(rule=ADAM, l2=0.01), smoothing=0.9, dropout=0.2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [3, 600, 1100])  # several chunks of the engine's, of the oracle's
def test_batches_and_inputs_agree_with_the_oracle(kind, batch_size):
    problem = BASE.but(kind=kind, dtype="float64", n=batch_size + 4, batch_size=batch_size)
    check_against_oracle(problem, smoothing=0.2)


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, BINARY_CROSS_ENTROPY])
def test_bits_do_not_depend_on_threads(loss):
    p = pieces(BASE.but(n=310, batch_size=100, loss=loss))
    first = p.run(engine, np.nan, threads=1, smoothing=0.1)
    for threads in (2, 3):
        for a, b in zip(first, p.run(engine, 1e30, threads=threads, smoothing=0.1), strict=True):
            np.testing.assert_array_equal(a, b)


def test_no_smoothing_costs_no_bit_and_smoothing_compiles_nothing():
    p = pieces(BASE)
    plain = p.run(engine)
    compiled = len(train_steps.signatures)
    for a, b in zip(plain, p.run(engine, smoothing=0.0), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (p.run(engine, smoothing=0.1)[1] != plain[1]).any()
    assert len(train_steps.signatures) == compiled


def test_a_diverged_row_shows():
    p = pieces(BASE.but(batch_size=23))
    p.params[-1] = np.nan
    for module in (engine, reference):
        assert np.isnan(p.run(module, smoothing=0.1, epochs=1)[0][0, 0])
