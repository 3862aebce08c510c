"""The chunks of steps, beside a loop that takes rows as long as there are any, and the rows that come next."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from numba import njit

from fastnet.kernels.step.chunks import Cutting, chunk_of_step, chunks_of_step, rows_of_chunk
from fastnet.kernels.step.gather import choose_rows
from fastnet.kernels.step.records import APPLY, NEXT, SAMPLE, SAMPLE_ROWS, SCATTER, STORE, UPDATE, Steps
from fastnet.kernels.vector.shapes import Span
from fastnet.kernels.vector.transpose import SIDE


class Found(NamedTuple):
    """A chunk: its step, its rows, and what is done with its gradient."""

    step: int
    start: int
    stop: int
    update: bool
    accumulate: bool
    scatter: bool


@njit
def listed(out, cutting, steps):
    n = 0
    for step in range(steps):
        for c in range(chunks_of_step(cutting, step)):
            rows, chunk = rows_of_chunk(cutting, step, c), chunk_of_step(cutting, step, c, 1.0)
            row = out[n]
            row[0], row[1], row[2] = step, rows.start, rows.start + chunk.n
            row[3], row[4], row[5] = chunk.update, chunk.accumulate, chunk.scatter
            n += 1
    return n


def wanted(cutting, steps):
    """The same, by hand. Chunks of no rows have start 0 here."""
    for step in range(steps):
        start = step * cutting.batch_size
        stop = min(cutting.total, start + cutting.batch_size)
        found = []
        while start < stop:
            end = min(stop, start + cutting.chunk_rows)
            found.append([step, start, end, False, bool(found), cutting.action == SCATTER])
            start = end
        if cutting.action == APPLY:
            found.append([step, 0, 0, False, True, False])
        if cutting.limited and found:  # the weights move once the norm of the whole gradient is known
            found.append([step, 0, 0, False, True, cutting.action == SCATTER])
        if found and cutting.action != STORE:
            found[-1][3] = True
        yield from (Found(*chunk) for chunk in found)


@pytest.mark.parametrize("action", [STORE, UPDATE, SCATTER, APPLY])
def test_chunks_take_every_row_once_and_move_weights_at_the_end(action):
    out = np.zeros((100, 6), np.int64)
    kinds = set()
    for total, batch_size, chunk_rows, limited in itertools.product(range(30), range(1, 14), (2, 4, 16), (False, True)):
        if (action == APPLY and total) or (action == STORE and limited):
            continue
        numbers = (np.int64(x) for x in (total, batch_size, chunk_rows))
        cutting, steps = Cutting(*numbers, limited, np.int64(action)), max(1, -(-total // batch_size))
        n = listed(out, cutting, steps)
        found = [Found(*chunk) for chunk in out[:n].tolist()]
        found = [chunk if chunk.start < chunk.stop else chunk._replace(start=0, stop=0) for chunk in found]
        assert found == list(wanted(cutting, steps)), cutting
        kinds.add(n)
    assert len(kinds) > 1 or action == APPLY


@njit
def choose(samples, steps, start, stop):
    choose_rows(samples, steps, Span(start, stop), 16)


@pytest.mark.parametrize(("start", "stop"), [(0, 20), (20, 30), (30, 50), (49, 50)])
def test_a_chunk_notes_which_rows_come_next(start, stop):
    """In the places of its first rows; behind the last row of all, that one again."""
    order = np.random.default_rng(138).permutation(50)
    steps = Steps(order, np.arange(50), np.zeros((3, 1)), 20, UPDATE)
    samples = np.full((SAMPLE_ROWS, 32), -1)
    choose(samples, steps, start, stop)
    n = min(stop - start, SIDE)
    np.testing.assert_array_equal(samples[SAMPLE, : stop - start], order[start:stop])
    np.testing.assert_array_equal(samples[NEXT, :n], order[np.minimum(stop + np.arange(n), 49)])
    assert (samples[NEXT, n:] == -1).all()
