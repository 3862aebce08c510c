"""Whether a run that ended with finite weights has diverged all the same, or went nowhere."""

import numpy as np

from fastnet import functions as f
from fastnet.errors import diverged, no_better_than
from fastnet.metrics import as_rows

ROWS = 128  # batches are taken together until they hold so many: a single row may have a large loss by chance
GROWTH = 5.0  # times the larger of the first batch's loss and the most that one row costs a constant prediction
LEARNED = 0.95  # of the best constant prediction's loss, or less: the network learned something
NOWHERE = 1.25  # times that loss, or more: training went nowhere; noise came to 1.15 at rates that learn real data
FEW_STEPS = 20  # say nothing yet of what a run learns
MOST_TARGETS = 2**20  # rows of y that are looked at


class Watch:
    """Looks at the losses (without penalty) of a run and judges it in the end.

    It has diverged if the loss once grew far beyond that of the first batch, and in the end was no better than that of
    the best constant prediction. Labels of noise and rare classes do not look like that: they end near the constant
    without such growth. Rates that are too high do, also where the outputs end constant.

    It went nowhere if the loss of the last epoch is well above that constant's.
    """

    def __init__(self):
        self.first, self.last = np.nan, np.nan
        self.highest, self.highest_epoch, self.steps = -np.inf, 0, 0

    def epoch(self, number: int, losses: np.ndarray, counts: np.ndarray) -> None:
        """Note the losses (steps,) of the batches of an epoch, which have so many rows."""
        if np.isnan(self.first):
            self.first = float(losses[0])
        self.steps += len(losses)
        together = -(-ROWS // int(counts[0]))
        starts = np.arange(0, len(counts), together)
        if len(starts) > 1 and len(counts) - starts[-1] < together:
            starts = starts[:-1]
        means = np.add.reduceat(losses * counts, starts) / np.add.reduceat(counts, starts)
        if means.max() > self.highest:
            self.highest, self.highest_epoch = float(means.max()), number
        self.last = float(losses @ counts) / float(counts.sum())

    def verdict(
        self, y: np.ndarray, loss: int, k: int, weight: np.ndarray | None = None, smoothing: float = 0.0, *,
        standardised: bool = False,
    ) -> tuple[str, bool] | None:  # fmt: skip
        """(what to say of the run, whether it has diverged), on targets y for k outputs; None of a good run.

        weight (n,), smoothing : as the run was trained with them. standardised : whether the data are for certain.
        """
        some = slice(None, None, max(1, len(y) // MOST_TARGETS))
        weights, T = _distinct_rows(y[some], k, None if weight is None else weight[some])
        T = (1 - smoothing) * T + smoothing / (k if loss == f.CROSS_ENTROPY else 2)
        least = _least_losses(T, loss)
        rows = _row_losses(T, weights @ T, loss) - least
        constant, floor = float(weights @ rows), float(weights @ least)
        first, highest, last = self.first - floor, self.highest - floor, self.last - floor
        if last > LEARNED * constant and highest > GROWTH * max(first, float(rows.max())):
            return diverged(first, highest, self.highest_epoch, "a smaller lr", standardised=standardised), True
        if last > NOWHERE * constant and constant > 0 and self.steps >= FEW_STEPS:
            return no_better_than(constant, last, standardised=standardised), False
        return None


def _distinct_rows(y: np.ndarray, k: int, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(shares, rows): what labels or rows y hold, and the share of each; of labels every class comes but once."""
    if y.ndim == 2:
        shares = np.ones(len(y)) if weight is None else weight.astype(np.float64)
        return shares / shares.sum(), as_rows(y, k)
    counts = np.bincount(y, weight)
    classes = np.flatnonzero(counts)
    return counts[classes] / counts.sum(), as_rows(classes, k)


def _least_losses(T: np.ndarray, loss: int) -> np.ndarray:
    """The smallest loss (n,) that each row can have: that of the row itself as the prediction."""
    if loss == f.MSE:
        return np.zeros(len(T))
    entropy = -(T * np.log(np.maximum(T, 1e-300))).sum(axis=1)
    if loss == f.POISSON:
        return entropy + T.sum(axis=1)
    return entropy if loss == f.CROSS_ENTROPY else entropy + _least_losses(1 - T, f.CROSS_ENTROPY)


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
