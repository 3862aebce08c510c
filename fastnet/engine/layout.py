"""Where numbers lie: weights in panels, rows at strides that suit the caches, buffers at cache lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastnet.kernels.compile.target import CACHE_LINE, lanes_of
from fastnet.kernels.vector.tile import NV

ALIASED = 2048  # rows this many bytes apart fall into the same cache sets: such rows get one more vector


def aligned(n: int, dtype) -> np.ndarray:
    """Zeros (n,) that start at a cache line; pages are not touched before they are used."""
    itemsize = np.dtype(dtype).itemsize
    raw = np.zeros(n * itemsize + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + n * itemsize].view(dtype)


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


class Offsets:
    """Hands out consecutive pieces of one array, each starting at a cache line."""

    def __init__(self, itemsize: int):
        self.end, self.unit = 0, CACHE_LINE // itemsize

    def take(self, n: int) -> int:
        start = self.end
        self.end += round_up(n, self.unit)
        return start


def cut_by_work(work: np.ndarray, n: int) -> np.ndarray:
    """Bounds (n + 1,) that cut a run of units into n runs of about the same work, which is positive."""
    done = np.concatenate([[0.0], np.cumsum(work)]) / work.sum()
    return np.abs(done[:, None] - np.linspace(0, 1, n + 1)).argmin(0)
