"""The compiled entry that trains: it only splits the work of a step among threads.

A step has three parts, each a parallel region: inputs (sums of the first layer; first_layer.py), rows (the rest of
forward, loss, backward; rows.py), units (gradient and optimizer; units.py). Small steps leave the first layer to rows.
A thread owns the sums, the rows, the weights that it writes, and each sum has one order: so the bits do not depend on
the number of threads. A batch of more than ``plan.chunk_rows`` rows goes through in chunks, its gradient summed in
order.
"""

import numpy as np
from numba import prange

from fastnet.functions import L2, SCALE
from fastnet.kernels.compile.jit import entry, inlined, parallel, serial
from fastnet.kernels.step.first_layer import inputs_of_thread
from fastnet.kernels.step.gather import choose
from fastnet.kernels.step.gradient_norm import shorten_step, squares_of
from fastnet.kernels.step.records import APPLY, NUMBER, SCATTER, STORE, Batch, Buffers, Chunk, Tables
from fastnet.kernels.step.rows import rows_of_thread
from fastnet.kernels.step.units import units_of_thread
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.pointers import lanes
from fastnet.kernels.vector.shapes import Span

INPUTS, ROWS, UNITS, PARTS = range(4)


@inlined
def sum_of_losses(memory, plan, n):
    """The losses of the n rows of a chunk, in order."""
    total = 0.0
    for r in range(n):
        total += memory[plan.row_loss + r]
    return total


@inlined
def sum_of_squares(memory, tables):
    """Squares of all weights before the step; each unit left a vector of partial sums."""
    total = 0.0
    for u in range(tables.units.shape[0]):
        for j in range(lanes(memory)):
            total += memory[squares_of(memory, tables.plans[0], u) + j]
    return total


@inlined
def number_rows(samples, numbers, start, n):
    """Note the numbers of the n rows of a chunk among all rows trained on."""
    for r in range(n):
        samples[NUMBER, r] = numbers[start + r]


@serial
def part_of_thread(buffers, batch, tables, coefficients, chunk, part, threads, thread):
    """What one thread does in one part of a step."""
    state = flush_denormals()
    if part == INPUTS:
        inputs_of_thread(buffers, batch.X, tables, chunk, threads, thread)
    elif part == ROWS:
        rows_of_thread(buffers, batch, tables, chunk, threads, thread)
    else:
        units_of_thread(buffers, batch, tables, coefficients, chunk, thread)
    restore_denormals(state)


@parallel
def part_of_all(buffers, batch, tables, coefficients, chunk, part, threads):
    """One part of a step, on all threads at once."""
    for t in prange(threads):
        part_of_thread(buffers, batch, tables, coefficients, chunk, part, threads, np.int64(t))


@serial
def run_chunk(buffers, batch, tables, coefficients, chunk):
    """All parts of a step for one chunk; returns the sum of its losses."""
    plan, threads = tables.plans[0], tables.split.shape[0] - 1
    for part in range(INPUTS if plan.half else ROWS, PARTS):
        if threads == 1:
            part_of_thread(buffers, batch, tables, coefficients, chunk, part, threads, np.int64(0))
        else:
            part_of_all(buffers, batch, tables, coefficients, chunk, part, threads)
    return sum_of_losses(buffers.memory, plan, chunk.n)


@entry
def train_steps(losses, buffers, batch, tables, order, numbers, coefficients, batch_size, action):
    """One optimisation step for each row of `coefficients`; losses (steps, 2) gets loss and L2 penalty.

    buffers, batch, tables : the fields of Buffers, Batch and Tables, as plain tuples: a call with NamedTuples takes
        8 us, with tuples 4.
    order : int64, rows of X. numbers : int64, theirs among all rows trained on, by which dropout is drawn.
    coefficients : (steps, 2 N_ROW), for weights and for biases; scaled in place where the gradient has a largest norm.
    action : STORE leaves the gradient in memory and the weights alone, UPDATE moves them, SCATTER moves those of the
        first layer sample by sample, APPLY moves them by the gradient in memory and takes no rows.
    """
    buffers, batch, tables = Buffers(*buffers), Batch(*batch), Tables(*tables)
    plan, moves, scatters = tables.plans[0], action != STORE, action == SCATTER
    limited, applies = moves and plan.max_norm > 0, action == APPLY
    for step in range(coefficients.shape[0]):
        row, loss = coefficients[step], 0.0
        first, stop = step * batch_size, min(order.shape[0], (step + 1) * batch_size)
        start = first
        while start < stop:
            n = min(plan.chunk_rows, stop - start)
            update = moves and start + n == stop and not limited
            choose(buffers.samples, order, start, Span(np.int64(0), n), plan.grain)
            number_rows(buffers.samples, numbers, start, n)
            chunk = Chunk(n, row[SCALE], update, start > first, scatters)
            loss += run_chunk(buffers, batch, tables, row, chunk)
            start += n
        if limited and applies:  # that gradient's squares are not known yet
            run_chunk(buffers, batch, tables, row, Chunk(np.int64(0), row[SCALE], not moves, moves, scatters))
        if limited:
            shorten_step(row, buffers.memory, tables)
        if limited or applies:  # the whole gradient is known, and the weights move in a chunk of no rows
            chunk = Chunk(np.int64(0), row[SCALE], moves, start > first or applies, scatters)
            loss += run_chunk(buffers, batch, tables, row, chunk)
        losses[step, 0] = loss
        penalized = moves and row[L2] != 0
        losses[step, 1] = 0.5 * row[L2] * sum_of_squares(buffers.memory, tables) if penalized else 0.0
