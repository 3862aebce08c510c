"""What tells one set of rows from another: a run goes on with the data that it began with."""

import hashlib
from typing import Any

import numpy as np

WHOLE = 2**28  # bytes of an array that are looked at; of a larger one, PARTS stretches that are as long in all
PARTS = 256


def fingerprint(*arrays: np.ndarray | None) -> str:
    """SHA-256 of the shapes, dtypes and values of some arrays; None is an array that there is not.

    Of arrays of more than 256 MB, 256 stretches at even distances are read, so that mapped files stay on the disk.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"none" if array is None else f"{array.dtype.str} {array.shape} ".encode())
        for stretch in _stretches(array):
            digest.update(stretch)
    return digest.hexdigest()


def _stretches(array: np.ndarray | None) -> list[Any]:
    if array is None or not array.size:
        return []
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if flat.size <= WHOLE:
        return [flat]
    starts = np.linspace(0, flat.size - WHOLE // PARTS, PARTS).astype(np.int64)
    return [np.ascontiguousarray(flat[start : start + WHOLE // PARTS]) for start in starts.tolist()]
