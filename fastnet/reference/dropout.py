"""Inverted dropout: which hidden units a row of a batch does without, from a counter-based hash.

A mask is a function of (seed, number of the row among all rows trained on, layer, unit) and of nothing else: it does
not depend on batches, chunks or threads, and needs no state but a count of rows.
"""

import numpy as np

# The mixers are SplitMix64's finalizer (Steele, Lea, Flood, 2014) for a row of a layer and, for each of its units, an
# avalanching hash of 32 bits (C. Wellons, hash-prospector, 2018), into which the two halves of that key go one by one.
_GOLDEN64, _GOLDEN32 = np.uint64(0x9E3779B97F4A7C15), np.uint32(0x9E3779B9)


def drop_threshold(dropout: float) -> int:
    """``dropout``, from 0 up to but not 1, in whole 2^-32: a unit is dropped when its hash of 32 bits is below."""
    return min(round(dropout * 2**32), 2**32 - 1)


def dropout_factors(out: np.ndarray, threshold: int, seed: int, rows: np.ndarray, layer: int) -> None:
    """Overwrite ``out (n, units)`` with 0 for dropped units and 1 / (1 - p) for the others, p = threshold / 2^32.

    ``rows (n,)`` are the numbers of the rows among all rows trained on, ``layer`` counts hidden layers from 0.
    """
    key = row_keys(seed, rows, layer)[:, None]
    low, high = key.astype(np.uint32), (key >> np.uint64(32)).astype(np.uint32)
    units = np.arange(out.shape[1], dtype=np.uint32) * _GOLDEN32
    out[:] = _mix32(units + low, high) >= threshold
    out *= 1 / (1 - threshold / 2**32)


def row_keys(seed: int, rows: np.ndarray, layer: int) -> np.ndarray:
    """64 bits for each row (n,) in one layer."""
    return _mix64(_mix64(np.uint64(seed) + rows.astype(np.uint64) * _GOLDEN64) + np.uint64(layer))


def _mix64(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _mix32(x: np.ndarray, other_half: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = ((x ^ (x >> np.uint32(15))) + other_half) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))
