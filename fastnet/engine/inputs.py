"""X and y in the form that the kernels take."""

from functools import cached_property

import numpy as np

from fastnet.engine.encoding import encoded, find_palette, is_worthwhile
from fastnet.engine.strategy import DENSITIES_ROWS, DENSITY_ROWS


class Inputs:
    """X as (data, indices, indptr), with its shape and densities.

    X : (n, d) uint8 or floating; or CSR, any object with data, indices, indptr and shape.
    """

    def __init__(self, X, dtype, scale: float = 1 / 255):
        self.rows, self.width = X.shape
        # What a byte is worth: the same product wherever bytes are read.
        self.table = np.arange(256).astype(dtype) * np.dtype(dtype).type(scale)
        self.is_csr = hasattr(X, "indptr")
        if self.is_csr:
            self.data = np.ascontiguousarray(X.data, dtype)
            self.indices, self.indptr = X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64, copy=False)
        else:
            self.data = np.asarray(X).reshape(-1)
            self.indices, self.indptr = np.zeros(0, np.int32), np.zeros(0, np.int64)
        # Numba compiles read-only arrays as another type; the kernels only read X, so one type serves both.
        self.arrays: tuple[np.ndarray, np.ndarray, np.ndarray]
        self.arrays = as_writable(self.data), as_writable(self.indices), as_writable(self.indptr)

    @cached_property
    def density(self) -> float:
        """Share of nonzeros in X, which decides how kernels go through it."""
        if self.is_csr:
            return len(self.data) / max(1, self.rows * self.width)
        found = self._are_nonzero(DENSITY_ROWS)
        return np.count_nonzero(found) / max(1, found.size)

    @cached_property
    def densities(self) -> np.ndarray:
        """Share of nonzeros of each input (d,), by which threads share the weights. Predictions do not want it."""
        if self.is_csr:
            return np.full(self.width, self.density)
        found = self._are_nonzero(DENSITIES_ROWS)
        # count_nonzero with an axis takes four times as long.
        return found.sum(axis=0, dtype=np.uint16) / max(1, len(found))

    def _are_nonzero(self, rows: int) -> np.ndarray:
        """Of about so many rows from all over X, which entries are nonzero."""
        return self.data.reshape(self.rows, self.width)[:: max(1, self.rows // rows)] != 0

    def encode(self, threads: int) -> None:
        """Replace floats of at most 256 values by codes and a table. For SKIP only: `gather` wants bytes worth k times
        the same.
        """
        X = self.data.reshape(self.rows, self.width)
        if not is_worthwhile(X) or (palette := find_palette(X)) is None:
            return
        codes = encoded(self.arrays[0], palette, threads)
        if codes is not None:
            self.table, self.data, self.arrays = palette[0], codes, (codes, *self.arrays[1:])

    def entries(self, order: np.ndarray, batch_size: int, chunk_rows: int) -> int:
        """Most entries of a CSR matrix that a chunk of the batches in ``order`` holds; a row may come up many times."""
        if not self.is_csr or not len(order):
            return 0
        starts = [
            chunk
            for batch in range(0, len(order), batch_size)
            for chunk in range(batch, min(batch + batch_size, len(order)), chunk_rows)
        ]
        return int(np.add.reduceat(np.diff(self.indptr)[order], starts).max())


class Targets:
    """Labels int64 (n,) or values (n, k), as two arrays of which one is empty."""

    def __init__(self, targets, dtype):
        labelled = targets.ndim == 1
        self.labels = as_writable(targets) if labelled else np.zeros(0, np.int64)
        self.values = np.zeros(0, dtype) if labelled else as_writable(np.ascontiguousarray(targets, dtype)).reshape(-1)


class _Interface:
    """Lends an array's memory under another description, and keeps it alive."""

    def __init__(self, interface, owner):
        self.__array_interface__, self.owner = interface, owner


def as_writable(a: np.ndarray) -> np.ndarray:
    """A view of the same memory that NumPy calls writable. Nothing writes to it."""
    if a.flags.writeable:
        return a
    interface = dict(a.__array_interface__, data=(a.ctypes.data, False))
    view = np.asarray(_Interface(interface, a))
    return view if view.dtype == a.dtype else view.view(a.dtype)
