"""How a step's rows are cut into chunks: as numbers alone, which each worker computes for itself."""

from typing import NamedTuple

import numpy as np

from fastnet.kernels.compile.jit import inlined
from fastnet.kernels.step.records import APPLY, SCATTER, STORE, Chunk
from fastnet.kernels.vector.shapes import Span


class Cutting(NamedTuple):
    """What decides how steps are cut.

    total : rows of all steps. chunk_rows : most rows of a chunk; with groups, which cut it themselves, all of a batch.
    limited : the gradient is held to a largest norm.
    """

    total: int | np.int64
    batch_size: int | np.int64
    chunk_rows: int | np.int64
    limited: bool
    action: int | np.int64


@inlined
def cutting_of(plan, steps):
    """The Cutting of Steps."""
    limited = steps.action != STORE and plan.max_norm > 0
    chunk_rows = steps.batch_size if plan.groups else plan.chunk_rows
    return Cutting(steps.order.shape[0], steps.batch_size, chunk_rows, limited, steps.action)


@inlined
def rows_of_chunk(cutting, step, c):
    """The Span of ``order`` that chunk c of a step takes; empty beyond the rows of the step."""
    first = step * cutting.batch_size
    stop, start = min(cutting.total, first + cutting.batch_size), first + c * cutting.chunk_rows
    return Span(start, max(start, min(stop, start + cutting.chunk_rows)))


@inlined
def chunks_of_rows(cutting, step):
    """How many chunks have rows."""
    rows = min(cutting.total - step * cutting.batch_size, cutting.batch_size)
    return max(np.int64(0), rows + cutting.chunk_rows - 1) // cutting.chunk_rows


@inlined
def chunks_of_step(cutting, step):
    """Chunks of a step. Where the gradient must be whole before the weights move, they do so in a chunk of no rows; to
    learn the norm of a gradient that is in memory already, another one goes before.
    """
    n, limited, applies = chunks_of_rows(cutting, step), cutting.limited, cutting.action == APPLY
    return n + (limited and applies) + ((limited and n > 0) or applies)


@inlined
def is_last_chunk(cutting, step, c):
    """Whether chunk c ends its step: in it the weights move."""
    return c + 1 == chunks_of_step(cutting, step)


@inlined
def chunk_of_step(cutting, step, c, scale):
    """Chunk c of a step."""
    rows, update = rows_of_chunk(cutting, step, c), cutting.action != STORE and is_last_chunk(cutting, step, c)
    accumulate, scatter = c > 0 or cutting.action == APPLY, cutting.action == SCATTER
    return Chunk(rows.stop - rows.start, scale, update, accumulate, scatter)
