"""Rows held out: their score and their loss after every epoch."""

from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.model_selection import train_test_split

from fastnet.functions import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, MSE
from fastnet.sklearn._compute import Data, Net


class Validation:
    """Measures ``net``, the network that ``model`` trains, on the rows of ``data``."""

    def __init__(self, model: Any, net: Net, data: Data):
        self._score, self._net, self._data = model._score_outputs, net, data
        self._evaluator = net.evaluator(data.X, model.n_threads)

    def measure(self) -> tuple[float, float]:
        """Score and loss at the present parameters, both nan where the outputs are not finite."""
        outputs = self._evaluator.outputs(self._net.params)
        if not np.isfinite(outputs).all():
            return float("nan"), float("nan")
        return self._score(outputs, self._data), mean_loss(self._net.loss, outputs, self._data)


def split(model: Any, n: int, stratify: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows to train and to validate on, drawn as scikit-learn draws them."""
    train, validation = train_test_split(
        np.arange(n), random_state=model._random_state, test_size=model.validation_fraction, stratify=stratify
    )
    if len(validation) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset "
            f"(validation_fraction={model.validation_fraction} of {n} rows is {len(validation)})."
        )
    return train, validation


def mean_loss(loss: int, outputs: np.ndarray, data: Data) -> float:
    """The (weighted) mean loss of the outputs (n, k), without a penalty; probabilities stay eps away from 0 and 1."""
    T = data.targets
    if loss in (CROSS_ENTROPY, BINARY_CROSS_ENTROPY):
        eps = np.finfo(outputs.dtype).eps
        outputs = np.clip(outputs, eps, 1 - eps)
    if loss == CROSS_ENTROPY:
        rows = -np.log(outputs[np.arange(len(outputs)), T])
    elif loss == BINARY_CROSS_ENTROPY:
        rows = -(xlogy(T, outputs) + xlogy(1 - T, 1 - outputs)).sum(axis=1)
    elif loss == MSE:
        rows = 0.5 * np.square(outputs - T).mean(axis=1)
    else:
        rows = (xlogy(T, T / outputs) - T + outputs).sum(axis=1)
    return float(np.average(rows, weights=data.weight))
