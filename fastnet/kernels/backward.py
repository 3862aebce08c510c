"""One thread's share of the weights: the gradient of a block of rows of W, and the optimizer on it while it is in L1.

A unit is a block of rows of one layer's W, as high as a panel is wide; it has one owner. Its gradient is computed in
scratch, or in `memory` at GRADIENT where it is summed over several chunks of rows or wanted for itself.
"""

import numpy as np

from fastnet.functions import ADAM, SGD_LR
from fastnet.kernels import plan as p
from fastnet.kernels.clip import unit_squares
from fastnet.kernels.flags import BITS
from fastnet.kernels.inputs import flag_rows, flags_at, is_bytes
from fastnet.kernels.jit import inlined, serial
from fastnet.kernels.lanes import at, lanes
from fastnet.kernels.lists import column_lists
from fastnet.kernels.shapes import clear, group_width, tile_height
from fastnet.kernels.skip import PAIRED_COLUMNS, WIDEST, scatter, walk, walk_list
from fastnet.kernels.tile import NV, tile_columns
from fastnet.kernels.transpose import transpose_square
from fastnet.kernels.update import N_ROW, add_rows, prefetch_block, update_block


@serial
def dense_gradient(memory, g, inputs, ld_in, delta, vectors, rows, n, accumulate, w, moments, also):
    """g (rows, up to NV vectors) = inputs^T delta over n samples; g, inputs and delta are panels.

    Tile by tile the weights at ``w``, their first moments and what is at ``also`` are fetched for the optimizer.
    """
    width, i, ahead = NV * lanes(at(memory, 0)), 0, w
    while i < rows:
        height, c, a = tile_height(rows - i), at(memory, g + i * width), at(memory, inputs + i)
        tile_columns(c, width, a, ld_in, at(memory, delta), n, accumulate, at(memory, ahead), height, vectors)
        i += height
        ahead = also if ahead == w + moments else w + moments


@serial
def skip_gradient(X, memory, flags, lists, g, panel_g, v, vectors, row, rows, n, accumulate, plan, layers):
    """g, several panels side by side, = X^T delta over the nonzero inputs: a walk down the column of each input."""
    layer = layers[0]
    lane, ld_in, step = lanes(at(memory, 0)), layer[p.LD_IN], layer[p.FAN_IN] * BITS
    width, table = NV * lane, at(memory, plan[p.TABLE])
    panel = plan[p.BLOCK]
    delta = at(memory, layer[p.DELTA_PANELS] + v // NV * panel)
    if plan[p.INPUT] == p.SKIP:
        columns, values = at(flags, plan[p.FLAGS_T] + row * BITS), at(memory, layer[p.A_IN] + row)
        walk(
            at(memory, g), width, panel_g, rows, at(plan, 0), 0, columns, BITS, step, n, is_bytes(X), table, values, 1,
            ld_in, delta, width, panel, accumulate, vectors, 2 if vectors <= PAIRED_COLUMNS else 1,
        )  # fmt: skip
        return
    for i in range(rows):
        if not accumulate:
            for q in range(0, vectors, NV):
                clear(at(memory, g + q // NV * panel_g + i * width), width)
        count, end = lists[plan[p.COUNTS] + row + i], lists[plan[p.ENDS] + row + i]
        entry, values = at(lists, plan[p.ENTRIES] + end - count), at(memory, plan[p.VALUES] + end - count)
        walk_list(at(memory, g + i * width), panel_g, entry, values, count, delta, width, panel, vectors)


@inlined
def transposed_at(layer, v, row, width):
    """Where the transposed copy of a block of W is: rows row.. and vectors v.. of its columns."""
    return layer[p.TRANSPOSED] + row // width * layer[p.PANEL_T] + v // NV * width * width


@serial
def transpose_block(memory, layer, v, vectors, row):
    """Bring the transposed copy of W up to date: rows row.. and vectors v.. of its columns, a square block."""
    lane = lanes(at(memory, 0))
    width = NV * lane
    source = layer[p.WEIGHTS] + v // NV * layer[p.PANEL] + row * width
    target = transposed_at(layer, v, row, width)
    for a in range(0, width, lane):
        for b in range(0, vectors * lane, lane):
            transpose_square(at(memory, target + b * width + a), at(memory, source + a * width + b), width)


@inlined
def update_panel(memory, coefficients, squares, w, g, rows, vectors, plan):
    """The optimizer on one panel's block of rows, at w, with the gradient at g; both NV vectors wide."""
    width, first = NV * lanes(at(memory, 0)), w + plan[p.MOMENTS]
    m, s, c = at(memory, first), at(memory, first + plan[p.MOMENTS]), at(coefficients, 0)
    update_block(at(memory, w), m, s, at(memory, squares), at(memory, g), c, rows, vectors, width, width, plan[p.RULE])


@inlined
def prefetch_panel(memory, w, rows, plan):
    """Fetch the weights and moments that the optimizer will want, while the gradient is computed."""
    width = NV * lanes(at(memory, 0))
    prefetch_block(at(memory, w), rows * width)
    if plan[p.MOMENTS]:
        prefetch_block(at(memory, w + plan[p.MOMENTS]), rows * width)


@serial
def bias_update(memory, coefficients, scratch, squares, layer, n, update, accumulate, plan):
    """Gradient of the bias, the sum of the delta's rows, and the optimizer on it (without L2 and decay)."""
    lane, size = lanes(at(memory, 0)), layer[p.VECTORS] * lanes(at(memory, 0))
    g = layer[p.BIAS] + plan[p.GRADIENT] if plan[p.GRADIENT] else scratch
    if not accumulate:
        clear(at(memory, g), size)
    for v in range(0, layer[p.VECTORS], NV):
        delta = at(memory, layer[p.DELTA_PANELS] + v // NV * plan[p.BLOCK])
        add_rows(at(memory, g + v * lane), delta, NV * lane, n, min(NV, layer[p.VECTORS] - v))
    if update:
        b = layer[p.BIAS]
        m = b + plan[p.MOMENTS]
        s, c = m + plan[p.MOMENTS], at(coefficients, N_ROW)
        update_block(
            at(memory, b), at(memory, m), at(memory, s), at(memory, squares + lane), at(memory, g), c,
            1, layer[p.VECTORS], size, size, plan[p.RULE],
        )  # fmt: skip


@serial
def update_unit(X, memory, flags, lists, coefficients, scratch, squares, unit, n, update, accumulate, plan, layers):
    """All columns of one block of rows of W: gradient, optimizer, transposed copy."""
    l, row, rows = unit[p.LAYER], unit[p.FIRST_ROW], unit[p.ROWS]
    layer, lane = layers[l], lanes(at(memory, 0))
    width, skip, stored = NV * lane, l == 0 and plan[p.INPUT] != p.DENSE, plan[p.GRADIENT]
    inputs = layer[p.A_IN] + row // width * layer[p.BLOCK_IN]  # this panel meets every panel of the delta
    v = np.int64(0)  # a literal would be a type of its own
    while v < layer[p.VECTORS]:
        left = layer[p.VECTORS] - v
        vectors = group_width(min(left, WIDEST)) if skip else min(left, NV)
        w = layer[p.WEIGHTS] + v // NV * layer[p.PANEL] + row * width
        g, panel_g = (w + stored, layer[p.PANEL]) if stored else (scratch, width * width)
        if skip:
            if update:
                for q in range(0, vectors, NV):
                    prefetch_panel(memory, w + q // NV * layer[p.PANEL], rows, plan)
            skip_gradient(X, memory, flags, lists, g, panel_g, v, vectors, row, rows, n, accumulate, plan, layers)
        else:
            delta, also = layer[p.DELTA_PANELS] + v // NV * plan[p.BLOCK], w
            if plan[p.RULE] == ADAM:
                also = w + 2 * plan[p.MOMENTS]
            elif l > 0:
                also = transposed_at(layer, v, row, width)
            dense_gradient(
                memory, g, inputs, layer[p.LD_IN], delta, vectors, rows, n, accumulate, w, plan[p.MOMENTS], also
            )
        if update:
            for q in range(0, vectors, NV):
                part, w_q, g_q = min(NV, vectors - q), w + q // NV * layer[p.PANEL], g + q // NV * panel_g
                update_panel(memory, coefficients, squares, w_q, g_q, rows, part, plan)
                if l > 0:
                    transpose_block(memory, layer, v + q, part, row)
        v += vectors


@serial
def scatter_update(X, memory, flags, samples, first, last, n, lr, plan, layers):
    """Plain SGD on rows first <= k < last of the first W, sample by sample: W[k] -= lr X[s, k] delta[s].

    On a small batch a column of X is nearly empty, and walking down each of them costs more than the work in it:
    784-30-10 at batch 10 takes 14 us for that, 4 us this way.
    """
    layer = layers[0]
    lane, K = lanes(at(memory, 0)), layer[p.FAN_IN]
    width, numbers, table = NV * lane, flag_rows(X, plan), at(memory, plan[p.TABLE])
    panel = plan[p.BLOCK]
    start = min(first, K - BITS)  # a block of flags must not reach beyond its row
    v = np.int64(0)
    while v < layer[p.VECTORS]:
        vectors = group_width(min(layer[p.VECTORS] - v, WIDEST))
        w = layer[p.WEIGHTS] + v // NV * layer[p.PANEL] + start * width
        for r in range(n):
            row, values = (
                flags_at(X, flags, samples[numbers + r] * K + start),
                layer[p.A_IN] + r * layer[p.LD_IN] + start,
            )
            delta = at(memory, layer[p.DELTA_PANELS] + v // NV * panel + r * width)
            scatter(
                at(memory, w), width, layer[p.PANEL], row, last - start, first - start, is_bytes(X), table,
                at(memory, values), delta, panel, -lr, vectors,
            )  # fmt: skip
        v += vectors


@serial
def share_of_units(
    thread, n, X, indices, indptr, memory, flags, samples, lists, coefficients, units, split, update, accumulate,
    plan, layers,
):  # fmt: skip
    """Gradients and updates of one thread's units, split[thread] <= u < split[thread + 1], over n samples."""
    scratch, lane = plan[p.SCRATCH] + thread * plan[p.SCRATCH_SIZE], lanes(at(memory, 0))
    begin, end = split[thread], split[thread + 1]
    if plan[p.INPUT] == p.LISTS or plan[p.SCATTER]:
        first, last = layers[0, p.FAN_IN], np.int64(0)
        for u in range(begin, end):
            if units[u, p.LAYER] == 0:
                first = min(first, units[u, p.FIRST_ROW])
                last = max(last, units[u, p.FIRST_ROW] + units[u, p.ROWS])
        if first < last and plan[p.SCATTER]:
            scatter_update(X, memory, flags, samples, first, last, n, coefficients[SGD_LR], plan, layers)
        elif first < last:
            column_lists(X, indices, indptr, memory, samples, lists, first, last, n, plan)
    for u in range(begin, end):
        squares, layer = plan[p.SQUARES] + 2 * u * lane, layers[units[u, p.LAYER]]
        clear(at(memory, squares), 2 * lane)
        if units[u, p.LAYER] > 0 or not plan[p.SCATTER]:
            update_unit(
                X, memory, flags, lists, coefficients, scratch, squares, units[u], n, update, accumulate, plan, layers
            )
        if units[u, p.FIRST_ROW] + units[u, p.ROWS] == layer[p.FAN_IN]:
            bias_update(memory, coefficients, scratch, squares, layer, n, update, accumulate, plan)
        if plan[p.MAX_NORM] and not update:
            unit_squares(memory, coefficients, squares, units[u], plan, layers)
