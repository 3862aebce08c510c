"""A regression's values beside the true ones."""

from typing import Any

import numpy as np

from fastnet.pictures.style import BLUE, GREY, Picture, panels, styled

POINTS = 4000  # more hide each other
OUTPUTS = 6


@styled
def predicted_against_true(y: Any, predicted: Any) -> Picture:
    """A dot per row, predicted over true value; on the line the two are equal.

    y, predicted : (n,), or (n, k), of which the first 6 columns have a panel each. Of many rows some are shown.
    """
    y, predicted = _columns(y, predicted)
    figure, axes = panels(y.shape[1], 3, width=3.6, height=3.4)
    for i, axis in enumerate(axes):
        both = np.concatenate([y[:, i], predicted[:, i]])
        axis.plot([both.min(), both.max()], [both.min(), both.max()], color=GREY, ls="--", lw=1)
        _dots(axis, y[:, i], predicted[:, i])
        axis.set(xlabel="true value", ylabel="predicted value", title=_title("Predicted and true", i, len(axes)))
    return figure


@styled
def residuals(y: Any, predicted: Any) -> Picture:
    """A dot per row, the residual (true minus predicted value) over the predicted value. Arguments as above."""
    y, predicted = _columns(y, predicted)
    figure, axes = panels(y.shape[1], 3, width=3.6, height=3.4)
    for i, axis in enumerate(axes):
        axis.axhline(0, color=GREY, ls="--", lw=1)
        _dots(axis, predicted[:, i], y[:, i] - predicted[:, i])
        axis.set(xlabel="predicted value", ylabel="true - predicted", title=_title("Residuals", i, len(axes)))
    return figure


def _columns(y: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 (rows, columns), no more of either than a picture shows."""
    truth, values = np.asarray(y, np.float64), np.asarray(predicted, np.float64)
    if truth.shape != values.shape or truth.ndim not in (1, 2):
        raise ValueError(f"y and predicted must have one shape (n,) or (n, k), got {truth.shape} and {values.shape}")
    some = slice(None, None, -(-len(truth) // POINTS))
    return truth.reshape(len(truth), -1)[some, :OUTPUTS], values.reshape(len(truth), -1)[some, :OUTPUTS]


def _title(words: str, output: int, outputs: int) -> str:
    return f"{words}, output {output}" if outputs > 1 else words


def _dots(axis: Any, x: np.ndarray, y: np.ndarray) -> None:
    # As one bitmap: thousands of dots make a large file and a slow page.
    axis.scatter(x, y, s=9, color=BLUE, alpha=0.5, linewidths=0, rasterized=True)
