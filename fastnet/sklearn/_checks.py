"""What scikit-learn lets pass, or answers with a bare error, and is refused here in words."""

import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, time, timedelta
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import _check_sample_weight

LARGE = 2**22  # elements: a sum of a millisecond, many times what it takes to start threads


def hidden_sizes(value: Any) -> list[int]:
    """The sizes of the hidden layers as a list, from one number or a sequence of them."""
    sizes = list(value) if isinstance(value, Iterable) else [value]
    for size in sizes:
        if isinstance(size, bool | np.bool) or not isinstance(size, Integral):
            raise ValueError(f"hidden_layer_sizes must hold integers, one per hidden layer, got {size!r} in {value!r}")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def refuse_batch_settings(model: Any) -> None:
    """Refuse, with lbfgs, what makes sense only for steps on batches; ignored, it would look as if it did not help."""
    for name, absent in (("dropout", 0), ("gradient_clip", None), ("weight_decay", 0)):
        value = getattr(model, name)
        if value != absent:
            raise ValueError(f"{name}={value} needs solver='sgd' or 'adam', got solver={model.solver!r}")


def refuse_array_kinds(name: str, array: Any) -> None:
    """Refuse masked values and dates, whose mask or meaning the conversion to floats would silently drop."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError(f"{name} is a masked array with masked values: fill or drop them first (numpy.ma.filled)")
    dtypes = getattr(array, "dtypes", None)  # of a data frame
    if not isinstance(dtypes, Iterable):
        dtypes = [getattr(array, "dtype", None)]
    for dtype in dtypes:
        if getattr(dtype, "kind", None) in ("M", "m"):
            raise ValueError(f"{name} holds dates or times ({dtype}): convert them to numbers first")
    if isinstance(array, np.ndarray) and array.dtype == object:
        for value in array.ravel():
            if isinstance(value, np.datetime64 | np.timedelta64 | date | time | timedelta):
                raise ValueError(f"{name} holds dates or times ({value!r}): convert them to numbers first")


def surely_finite(X: Any, threads: int) -> bool:
    """Whether X is a large array of floats without NaN or infinity, as their sums tell: the answer to a search that
    scikit-learn makes on one thread (MNIST in float32: 11 ms, on two threads 6.5). False says nothing.
    """
    if not isinstance(X, np.ndarray) or X.dtype not in (np.float32, np.float64) or X.size < LARGE or threads == 1:
        return False
    with ThreadPoolExecutor(threads) as pool:
        return all(pool.map(_has_finite_sum, np.array_split(X, threads)))


def _has_finite_sum(X: np.ndarray) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))


def refuse_mixed_labels(y: Any) -> None:
    """Refuse labels of several types, or missing ones: they cannot be put in order."""
    if getattr(getattr(y, "dtype", None), "kind", None) != "O":
        return
    values = np.asarray(y, dtype=object).ravel()
    if any(value is None for value in values):
        raise ValueError("y contains None: every row needs a label")
    kinds = {str if isinstance(value, str) else type(value) for value in values}
    if str in kinds and len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"y mixes labels of the types {names}: convert them to one type (y.astype(str))")


def refuse_text_target(y: Any) -> None:
    """Refuse text where a regressor needs numbers."""
    if getattr(y, "dtype", None) is not None and getattr(y.dtype, "kind", None) in ("U", "S"):
        raise ValueError(f"y must hold numbers for regression, got text (dtype {y.dtype}): is MLPClassifier meant?")


def hint_one_hot(indicator: Any) -> None:
    """Warn when every row of a multilabel indicator (n, k) has exactly one label: it was probably meant as classes."""
    if indicator.shape[0] > 1 and indicator.shape[1] > 2 and (indicator.sum(axis=1) == 1).all():
        warnings.warn(
            f"y has one label in each row: it looks like one-hot classes, but an indicator of shape {indicator.shape} "
            "is learned as independent labels (sigmoid outputs); for classes pass y.argmax(axis=1)",
            stacklevel=4,
        )


def check_weight(sample_weight: Any, X: Any) -> np.ndarray:
    """``sample_weight`` as finite, non-negative floats (n,) of the dtype of X, not all of them zero."""
    refuse_array_kinds("sample_weight", sample_weight)
    weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    if (weight < 0).any():
        raise ValueError(f"sample_weight must not be negative, got {weight.min():g} in row {int(weight.argmin())}")
    refuse_weightless("sample_weight", weight)
    return weight


def refuse_weightless(name: str, weight: np.ndarray | None) -> None:
    """Refuse weights that are zero for all rows."""
    if weight is not None and not weight.any():
        raise ValueError(f"{name} is zero for every row: at least one weight must not be zero")


def check_same_network(model: Any, sizes: list[int], fitted: list[int]) -> None:
    """Refuse to go on training when the layers asked for are not those of the fitted network."""
    if sizes[1:-1] != fitted[1:-1]:
        raise ValueError(
            f"hidden_layer_sizes is now {tuple(sizes[1:-1])}, but the fitted network has {tuple(fitted[1:-1])}: "
            "training can only go on with the same layers; clone the estimator to start anew"
        )
    if sizes[-1] != fitted[-1]:
        raise ValueError(f"y has {sizes[-1]} outputs, but the fitted network has {fitted[-1]}")
    if model._choose_output() != model.out_activation_:
        raise ValueError(
            f"loss={model.loss!r} needs {model._choose_output()} outputs, but the fitted network has "
            f"{model.out_activation_} outputs: clone the estimator to start anew"
        )
    before = getattr(model, "_trained_activation", model.activation)
    if before != model.activation:
        warnings.warn(
            f"activation is now {model.activation!r}, but the weights were trained with {before!r}", stacklevel=4
        )


def dense(y: Any) -> np.ndarray:
    """``y`` as an array, also from a sparse indicator."""
    return y.toarray() if issparse(y) else y
