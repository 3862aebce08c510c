"""The guide of sgd and adam: what scikit-learn's estimators do at the ends of an epoch, and when they stop."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnet.driver.batches import Batches
from fastnet.driver.loop import Guide, Loop
from fastnet.errors import diverged
from fastnet.functions import L2
from fastnet.sklearn import _checks as checks
from fastnet.sklearn._callbacks import EpochEnds
from fastnet.sklearn._compute import Data, Net
from fastnet.sklearn._losses import Reported
from fastnet.sklearn._optimizer import OPTIMIZERS
from fastnet.sklearn._validation import Validation, split

DIVERGED = 1e3  # times the loss of the first batch


def fit_stochastic(
    model: Any, net: Net, data: Data, validation_data: Data | None, ends: EpochEnds, incremental: bool
) -> None:
    """Train ``net.params`` in place, epoch by epoch, and keep the record in the attributes of ``model``."""
    if model.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    if not incremental or not hasattr(model, "_optimizer"):
        model._optimizer = OPTIMIZERS[model.solver](model)
    rows = np.arange(data.X.shape[0])
    if model.early_stopping and validation_data is None:
        rows, held_out = split(model, len(rows), model._strata(data.targets))
        validation_data = data.take(held_out)
        if data.weight is not None:
            checks.refuse_weightless("the weight of the validation rows", validation_data.weight)
            checks.refuse_weightless("the weight of the training rows", data.weight[rows])
    validation = None if validation_data is None else Validation(model, net, validation_data)
    model._start_records(validation is not None)
    fit = Fit(model, net, data, rows, validation, ends)
    try:
        stopped = fit.loop.run(1 if incremental else model.max_iter)
        if model.n_iter_ == model.max_iter and not (stopped or incremental):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )
        _warn_of_divergence(model, fit.first_loss)
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    finally:
        fit.stepper.store()
    if fit.best_params is not None:
        net.params[:] = fit.best_params


class Fit(Guide):
    """One call of fit or partial_fit."""

    def __init__(
        self, model: Any, net: Net, data: Data, rows: np.ndarray, validation: Validation | None, ends: EpochEnds
    ):
        self.model, self.net, self.order, self.validation, self.ends = model, net, rows, validation, ends
        self.optimizer, self.first_loss = model._optimizer, 0.0
        model.n_iter_ = 0
        # With early stopping, what this call ends with. A warm start that never beats the best score of earlier calls
        # keeps its last weights, as in scikit-learn.
        self.best_params = net.params.copy() if model.early_stopping and not model.loss_curve_ else None
        self.batches = Batches(len(rows), _batch_size(model.batch_size, len(rows)), data.weight)
        self.reported, self.stepper = Reported(net, data), self._stepper(data)
        self.loop, self._in_order = Loop(self.stepper, self.batches, self), np.arange(len(rows))

    def _stepper(self, data: Data) -> Any:
        model = self.model
        seed = int(model._random_state.randint(2**31 - 1)) if model.dropout else 0
        stepper = self.net.stepper(
            data,
            rule=self.optimizer.rule,
            batch_size=self.batches.size,
            threads=model.n_threads,
            max_norm=model.gradient_clip,
            dropout=model.dropout,
            seed=seed,
        )
        if self.optimizer.moments is not None:
            for moment, kept in zip(stepper.moments, self.optimizer.moments, strict=True):
                moment[:] = kept
            stepper.load()
        self.optimizer.moments = stepper.moments
        return stepper

    def begin_epoch(self) -> np.ndarray:
        self.ends.begin()
        if self.model.shuffle:
            permutation = self._in_order.copy()
            self.model._random_state.shuffle(permutation)
            self.order = self.order[permutation]
        self.stepper.rows_seen = self.model.t_
        return self.order

    def coefficients(self) -> np.ndarray:
        table = self.batches.coefficients()
        table[:, L2] = self.model.alpha / self.batches.sums
        self.optimizer.fill(table)
        return table

    def advance(self, steps: int) -> None:
        self.optimizer.advance(steps)

    def end_epoch(self, losses: np.ndarray, seconds: float) -> bool:
        reported = self.reported.of(losses, self.batches)
        if self.validation is not None or self.ends.needs_weights:
            self.stepper.store()
        measured = None if self.validation is None else self.validation.measure()
        with self.loop.shield:
            self._record(reported, measured)
        return self._stops()

    def _record(self, losses: np.ndarray, measured: tuple[Any, float] | None) -> None:
        """All that an epoch adds; ``measured`` is (score, loss) on the validation rows."""
        model = self.model
        model.n_iter_ += 1
        model.t_ += len(self.order)
        model.loss_ = self.batches.mean(losses)
        self.first_loss = float(losses[0]) if model.n_iter_ == 1 else self.first_loss
        model.loss_curve_.append(model.loss_)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        if measured is not None:
            model.validation_loss_curve_.append(measured[1])
        if measured is not None and model.early_stopping:
            self._record_score(measured[0])
        else:
            self._record_loss()

    def _record_score(self, score: float) -> None:
        model = self.model
        model.validation_scores_.append(score)
        if model.verbose:
            print(f"Validation score: {score:f}")
        model._no_improvement_count = (
            model._no_improvement_count + 1 if score < model.best_validation_score_ + model.tol else 0
        )
        if score > model.best_validation_score_:
            model.best_validation_score_ = score
            self.best_params = self.net.params.copy()

    def _record_loss(self) -> None:
        model = self.model
        model._no_improvement_count = (
            model._no_improvement_count + 1 if model.loss_ > model.best_loss_ - model.tol else 0
        )
        if model.loss_ < model.best_loss_:
            model.best_loss_ = model.loss_

    def _stops(self) -> bool:
        """End the epoch for everybody; returns whether it was the last."""
        model = self.model
        self.optimizer.epoch_ends(model.t_)
        asked = self.ends.end()
        if self.ends.needs_weights:
            self.stepper.load()
        if not np.isfinite(model.loss_) and self._beyond_repair():
            return True
        if model._no_improvement_count > model.n_iter_no_change:
            what = "Validation score" if model.early_stopping else "Training loss"
            message = f"{what} did not improve more than tol={model.tol:f} in {model.n_iter_no_change} epochs."
            if self.optimizer.stagnates(message, model.verbose):
                return True
            model._no_improvement_count = 0
        return asked

    def _beyond_repair(self) -> bool:
        self.stepper.store()
        return not np.isfinite(self.net.params).all()


def _batch_size(wanted: int | str, n: int) -> int:
    if isinstance(wanted, str):  # "auto"
        return min(200, n)
    if wanted > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
        )
    return min(int(wanted), n)


def _warn_of_divergence(model: Any, first_loss: float) -> None:
    loss = model.loss_
    if np.isfinite(loss) and not loss > DIVERGED * first_loss:
        return
    warnings.warn(
        diverged(first_loss, loss, model.n_iter_, "a smaller learning_rate_init or a gradient_clip"),
        ConvergenceWarning,
        stacklevel=2,
    )
