"""Every buffer of a training run, sized from (sizes, batch, threads) and allocated once; and how weights are packed.

One aligned array, ``memory``, holds the packed weights, their moments, an optional stored gradient and all scratch.
The kernels find their way by two small tables of offsets (fastnet.kernels.plan).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastnet.functions import MOMENTS as MOMENTS_OF
from fastnet.kernels import plan as p
from fastnet.kernels.flags import BITS
from fastnet.kernels.lanes import CACHE_LINE, lanes_of
from fastnet.kernels.skip import WIDEST
from fastnet.kernels.tile import NV
from fastnet.kernels.transpose import SIDE

COPIED = 1.2  # work in a row of weights of which a transposed copy is kept, in that of one without
EMPTY = 0.1  # of the work in an input that is never zero goes to one that is always
ALIASED = 2048  # rows this many bytes apart fall into the same cache sets: such rows get one more vector


def aligned(n: int, dtype) -> np.ndarray:
    """Zeros (n,) that start at a cache line; pages are not touched before they are used."""
    itemsize = np.dtype(dtype).itemsize
    raw = np.zeros(n * itemsize + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + n * itemsize].view(dtype)


def _shares(work: np.ndarray, n: int) -> np.ndarray:
    """Bounds (n + 1,) that cut a run of units into n runs of about the same work, which is positive."""
    done = np.concatenate([[0.0], np.cumsum(work)]) / work.sum()
    return np.abs(done[:, None] - np.linspace(0, 1, n + 1)).argmin(0)


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def row_stride(n: int, lanes: int, itemsize: int) -> int:
    """From a row of n numbers to the next: whole vectors, and not a multiple of ALIASED bytes."""
    n = round_up(n, lanes)
    return n + lanes if n * itemsize % ALIASED == 0 else n


@dataclass(frozen=True)
class Panels:
    """Where one layer's weights and bias lie in the packed vector."""

    fan_in: int
    fan_out: int
    lanes: int
    weights: int

    @property
    def width(self) -> int:
        return NV * self.lanes

    @property
    def vectors(self) -> int:
        return -(-self.fan_out // self.lanes)

    @property
    def count(self) -> int:
        return -(-self.fan_out // self.width)

    @property
    def stride(self) -> int:
        return round_up(self.fan_in, self.width) * self.width

    @property
    def bias(self) -> int:
        return self.weights + self.count * self.stride

    @property
    def end(self) -> int:
        return self.bias + round_up(self.fan_out, self.width)

    def views(self, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(panels (count, fan_in, width), bias (fan_out,)) as views of a packed vector."""
        blocks = memory[self.weights : self.bias].reshape(self.count, -1, self.width)
        return blocks[:, : self.fan_in], memory[self.bias : self.bias + self.fan_out]


def layout(sizes: Sequence[int], itemsize: int) -> list[Panels]:
    """Panels of every layer, one after the other."""
    panels: list[Panels] = []
    start = 0
    for fan_in, fan_out in pairwise(sizes):
        panels.append(Panels(fan_in, fan_out, lanes_of(itemsize), start))
        start = panels[-1].end
    return panels


def plain_views(sizes: Sequence[int], params: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(W[l] (fan_in, fan_out), b[l] (fan_out,)) of every layer as views of the flat vector ``params``."""
    views, start = [], 0
    for fan_in, fan_out in pairwise(sizes):
        end = start + fan_in * fan_out
        views.append((params[start:end].reshape(fan_in, fan_out), params[end : end + fan_out]))
        start = end + fan_out
    return views


def pack(memory: np.ndarray, params: np.ndarray, sizes: Sequence[int], panels: list[Panels]) -> None:
    """Write the flat vector ``params`` into panels at the start of ``memory``."""
    for layer, (W, b) in zip(panels, plain_views(sizes, params), strict=True):
        blocks, bias = layer.views(memory)
        bias[:] = b
        for j in range(layer.count):
            columns = W[:, j * layer.width : (j + 1) * layer.width]
            blocks[j, :, : columns.shape[1]] = columns


def unpack(params: np.ndarray, memory: np.ndarray, sizes: Sequence[int], panels: list[Panels]) -> None:
    """The inverse of `pack`."""
    for layer, (W, b) in zip(panels, plain_views(sizes, params), strict=True):
        blocks, bias = layer.views(memory)
        b[:] = bias
        for j in range(layer.count):
            columns = W[:, j * layer.width : (j + 1) * layer.width]
            columns[:] = blocks[j, :, : columns.shape[1]]


class _Offsets:
    """Hands out consecutive pieces of one array, each starting at a cache line."""

    def __init__(self, itemsize: int):
        self.end, self.unit = 0, CACHE_LINE // itemsize

    def take(self, n: int) -> int:
        start = self.end
        self.end += round_up(n, self.unit)
        return start


class Workspace:
    """Buffers and tables for one network, for ``chunk`` rows at a time (a multiple of 16) and a number of threads.

    ``input`` is plan.DENSE, SKIP or LISTS; ``densities``, each input's share of nonzeros, None for no zeros to skip;
    ``entries`` the most entries that a chunk of rows of a CSR matrix can hold;
    ``trains`` is False for prediction alone; ``clip_loss`` reports losses as scikit-learn does, with probabilities kept
    eps away from 0 and 1;
    ``halves``: the first layer's sums are taken in two halves (fastnet.kernels.first).
    ``keep_gradient`` gives the gradient a place of its own, for batches of more than one chunk; ``max_norm`` is the
    largest norm that it may have; ``table`` (256,) is what bytes are worth to zero skipping, None a 255th part each.
    """

    def __init__(
        self, sizes, activations, dtype, *, chunk, threads, rule, loss, input, densities=None, entries=0,
        keep_gradient=False, trains=True, clip_loss=False, halves=False, max_norm=None, table=None
    ):  # fmt: skip
        dtype = np.dtype(dtype)
        lanes = lanes_of(dtype.itemsize)
        self.sizes, self.threads = list(sizes), threads
        self.panels = layout(sizes, dtype.itemsize)
        self.packed = self.panels[-1].end
        width = NV * lanes

        offsets = _Offsets(dtype.itemsize)
        self.plan = np.zeros(p.N_PLAN, np.int64)
        self.layers = np.zeros((len(self.panels), p.N_COLUMNS), np.int64)
        plan, layers = self.plan, self.layers
        offsets.take((1 + MOMENTS_OF[rule]) * self.packed)
        plan[p.MOMENTS] = self.packed if MOMENTS_OF[rule] else 0
        plan[p.GRADIENT] = offsets.take(self.packed) if keep_gradient else 0
        for row, layer in zip(layers[1:], self.panels[1:], strict=True):
            row[p.PANEL_T] = round_up(layer.fan_out, width) * width
            row[p.TRANSPOSED] = offsets.take(-(-layer.fan_in // width) * row[p.PANEL_T])
        plan[p.TABLE] = offsets.take(256)
        plan[p.ZEROS] = offsets.take(round_up(sizes[-1], lanes))
        plan[p.CLIP] = offsets.take(3) if clip_loss else 0
        plan[p.MAX_NORM] = offsets.take(1) if max_norm else 0
        self.scratch = offsets.end  # all that follows is written before it is read

        plan[p.N_LAYERS], plan[p.INPUT], plan[p.CHUNK], plan[p.TRAINS] = len(self.panels), input, chunk, trains
        plan[p.GRAIN] = SIDE if input == p.SKIP else 2
        plan[p.RULE], plan[p.LOSS] = rule, loss
        plan[p.FACTOR], plan[p.ROW_LOSS] = offsets.take(chunk), offsets.take(chunk)
        self.units, work, half = self._units(width, np.ones(sizes[0]) if densities is None else densities + EMPTY)
        plan[p.N_UNITS] = len(self.units)
        plan[p.SQUARES] = offsets.take(2 * lanes * len(self.units))
        plan[p.SCRATCH_SIZE] = round_up(
            max(WIDEST // NV * width**2, *(layer.end - layer.bias for layer in self.panels)), 64
        )
        plan[p.SCRATCH] = offsets.take(threads * int(plan[p.SCRATCH_SIZE]))

        room = self._place_activations(offsets, chunk, lanes, dtype.itemsize)
        for row, activation in zip(layers, activations, strict=True):
            row[p.ACTIVATION] = activation
        plan[p.VALUES] = offsets.take(entries)
        if halves:
            plan[p.HALF] = half
            plan[p.Z_HALF] = offsets.take(room)

        self.split = {n: _shares(work, n) for n in {threads, 1}}
        self.memory = aligned(offsets.end, dtype)
        # A byte is worth a 255th part; the same product wherever pixels are read.
        bytes_ = np.arange(256).astype(dtype)
        self.memory[plan[p.TABLE] : plan[p.TABLE] + 256] = bytes_ * dtype.type(1 / 255) if table is None else table
        if clip_loss:
            eps = np.finfo(dtype).eps
            self.memory[plan[p.CLIP] : plan[p.CLIP] + 3] = -np.log1p(-eps), -np.log(eps), eps
        if max_norm:
            self.memory[plan[p.MAX_NORM]] = max_norm
        plan[p.FLAGS_T] = round_up(chunk * sizes[0], CACHE_LINE) if input == p.SKIP else 0
        n_flags = int(plan[p.FLAGS_T] + sizes[0] * round_up(chunk, BITS)) if input == p.SKIP else 0
        self.flags = aligned(n_flags, np.uint8)
        self.samples = np.zeros(3 * chunk, np.int64)  # rows of X, rows of the batch, labels
        plan[p.ENDS], plan[p.ENTRIES] = sizes[0], 2 * sizes[0]
        self.lists = np.zeros(2 * sizes[0] + entries if input == p.LISTS else 0, np.int32)

    def _place_activations(self, offsets: _Offsets, chunk: int, lanes: int, itemsize: int) -> int:
        """Give every activation and delta its place; returns the elements of the first layer's."""
        plan, layers, sizes, width = self.plan, self.layers, self.sizes, NV * lanes
        block = (chunk + 1) * width  # one row more, or a row's panels would meet in one cache set
        plan[p.BLOCK] = block
        places = []  # of X, hidden activations, outputs: (start, row stride, from a panel to the next, elements)
        for l, n in enumerate(sizes):
            if l == len(sizes) - 1 or (l == 0 and plan[p.INPUT] != p.DENSE):
                ld, step = row_stride(n, lanes, itemsize), width
                room = chunk * ld if l or plan[p.INPUT] != p.LISTS else 0
            else:
                ld, step, room = width, block, -(-n // width) * block
            places.append((offsets.take(room), ld, step, room))
        for l, layer in enumerate(self.panels):
            last, row = l == len(self.panels) - 1, layers[l]
            row[p.FAN_IN], row[p.FAN_OUT], row[p.VECTORS] = layer.fan_in, layer.fan_out, layer.vectors
            row[p.WEIGHTS], row[p.PANEL], row[p.BIAS] = layer.weights, layer.stride, layer.bias
            row[p.A_IN], row[p.LD_IN], row[p.BLOCK_IN], _ = places[l]
            row[p.A_OUT], row[p.LD_OUT], row[p.BLOCK_OUT], _ = places[l + 1]
            row[p.DELTA_PANELS] = offsets.take(layer.count * block) if plan[p.TRAINS] else 0
            row[p.DELTA] = row[p.A_OUT] if last else row[p.DELTA_PANELS]
        return places[1][3]

    def _units(self, width: int, input_work: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """(blocks of ``width`` rows of every W, what one thread updates at a time; the work in each; first row of the
        first layer's second half).

        First come the upper halves of all layers, then the lower: two threads own the same rows of the first layer in
        forward as in the update, and it comes last, to be in the cache of that thread when the next step begins.
        """
        units, work, later = [], [], []
        for l, layer in enumerate(self.panels):
            first = np.arange(0, layer.fan_in, width)
            rows = np.minimum(width, layer.fan_in - first)
            weights = np.add.reduceat(input_work, first) if l == 0 else rows * COPIED
            units.append(np.stack([np.full(len(first), l), first, rows], axis=1))
            work.append(weights * layer.vectors)
            later.append(np.arange(len(first)) >= _shares(work[-1], 2)[1])
        half = width * int(np.count_nonzero(~later[0]))
        blocks = np.concatenate(units)
        order = np.lexsort((-blocks[:, p.LAYER], np.concatenate(later)))
        return blocks[order], np.concatenate(work)[order], half

    def fill(self, value: float) -> None:
        """Overwrite all scratch: a kernel that reads what it did not write shows itself."""
        self.memory[self.scratch :] = value
        self.flags[:] = 255

    def load(self, params: np.ndarray, moments: Sequence[np.ndarray]) -> None:
        """Pack the flat vectors of weights and moments; bring the transposed copies up to date."""
        for i, vector in enumerate([params, *moments]):
            pack(self.memory[i * self.packed : (i + 1) * self.packed], vector, self.sizes, self.panels)
        for row, layer in zip(self.layers[1:], self.panels[1:], strict=True):
            blocks, _ = layer.views(self.memory)
            start, size = int(row[p.TRANSPOSED]), int(row[p.PANEL_T])
            for i, first in enumerate(range(0, layer.fan_in, layer.width)):
                target = self.memory[start + i * size : start + (i + 1) * size].reshape(-1, layer.width)
                for j in range(layer.count):
                    square = blocks[j, first : first + layer.width].T
                    target[j * layer.width : (j + 1) * layer.width, : square.shape[1]] = square

    def store(self, params: np.ndarray, moments: Sequence[np.ndarray]) -> None:
        """Unpack weights and moments into flat vectors."""
        for i, vector in enumerate([params, *moments]):
            unpack(vector, self.memory[i * self.packed : (i + 1) * self.packed], self.sizes, self.panels)

    def store_gradient(self, gradient: np.ndarray) -> None:
        """Unpack the stored gradient into a flat vector."""
        start = int(self.plan[p.GRADIENT])
        unpack(gradient, self.memory[start : start + self.packed], self.sizes, self.panels)
