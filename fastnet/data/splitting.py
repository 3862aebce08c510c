"""Rows held out of a set: drawn at random, by class where there are labels, or the last ones."""

from dataclasses import replace

import numpy as np

from fastnet.data.dataset import Dataset

RUN = 1 << 20  # bytes of rows that are held out of a mapped file in one piece
STREAM = 1  # beside the seed, so that the draw is not the one that shuffles the rows in training


def held_out_rows(n: int, amount: int | float) -> int:
    """How many of n rows a number of rows, or a fraction from 0 to 1, means; a fraction leaves a row in each part.

    Raises ValueError if that leaves no row to train on.
    """
    if n < 2:
        raise ValueError(f"expected 2 rows or more where some are held out, got {n}: add rows")
    rows = amount if isinstance(amount, int) else min(max(1, round(amount * n)), n - 1)
    if not 0 < rows < n:
        raise ValueError(f"expected 1 to {n - 1} of {n} rows to hold out, got {rows}")
    return rows


def split(dataset: Dataset, amount: int | float, *, seed: int, shuffle: bool = True) -> tuple[Dataset, Dataset]:
    """Split a Dataset with y in (kept rows, held-out rows).

    amount : number of rows to hold out, or a fraction from 0 to 1. shuffle=False takes the last rows and copies none.
    Labels are drawn class by class: each class has its share of both parts, and a class of two rows or more is in both
    where there is room. Rows keep their order. The parts are copies, but for sets that are mapped from a large file:
    see split_mapped. A set in many files is split file by file, the same rows whoever has which of them.
    """
    if dataset.files is not None:
        return _split_files(dataset, dataset.files, amount, seed, shuffle)
    n_held = held_out_rows(len(dataset), amount)
    if not shuffle:
        return dataset.rows(slice(None, -n_held)), dataset.rows(slice(-n_held, None))
    rng = np.random.default_rng([seed, STREAM])
    mapped = private_map(dataset.X)
    if mapped is not None:
        return split_mapped(replace(dataset, X=mapped), n_held, rng)
    kept, held = draw(len(dataset), n_held, rng, None if dataset.holds_values else dataset.y)
    return dataset.rows(kept), dataset.rows(held)


def _split_files(
    dataset: Dataset, files: tuple[tuple[int, int], ...], amount: int | float, seed: int, shuffle: bool
) -> tuple[Dataset, Dataset]:
    share, start = amount if isinstance(amount, float) else amount / len(dataset), 0
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for number, n in files:
        rows, n_held = slice(start, start + n), held_out_rows(n, share) if n > 1 else 0
        if shuffle:
            labels = None if dataset.holds_values or dataset.y is None else dataset.y[rows]
            kept, held = draw(n, n_held, np.random.default_rng([seed, STREAM, number]), labels)
        else:
            kept, held = np.arange(n - n_held), np.arange(n - n_held, n)
        parts.append((start + kept, start + held))
        start += n
    kept, held = (np.concatenate(some) for some in zip(*parts, strict=True))
    return dataset.rows(kept), dataset.rows(held)


def draw(n: int, n_held: int, rng: np.random.Generator, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sorted row numbers, int64, of (n - n_held kept rows, n_held held-out rows); labels (n,) None is one class."""
    order = rng.permutation(n)
    if labels is None:
        labels = np.zeros(n, np.int64)
    order = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)  # within the class
    out = place < np.repeat(shares(counts, n_held), counts)
    return np.sort(order[~out]), np.sort(order[out])


def shares(counts: np.ndarray, n_held: int) -> np.ndarray:
    """How many rows of each class to hold out, int64 (k,) with the sum n_held, in proportion to counts (k,).

    A class keeps a row, and gives one if it has two, as long as there is room for that.
    """
    quota = counts * (n_held / counts.sum())
    least, most = (counts >= 2).astype(np.int64), np.maximum(counts - 1, 0)
    if least.sum() > n_held:
        least[:] = 0
    if most.sum() < n_held:
        most = counts
    found = np.clip(np.floor(quota).astype(np.int64), least, most)
    while missing := n_held - int(found.sum()):
        step = 1 if missing > 0 else -1
        free = np.flatnonzero(found < most if step > 0 else found > least)
        nearest = np.argsort(step * (found - quota)[free], kind="stable")
        found[free[nearest[: abs(missing)]]] += step
    return found


def split_mapped(dataset: Dataset, n_held: int, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """Split a Dataset whose X is a private map of a file without a copy of the kept rows.

    The held-out rows are runs of neighbours, evenly spread over the file, each from a random place: with their classes
    in any order, or sorted, the parts have nearly the same shares of each. Kept rows from the end of the file move to
    where rows were taken out, so that memory is needed for twice the held-out rows and not for the whole file.
    """
    X, y = dataset.X, dataset.y
    assert y is not None
    held = spread_runs(len(X), n_held, max(1, RUN // max(1, X[:1].nbytes)), rng)
    end = len(X) - n_held
    out = np.zeros(len(X), bool)
    out[held] = True
    holes, movers = held[held < end], end + np.flatnonzero(~out[end:])
    validation = dataset.rows(held)
    y = y.copy()
    X[holes], y[holes] = X[movers], y[movers]
    return replace(dataset, X=X[:end], y=y[:end]), validation


def spread_runs(n: int, n_held: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted numbers, int64 (n_held,), of rows in runs of at most ``length``, one in each of equal parts of n rows."""
    runs = -(-n_held // length)
    steps = np.arange(runs + 1)
    ends, spare = steps * n_held // runs, steps * (n - n_held) // runs  # of the held-out and of the kept rows
    sizes = np.diff(ends)
    starts = (ends + spare)[:-1] + rng.integers(0, np.diff(spare) + 1)
    return np.concatenate([np.arange(start, start + size) for start, size in zip(starts, sizes, strict=True)])


def private_map(X: np.ndarray) -> np.ndarray | None:
    """X as a map of its own, to be written without a change of the file; None if X is not all of a mapped array."""
    base = X
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base  # type: ignore[assignment]
    if not isinstance(base, np.memmap) or base.filename is None:
        return None
    whole = base.nbytes == X.nbytes and base.dtype == X.dtype and base.ctypes.data == X.ctypes.data
    if not (whole and X.flags.c_contiguous):
        return None
    return np.asarray(np.memmap(base.filename, X.dtype, "c", base.offset, X.shape))
