"""Batches of several chunks: their chunks form groups, and each group sums a gradient of its own.

A worker takes a group through forward, backward and gradient by itself. So nothing travels between the caches before
the groups' gradients are added, in order, and the weights move. How rows form groups depends on their number alone, not
on the workers.

What a worker writes meanwhile is at its *desk*: its own buffers, or those of the group where workers are more than
groups.
"""

import numpy as np

from fastnet.functions import SCALE
from fastnet.kernels.compile.jit import inlined, rare_piece, serial
from fastnet.kernels.step.gather import choose_rows
from fastnet.kernels.step.loss import sum_of_losses
from fastnet.kernels.step.places import weights_at
from fastnet.kernels.step.records import SAMPLE_ROWS, Buffers, Chunk, Tables
from fastnet.kernels.step.rows import rows_of_thread
from fastnet.kernels.step.units import units_of_thread
from fastnet.kernels.vector.blocks import add_block
from fastnet.kernels.vector.pointers import at, lanes, panel_width
from fastnet.kernels.vector.shapes import Span, cut
from fastnet.kernels.vector.tile import NV


@serial
def chunks_of_batch(plan, rows):
    """How many chunks a batch of so many rows has: 1, 2, 4, ... up to the number of groups, then multiples of that."""
    least, n = (rows + plan.chunk_rows - 1) // plan.chunk_rows, np.int64(1)
    while n < least and n < plan.groups:
        n *= 2
    return n if n >= least else (least + plan.groups - 1) // plan.groups * plan.groups


@serial
def groups_of_batch(plan, rows):
    """How many groups they form."""
    return min(plan.groups, chunks_of_batch(plan, rows))


@inlined
def buffers_of_desk(buffers, desk):
    """What is written at one desk; its places in ``memory`` are in its records."""
    samples, desks = buffers.samples, buffers.samples.shape[0] // SAMPLE_ROWS
    size, first = buffers.flags.size // desks, desk * SAMPLE_ROWS
    flags = buffers.flags[desk * size : (desk + 1) * size]
    samples = samples[first : first + SAMPLE_ROWS]
    return Buffers(buffers.memory, flags, samples, buffers.lists, buffers.turns, buffers.group_losses)


@inlined
def tables_of_desk(tables, desk, group):
    """The records for one that owns all units, at a desk, with the gradient of a group."""
    plan = tables.plans[0]
    first, n = desk * plan.groups + group, plan.n_layers
    layers = tables.layers[desk * n : (desk + 1) * n]
    return Tables(tables.plans[first : first + 1], layers, tables.units, tables.whole, tables.whole)


@rare_piece
def gradient_of_group(buffers, batch, tables, steps, coefficients, rows, group, desk):
    """The gradient of a group of the chunks of a batch, whose ``rows`` are a Span of ``steps.order``; and its loss."""
    buffers, tables = buffers_of_desk(buffers, desk), tables_of_desk(tables, desk, group)
    plan, n = tables.plans[0], rows.stop - rows.start
    chunks, groups, zero = chunks_of_batch(plan, n), groups_of_batch(plan, n), np.int64(0)
    mine = cut(chunks, 1, groups, group)
    buffers.group_losses[group] = 0
    for c in range(mine.start, mine.stop):
        some = cut(n, plan.grain, chunks, c)
        count = some.stop - some.start
        choose_rows(buffers.samples, steps, Span(rows.start + some.start, rows.start + some.stop), plan.grain)
        chunk = Chunk(count, coefficients[SCALE], False, c > mine.start, False)
        rows_of_thread(buffers, batch, tables, chunk, np.int64(1), zero)
        units_of_thread(buffers, batch, tables, coefficients, chunk, zero)
        buffers.group_losses[group] += sum_of_losses(buffers.memory, plan, count)


@serial
def add_gradients(memory, tables, groups, thread):
    """The first group's gradient += that of the others, in order, for the units that one thread owns."""
    plans, width, lane = tables.plans, panel_width(memory), lanes(memory)
    for u in range(tables.split[thread], tables.split[thread + 1]):
        unit = tables.units[u]
        layer = tables.layers[unit.layer]
        for g in range(1, groups):
            target, source = plans[0].gradient, plans[g].gradient
            for v in range(0, layer.vectors, NV):
                w = weights_at(layer, v, unit.first_row, width)
                add_block(at(memory, w + target), width, at(memory, w + source), width, unit.rows, NV)
            if unit.first_row + unit.rows == layer.fan_in:
                b, size = layer.bias, layer.vectors * lane
                add_block(at(memory, b + target), size, at(memory, b + source), size, 1, layer.vectors)


@rare_piece
def units_after_groups(buffers, batch, tables, coefficients, chunk, thread):
    """One thread's share of the part UNITS: the gradients of its units are added, and the weights move."""
    if chunk.n:
        add_gradients(buffers.memory, tables, groups_of_batch(tables.plans[0], chunk.n), thread)
    added = Chunk(np.int64(0), chunk.scale, chunk.update, True, False)
    units_of_thread(buffers, batch, tables, coefficients, added, thread)
