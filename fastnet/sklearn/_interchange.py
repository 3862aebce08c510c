"""Fitted models to and from scikit-learn's own classes and ``fastnet.Network``."""

from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastnet.sklearn._flat import flat, sizes_of, views

# What a fitted estimator knows; either side may lack some of it.
FITTED = (
    "classes_",
    "loss_",
    "best_loss_",
    "loss_curve_",
    "validation_scores_",
    "best_validation_score_",
    "t_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "n_features_in_",
    "feature_names_in_",
    "out_activation_",
    "_label_binarizer",
    "_no_improvement_count",
    "_random_state",
)


def to_sklearn(model: Any, target: type) -> Any:
    """A fitted ``target``, a class of ``sklearn.neural_network``, with copies of the weights of ``model``."""
    check_is_fitted(model)
    twin = _twin(model, target)
    if twin.get_params().get("loss", "squared_error") != getattr(model, "loss", "squared_error") != "log_loss":
        raise ValueError(f"the installed scikit-learn does not know loss={model.loss!r}")
    twin.coefs_ = [W.copy() for W in model.coefs_]
    twin.intercepts_ = [b.copy() for b in model.intercepts_]
    twin._best_coefs = [W.copy() for W in twin.coefs_]
    twin._best_intercepts = [b.copy() for b in twin.intercepts_]
    return twin


def from_sklearn(cls: type, model: Any) -> Any:
    """A fitted ``cls`` with copies of the weights of ``model``, an estimator of ``sklearn.neural_network``."""
    check_is_fitted(model)
    twin = _twin(model, cls)
    params = np.array(flat(model.coefs_, model.intercepts_))
    twin.coefs_, twin.intercepts_ = views(params, sizes_of(model.coefs_))
    return twin


def _twin(model: Any, target: type) -> Any:
    """A ``target`` with the parameters of ``model`` that it has, and copies of what ``model`` knows but the weights."""
    known = target().get_params()
    twin = target(**{name: value for name, value in model.get_params(deep=False).items() if name in known})
    for name in FITTED:
        if hasattr(model, name):
            setattr(twin, name, deepcopy(getattr(model, name)))
    return twin
