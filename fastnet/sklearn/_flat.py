"""One flat vector of parameters and its views, the lists ``coefs_`` and ``intercepts_``."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def sizes_of(coefs: Sequence[np.ndarray]) -> list[int]:
    """Number of inputs and of the units of every layer."""
    return [coefs[0].shape[0], *(W.shape[1] for W in coefs)]


def count(sizes: Sequence[int]) -> int:
    """Number of parameters of a network of these sizes."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def views(params: np.ndarray, sizes: Sequence[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Views W[l] (fan_in, fan_out) and b[l] (fan_out,) of the flat vector: W and b of one layer after another."""
    coefs, intercepts, start = [], [], 0
    for fan_in, fan_out in pairwise(sizes):
        middle, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        coefs.append(params[start:middle].reshape(fan_in, fan_out))
        intercepts.append(params[middle:stop])
        start = stop
    return coefs, intercepts


def shared_vector(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> np.ndarray | None:
    """The vector that all these arrays are the views of, or None: anybody may have replaced one of them."""
    base, sizes = coefs[0].base, sizes_of(coefs)
    if not isinstance(base, np.ndarray) or base.shape != (count(sizes),):
        return None
    expected = views(base, sizes)
    arrays = [*coefs, *intercepts]
    if all(_same_memory(a, b) for a, b in zip(arrays, [*expected[0], *expected[1]], strict=True)):
        return base
    return None


def flat(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> np.ndarray:
    """The parameters as one vector: the one that they share or, failing that, a copy."""
    shared = shared_vector(coefs, intercepts)
    if shared is not None:
        return shared
    return np.concatenate([part.ravel() for pair in zip(coefs, intercepts, strict=True) for part in pair])


def pack(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> np.ndarray:
    """A new vector in scikit-learn's order: all coefs, then all intercepts."""
    return np.concatenate([part.ravel() for part in (*coefs, *intercepts)])


def unpack(packed: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """A new flat vector with the parameters of ``packed``, which is in scikit-learn's order."""
    params = np.empty(count(sizes))
    coefs, intercepts = views(params, sizes)
    start = 0
    for part in (*coefs, *intercepts):
        part[...] = packed[start : start + part.size].reshape(part.shape)
        start += part.size
    return params


def _same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are one and the same piece of memory, read in the same way."""
    return a.__array_interface__ == b.__array_interface__
