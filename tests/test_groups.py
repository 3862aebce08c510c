"""Batches whose chunks form groups, each with a gradient of its own."""

from typing import NamedTuple

import numpy as np
import pytest
from engine_makers import Problem, check_against_oracle, pieces, tolerance
from numba import njit

from fastnet import engine
from fastnet.engine import strategy
from fastnet.functions import ADAM, MOMENTUM
from fastnet.kernels.step.groups import chunks_of_batch, groups_of_batch
from fastnet.kernels.vector.shapes import cut

MANY = Problem((70, 20, 10), n=5300, batch_size=4700, rule=MOMENTUM, weighted=True, l2=0.01)


class Plan(NamedTuple):
    """What the cutting of a batch depends on."""

    chunk_rows: int
    groups: int


@njit
def numbers_of_batch(plan, rows):
    return chunks_of_batch(plan, rows), groups_of_batch(plan, rows)


def test_every_row_is_in_one_chunk_and_every_chunk_in_one_group():
    plan = Plan(256, 8)
    for rows in [*range(1, 3000), 4096, 4097, 60_000]:
        chunks, groups = numbers_of_batch(plan, rows)
        spans = [cut.py_func(rows, 16, chunks, c) for c in range(chunks)]
        assert [span.start for span in spans] == [0, *(span.stop for span in spans[:-1])]
        assert spans[-1].stop == rows
        assert all(0 < span.stop - span.start <= plan.chunk_rows for span in spans)
        assert groups == min(8, chunks)
        shares = [cut.py_func(chunks, 1, groups, g) for g in range(groups)]
        assert len({share.stop - share.start for share in shares}) == 1  # no group is longer than another


@pytest.mark.parametrize("kind", ["pixels", "few pixels", "floats", "few floats"])
def test_many_chunks_agree_with_the_oracle_and_have_the_same_bits_on_any_number_of_threads(kind):
    problem = MANY.but(kind=kind, dtype="float64" if kind == "floats" else "float32")
    p = pieces(problem)
    assert p.stepper(engine).strategy.groups
    check_against_oracle(problem)
    first = p.run(engine, np.nan, threads=1)
    for threads in (2, 3, 9):
        for a, b in zip(first, p.run(engine, 1e30, threads=threads), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["few pixels", "floats"])
def test_clipping_dropout_smoothing_and_activations_by_z(kind):
    problem = MANY.but(kind=kind, dtype="float64", hidden="gelu", rule=ADAM)
    check_against_oracle(problem, max_norm=0.01, dropout=0.2, smoothing=0.1)


def test_one_thread_may_use_what_was_made_for_several(monkeypatch):
    p = pieces(MANY)
    first = p.run(engine, threads=3)
    monkeypatch.setattr("fastnet.engine.stepper.usable", lambda threads: 1)  # as in a forked child
    for a, b in zip(first, p.run(engine, np.nan, threads=3), strict=True):
        np.testing.assert_array_equal(a, b)


def test_groups_change_nothing_but_rounding(monkeypatch):
    p = pieces(MANY.but(dtype="float64", rule=ADAM))
    grouped = p.run(engine)
    monkeypatch.setattr(strategy, "GROUPED_BYTES", 0)
    assert not p.stepper(engine).strategy.groups
    limit = tolerance(p.problem)
    for a, b in zip(grouped, p.run(engine, np.nan), strict=True):
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit)


def test_a_gradient_alone_and_a_step_in_two_parts():
    p = pieces(MANY.but(dtype="float64"))
    whole, parts = p.stepper(engine), p.stepper(engine)
    for rows in (p.order[:4700], p.order[:100]):  # many chunks, and fewer rows than one
        loss, _, gradient = whole.gradient(rows, 1 / len(rows), 0.0)
        coefficients = p.coefficients[:1].copy()
        coefficients[:, 0] = 1 / len(rows)
        assert parts.add_up(rows, np.arange(len(rows)), coefficients) == loss
        np.testing.assert_array_equal(parts.gradient(rows, 1 / len(rows), 0.0)[2], gradient)
        np.testing.assert_allclose(whole.step(rows, np.arange(len(rows)), coefficients)[0], loss, rtol=1e-12)
        parts.add_up(rows, np.arange(len(rows)), coefficients)
        parts.move(coefficients)
        whole.store(), parts.store()
        np.testing.assert_array_equal(whole.params, parts.params)
