"""The first layer on the rows of a CSR matrix: indices and values, in place of flags.

X is then the matrix's data. Bytes never come as lists; for them these functions are empty, and not compiled.
"""

import numpy as np
from numba import types
from numba.extending import overload

from fastnet.kernels.step.places import weights_at
from fastnet.kernels.step.records import SAMPLE
from fastnet.kernels.vector.pointers import at, lanes
from fastnet.kernels.vector.shapes import clear, group_width
from fastnet.kernels.vector.tile import NV
from fastnet.kernels.vector.walk import walk_list


def _holds_bytes(batch):
    return batch.types[batch.fields.index("X")].dtype is types.uint8


def lists_forward(buffers, batch, layer, rows):
    """a_out = X W of the first layer for a chunk's ``rows``."""
    raise NotImplementedError


def _lists_forward(buffers, batch, layer, rows):
    memory = buffers.memory
    lane, panel_stride = lanes(memory), layer.panel_stride_out
    for r in range(rows.start, rows.stop):
        sample, out = buffers.samples[SAMPLE, r], layer.a_out + r * layer.row_stride_out
        first, count = batch.indptr[sample], batch.indptr[sample + 1] - batch.indptr[sample]
        for v in range(0, layer.vectors, NV):
            clear(at(memory, out + v // NV * panel_stride), min(NV, layer.vectors - v) * lane)
        columns, values = at(batch.indices, first), at(batch.X, first)
        begin = np.int64(0)
        while begin < layer.vectors:
            vectors, w = group_width(layer.vectors - begin), at(memory, weights_at(layer, begin, 0, NV * lane))
            target = at(memory, out + begin // NV * panel_stride)
            walk_list(target, panel_stride, columns, values, count, w, NV * lane, layer.weights_stride, vectors)
            begin += vectors


@overload(lists_forward)
def _(buffers, batch, layer, rows):
    return (lambda buffers, batch, layer, rows: None) if _holds_bytes(batch) else _lists_forward


def column_lists(buffers, batch, plan, inputs, n):
    """The entries of a chunk of n rows, listed by input, for a Span of inputs: a counting sort."""
    raise NotImplementedError


def _column_lists(buffers, batch, plan, inputs, n):
    lists, before = buffers.lists, 0
    for k in range(inputs.start, inputs.stop):
        lists[k] = 0
    for r in range(n):
        sample = buffers.samples[SAMPLE, r]
        for t in range(batch.indptr[sample], batch.indptr[sample + 1]):
            k = batch.indices[t]
            if inputs.start <= k < inputs.stop:
                lists[k] += 1
            elif k < inputs.start:
                before += 1
    for k in range(inputs.start, inputs.stop):
        lists[plan.ends + k] = before
        before += lists[k]
    for r in range(n):
        sample = buffers.samples[SAMPLE, r]
        for t in range(batch.indptr[sample], batch.indptr[sample + 1]):
            k = batch.indices[t]
            if inputs.start <= k < inputs.stop:
                e = lists[plan.ends + k]
                lists[plan.entries + e], buffers.memory[plan.values + e] = r, batch.X[t]
                lists[plan.ends + k] = e + 1


@overload(column_lists)
def _(buffers, batch, plan, inputs, n):
    return (lambda buffers, batch, plan, inputs, n: None) if _holds_bytes(batch) else _column_lists
