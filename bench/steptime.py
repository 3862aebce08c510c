"""What a step of training costs on n ranks: a model, fitted to one and two ranks, for numbers that no machine here has.

    T(n) = rows(n) * row + update + A(n, bytes)

rows(n) are those of the rank that has most of a batch, row and update the seconds of a rank's compute for a row and,
whatever its rows, for a step; A is the Allreduce of the gradient. Everybody waits for the last rank, and no part
overlaps with another. With local SGD, ``every`` steps share one Allreduce and one wait.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SHORT = 2048  # bytes up to which MPICH doubles recursively (MPIR_CVAR_ALLREDUCE_SHORT_MSG_SIZE)


class Compute(NamedTuple):
    """Seconds of a rank's compute: for each row, and for each step."""

    row: float
    update: float


class Link(NamedTuple):
    """Seconds of a message on a network between ranks: its start, and a byte of it; and of adding a byte to another.

    Over TCP a start takes a round trip: MPICH ends an exchange when the other side has told that it has the message.
    """

    start: float
    byte: float
    add: float


def largest_share(batch: int, ranks: int) -> float:
    """The rows that the rank with most of a batch has, on average, where rows fall on ranks by chance.

    The counts of ranks are multinomial: as unequal as n independent Poisson counts x with mean m = batch / n are,
    less their mean, since x[i] - mean(x) has the covariance of a multinomial, m * ([i = j] - 1/n). So this is the
    expected largest of these, the sum over k of P(largest > k): about m + sqrt(2 m ln n), or m + sqrt(batch / (2 pi))
    for two ranks. A set that is not much larger than a batch divides more evenly.
    """
    if ranks == 1:
        return float(batch)
    mean = batch / ranks
    k = np.arange(int(mean + 12 * math.sqrt(mean) + 30))
    logs = k * math.log(mean) - mean - np.array([math.lgamma(i + 1) for i in k])
    at_most = np.minimum(np.cumsum(np.exp(logs)), 1.0)
    return min(float(np.sum(1 - at_most**ranks)), float(batch))


def allreduce_work(ranks: int, size: int) -> tuple[float, float, float]:
    """(messages, bytes sent, bytes added) one after the other, by a rank, in an Allreduce of ``size`` bytes.

    Recursive doubling for short buffers, else reduce-scatter and allgather by halving and doubling (Rabenseifner):
    Thakur, Rabenseifner and Gropp (2005), Optimization of Collective Communication Operations in MPICH, section 4.5.
    A ring sends as much in 2 (n - 1) messages. Numbers of ranks between powers of two count as the next one.
    """
    if ranks == 1:
        return 0.0, 0.0, 0.0
    rounds, rest = math.ceil(math.log2(ranks)), (ranks - 1) / ranks
    if size <= SHORT:
        return rounds, rounds * size, rounds * size
    return 2 * rounds, 2 * rest * size, rest * size


def allreduce(ranks: int, size: int, link: Link) -> float:
    """Seconds of an Allreduce of ``size`` bytes."""
    return float(np.dot(allreduce_work(ranks, size), link))


def step(ranks: int, batch: int, compute: Compute, size: int, link: Link, every: int = 1, vectors: int = 1) -> float:
    """Seconds of a step of ``batch`` rows in all, with a gradient of ``size`` bytes.

    every, vectors : in local SGD, the steps from one average to the next, and the vectors that it takes, which are the
    weights and the moments; ranks wait for the sum of so many steps.
    """
    rows = largest_share(every * batch, ranks) / every
    return rows * compute.row + compute.update + vectors * allreduce(ranks, size, link) / every


def fit_compute(points: Sequence[tuple[int, float]], update: float = 0.0) -> Compute:
    """From (rows, seconds) of gradients, and the seconds of an update: least squares of the relative errors."""
    row, rest = _fit([(rows, 1.0) for rows, _ in points], [seconds for _, seconds in points])
    return Compute(row, rest + update)


def fit_link(points: Sequence[tuple[int, float]], add: float, ranks: int = 2) -> Link:
    """From (bytes, seconds) of Allreduces, and the seconds in which a byte is added."""
    works = [allreduce_work(ranks, size) for size, _ in points]
    # Short buffers lie in caches, where adding takes less than in the memory of a gradient.
    adding = [min(added * add, 0.5 * seconds) for (*_, added), (_, seconds) in zip(works, points, strict=True)]
    left = [seconds - part for (_, seconds), part in zip(points, adding, strict=True)]
    start, byte = _fit([(messages, sent) for messages, sent, _ in works], left)
    return Link(start, byte, add)


def _fit(factors: Sequence[tuple[float, float]], seconds: Sequence[float]) -> tuple[float, float]:
    """Two numbers, neither below zero, whose products with the factors are the seconds."""
    A = np.array(factors, float) / np.array(seconds)[:, None]
    both = np.linalg.lstsq(A, np.ones(len(A)))[0]
    if both.min() >= 0:
        return float(both[0]), float(both[1])
    # The constraint binds: one of them is zero, and the other alone fits best.
    alone = A.sum(axis=0) / (A**2).sum(axis=0)
    best = int(np.argmin([np.sum((A[:, i] * alone[i] - 1) ** 2) for i in (0, 1)]))
    return (float(alone[0]), 0.0) if best == 0 else (0.0, float(alone[1]))
