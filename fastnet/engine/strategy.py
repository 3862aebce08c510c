"""All that decides the order of sums, and so the bits of a run. Nothing here looks at this machine's threads or load.

Whoever changes a constant of this file changes bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fastnet.engine.layout import cut_by_work, round_up
from fastnet.functions import DECAY, L2, SGD
from fastnet.kernels.compile.target import lanes_of
from fastnet.kernels.step.records import DENSE, LISTS, SCATTER, SKIP, UPDATE
from fastnet.kernels.vector.nonzero import BITS, COMPRESS
from fastnet.kernels.vector.transpose import SIDE

if TYPE_CHECKING:
    from fastnet.engine.inputs import Inputs

# FLOPs of a step that are worth a further thread: what a thread reads that another wrote takes some microseconds (of
# 7.0 MFLOP, 784-30-10 at batch 48 with momentum, two threads make 1.23 times the speed; of 3.0, 784-64-10 at batch 10,
# 0.6 times).
WORK_PER_THREAD = 3e6
# Rows of a batch in flight: 256 rows of 784 float32 are 800 kB, half of it for each of two L2 caches.
CHUNK = 256
# Groups that the chunks of a batch of more than two chunks form, where a gradient takes at most so many bytes, and so
# does a chunk in the widest layer: each about what an L2 cache holds (two threads, batch 2048, beside chunks that both
# share: 784-64-10 is 1.21 times as fast, 784-256-256-10 1.09 times, 784-512-512-10 0.93 times; the full batch of
# 784-10-10 1.3 times).
GROUPS, GROUPED_BYTES = 8, 2**21
# Plain SGD on batches up to this many rows goes sample by sample where zeros are skipped (`scatter_rows`).
SCATTER_ROWS = 64
# With other rules the gradient skips no zeros up to so many rows, and so many rows times vectors of outputs: tiles
# waste less than walks down nearly empty columns. (With momentum, 784-30-10 is 1.35 times as fast at batch 16, 1.2 at
# 32, 784-64-10 1.04 at 24 and 0.97 at 32; with 256-bit vectors 784-30-10 1.08 at 16 and 0.94 at 32, 784-64-10 1.17 at
# 10 and 0.90 at 24.)
TILED_ROWS, TILED_VECTORS = 28 if COMPRESS else 16, 200
# Above this many elements, a row's page lookup (TLB miss) costs more than reading the row. Then the first layer is not
# split in halves, because both threads would look up every row (six million rows of 784 pixels: 44 ms for 60 000 of
# them whole, 49 in halves).
FAR = 2**31


DENSITY_ROWS, DENSITIES_ROWS = 128, 512  # looked at to measure the density of X, and that of each input
EMPTY = 0.1  # an input that is always zero still costs this share of one that never is


def busy_threads(sizes: Sequence[int], rows: int, work_per_thread: float = WORK_PER_THREAD) -> int:
    """As many threads as the work of a step of ``rows`` rows keeps busy, however many there are."""
    return int(max(1, 6.0 * rows * sum(a * b for a, b in pairwise(sizes)) // work_per_thread))


def skip_threshold(vectors: int) -> float:
    """Density of X below which zero skipping beats the dense tile, for a first layer ``vectors`` vectors wide.

    A constant rule: a timing could decide otherwise the next time, and the bits would change.
    """
    by_vectors = (0.2, 0.3, 0.35) if COMPRESS else (0.12, 0.25, 0.35)
    return by_vectors[min(vectors, 3) - 1]


def vectors_of(fan_out: int, itemsize: int) -> int:
    """Vectors that hold the outputs of one row."""
    return -(-fan_out // lanes_of(itemsize))


def way_through(inputs: "Inputs", fan_out: int, itemsize: int) -> int:
    """DENSE, SKIP or LISTS: how the first layer, ``fan_out`` wide, goes through these inputs."""
    if inputs.is_csr:
        return LISTS
    threshold = skip_threshold(vectors_of(fan_out, itemsize))
    return SKIP if inputs.width >= BITS and inputs.density <= threshold else DENSE


@dataclass(frozen=True)
class Strategy:
    """How steps are taken.

    input : DENSE, SKIP or LISTS. chunk_rows : rows that go through the network together, a multiple of SIDE.
    halves : the first layer's sums are taken in two halves (fastnet.kernels.step.first_layer).
    scatters : plain SGD is applied to the first layer sample by sample. tiled : the first layer's gradient is summed
    by tiles, over all inputs, though forward skips zeros. groups : into how many, at most, the chunks of a batch are
    put together (fastnet.kernels.step.groups), which is also how many threads find work then; 0 is none.
    """

    input: int
    chunk_rows: int
    halves: bool = False
    scatters: bool = False
    tiled: bool = False
    groups: int = 0

    @property
    def grain(self) -> int:
        """A thread's rows start at a multiple of this."""
        return SIDE if self.input == SKIP else 2

    def action(self, rule: int, limited: bool, coefficients: np.ndarray) -> int:
        """SCATTER or UPDATE for steps with these coefficients; ``limited``: the gradient has a largest norm."""
        plain = rule == SGD and not limited and not coefficients[:, [L2, DECAY]].any()
        return SCATTER if plain and self.scatters else UPDATE


def training_strategy(sizes: Sequence[int], itemsize: int, inputs: "Inputs", batch_size: int) -> Strategy:
    """For steps on batches of ``batch_size`` rows."""
    way = way_through(inputs, sizes[1], itemsize)
    # Halves pay where a batch is one chunk: W changes after each chunk, and would travel between the caches.
    halves = (
        way != LISTS
        and inputs.width >= 2 * BITS
        and batch_size <= CHUNK
        and busy_threads(sizes, batch_size) > 1
        and inputs.rows * inputs.width <= FAR
    )
    scatters = way == SKIP and batch_size <= SCATTER_ROWS
    vectors = batch_size * vectors_of(sizes[1], itemsize)
    tiled = way == SKIP and batch_size <= TILED_ROWS and vectors <= TILED_VECTORS
    gradient, chunk = sum(a * b for a, b in pairwise(sizes)), CHUNK * max(sizes)  # numbers; a thread has a chunk each
    grouped = way != LISTS and batch_size > 2 * CHUNK and max(gradient, chunk) * itemsize <= GROUPED_BYTES
    chunk_rows = round_up(min(batch_size, CHUNK), SIDE)
    return Strategy(way, chunk_rows, halves, scatters, tiled, GROUPS if grouped else 0)


def first_half(work: np.ndarray, fan_in: int, height: int) -> int:
    """How many units of the first layer, in order, have about half of its ``work``: the inputs of the first half.

    height : inputs of a unit. In large layers neither half has fewer than BITS inputs, the most that kernels look at
    together.
    """
    middle = int(cut_by_work(work, 2)[1])
    least, most = -(-BITS // height), (fan_in - BITS) // height
    return min(max(middle, least), most) if least <= most else middle
