"""The losses of steps as scikit-learn reports them."""

import numpy as np
from scipy.special import xlogy

from fastnet.driver.batches import Batches
from fastnet.functions import MSE, POISSON
from fastnet.sklearn._compute import Data, Net


class Reported:
    """What scikit-learn reports of the losses of ``net`` on the rows of ``data``."""

    def __init__(self, net: Net, data: Data):
        # scikit-learn reports the mean of the squared errors over the outputs, yet descends their sum.
        self.divisor = net.sizes[-1] if net.loss == MSE else 1
        self.constants = deviance_constants(data.targets, data.weight) if net.loss == POISSON else None

    def of(self, losses: np.ndarray, batches: Batches) -> np.ndarray:
        """Loss plus penalty (steps,) of each batch; losses (steps, 2) are the stepper's."""
        offsets: np.ndarray | float = 0.0
        if self.constants is not None:
            starts = np.cumsum(batches.counts) - batches.counts
            offsets = np.add.reduceat(self.constants[batches.order], starts) * (1.0 / batches.sums)
        return losses[:, 0] / self.divisor + offsets + losses[:, 1]


def deviance_constants(T: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The (weighted) terms t log t - t of each row (n,) that make the engine's Poisson loss half the deviance."""
    T = T.astype(np.float64)
    constants = (xlogy(T, T) - T).sum(axis=1)
    return constants if weight is None else constants * weight.astype(np.float64)
