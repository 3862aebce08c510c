"""Weights from elsewhere, checked and brought to fastnet's form."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastnet.data.arrays import as_numbers, check_finite


def check_layers(
    W: Sequence[Any], b: Sequence[Any] | None, transposed: bool
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(weights (fan_in, fan_out), biases (fan_out,)) of each layer, all float32 or all float64; views where possible.

    See `Network.from_arrays` for the arguments and the errors.
    """
    weights = [_weights(array, f"W[{l}]") for l, array in enumerate(W)]
    if not weights:
        raise ValueError("W must hold an array for each layer, got none")
    b = [None] * len(weights) if b is None else b
    if len(b) != len(weights):
        raise ValueError(f"b must hold {len(weights)} vectors (or None), one for each array of W, got {len(b)}")
    biases = [None if vector is None else as_numbers(vector, f"b[{l}]") for l, vector in enumerate(b)]
    _check_shapes(weights, biases, transposed)
    if transposed:
        weights = [array.T for array in weights]
    full = [np.zeros(W.shape[1], W.dtype) if b is None else b for W, b in zip(weights, biases, strict=True)]
    narrow = all(array.dtype.kind == "f" and array.dtype.itemsize <= 4 for array in weights + full)
    dtype = np.dtype(np.float32 if narrow else np.float64)
    return _floats(weights, "W", dtype), _floats(full, "b", dtype)


def _weights(array: Any, name: str) -> np.ndarray:
    array = as_numbers(array, name)
    if array.ndim != 2 or 0 in array.shape:
        hint = "; W is a list with an array for each layer" if array.ndim < 2 else ""
        raise ValueError(f"{name} must have two axes, fan_in and fan_out, got shape {array.shape}{hint}")
    return array


def _check_shapes(weights: list[np.ndarray], biases: list[np.ndarray | None], transposed: bool) -> None:
    """Raise a ValueError that names the first array that does not fit to the one before it."""
    trouble = _misfit(weights, biases, transposed)
    if trouble:
        other = "" if _misfit(weights, biases, not transposed) else f": pass transposed={not transposed}"
        order = "(fan_out, fan_in)" if transposed else "(fan_in, fan_out)"
        raise ValueError(f"{trouble}, where W has {order}{other}")


def _misfit(weights: list[np.ndarray], biases: list[np.ndarray | None], transposed: bool) -> str:
    """What is wrong with the first array that does not fit, or nothing."""
    shapes = [array.shape[::-1] if transposed else array.shape for array in weights]
    for l, ((_, before), (fan_in, _)) in enumerate(pairwise(shapes), 1):
        if fan_in != before:
            return f"W[{l}] must have a fan_in of {before}, the fan_out of W[{l - 1}], got shape {weights[l].shape}"
    for l, ((_, fan_out), vector) in enumerate(zip(shapes, biases, strict=True)):
        if vector is not None and vector.shape != (fan_out,):
            return f"b[{l}] must have shape ({fan_out},), the fan_out of W[{l}], got {vector.shape}"
    return ""


def _floats(arrays: list[np.ndarray], name: str, dtype: np.dtype) -> list[np.ndarray]:
    """The arrays in the type of the network. Raises ValueError if one is not finite."""
    floats = [array.astype(dtype, copy=False) for array in arrays]
    for l, array in enumerate(floats):
        check_finite(np.atleast_2d(array), f"{name}[{l}]")
    return floats
