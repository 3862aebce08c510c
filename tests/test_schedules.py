"""Courses of the learning rate: their values by hand, their names and texts, warm-up, and what is refused."""

import dataclasses

import numpy as np
import pytest

import fastnet
from fastnet.cli.settings import SCHEDULES
from fastnet.schedules import (
    NAMES,
    Constant,
    Cosine,
    Function,
    Inverse,
    Length,
    OneCycle,
    Plateau,
    StepDecay,
    Warmup,
    check_schedule,
    parse,
)

TEN = Length(10, 100)  # ten epochs of ten steps


@pytest.mark.parametrize(
    ("schedule", "steps", "expected"),
    [
        (Constant(), [0, 57, 99], [1, 1, 1]),
        (Cosine(), [0, 25, 50], [1, 0.5 + 0.5 * np.sqrt(0.5), 0.5]),
        (Cosine(end=0.2), [0, 50], [1, 0.6]),
        (OneCycle(), [0, 15, 30, 65], [0.04, 0.52, 1, 0.5]),
        (OneCycle(start=0.5, rise=0.0), [0, 50], [1, 0.5]),
        (StepDecay(every=2, factor=0.5), [0, 19, 20, 39, 40], [1, 1, 0.5, 0.5, 0.25]),
        (StepDecay(every=0.5, factor=0.1), [4, 5], [1, 0.1]),
        (Inverse(), [0, 30], [1, 0.5]),
        (Inverse(power=1), [10, 90], [0.5, 0.1]),
        (Function(lambda done: 1 - done), [0, 25], [1, 0.75]),
        (Warmup(1, Constant()), [0, 4, 9, 10, 50], [1 / 11, 5 / 11, 10 / 11, 1, 1]),
        (Warmup(2, Cosine()), [20, 60], [1, 0.5]),
        (Warmup(1, OneCycle()), [9, 10], [0.04 * 10 / 11, 0.04]),
    ],
)
def test_values_by_hand(schedule, steps, expected):
    np.testing.assert_allclose(schedule.factors(np.array(steps), TEN), expected, atol=1e-12)


def test_a_plateau_counts_its_drops():
    assert Plateau(factor=0.5).factors(np.arange(3), TEN, drops=2).tolist() == [0.25] * 3


def test_a_warmup_as_long_as_the_run_leaves_a_step():
    factors = Warmup(1000, Cosine()).factors(np.arange(100), TEN)
    assert np.isfinite(factors).all()
    assert (np.diff(factors) > 0).all()


def test_names_and_texts():
    assert tuple(NAMES) == SCHEDULES
    for name, kind in NAMES.items():
        assert check_schedule(name) == kind()
    assert parse("step:every=5,factor=0.5") == StepDecay(every=5, factor=0.5)
    assert parse("plateau: patience=2 , factor=0.1") == Plateau(patience=2, factor=0.1)
    assert check_schedule(None) == Constant()
    assert check_schedule("cosine", 2) == Warmup(2.0, Cosine())
    assert check_schedule(OneCycle(), 0) == OneCycle()


@pytest.mark.parametrize(
    ("schedule", "warmup", "words"),
    [
        ("cosin", 0, "did you mean 'cosine'"),
        ("step:evry=3", 0, "did you mean 'every'"),
        ("step:every=often", 0, "every of schedule step must be a number, got 'often'"),
        ("step:every=0", 0, "every must be a finite number above 0"),
        ("constant:a=1", 0, "schedule constant has no settings"),
        ("plateau:patience=1.5", 0, "patience of schedule plateau must be a number"),
        ("plateau:factor=1", 0, "below 1"),
        ("cosine", -1, "warmup must be a finite number at least 0"),
        ("cosine", "one", "warmup"),
    ],
)
def test_what_is_refused(schedule, warmup, words):
    with pytest.raises(ValueError, match=words):
        check_schedule(schedule, warmup)


def test_warmups():
    assert Warmup(1, "cosine") == Warmup(1, Cosine())
    for wrong in (lambda: Warmup(1, Warmup(1)), lambda: check_schedule(Warmup(1), 1)):
        with pytest.raises(ValueError, match="warm up once"):
            wrong()


def test_functions_must_return_numbers():
    with pytest.raises(TypeError, match="schedule must be a function that returns a number"):
        Function(lambda done: None).factors(np.arange(3), TEN)


@pytest.mark.parametrize("schedule", [3, Cosine, ["cosine"]])
def test_what_is_no_schedule(schedule):
    with pytest.raises(TypeError, match="one of constant, step, cosine"):
        check_schedule(schedule)


@pytest.mark.parametrize("optimizer", [fastnet.SGD(0.8), fastnet.Momentum(0.8), fastnet.Adam(0.01)])
def test_rates_reach_the_steps(rng, optimizer):
    """Ten epochs with a schedule are ten runs of an epoch at its rates, for a rule that remembers nothing else."""
    X, y = rng.random((40, 6)), rng.integers(0, 3, 40)
    nets = [fastnet.Network([6, 3], dtype="float64", seed=0) for _ in range(2)]
    schedule = StepDecay(every=1, factor=0.5)
    settings = {"batch_size": 20, "shuffle": False}
    history = fastnet.train(nets[0], X, y, epochs=3, optimizer=optimizer, schedule=schedule, **settings)
    assert [epoch.lr for epoch in history] == pytest.approx([optimizer.lr * 0.5**i for i in range(3)])
    if not isinstance(optimizer, fastnet.SGD):
        return
    for i in range(3):
        slower = dataclasses.replace(optimizer, lr=optimizer.lr * 0.5**i)
        fastnet.train(nets[1], X, y, epochs=1, optimizer=slower, **settings)
    assert (nets[0].params == nets[1].params).all()
