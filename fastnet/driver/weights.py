"""What rows count: class weights and sample weights as one number per row."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnet.data.arrays import check_finite


def row_weights(y: np.ndarray, k: int, class_weight: Any, sample_weight: Any, dtype: np.dtype) -> np.ndarray | None:
    """The weight (n,) of every row, the product of both over its mean; None if all weigh the same.

    y : checked labels (n,) of k classes, or rows (n, k); of a single output 0 and 1.
    class_weight : None, "balanced" (n / (k times the rows of the class), as in scikit-learn), k numbers, or a mapping
        from classes to numbers, 1 for those that it does not name.
    """
    if class_weight is None and sample_weight is None:
        return None
    weight = np.ones(len(y)) if sample_weight is None else check_sample_weight(sample_weight, len(y))
    if class_weight is not None:
        labels = _labels(y)
        weight = weight * class_weights(labels, max(2, k), class_weight)[labels]
    if not weight.any():
        raise ValueError("the weights of all rows are zero: at least one must not be")
    return (weight / weight.mean()).astype(dtype)  # losses are weighted means: the size does not matter but to dtype


def _labels(y: np.ndarray) -> np.ndarray:
    """y as labels int64 (n,)."""
    if y.ndim == 1:
        return y
    if y.shape[1] > 1 or not np.isin(y, (0, 1)).all():
        raise ValueError("class_weight needs labels (n,), got rows of values: use sample_weight")
    return y[:, 0].astype(np.int64)


def check_sample_weight(sample_weight: Any, n: int) -> np.ndarray:
    """``sample_weight`` as float64 (n,), if it is a number from 0 on for each of n rows."""
    weight = np.asarray(sample_weight)
    if weight.shape != (n,) or weight.dtype.kind not in "biuf":
        raise ValueError(f"sample_weight must be {n} numbers, one for each row, got {weight.dtype} {weight.shape}")
    weight = weight.astype(np.float64)
    check_finite(weight[:, None], "sample_weight")
    if (weight < 0).any():
        raise ValueError(f"sample_weight must not be negative, got {weight.min():g} in row {int(weight.argmin())}")
    return weight


def class_weights(y: np.ndarray, k: int, class_weight: Any) -> np.ndarray:
    """The weight (k,) of each class."""
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"class_weight must be 'balanced', {k} numbers or a dict, got {class_weight!r}")
        counts = np.bincount(y, minlength=k)
        return len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    weights = np.ones(k)
    if isinstance(class_weight, Mapping):
        for label, value in class_weight.items():
            if label not in range(k):
                raise ValueError(f"class_weight must name classes from 0 to {k - 1}, got {label!r}")
            weights[int(label)] = value
    else:
        weights = np.asarray(class_weight, np.float64)
    if weights.shape != (k,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"class_weight must be {k} finite numbers from 0 on, one for each class, got {class_weight!r}")
    return weights
