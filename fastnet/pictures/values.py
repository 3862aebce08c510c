"""A regression's values beside the true ones."""

from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from fastnet.pictures.style import BLUE, GREY, Picture, histogram, panels, styled

DOTS = 4000  # more rows hide each other: they are counted in cells
MOST = 200_000  # rows: more do not change what is seen
OUTPUTS = 6
CELLS = 45  # in a row of them
FAINTEST = 0.05  # rows, the count that would be white: a cell of a single row is seen
BARS = 50
TAIL = 0.001  # the share of the residuals at either end that the bar there stands for


@styled
def predicted_against_true(y: Any, predicted: Any) -> Picture:
    """A dot per row, predicted over true value; on the line the two are equal.

    y, predicted : (n,), or (n, k), of which the first 6 columns have a panel each. ValueError where their shapes differ
    or no row is finite. More than 4000 rows are counted in cells, which are the darker the more rows they hold.
    """
    y, predicted = _columns(y, predicted)
    figure, axes = panels(y.shape[1], 3, width=3.4, height=3.3)
    for i, axis in enumerate(axes):
        both = np.concatenate([y[:, i], predicted[:, i]])
        _points(axis, y[:, i], predicted[:, i])
        axis.plot([both.min(), both.max()], [both.min(), both.max()], color=GREY, ls="--", lw=1)
        axis.set(xlabel="true value", ylabel="predicted value", title=_title("Predicted and true", i, len(axes)))
    return figure


@styled
def residuals(y: Any, predicted: Any) -> Picture:
    """A dot per row, the residual (true minus predicted value) over the predicted value. Arguments as above."""
    y, predicted = _columns(y, predicted)
    figure, axes = panels(y.shape[1], 3, width=3.4, height=3.3)
    for i, axis in enumerate(axes):
        _points(axis, predicted[:, i], y[:, i] - predicted[:, i])
        axis.axhline(0, color=GREY, ls="--", lw=1)
        axis.set(xlabel="predicted value", ylabel="true - predicted", title=_title("Residuals", i, len(axes)))
    return figure


@styled
def residual_histogram(y: Any, predicted: Any) -> Picture:
    """How many rows have which residual (true minus predicted value). Arguments as for `predicted_against_true`.

    Of 1000 rows or more, the bar at either end also counts the 0.1 % of the residuals that lie beyond it.
    """
    y, predicted = _columns(y, predicted)
    figure, axes = panels(y.shape[1], 3, width=3.4, height=3.3)
    for i, axis in enumerate(axes):
        rest = y[:, i] - predicted[:, i]
        low, high = np.quantile(rest, TAIL, method="lower"), np.quantile(rest, 1 - TAIL, method="higher")
        histogram(axis, np.clip(rest, low, high), min(BARS, 5 + len(rest) // 10))
        axis.axvline(0, color=GREY, ls="--", lw=1)
        axis.set(xlabel="true - predicted", ylabel="rows", title=_title("Residual histogram", i, len(axes)))
    return figure


def _columns(y: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 (rows, columns), the finite rows, no more of either than a picture shows."""
    truth, values = np.asarray(y), np.asarray(predicted)
    if truth.shape != values.shape or truth.ndim not in (1, 2):
        raise ValueError(f"y and predicted must have one shape (n,) or (n, k), got {truth.shape} and {values.shape}")
    some = slice(None, None, max(1, -(-len(truth) // MOST)))
    truth, values = ((a if a.ndim == 2 else a[:, None])[some, :OUTPUTS].astype(np.float64) for a in (truth, values))
    finite = np.isfinite(np.hstack([truth, values])).all(axis=1)
    if not finite.any():
        raise ValueError(f"y and predicted must have a row of finite numbers, got none in {len(truth)}")
    return truth[finite], values[finite]


def _title(words: str, output: int, outputs: int) -> str:
    return f"{words}, output {output}" if outputs > 1 else words


def _points(axis: Any, x: np.ndarray, y: np.ndarray) -> None:
    """The rows as dots; many of them as six-sided cells, by the logarithm of their counts."""
    # As one bitmap: thousands of dots make a large file and a slow page.
    if len(x) <= DOTS:
        axis.scatter(x, y, s=9, color=BLUE, alpha=0.5, linewidths=0, rasterized=True)
    else:
        shades = LogNorm(vmin=FAINTEST)
        axis.hexbin(x, y, gridsize=CELLS, mincnt=1, norm=shades, cmap="Blues", linewidths=0.1, rasterized=True)
