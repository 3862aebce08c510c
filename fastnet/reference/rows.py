"""Rows of X, whatever it holds, as floats in a buffer."""

from typing import Any, Protocol

import numpy as np

# Rows of X as floats


class Rows(Protocol):
    def take(self, out: np.ndarray, rows: np.ndarray) -> None: ...


class _FloatRows:
    def __init__(self, X: np.ndarray):
        self._X = np.asarray(X)

    def take(self, out: np.ndarray, rows: np.ndarray) -> None:
        np.take(self._X, rows, axis=0, out=out, mode="clip")  # mode "raise" would go through one more buffer


class _PixelRows:
    def __init__(self, X: np.ndarray, dtype: np.dtype, capacity: int, scale: float):
        self._X = np.asarray(X)
        self._bytes = np.empty((capacity, X.shape[1]), np.uint8)
        self._unit = dtype.type(scale)

    def take(self, out: np.ndarray, rows: np.ndarray) -> None:
        pixels = self._bytes[: len(rows)]
        np.take(self._X, rows, axis=0, out=pixels, mode="clip")
        np.multiply(pixels, self._unit, out=out)


class _SparseRows:
    def __init__(self, X: Any):
        self._data, self._indices, self._indptr = X.data, X.indices, np.asarray(X.indptr, np.intp)

    def take(self, out: np.ndarray, rows: np.ndarray) -> None:
        starts = self._indptr[rows]
        counts = self._indptr[rows + 1] - starts
        first = np.cumsum(counts) - counts
        stored = np.arange(counts.sum()) + np.repeat(starts - first, counts)
        out[:] = 0
        cells = np.repeat(np.arange(len(rows)) * out.shape[1], counts) + self._indices[stored]
        np.add.at(out.reshape(-1), cells, self._data[stored])  # add, not assign: a row may store one column twice


def rows_of(X: Any, dtype: np.dtype, capacity: int, scale: float) -> Rows:
    """At most ``capacity`` rows of X at a time as floats of this dtype; bytes are worth ``scale`` each."""
    if hasattr(X, "indptr"):
        return _SparseRows(X)
    if X.dtype == np.uint8:
        return _PixelRows(X, dtype, capacity, scale)
    return _FloatRows(X)
