"""The lbfgs solver: SciPy's minimizer over the full-batch loss and gradient of a stepper."""

import warnings
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fastnet.functions import MSE, POISSON, SGD
from fastnet.sklearn._callbacks import EpochEnds
from fastnet.sklearn._compute import Data, Net
from fastnet.sklearn._losses import deviance_constants
from fastnet.sklearn._validation import Validation


def fit_lbfgs(model: Any, net: Net, data: Data, validation_data: Data | None, ends: EpochEnds) -> None:
    """Minimise over ``net.params``, which must be float64, in place; keep the record in the attributes of ``model``."""
    objective = Objective(net, data, model.alpha, model.n_threads)
    iterations = _Iterations(model, net, objective, validation_data, ends)
    options = {"maxfun": model.max_fun, "maxiter": model.max_iter, "gtol": model.tol}
    ends.begin()
    try:
        # The BLAS threads of SciPy's steps would spin on the cores that the gradient needs.
        with threadpool_limits(1, "blas"):
            result = scipy.optimize.minimize(
                objective, net.params.copy(), method="L-BFGS-B", jac=True, options=options, callback=iterations.end
            )
    except _Stopped:
        return
    except KeyboardInterrupt:
        net.params[:] = iterations.params  # the objective leaves points that a search along a line only tried
        warnings.warn("Training interrupted by user.", stacklevel=2)
        return
    net.params[:] = result.x
    model.loss_ = float(result.fun)
    model.n_iter_ = min(result.nit, model.max_iter)
    if result.status != 0:
        more = f" Increase max_iter (now {model.max_iter})." if model.n_iter_ == model.max_iter else ""
        warnings.warn(
            f"lbfgs failed to converge after {model.n_iter_} iteration(s): {result.message}.{more} "
            "It converges sooner on standardised data (sklearn.preprocessing.StandardScaler).",
            ConvergenceWarning,
            stacklevel=2,
        )


class Objective:
    """The loss over all rows of ``data``, and its gradient, as functions of the flat parameters."""

    def __init__(self, net: Net, data: Data, alpha: float, threads: int | None):
        n = data.X.shape[0]
        self._net, self._rows, self.loss = net, np.arange(n), np.inf
        self._stepper = net.stepper(data, rule=SGD, batch_size=n, threads=threads)
        self._scale = 1.0 / (n if data.weight is None else float(data.weight.sum(dtype=np.float64)))
        self._l2 = alpha * self._scale
        self._divisor = net.sizes[-1] if net.loss == MSE else 1  # see Reported
        self._constant = 0.0
        if net.loss == POISSON:
            self._constant = self._scale * float(deviance_constants(data.targets, data.weight).sum())

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        self._net.params[:] = params
        self._stepper.load()
        loss, penalty, gradient = self._stepper.gradient(self._rows, self._scale, self._l2)
        self.loss = loss / self._divisor + self._constant + penalty
        return self.loss, gradient


class _Iterations:
    """Keeps the record after every iteration of the minimizer."""

    def __init__(self, model: Any, net: Net, objective: Objective, validation_data: Data | None, ends: EpochEnds):
        self._model, self._net, self._objective, self._ends = model, net, objective, ends
        self.params = net.params.copy()
        self._validation = None if validation_data is None else Validation(model, net, validation_data)
        model.validation_loss_curve_ = None if validation_data is None else []
        model.n_iter_ = 0

    def end(self, params: np.ndarray) -> None:
        """Called with the point that an iteration arrived at, which is where the objective was evaluated last."""
        model = self._model
        self._net.params[:] = params
        self.params = params.copy()
        model.n_iter_ += 1
        model.loss_ = self._objective.loss
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        if self._validation is not None:
            model.validation_loss_curve_.append(self._validation.measure()[1])
        if self._ends.end():
            raise _Stopped
        if model.n_iter_ < model.max_iter:
            self._ends.begin()


class _Stopped(Exception):
    """The way out of SciPy's loop that works in every version of SciPy."""
