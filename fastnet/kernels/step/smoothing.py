"""Label smoothing: targets t become t' = (1 - s) t + s u, with u = 1/k for cross-entropy over k classes, else 1/2.

Cross-entropy and binary cross-entropy are linear in their targets: with t' the loss of a row is larger by the sum of
(t - t') z over its outputs, and its delta by t - t'. So the losses stay as they are; one pass before them, over Z, and
one after them, over the delta, do the rest. t - t' is s (t - u).
"""

from fastnet.kernels.compile.jit import rare_piece
from fastnet.kernels.step.places import last_layer
from fastnet.kernels.step.records import SAMPLE
from fastnet.kernels.step.targets import target_at


@rare_piece
def note_smoothing(buffers, batch, tables, rows):
    """memory[plan.smoothed + r] = what smoothing adds to the loss of row r, from Z of the last layer."""
    plan, layer, memory = tables.plans[0], last_layer(tables), buffers.memory
    z, ld, k = layer.a_out, layer.row_stride_out, layer.fan_out
    s, u = memory[plan.smoothing], memory[plan.smoothing + 1]
    for r in range(rows.start, rows.stop):
        sample, total = buffers.samples[SAMPLE, r], memory.dtype.type(0)
        for j in range(k):
            total += (target_at(batch, sample, j, k) - u) * memory[z + r * ld + j]
        memory[plan.smoothed + r] = s * total


@rare_piece
def smooth_loss(buffers, batch, tables, rows):
    """Row losses and deltas, which have the factors of their rows, as smoothed targets would have made them."""
    plan, layer, memory = tables.plans[0], last_layer(tables), buffers.memory
    delta, ld, k = layer.a_out, layer.row_stride_out, layer.fan_out
    s, u = memory[plan.smoothing], memory[plan.smoothing + 1]
    for r in range(rows.start, rows.stop):
        sample, factor = buffers.samples[SAMPLE, r], memory[plan.factor + r]
        memory[plan.row_loss + r] += factor * memory[plan.smoothed + r]
        for j in range(k):
            memory[delta + r * ld + j] += factor * s * (target_at(batch, sample, j, k) - u)
