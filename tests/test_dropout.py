"""Dropout in both Steppers: the masks, the gradient through them, and that they depend on nothing else."""

from itertools import pairwise

import numpy as np
import pytest
from engine_makers import KINDS, Problem, check_against_oracle, pieces

from fastnet import engine, reference
from fastnet.functions import ADAM, HIDDEN, LOSSES, MOMENTUM, PAIRS
from fastnet.kernels.step.train import train_steps
from fastnet.reference.dropout import drop_threshold, dropout_factors

BASE = Problem((70, 33, 20, 10), rule=MOMENTUM)


def factors(dropout, n, units, *, seed=0, layer=0, first=0):
    out = np.empty((n, units))
    dropout_factors(out, drop_threshold(dropout), seed, first + np.arange(n), layer)
    return out


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_units_are_dropped_independently(dropout):
    n, units = 2000, 100
    F = factors(dropout, n, units)
    np.testing.assert_allclose(np.unique(F), [0, 1 / (1 - dropout)], rtol=1e-9)
    kept = F > 0
    five_sigma = 5 * np.sqrt(dropout * (1 - dropout))
    assert abs(kept.mean() - (1 - dropout)) < five_sigma / np.sqrt(n * units)
    assert np.abs(kept.mean(axis=0) - (1 - dropout)).max() < five_sigma / np.sqrt(n)
    assert np.abs(kept.mean(axis=1) - (1 - dropout)).max() < five_sigma / np.sqrt(units)
    others = (
        factors(dropout, n, units, seed=1),
        factors(dropout, n, units, layer=1),
        factors(dropout, n, units, first=n),
    )
    for a, b in [*((kept, other > 0) for other in others), (kept[1:], kept[:-1]), (kept[:, 1:], kept[:, :-1])]:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


def test_a_mask_depends_on_the_number_of_the_row_alone():
    np.testing.assert_array_equal(factors(0.4, 9, 5, first=3), factors(0.4, 12, 8)[3:, :5])
    assert drop_threshold(0.0) == 0
    assert factors(0.0, 3, 3).all()
    assert 0 < drop_threshold(1e-9) < drop_threshold(1 - 1e-12) < 2**32  # almost all, but never a division by zero
    assert (factors(0.3, 2, 2, seed=2**32 - 1, first=2**40) >= 0).all()


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("pair", PAIRS)
def test_gradient_is_the_finite_difference(hidden, pair):
    output, loss = pair
    targets = "labels" if loss == "cross_entropy" else "rows"
    problem = Problem((5, 4, 3, 3), hidden=hidden, loss=LOSSES[loss], output=output, dtype="float64", kind="floats",
                      targets=targets, n=11, batch_size=11)  # fmt: skip
    p = pieces(problem)

    def stepper(params):
        s = p.stepper(reference, dropout=0.4, seed=5)
        s.params[:], s.rows_seen = params, 100
        s.load()
        return s.gradient(p.order, 0.3, 0.7)

    def objective(params):
        return sum(stepper(params)[:2])

    step = np.finfo(float).eps ** (1 / 3)
    shifts = step * np.eye(p.params.size)
    expected = [(objective(p.params + s) - objective(p.params - s)) / (2 * step) for s in shifts]
    largest = max(np.abs(expected).max(), 1)
    np.testing.assert_allclose(stepper(p.params)[2], expected, rtol=0, atol=100 * step**2 * largest)


def test_loss_of_a_network_with_dropout():
    p = pieces(Problem((6, 5, 4, 3), hidden="tanh", dtype="float64", kind="floats", n=8, batch_size=8))
    A, start = p.X[p.order], 0
    for layer, (fan_in, fan_out) in enumerate(pairwise(p.problem.sizes)):
        W = p.params[start : start + fan_in * fan_out].reshape(fan_in, fan_out)
        start += (fan_in + 1) * fan_out
        Z = A @ W + p.params[start - fan_out : start]
        A = np.tanh(Z) * factors(0.5, 8, fan_out, seed=9, layer=layer)
    expected = (np.log(np.exp(Z).sum(axis=1)) - Z[np.arange(8), p.targets[p.order]]).mean()
    for module in (reference, engine):
        loss, _, _ = p.stepper(module, dropout=0.5, seed=9).gradient(p.order, 1 / 8, 0.0)
        assert loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_steps_agree_with_the_oracle(hidden, dtype):
    check_against_oracle(BASE.but(hidden=hidden, dtype=dtype), dropout=0.3, seed=11)
    check_against_oracle(BASE.but(hidden=(hidden, "gelu"), dtype=dtype), dropout=0.3, seed=11)
    check_against_oracle(BASE.but(hidden=hidden, dtype=dtype, rule=ADAM, n=40, batch_size=16), dropout=0.7, seed=12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [3, 600, 1100])  # several chunks of the engine's, of the oracle's
def test_batches_and_inputs_agree_with_the_oracle(kind, batch_size):
    check_against_oracle(BASE.but(kind=kind, dtype="float64", n=batch_size + 4, batch_size=batch_size), dropout=0.2)


def test_every_layer_may_have_its_own_chance():
    deep = BASE.but(sizes=(70, 33, 20, 17, 10))
    for hidden, dtype in (("tanh", "float32"), (("gelu", "relu", "gelu"), "float64")):
        check_against_oracle(deep.but(hidden=hidden, dtype=dtype), dropout=(0.2, 0.0, 0.6), seed=11)
        check_against_oracle(deep.but(hidden=hidden, dtype=dtype), dropout=[0.0, 0.4, 0.0], seed=11)
    p = pieces(deep)
    for module in (engine, reference):
        one, each, other = (p.run(module, dropout=d, seed=3)[1] for d in (0.3, (0.3, 0.3, 0.3), (0.3, 0.0, 0.3)))
        np.testing.assert_array_equal(one, each)
        assert (one != other).any()
        np.testing.assert_array_equal(p.run(module, dropout=(0, 0, 0))[1], p.run(module)[1])
        with pytest.raises(ValueError, match="broadcast"):
            p.run(module, dropout=(0.3, 0.3))


@pytest.mark.parametrize("batch_size", [7, 300])
def test_bits_do_not_depend_on_threads_or_calls(batch_size):
    p = pieces(BASE.but(n=310, batch_size=batch_size))
    first = p.run(engine, np.nan, threads=1, dropout=0.3, seed=3)
    for threads in (2, 3, None):
        for a, b in zip(first, p.run(engine, np.nan, threads=threads, dropout=0.3, seed=3), strict=True):
            np.testing.assert_array_equal(a, b)
    piecemeal = p.stepper(engine, threads=2, dropout=0.3, seed=3)
    for _ in range(2):
        for i in range(len(p.coefficients)):
            piecemeal.run(p.order[i * batch_size :], p.coefficients[i : i + 1])
    piecemeal.store()
    assert piecemeal.rows_seen == 620
    np.testing.assert_array_equal(piecemeal.params, first[1])
    other_seed = p.run(engine, dropout=0.3, seed=4)
    assert (other_seed[1] != first[1]).any()


def test_no_dropout_costs_no_bit_and_dropout_compiles_nothing():
    p = pieces(BASE)
    plain = p.run(engine)
    compiled = len(train_steps.signatures)
    for a, b in zip(plain, p.run(engine, dropout=0.0, seed=3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (p.run(engine, dropout=0.1)[1] != plain[1]).any()
    assert len(train_steps.signatures) == compiled


def test_networks_without_hidden_layers_have_nothing_to_drop():
    p = pieces(BASE.but(sizes=(70, 10)))
    for module in (engine, reference):
        np.testing.assert_array_equal(p.run(module, dropout=0.5)[1], p.run(module)[1])
