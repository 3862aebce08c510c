"""The first layer on the rows of a CSR matrix: indices and values, in place of flags.

X is then the matrix's data. Pixels never come as lists; for them these functions are empty, and not compiled.
"""

import numpy as np
from numba import types
from numba.extending import overload

from fastnet.kernels import plan as p
from fastnet.kernels.lanes import at, lanes
from fastnet.kernels.shapes import clear, group_width
from fastnet.kernels.skip import walk_list
from fastnet.kernels.tile import NV


def lists_forward(X, indices, indptr, memory, samples, first, last, layers):
    """A_OUT = X W of the first layer for rows first <= r < last of the batch."""
    raise NotImplementedError


def _lists_forward(X, indices, indptr, memory, samples, first, last, layers):
    layer = layers[0]
    n, out, ld, block = lanes(at(memory, 0)), layer[p.A_OUT], layer[p.LD_OUT], layer[p.BLOCK_OUT]
    for r in range(first, last):
        begin, end = indptr[samples[r]], indptr[samples[r] + 1]
        for panel in range(0, layer[p.VECTORS], NV):
            clear(at(memory, out + r * ld + panel // NV * block), min(NV, layer[p.VECTORS] - panel) * n)
        v = np.int64(0)
        while v < layer[p.VECTORS]:
            width = group_width(layer[p.VECTORS] - v)
            W, target = layer[p.WEIGHTS] + v // NV * layer[p.PANEL], at(memory, out + r * ld + v // NV * block)
            row, values = at(indices, begin), at(X, begin)
            walk_list(target, block, row, values, end - begin, at(memory, W), NV * n, layer[p.PANEL], width)
            v += width


@overload(lists_forward)
def _(X, indices, indptr, memory, samples, first, last, layers):
    if X.dtype is types.uint8:
        return lambda X, indices, indptr, memory, samples, first, last, layers: None
    return _lists_forward


def column_lists(X, indices, indptr, memory, samples, lists, first, last, n, plan):
    """The batch's entries of inputs first <= k < last, listed by input: a counting sort."""
    raise NotImplementedError


def _column_lists(X, indices, indptr, memory, samples, lists, first, last, n, plan):
    counts, ends, before = plan[p.COUNTS], plan[p.ENDS], 0
    for k in range(first, last):
        lists[counts + k] = 0
    for r in range(n):
        for t in range(indptr[samples[r]], indptr[samples[r] + 1]):
            k = indices[t]
            if first <= k < last:
                lists[counts + k] += 1
            elif k < first:
                before += 1
    for k in range(first, last):
        lists[ends + k] = before
        before += lists[counts + k]
    for r in range(n):
        for t in range(indptr[samples[r]], indptr[samples[r] + 1]):
            k = indices[t]
            if first <= k < last:
                e = lists[ends + k]
                lists[plan[p.ENTRIES] + e], memory[plan[p.VALUES] + e] = r, X[t]
                lists[ends + k] = e + 1


@overload(column_lists)
def _(X, indices, indptr, memory, samples, lists, first, last, n, plan):
    if X.dtype is types.uint8:
        return lambda X, indices, indptr, memory, samples, lists, first, last, n, plan: None
    return _column_lists
