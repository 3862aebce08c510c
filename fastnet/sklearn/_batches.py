"""The batches of an epoch: the factor of each, and what its loss is to scikit-learn."""

import numpy as np
from scipy.special import xlogy

from fastnet.functions import L2, MSE, N_COEFFICIENTS, POISSON, SCALE
from fastnet.sklearn._compute import Data, Net


class Batches:
    """How an epoch over ``n`` rows falls into batches of ``size``, the last of which may be short.

    table : float64 (batches, 7), one row of the stepper's coefficients per batch, of which SCALE and L2 are kept here.
    counts : (batches,) rows of each batch.
    """

    def __init__(self, data: Data, n: int, size: int, net: Net, alpha: float):
        self.size, self._alpha = size, alpha
        self._starts = np.arange(0, n, size)
        self._all_counts = np.diff(self._starts, append=n)
        self._all_rows = np.zeros((len(self._starts), N_COEFFICIENTS))
        self._weight = None if data.weight is None else data.weight.astype(np.float64)
        self._constants = deviance_constants(data.targets, self._weight) if net.loss == POISSON else None
        # scikit-learn reports the mean of the squared errors over the outputs, yet descends their sum.
        self._divisor = net.sizes[-1] if net.loss == MSE else 1
        self._offsets: np.ndarray | float = 0.0
        self._use(self._all_counts, self._all_counts)

    def plan(self, order: np.ndarray) -> np.ndarray:
        """Prepare an epoch over the rows in this order; returns it without the batches whose weights are all zero."""
        if self._weight is not None:
            sums = np.add.reduceat(self._weight[order], self._starts)
            weighty = sums > 0
            if not weighty.all():
                order = order[np.repeat(weighty, self._all_counts)]
            self._use(self._all_counts[weighty], sums[weighty])
        if self._constants is not None:
            starts = np.cumsum(self.counts) - self.counts
            self._offsets = np.add.reduceat(self._constants[order], starts) * self.table[:, SCALE]
        return order

    def epoch_loss(self, losses: np.ndarray) -> float:
        """The mean over the batches, by their rows, of loss plus penalty; ``losses`` (batches, 2) is the stepper's."""
        return float(self.batch_losses(losses) @ self.counts / self.counts.sum())

    def batch_losses(self, losses: np.ndarray) -> np.ndarray:
        """Loss plus penalty (batches,) of each batch, as scikit-learn would have it."""
        return losses[:, 0] / self._divisor + self._offsets + losses[:, 1]

    def _use(self, counts: np.ndarray, sums: np.ndarray) -> None:
        self.counts, self.table = counts, self._all_rows[: len(counts)]
        self.table[:, SCALE] = 1.0 / sums
        self.table[:, L2] = self._alpha / sums


def deviance_constants(T: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The (weighted) terms t log t - t of each row (n,) that make the engine's Poisson loss half the deviance."""
    T = T.astype(np.float64)
    constants = (xlogy(T, T) - T).sum(axis=1)
    return constants if weight is None else constants * weight
