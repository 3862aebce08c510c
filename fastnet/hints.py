"""Words that people bring from other libraries, and what fastnet says for them."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_OPTIMIZER = "the learning rate belongs to the optimizer: fastnet.train(..., optimizer=fastnet.Adam(lr=1e-3))"
_PATIENCE = "the word is patience=5, the epochs to wait for a better val_loss; it keeps the best weights"
_CLIP = "the word is clip_norm=1.0"
_DROPOUT = "it belongs to the training: fastnet.train(..., dropout=0.2)"
_SIZES = "the sizes come first, as one list: fastnet.Network([784, 64, 10])"
_ARRAYS = "fastnet.Network.from_arrays(W, b, hidden=, output=) makes a network of weights from elsewhere"
_TRAIN = "fastnet.train(net, X, y) trains a network"

# By function: keyword that it does not have -> what to write instead.
KEYWORDS = {
    "train": {
        "learning_rate": _OPTIMIZER,
        "learning_rate_init": _OPTIMIZER,
        "lr": _OPTIMIZER,
        "momentum": "it is an optimizer: optimizer=fastnet.Momentum(lr=0.1, beta=0.9)",
        "solver": "the word is optimizer=fastnet.Adam(1e-3)",
        "validation_data": "the word is validation=(X, y)",
        "validation_split": "split the rows first and pass validation=(X, y)",
        "validation_fraction": "split the rows first and pass validation=(X, y)",
        "max_iter": "the word is epochs=",
        "n_epochs": "the word is epochs=",
        "num_epochs": "the word is epochs=",
        "verbose": "the word is progress=True",
        "callback": "the word is callbacks=[function of (net, epoch)]",
        "random_state": "the word is seed=",
        "alpha": "the word is l2=",
        "criterion": "the word is loss=",
        "scheduler": "the word is schedule=",
        "lr_scheduler": "the word is schedule=",
        "lr_schedule": "the word is schedule=",
        "warmup_epochs": "the word is warmup=",
        "max_time": "the word is time_limit=, in seconds",
        "gradient_clip": _CLIP,
        "max_norm": _CLIP,
        "clipnorm": _CLIP,
        "grad_clip": _CLIP,
        "smoothing": "the word is label_smoothing=",
        "augmentation": "the word is augment=",
        "n_jobs": "the word is threads=",
        "n_threads": "the word is threads=",
        "early_stopping": _PATIENCE,
        "n_iter_no_change": _PATIENCE,
        "restore_best_weights": _PATIENCE,
        "tol": "the word is min_delta=, with patience=",
        "activation": "it belongs to the network: fastnet.Network(sizes, hidden='relu')",
        "hidden_layer_sizes": f"they belong to the network; {_SIZES}",
    },
    "Network": {
        "activation": "the word is hidden='relu', and output= for the last layer",
        "activations": "the word is hidden='relu', and output= for the last layer",
        "output_activation": "the word is output=",
        "hidden_layer_sizes": _SIZES,
        "hidden_sizes": _SIZES,
        "hidden_layers": _SIZES,
        "layers": f"{_SIZES}, or fastnet.Network.from_layers(rows)",
        "random_state": "the word is seed=",
        "initializer": "the word is init=",
        "learning_rate": _OPTIMIZER,
        "learning_rate_init": _OPTIMIZER,
        "lr": _OPTIMIZER,
        "solver": "it belongs to the training: fastnet.train(..., optimizer=fastnet.Adam(1e-3))",
        "optimizer": "it belongs to the training: fastnet.train(..., optimizer=fastnet.Adam(1e-3))",
        "loss": "it belongs to the training: fastnet.train(..., loss=)",
        "max_iter": "it belongs to the training: fastnet.train(..., epochs=)",
        "epochs": "it belongs to the training: fastnet.train(..., epochs=)",
        "batch_size": "it belongs to the training: fastnet.train(..., batch_size=)",
        "alpha": "it belongs to the training: fastnet.train(..., l2=)",
        "verbose": "it belongs to the training: fastnet.train(..., progress=True)",
        "dropout": _DROPOUT,
    },
    "permutation_importance": {
        "n_repeats": "the word is repeats=",
        "random_state": "the word is seed=",
        "max_samples": "the word is max_rows=, a number of rows",
        "feature_names": "the word is groups=, a name for each column",
        "scoring": "it is the accuracy, and R squared of a regression",
    },
}
# Functions that take but a few positional arguments -> what to write instead of more.
POSITIONAL = {
    "train": "settings are keywords: fastnet.train(net, X, y, epochs=9)",
    "Network": _SIZES,
    "permutation_importance": "settings are keywords: fastnet.permutation_importance(net, X, y, repeats=5)",
}
# Attribute that a Network does not have -> what to write instead.
ATTRIBUTES = {
    "fit": _TRAIN,
    "partial_fit": _TRAIN,
    "train": _TRAIN,
    "compile": f"{_TRAIN}, and takes optimizer= and loss=",
    "score": "net.evaluate(X, y) has the accuracy or, of a regression, r2",
    "predict_classes": "net.predict(X) gives the classes",
    "forward": "net.predict_proba(X) gives the outputs",
    "predict_log_proba": "the word is numpy.log(net.predict_proba(X))",
    "weights": "they are in net.W and net.b, and all together in net.params",
    "coefs_": "they are in net.W",
    "intercepts_": "they are in net.b",
    "biases": "they are in net.b",
    "parameters": "they are in net.params",
    "state_dict": "net.save(path) writes a network, fastnet.Network.load(path) reads it",
    "load_state_dict": _ARRAYS,
    "set_weights": _ARRAYS,
    "export": "the words are net.to_onnx(path), net.to_safetensors(path) and net.save(path)",
    "classes_": "the names of the classes, if it has any, are in net.class_names",
}

P = ParamSpec("P")
R = TypeVar("R")


def hinted(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function (or the __init__ of a class) so that its TypeErrors tell the word that fastnet has.

    name : what it is called in public, and in the tables.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters
        positional = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters.values())

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for word in kwargs:
                if word not in parameters:
                    raise TypeError(f"{name} has no argument {word!r}{_instead(word, KEYWORDS[name], parameters)}")
            if len(args) > positional:
                raise TypeError(f"{name} got too many positional arguments: {POSITIONAL[name]}")
            return function(*args, **kwargs)

        return checked

    return decorate


def no_attribute(kind: str, word: str, known: Any) -> AttributeError:
    """The error of an attribute that an object of this kind does not have; ``known`` are those that it has."""
    return AttributeError(f"{kind!r} object has no attribute {word!r}{_instead(word, ATTRIBUTES, known)}")


def _instead(word: str, table: dict[str, str], known: Any) -> str:
    """What to write instead, with the punctuation before it; nothing if nobody knows."""
    if word in table:
        return f": {table[word]}"
    near = difflib.get_close_matches(word, [name for name in known if not name.startswith("_")], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
