"""How an epoch falls into batches, and the coefficients that every step has whatever its rule."""

import numpy as np

from fastnet.functions import N_COEFFICIENTS, SCALE


class Batches:
    """Batches of ``size`` rows out of n, the last of which may be short.

    weight : (n,) floats by which rows count, or None. Batches whose weights are all zero are left out.
    Attributes of the epoch planned last: order; counts, rows (batches,) of each batch; sums, their weights.
    """

    def __init__(self, n: int, size: int, weight: np.ndarray | None = None):
        self.n, self.size = n, min(size, n)
        self._starts = np.arange(0, n, self.size)
        self._all_counts = np.diff(self._starts, append=n)
        self._weight = None if weight is None else weight.astype(np.float64)
        self.counts, self.sums = self._all_counts, self._all_counts

    @property
    def steps(self) -> int:
        """The most steps that an epoch has."""
        return len(self._starts)

    def plan(self, order: np.ndarray) -> np.ndarray:
        """Prepare an epoch over the rows in this order; returns it without the batches that weigh nothing."""
        if self._weight is not None:
            sums = np.add.reduceat(self._weight[order], self._starts)
            weighty = sums > 0
            if not weighty.all():
                order = order[np.repeat(weighty, self._all_counts)]
            self.counts, self.sums = self._all_counts[weighty], sums[weighty]
        self.order = order
        return order

    def coefficients(self) -> np.ndarray:
        """float64 (batches, N_COEFFICIENTS), zero but for SCALE: the loss of a batch is the mean by weight."""
        table = np.zeros((len(self.counts), N_COEFFICIENTS))
        table[:, SCALE] = 1.0 / self.sums
        return table

    def mean(self, losses: np.ndarray) -> float:
        """The mean of (steps,) losses over the first batches of the epoch, by their rows."""
        counts = self.counts[: len(losses)]
        return float(losses @ counts / counts.sum())
