"""The rows of a search in files that all workers map: they are in memory once, however many workers there are."""

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.data import splitting
from fastnet.data.dataset import Dataset
from fastnet.data.splitting import draw, held_out_rows, split
from fastnet.tables.defaults import beside
from fastnet.tables.loading import LEFT_OUT, TRAIN, VALIDATION, TableLoader

STREAM = 0x74756E65  # of random numbers: other ones than those of the split


@dataclass(frozen=True)
class Parts:
    """A data set in parts, the files X0.npy, y0.npy, X1.npy, ... of a folder.

    about : a set without its rows. rounds : for each training of a trial (parts to train on, part to validate).
    """

    folder: str
    about: Dataset
    rounds: tuple[tuple[tuple[int, ...], int], ...]

    def sets(self) -> Iterator[tuple[Dataset, Dataset]]:
        """(training rows, validation rows) of each round."""
        for trained, validated in self.rounds:
            yield self._joined(trained), self._joined((validated,))

    def _joined(self, parts: tuple[int, ...]) -> Dataset:
        """Some parts as one set; a single one is not copied."""
        X, y = ([np.load(Path(self.folder, f"{name}{i}.npy"), mmap_mode="r") for i in parts] for name in "Xy")
        return replace(self.about, X=_stacked(X), y=_stacked(y))


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def write(folder: str | os.PathLike, sets: Iterable[Dataset], *, crossed: bool) -> Parts:
    """Write sets with y: those of training and validation in turn, or, ``crossed``, the folds of a cross-validation."""
    about, count = None, 0
    for i, part in enumerate(sets):
        assert part.y is not None
        np.save(Path(folder, f"X{i}.npy"), part.X)
        np.save(Path(folder, f"y{i}.npy"), part.y)
        about, count = replace(part, X=part.X[:0].copy(), y=None, file_names=None), i + 1
    assert about is not None
    pairs = tuple(((i,), i + 1) for i in range(0, count, 2))
    turns = tuple((tuple(j for j in range(count) if j != i), i) for i in range(count))
    return Parts(os.fspath(folder), about, turns if crossed else pairs)


@dataclass(frozen=True)
class TableRows:
    """The training rows of a table. Each round learns the columns from the rows that it trains on, and no others.

    loader : of the table. part : uint8 (loader.n_rows,), TRAIN for these rows.
    """

    loader: TableLoader
    part: np.ndarray

    @property
    def target(self) -> str:
        """The name of the column that is learned."""
        return self.loader.target.name

    def defaults(self, given: Iterable[str]) -> dict[str, Any]:
        """What fastnet train sets on this table beside the settings with the ``given`` names."""
        return beside(given, self.loader.n_rows)

    def divided(
        self, data: Dataset, amount: int | float, folds: int | None, *, seed: int, shuffle: bool
    ) -> Iterator[Dataset]:
        """For each round the rows to train on, then those to validate on. data : these rows, for their classes."""
        free = np.flatnonzero(self.part == TRAIN)
        for held in held_out(data, amount, folds, seed=seed, shuffle=shuffle):
            part = np.where(self.part == TRAIN, self.part, LEFT_OUT)
            part[free[held]] = VALIDATION
            with warnings.catch_warnings(), self.loader.budget.repeated():
                warnings.simplefilter("ignore")  # of rare categories, which some round has to meet as new ones
                found = self.loader.encoded(part)
            assert found.validation is not None
            yield from (found.train, found.validation)


def held_out(
    data: Dataset, amount: int | float, folds: int | None, *, seed: int, shuffle: bool
) -> Iterator[np.ndarray]:
    """The numbers of the rows that are held out of each round, the same ones as `divided` holds out."""
    n = len(data)
    if folds is not None:
        numbers = fold_numbers(data, folds, seed=seed, shuffle=shuffle)
        yield from (np.flatnonzero(numbers == i) for i in range(folds))
        return
    n_held = held_out_rows(n, amount)
    rng = np.random.default_rng([seed, splitting.STREAM])
    labels = None if data.holds_values else data.y
    yield draw(n, n_held, rng, labels)[1] if shuffle else np.arange(n - n_held, n)


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
