"""The regressor: one or several numbers per row."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
import sklearn.neural_network
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions

from fastnet.metrics import r_squared
from fastnet.network import Network
from fastnet.sklearn import _checks as checks
from fastnet.sklearn._base import (
    Activation,
    BaseMLP,
    Callbacks,
    HiddenSizes,
    LearningRate,
    RandomState,
    Solver,
    ValidationData,
)
from fastnet.sklearn._compute import Data
from fastnet.sklearn._interchange import from_network


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron for numbers, trained on half the squared error or half the Poisson deviance.

    Parameters, attributes, defaults and, for float64 data and an integer ``random_state``, the loss curve are those of
    ``sklearn.neural_network.MLPRegressor``. With several outputs the reported squared error is their mean, while the
    gradient is that of their sum, as in scikit-learn.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        ``'poisson'`` has an exponential output and needs y >= 0.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun, validation_data, dropout, gradient_clip, weight_decay, n_threads, \
callbacks, max_time
        As in ``MLPClassifier``; the validation score is R squared.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, \
validation_loss_curve_, n_iter_, t_, n_features_in_, n_layers_, n_outputs_, out_activation_, feature_names_in_
        As in ``MLPClassifier``.
    """

    _sklearn_class = sklearn.neural_network.MLPRegressor
    _numeric_target = True
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss: Literal["squared_error", "poisson"] = "squared_error",
        hidden_layer_sizes: HiddenSizes = (100,),
        activation: Activation = "relu",
        *,
        solver: Solver = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        validation_data: ValidationData = None,
        dropout: float = 0.0,
        gradient_clip: float | None = None,
        weight_decay: float = 0.0,
        n_threads: int | None = None,
        callbacks: Callbacks = None,
        max_time: float | None = None,
    ) -> None:
        self._keep(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go on training for one epoch over these rows; with lbfgs, as in scikit-learn, until it converges.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        self : object
        """
        return self._fit(X, y, sample_weight, incremental=True)

    @classmethod
    def from_network(cls, network: Network, **parameters: Any) -> Self:
        """A fitted regressor with the weights of a ``fastnet.Network`` with identity or exp outputs.

        ``parameters`` are further parameters of the estimator. It takes the network's X: until it is fitted anew,
        integers count in units of the network's ``input_scale``.
        """
        losses = {"identity": "squared_error", "exp": "poisson"}
        if network.output not in losses:
            raise ValueError(f"a regressor needs identity or exp outputs, the network's are {network.output}")
        return from_network(cls, network, {"loss": losses[network.output], **parameters})

    def predict(self, X: Any) -> np.ndarray:
        """The predicted numbers, (n,) or with several outputs (n, n_outputs)."""
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _refuse_target(self, y: Any) -> None:
        checks.refuse_text_target(y)

    def _learn_targets(self, y: np.ndarray, incremental: bool) -> None:
        """Check y; numbers are targets as they are."""
        checks.refuse_text_target(y)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(f"y must not be negative with loss='poisson', got {y.min():g}")

    def _encode(self, y: Any) -> np.ndarray:
        y = checks.dense(y)
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _count_outputs(self, targets: np.ndarray) -> int:
        return targets.shape[1]

    def _choose_output(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _strata(self, targets: np.ndarray) -> None:
        return None

    def _score_outputs(self, outputs: np.ndarray, data: Data) -> float:
        """R squared, the mean over the outputs; for a constant output 1 where it is met, else 0."""
        T = data.targets
        weight = np.ones((len(T), 1)) if data.weight is None else data.weight[:, None]
        error = (weight * np.square(T - outputs)).sum(axis=0, dtype=np.float64)
        spread = (weight * np.square(T - np.average(T, axis=0, weights=data.weight))).sum(axis=0, dtype=np.float64)
        return r_squared(error, spread)
