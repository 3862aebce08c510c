"""Whether a run that ended with finite weights has diverged all the same."""

import numpy as np

from fastnet import functions as f
from fastnet.errors import diverged
from fastnet.metrics import as_rows

ROWS = 128  # batches are taken together until they hold so many: a single row may have a large loss by chance
GROWTH = 5.0  # times the larger of the first batch's loss and the most that one row costs a constant prediction
LEARNED = 0.95  # of the best constant prediction's loss, or less: the network learned something


class Watch:
    """Looks at the losses (without penalty) of a run and judges it in the end.

    It has diverged if the loss once grew far beyond that of the first batch, and in the end was no better than that of
    the best constant prediction. Neither labels of noise nor rare classes look like that, which end near the constant
    without such growth; rates that are too high do, also where the outputs end constant.
    """

    def __init__(self, sizes: np.ndarray):
        """sizes : (steps,) rows of the batches of an epoch."""
        together = -(-ROWS // int(sizes[0]))
        starts = np.arange(0, len(sizes), together)
        self.starts = starts[:-1] if len(starts) > 1 and len(sizes) - starts[-1] < together else starts
        self.sizes, self.rows = sizes, np.add.reduceat(sizes, self.starts)
        self.first, self.last = np.nan, np.nan
        self.highest, self.highest_epoch = -np.inf, 0

    def epoch(self, number: int, losses: np.ndarray) -> None:
        """Note the losses (steps,) of the batches of an epoch."""
        if np.isnan(self.first):
            self.first = float(losses[0])
        means = np.add.reduceat(losses * self.sizes, self.starts) / self.rows
        if means.max() > self.highest:
            self.highest, self.highest_epoch = float(means.max()), number
        self.last = float(losses @ self.sizes) / float(self.sizes.sum())

    def warning(self, y: np.ndarray, loss: int, k: int) -> str | None:
        """What to say of the run, on targets y for k outputs, in case that it has diverged."""
        if loss != f.POISSON and not self.highest > GROWTH * self.first:
            return None  # so good runs do not look at y
        weights, T = _distinct_rows(y, k)
        least = _least_losses(T, loss)
        constant = _row_losses(T, weights @ T, loss) - least
        first, highest, last = (value - float(weights @ least) for value in (self.first, self.highest, self.last))
        if last <= LEARNED * float(weights @ constant) or highest <= GROWTH * max(first, float(constant.max())):
            return None
        return diverged(first, highest, self.highest_epoch, "a smaller lr")


def _distinct_rows(y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(weights, rows): what labels or rows y hold, and the share of each; of labels every class comes but once."""
    if y.ndim == 2:
        return np.full(len(y), 1 / len(y)), as_rows(y, k)
    classes, counts = np.unique(y, return_counts=True)
    return counts / len(y), as_rows(classes, k)


def _least_losses(T: np.ndarray, loss: int) -> np.ndarray:
    """The smallest loss (n,) that each row can have: zero, but not for the Poisson loss, which may be negative."""
    if loss != f.POISSON:
        return np.zeros(len(T))
    return (T - T * np.log(np.maximum(T, 1e-300))).sum(axis=1)


def _row_losses(T: np.ndarray, a: np.ndarray, loss: int) -> np.ndarray:
    """Losses (n,) of outputs that are a (k,) in every row, for targets T (n, k)."""
    log_a, log_rest = (np.log(np.maximum(p, 1e-300)) for p in (a, 1 - a))
    if loss == f.CROSS_ENTROPY:
        return -(T @ log_a)
    if loss == f.BINARY_CROSS_ENTROPY:
        return -(T @ log_a + (1 - T) @ log_rest)
    if loss == f.POISSON:
        return a.sum() - T @ log_a
    return 0.5 * np.square(T - a).sum(axis=1)
