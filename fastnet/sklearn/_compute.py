"""The compute that the estimators drive: the compiled stepper and predictor, and the names of their codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fastnet import engine
from fastnet.functions import (
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    EXP,
    IDENTITY,
    MSE,
    POISSON,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
)

# scikit-learn's names of the activations, and the loss that goes with each output layer.
ACTIVATIONS = {
    "identity": IDENTITY,
    "logistic": SIGMOID,
    "tanh": TANH,
    "relu": RELU,
    "softmax": SOFTMAX,
    "exp": EXP,
}
LOSSES = {"softmax": CROSS_ENTROPY, "logistic": BINARY_CROSS_ENTROPY, "identity": MSE, "exp": POISSON}


@dataclass
class Data:
    """Rows to learn from or to validate on.

    X : (n, d) floats, or CSR; targets : int64 (n,) labels, or (n, k) floats; weight : (n,) floats, or None.
    """

    X: Any
    targets: np.ndarray
    weight: np.ndarray | None

    def take(self, rows: np.ndarray) -> "Data":
        """A copy of some rows."""
        weight = None if self.weight is None else self.weight[rows]
        return Data(self.X[rows], self.targets[rows], weight)

    def astype(self, dtype: Any) -> "Data":
        """X, weight and targets that are not labels in this dtype."""
        targets = self.targets if self.targets.ndim == 1 else self.targets.astype(dtype, copy=False)
        weight = None if self.weight is None else self.weight.astype(dtype, copy=False)
        return Data(as_dtype(self.X, dtype), targets, weight)


@dataclass
class Net:
    """A network as the engine wants it: sizes, codes of the activations, flat parameters, and the code of its loss."""

    sizes: list[int]
    activations: list[int]
    params: np.ndarray
    loss: int

    def stepper(
        self, data: Data, *, rule: int, batch_size: int, threads: int | None, **settings: Any
    ) -> engine.Stepper:
        """A stepper over the rows of ``data``; ``settings`` are further ones of the engine."""
        return engine.Stepper(
            self.sizes,
            self.activations,
            self.params,
            data.X,
            data.targets,
            loss=self.loss,
            rule=rule,
            batch_size=batch_size,
            threads=threads,
            weight=data.weight,
            clip_loss=True,
            **settings,
        )

    def evaluator(self, X: Any, threads: int | None) -> engine.Evaluator:
        """What computes the outputs for X (n, d), again and again as the parameters change."""
        return engine.Evaluator(self.sizes, self.activations, self.params.dtype, X, threads=threads)


def as_dtype(X: Any, dtype: Any) -> Any:
    """X in this dtype, C-ordered or CSR; X itself where it is so already."""
    return X.astype(dtype, copy=False) if issparse(X) else np.ascontiguousarray(X, dtype)


def threads_for(n_threads: int | None) -> int:
    """Threads that a pass over all of X may use: those asked for, or all that may be chosen."""
    return n_threads or engine.most_threads()


def layer_codes(activation: str, out_activation: str, sizes: Sequence[int]) -> list[int]:
    """The code of the activation of every layer after the input."""
    return [ACTIVATIONS[activation]] * (len(sizes) - 2) + [ACTIVATIONS[out_activation]]
