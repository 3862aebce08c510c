"""The compiled entry that trains: it only splits the work of a step among threads.

A step has three parts: inputs (sums of the first layer; first_layer.py), rows (the rest of forward, loss, backward;
rows.py), units (gradient and optimizer; units.py). Small steps leave the first layer to rows. All threads go through
all steps in one parallel region, and meet after each part (crew.py). A thread owns the sums, the rows, the weights that
it writes, and each sum has one order: so the bits do not depend on the number of threads.

A batch of more than ``plan.chunk_rows`` rows goes through in chunks. They form groups, and in place of inputs and rows
there is one part in which a thread takes a whole group (groups.py). Networks too large for that, and CSR matrices, go
through chunk by chunk, the gradient summed in order.
"""

import numpy as np
from numba import prange

from fastnet.functions import L2, SCALE
from fastnet.kernels.compile.jit import entry, inlined, parallel, serial
from fastnet.kernels.step.chunks import chunk_of_step, chunks_of_step, cutting_of, is_last_chunk, rows_of_chunk
from fastnet.kernels.step.crew import end_share, is_over, open_next, take_share, wait_for_others
from fastnet.kernels.step.first_layer import inputs_of_thread
from fastnet.kernels.step.gather import choose_rows
from fastnet.kernels.step.gradient_norm import shorten_step, squares_of
from fastnet.kernels.step.groups import gradient_of_group, groups_of_batch, units_after_groups
from fastnet.kernels.step.loss import sum_of_losses
from fastnet.kernels.step.records import STORE, Batch, Buffers, Steps, Tables
from fastnet.kernels.step.rows import rows_of_thread
from fastnet.kernels.step.units import units_of_thread
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.pointers import lanes

INPUTS, ROWS, GROUPS, UNITS, PARTS = range(5)


@inlined
def sum_of_squares(memory, tables):
    """Squares of all weights before the step; each unit left a vector of partial sums."""
    total = 0.0
    for u in range(tables.units.shape[0]):
        for j in range(lanes(memory)):
            total += memory[squares_of(memory, tables.plans[0], u) + j]
    return total


@serial
def begin_chunk(buffers, tables, steps, cutting, step, c):
    """What one worker does alone before a chunk of a step. Beyond the last step nothing reads what it notes."""
    rows, plan = rows_of_chunk(cutting, step, c), tables.plans[0]
    if rows.start < rows.stop:
        if not plan.groups:
            choose_rows(buffers.samples, steps, rows, plan.grain)
    elif cutting.limited and step < steps.coefficients.shape[0] and is_last_chunk(cutting, step, c):
        shorten_step(steps.coefficients[step], buffers.memory, tables)


@serial
def end_chunk(losses, buffers, tables, steps, cutting, step, c):
    """What one worker does alone after a chunk: note its losses, and begin the next."""
    rows, plan = rows_of_chunk(cutting, step, c), tables.plans[0]
    n = rows.stop - rows.start
    if not plan.groups:
        losses[step, 0] += sum_of_losses(buffers.memory, plan, n)
    elif n:
        for loss in buffers.group_losses[: groups_of_batch(plan, n)]:
            losses[step, 0] += loss
    c += 1
    if c == chunks_of_step(cutting, step):
        l2 = steps.coefficients[step, L2]
        if cutting.action != STORE and l2 != 0:
            losses[step, 1] = 0.5 * l2 * sum_of_squares(buffers.memory, tables)
        step, c = step + 1, np.int64(0)
    begin_chunk(buffers, tables, steps, cutting, step, c)


@inlined
def shares_of_part(plan, chunk, part, workers):
    """Into how many shares a part of a chunk is cut: none if there is no such part."""
    if part == GROUPS:
        return groups_of_batch(plan, chunk.n) if plan.groups and chunk.n else 0
    if part == UNITS:
        return workers
    return workers if not plan.groups and (part == ROWS or plan.half) else 0


@inlined
def own_share(plan, part, shares, workers, worker):
    """The share that a worker takes first: of groups, those that it had in the last step."""
    return min(worker * plan.groups // workers, shares - 1) if part == GROUPS else worker


@serial
def do_share(buffers, batch, tables, steps, coefficients, rows, chunk, part, workers, worker, share):
    """One share of one part of a step, which has these ``rows`` and is described by ``chunk``."""
    if part == INPUTS:
        inputs_of_thread(buffers, batch.X, tables, chunk, workers, share)
    elif part == ROWS:
        rows_of_thread(buffers, batch, tables, chunk, workers, share)
    elif part == GROUPS:
        desk = worker if workers <= tables.plans[0].groups else share
        gradient_of_group(buffers, batch, tables, steps, coefficients, rows, share, desk)
    elif tables.plans[0].groups:
        units_after_groups(buffers, batch, tables, coefficients, chunk, share)
    else:
        units_of_thread(buffers, batch, tables, coefficients, chunk, share)


@serial
def steps_of_worker(losses, buffers, batch, tables, steps, workers, worker):
    """All steps, as one worker takes part in them. One that is late passes over what is over."""
    state, plan, turns, turn = flush_denormals(), tables.plans[0], buffers.turns, np.int64(0)
    cutting = cutting_of(plan, steps)
    for step in range(steps.coefficients.shape[0]):
        row = steps.coefficients[step]
        for c in range(chunks_of_step(cutting, step)):
            rows, chunk = rows_of_chunk(cutting, step, c), chunk_of_step(cutting, step, c, row[SCALE])
            for part in range(PARTS):
                shares = shares_of_part(plan, chunk, part, workers)
                if shares == 0:
                    continue
                own = own_share(plan, part, shares, workers, worker)
                share = -1 if is_over(turns, turn) else take_share(turns, turn, shares, own)
                while share >= 0:
                    do_share(buffers, batch, tables, steps, row, rows, chunk, part, workers, worker, share)
                    if end_share(turns, shares):
                        if part == UNITS:
                            end_chunk(losses, buffers, tables, steps, cutting, step, c)
                        open_next(turns, turn)
                    share = take_share(turns, turn, shares, own)
                wait_for_others(turns, turn)
                turn += 1
    restore_denormals(state)


@parallel
def steps_of_all(losses, buffers, batch, tables, steps, workers):
    """All workers at once."""
    for t in prange(workers):
        steps_of_worker(losses, buffers, batch, tables, steps, workers, np.int64(t))


@entry
def train_steps(losses, buffers, batch, tables, steps):
    """One optimisation step for each row of coefficients; losses (steps, 2) gets loss and L2 penalty.

    buffers, batch, tables, steps : the fields of Buffers, Batch, Tables and Steps, as plain tuples: a call with
        NamedTuples takes 8 us, with tuples 4.
    """
    buffers, batch, tables, steps = Buffers(*buffers), Batch(*batch), Tables(*tables), Steps(*steps)
    workers = tables.split.shape[0] - 1
    losses[:], buffers.turns[:] = 0, 0
    begin_chunk(buffers, tables, steps, cutting_of(tables.plans[0], steps), np.int64(0), np.int64(0))
    if workers == 1:
        steps_of_worker(losses, buffers, batch, tables, steps, workers, np.int64(0))
    else:
        steps_of_all(losses, buffers, batch, tables, steps, workers)
