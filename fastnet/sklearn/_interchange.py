"""Fitted models to and from scikit-learn's own classes and ``fastnet.Network``."""

from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastnet.data.arrays import is_text
from fastnet.errors import warn
from fastnet.network import Network
from fastnet.sklearn._flat import flat, sizes_of, views

_NETWORK_NAMES = {"logistic": "sigmoid"}  # what the two call differently
_SKLEARN_NAMES = {"sigmoid": "logistic"}
ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu")  # of a network's hidden layers, as far as scikit-learn has them

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
    "_input_scale",
)


def to_sklearn(model: Any, target: type) -> Any:
    """A fitted ``target``, a class of ``sklearn.neural_network``, with copies of the weights of ``model``."""
    check_is_fitted(model)
    scale = getattr(model, "_input_scale", 1.0)
    if scale != 1:
        warn(
            f"this estimator comes from a network that counts integers in units of {scale:g}, while scikit-learn takes "
            f"them as plain numbers: give its estimator X * {scale:g} where X holds integers"
        )
    twin = _twin(model, target)
    twin.__dict__.pop("_input_scale", None)
    if twin.loss != model.loss:
        raise ValueError(f"the installed scikit-learn does not know loss={model.loss!r}")
    twin.coefs_ = [W.copy() for W in model.coefs_]
    twin.intercepts_ = [b.copy() for b in model.intercepts_]
    twin._best_coefs, twin._best_intercepts = twin.coefs_, twin.intercepts_  # as a fit with early stopping leaves them
    return twin


def from_sklearn(cls: type, model: Any) -> Any:
    """A fitted ``cls`` with copies of the weights of ``model``, an estimator of ``sklearn.neural_network``."""
    check_is_fitted(model)
    twin = _twin(model, cls)
    params = np.array(flat(model.coefs_, model.intercepts_))
    twin.coefs_, twin.intercepts_ = views(params, sizes_of(model.coefs_))
    return twin


def to_network(model: Any) -> Network:
    """A ``fastnet.Network`` of the dtype of the weights of ``model``, with copies of them."""
    check_is_fitted(model)
    params = flat(model.coefs_, model.intercepts_)
    hidden, output = (_NETWORK_NAMES.get(name, name) for name in (model.activation, model.out_activation_))
    network = Network(
        sizes_of(model.coefs_),
        hidden=hidden,
        output=output,
        dtype=params.dtype,
        input_scale=getattr(model, "_input_scale", 1.0),
        class_names=_names(getattr(model, "classes_", None)),
    )
    network.params[:] = params
    return network


def _names(classes: np.ndarray | None) -> list[str] | None:
    """The classes as names, if they are text."""
    return classes.tolist() if classes is not None and is_text(classes) else None


def from_network(cls: type, network: Network, parameters: dict[str, Any]) -> Any:
    """A ``cls`` with copies of the weights of ``network``, as fitted but for what its class knows of the targets."""
    if network.hidden not in ACTIVATIONS:
        raise ValueError(
            "a network for scikit-learn must have one activation, identity, sigmoid, tanh or relu, in all hidden "
            f"layers, got {network.hidden!r}: keep the fastnet.Network, which predicts and evaluates by itself"
        )
    activation, output = (_SKLEARN_NAMES.get(name, name) for name in (network.hidden, network.output))
    model = cls(hidden_layer_sizes=tuple(network.sizes[1:-1]), activation=activation, **parameters)
    model.coefs_, model.intercepts_ = views(network.params.copy(), network.sizes)
    model.n_features_in_, model.n_outputs_ = network.sizes[0], network.sizes[-1]
    model.n_layers_, model.out_activation_ = len(network.sizes), output
    model.n_iter_ = model.t_ = 0
    model._input_scale = network.input_scale
    return model


def _twin(model: Any, target: type) -> Any:
    """A ``target`` with the parameters of ``model`` that it has, and copies of what ``model`` knows but the weights."""
    known = target().get_params()
    twin = target(**{name: value for name, value in model.get_params(deep=False).items() if name in known})
    for name in FITTED:
        if hasattr(model, name):
            setattr(twin, name, deepcopy(getattr(model, name)))
    return twin
