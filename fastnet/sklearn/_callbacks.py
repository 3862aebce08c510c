"""What is called after every epoch: the user's functions, scikit-learn's own callbacks, and the clock."""

import time
import warnings
from collections.abc import Callable
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from fastnet.callbacks import Log, TensorBoard

try:  # from scikit-learn 1.9 on, and experimental there
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's, which this version does not have."""

    def with_callbacks(method: Callable) -> Callable:
        """Return ``method``: this version of scikit-learn has no callbacks to manage."""
        return method


__all__ = ["CallbackSupportMixin", "EpochEnds", "with_callbacks"]


class EpochEnds:
    """Tells everybody concerned of every epoch (of every iteration with lbfgs).

    X, y, weight : the data of the fit, for scikit-learn's callbacks.
    """

    def __init__(self, model: Any, X: Any, y: Any, weight: Any, incremental: bool):
        self._model = model
        self._functions = [model.callbacks] if callable(model.callbacks) else list(model.callbacks or ())
        for function in self._functions:
            if not callable(function):
                raise TypeError(f"callbacks must be callable, got {function!r}")
            if isinstance(function, Log | TensorBoard):
                name = type(function).__name__
                raise TypeError(f"fastnet.{name} is a callback of fastnet.train: those of estimators get the estimator")
        self._deadline = None if model.max_time is None else time.monotonic() + model.max_time
        self._hooks = None if incremental else _sklearn_hooks(model, X, y, weight)

    @property
    def needs_weights(self) -> bool:
        """Whether somebody may look at the weights, or change them, between epochs."""
        return bool(self._functions) or self._hooks is not None

    def begin(self) -> None:
        """Called before every epoch."""
        if self._hooks is not None:
            self._hooks.begin()

    def end(self) -> bool:
        """Called after every epoch; returns whether to stop."""
        stops = [bool(function(self._model)) for function in self._functions]
        if self._hooks is not None:
            stops.append(self._hooks.end())
        if self._deadline is not None and time.monotonic() >= self._deadline:
            warnings.warn(
                f"max_time={self._model.max_time:g} seconds were over after {self._model.n_iter_} iterations, before "
                "training converged.",
                ConvergenceWarning,
                stacklevel=2,
            )
            stops.append(True)
        return any(stops)

    def close(self) -> None:
        """Called when the fit is complete."""
        if self._hooks is not None:
            self._hooks.close()


class _SklearnHooks:
    """One task per fit and one subtask per epoch, in the words of ``sklearn.callback``."""

    def __init__(self, model: Any, X: Any, y: Any, weight: Any):
        metadata = None if weight is None else {"sample_weight": weight}
        self._model, self._about = model, {"estimator": model, "X": X, "y": y, "metadata": metadata}
        self._fit = model._init_callback_context(max_subtasks=model.max_iter)
        self._fit.call_on_fit_task_begin(**self._about)
        self._epoch: Any = None

    def begin(self) -> None:
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._about, reconstruction_attributes=self._fitted)

    def end(self) -> bool:
        epoch, self._epoch = self._epoch, None
        return bool(epoch.call_on_fit_task_end(**self._about, reconstruction_attributes=self._fitted))

    def close(self) -> None:
        if self._epoch is not None:  # begun in vain: lbfgs had converged, or the user interrupted
            self.end()
        self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes=dict)

    def _fitted(self) -> dict[str, Any]:
        """Copies of the weights, for a fitted estimator that training does not change any more."""
        model = self._model
        return {"coefs_": [W.copy() for W in model.coefs_], "intercepts_": [b.copy() for b in model.intercepts_]}


def _sklearn_hooks(model: Any, X: Any, y: Any, weight: Any) -> _SklearnHooks | None:
    supported = hasattr(model, "_init_callback_context")
    return _SklearnHooks(model, X, y, weight) if supported and hasattr(model, "_skl_callbacks") else None
