"""Settings of the update rules: what they refuse, and the coefficients that they give."""

import dataclasses

import numpy as np
import pytest

from fastnet import SGD, Adam, Momentum, reference
from fastnet import functions as f

MAKERS = {"SGD": SGD, "Momentum": Momentum, "Adam": Adam}
BAD_NUMBERS = [float("nan"), float("inf"), -float("inf"), "0.1", None, True, [0.1]]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("lr", [*BAD_NUMBERS, 0, -0.1])
def test_bad_learning_rates(make, lr):
    with pytest.raises(ValueError, match=r"lr must be a finite number above 0, got "):
        make(lr=lr)


@pytest.mark.parametrize(("make", "name"), [(Momentum, "beta"), (Adam, "beta1"), (Adam, "beta2")])
@pytest.mark.parametrize("value", [*BAD_NUMBERS, 1, 1.5, -0.1])
def test_bad_betas(make, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number at least 0 and below 1, got "):
        make(lr=0.1, **{name: value})


@pytest.mark.parametrize("eps", [*BAD_NUMBERS, 0, -1e-8])
def test_bad_eps(eps):
    with pytest.raises(ValueError, match="eps must be a finite number above 0, got "):
        Adam(eps=eps)


@pytest.mark.parametrize(
    "optimizer", [SGD(1), SGD(np.float32(0.1)), Momentum(0.1, beta=0), Adam(beta1=0), Adam(eps=np.float64(1e-3))]
)
def test_numbers_of_any_kind_are_taken(optimizer):
    optimizer.fill(np.zeros((2, f.N_COEFFICIENTS)), np.ones(2), 0)


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SGD(0.1).lr = 0.2
    assert Adam() == Adam(1e-3, 0.9, 0.999, 1e-8)
    assert Momentum(0.1) == Momentum(0.1, 0.9, False, False)


def steps(optimizer, gradients, w):
    """Weights after one step per gradient, by the coefficients and the oracle's rules."""
    moments = tuple(np.zeros_like(w) for _ in range(f.MOMENTS[optimizer.rule]))
    coefficients = np.zeros((len(gradients), f.N_COEFFICIENTS))
    half = len(gradients) // 2
    for first, last in ((0, half), (half, len(gradients))):  # as two epochs
        optimizer.fill(coefficients[first:last], np.full(last - first, optimizer.lr), first)
    for g, row in zip(gradients, coefficients.tolist(), strict=True):
        reference.stepper.UPDATES[optimizer.rule](w, moments, g.copy(), row, np.empty_like(w))
    return w


@pytest.mark.parametrize(
    ("optimizer", "textbook"),
    [
        (SGD(0.3), lambda w, state, g, t: reference.sgd_update(w, g, 0.3)),
        *(
            (
                Momentum(0.3, 0.8, ema, nesterov),
                lambda w, state, g, t, e=ema, n=nesterov: reference.momentum_update(w, state[0], g, 0.3, 0.8, e, n),
            )
            for ema in (False, True)
            for nesterov in (False, True)
        ),
        (
            Adam(0.01, 0.8, 0.99, 1e-6),
            lambda w, state, g, t: reference.adam_update(w, *state, g, 0.01, 0.8, 0.99, 1e-6, t),
        ),
    ],
    ids=lambda value: str(value) if dataclasses.is_dataclass(value) else "",
)
def test_coefficients_say_what_the_textbook_says(rng, optimizer, textbook):
    gradients, start = rng.standard_normal((6, 5)), rng.standard_normal(5)
    expected, state = start.copy(), (np.zeros(5), np.zeros(5))
    for t, g in enumerate(gradients, 1):
        textbook(expected, state, g.copy(), t)
    np.testing.assert_allclose(steps(optimizer, gradients, start.copy()), expected, rtol=1e-12)
    assert np.abs(expected - start).min() > 1e-3
