"""Gradients held to a largest norm, in both Steppers."""

import numpy as np
import pytest
from engine_makers import KINDS, Problem, check_against_oracle, pieces, tolerance

from fastnet import engine, reference
from fastnet.functions import ADAM, MOMENTUM, SCALE, SGD
from fastnet.kernels.step.train import train_steps

BASE = Problem((70, 33, 20, 10), rule=MOMENTUM, l2=0.05)
MODULES = pytest.mark.parametrize("module", [engine, reference])


def norms(problem, module=reference):
    """The norm of the gradient of every step of an epoch without a limit."""
    p = pieces(problem)
    s, norms = p.stepper(module), []
    for i, row in enumerate(p.coefficients):
        batch = p.order[i * problem.batch_size : (i + 1) * problem.batch_size]
        norms.append(np.linalg.norm(s.gradient(batch, row[0], row[1])[2]))
        s.run(batch, p.coefficients[i : i + 1])
    return norms


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [SGD, MOMENTUM, ADAM])
@pytest.mark.parametrize("kind", KINDS)
def test_clipped_steps_agree_with_the_oracle(kind, rule, dtype):
    problem = BASE.but(kind=kind, rule=rule, dtype=dtype, decay=0.01)
    low, high = min(norms(problem)), max(norms(problem))
    check_against_oracle(problem, max_norm=(low + high) / 2)  # some steps are clipped, others are not
    check_against_oracle(problem, max_norm=low / 3, dropout=0.2)


@pytest.mark.parametrize("batch_size", [300, 1100])  # several chunks of the engine's, of the oracle's
def test_batches_of_several_chunks(batch_size):
    problem = BASE.but(n=batch_size + 20, batch_size=batch_size, dtype="float64", weighted=True)
    check_against_oracle(problem, max_norm=min(norms(problem)) / 2)


@MODULES
def test_a_clipped_step_is_as_long_as_the_limit(module):
    p = pieces(BASE.but(rule=SGD, dtype="float64"))
    _, _, gradient = p.stepper(module).gradient(p.order[:7], 1 / 7, 0.05)
    limit = np.linalg.norm(gradient) / 4
    s = p.stepper(module, max_norm=limit)
    s.run(p.order[:7], p.coefficients[:1])
    s.store()
    np.testing.assert_allclose(p.params - s.params, 0.2 * gradient / 4, rtol=1e-9, atol=1e-15)


@MODULES
def test_a_limit_out_of_reach_changes_nothing(module):
    p = pieces(BASE)
    for a, b in zip(p.run(module, max_norm=1e6), p.run(module), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_threads_and_nothing_is_compiled(kind):
    p = pieces(BASE.but(kind=kind))
    p.run(engine)
    compiled = len(train_steps.signatures)
    first = p.run(engine, np.nan, threads=1, max_norm=0.1)
    assert (first[1] != p.run(engine)[1]).any()
    for threads in (2, 3, None):
        for a, b in zip(first, p.run(engine, np.nan, threads=threads, max_norm=0.1), strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(train_steps.signatures) == compiled


@MODULES
def test_weights_that_are_not_numbers_stay_so(module):
    p = pieces(BASE.but(dtype="float64"))
    s = p.stepper(module, max_norm=0.1)
    s.params[0] = np.nan
    s.load()
    s.run(p.order, p.coefficients)
    s.store()
    assert np.isnan(s.params).sum() > 100


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [SGD, MOMENTUM, ADAM])
def test_a_gradient_whose_norm_is_beyond_all_numbers_moves_nothing(dtype, rule):
    p = pieces(Problem((80, 12, 3), kind="floats", rule=rule, n=40, batch_size=10, dtype=dtype))
    p.coefficients[1, SCALE] = 1e25 if dtype == "float32" else 1e200
    with np.errstate(over="ignore"):
        wanted = p.run(reference, max_norm=1.0)
    limit = tolerance(p.problem)
    for got, right in zip(p.run(engine, max_norm=1.0)[1:], wanted[1:], strict=True):
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, right, rtol=limit, atol=limit)
