"""The rows of a search in files that all workers map: they are in memory once, however many workers there are."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastnet.data.dataset import Dataset
from fastnet.data.splitting import split

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAM = 0x74756E65  # of random numbers: other ones than those of the split


@dataclass(frozen=True)
class Parts:
    """A data set in parts, the files X0.npy, y0.npy, X1.npy, ... of a folder.

    about : the data set without its rows. rounds : for each training of a trial (parts to train on, part to validate).
    """

    folder: str
    about: Dataset
    rounds: tuple[tuple[tuple[int, ...], int], ...]

    def sets(self) -> "Iterator[tuple[Dataset, Dataset]]":
        """(training rows, validation rows) of each round."""
        for trained, validated in self.rounds:
            yield self._joined(trained), self._joined((validated,))

    def _joined(self, parts: tuple[int, ...]) -> Dataset:
        """Some parts as one set; a single one is not copied."""
        X, y = ([np.load(Path(self.folder, f"{name}{i}.npy"), mmap_mode="r") for i in parts] for name in "Xy")
        return replace(self.about, X=_stacked(X), y=_stacked(y))


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def write(folder: str | os.PathLike, sets: list[Dataset], *, crossed: bool) -> Parts:
    """Write sets with y: those of training and validation, or, ``crossed``, the folds of a cross-validation."""
    for i, part in enumerate(sets):
        assert part.y is not None
        np.save(Path(folder, f"X{i}.npy"), part.X)
        np.save(Path(folder, f"y{i}.npy"), part.y)
    every = range(len(sets))
    rounds = tuple((tuple(j for j in every if j != i), i) for i in every) if crossed else (((0,), 1),)
    about = replace(sets[0], X=sets[0].X[:0].copy(), y=None, file_names=None)
    return Parts(os.fspath(folder), about, rounds)


def divided(data: Dataset, amount: int | float, folds: int | None, *, seed: int, shuffle: bool) -> list[Dataset]:
    """The sets that `write` takes: (training rows, validation rows), or so many folds."""
    if folds is None:
        return list(split(data, amount, seed=seed, shuffle=shuffle))
    numbers = fold_numbers(data, folds, seed=seed, shuffle=shuffle)
    return [data.rows(np.flatnonzero(numbers == i)) for i in range(folds)]


def fold_numbers(data: Dataset, folds: int, *, seed: int, shuffle: bool) -> np.ndarray:
    """The fold (n,) of each row: drawn class by class, or without ``shuffle`` runs of neighbours."""
    n = len(data)
    if not 2 <= folds <= n:
        raise ValueError(f"folds must be a whole number from 2 to the number of rows, {n}, got {folds}")
    if not shuffle:
        return np.arange(n) * folds // n
    order = np.random.default_rng([seed, STREAM]).permutation(n)
    if not data.holds_values:
        assert data.y is not None
        order = order[np.argsort(data.y[order], kind="stable")]
    numbers = np.empty(n, np.int64)
    numbers[order] = np.arange(n) % folds
    return numbers
