"""A set in many files, named by a pattern: all of them, or those of one process out of several."""

import glob
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset, as_values
from fastnet.data.formats import load_file
from fastnet.data.known import labels_beside
from fastnet.data.source import data_error
from fastnet.errors import DataError


def is_pattern(name: str) -> bool:
    """Whether a name stands for files, and is none of its own."""
    return glob.has_magic(name) and not os.path.exists(name)


def load_shards(pattern: str, budget: Budget, part: tuple[int, int] = (0, 1)) -> Dataset:
    """Load the files that match a pattern, in the order of their names, as one set; labels may lie beside each.

    part : (k, n) loads the k-th of n runs of files, which have about as many bytes each.
    Raises DataError where files do not fit together, and where there are fewer of them than parts.
    """
    files = _files(pattern)
    first, stop = _bounds([path.stat().st_size for path in files], pattern, *part)
    sets = [_load(path, budget) for path in files[first:stop]]
    for path, dataset in zip(files[first:], sets, strict=False):
        _check_alike(path, dataset, sets[0])
    if any(dataset.holds_values for dataset in sets):
        sets = [as_values(dataset) for dataset in sets]
    if len(sets) > 1:
        budget.take(sum(dataset.X.nbytes for dataset in sets))
    whole = _joined(sets)
    numbered = tuple((first + i, len(dataset)) for i, dataset in enumerate(sets))
    return replace(whole, name=pattern, n_classes=max(dataset.n_classes for dataset in sets), files=numbered)


def _files(pattern: str) -> list[Path]:
    """The files that match, without those that hold the labels of others."""
    found = [Path(name) for name in sorted(glob.glob(pattern)) if os.path.isfile(name)]
    labels = {beside for path in found if (beside := labels_beside(path)) is not None}
    files = [path for path in found if path not in labels]
    if not files:
        raise DataError(f"{pattern}: no file matches")
    return files


def _bounds(sizes: list[int], pattern: str, k: int, n: int) -> tuple[int, int]:
    """The first file of the k-th of n parts, and the one after its last. Every part has a file."""
    if not 0 <= k < n:
        raise ValueError(f"part must be (k, n) with k from 0 to below n, got {(k, n)}")
    if len(sizes) < n:
        raise DataError(f"{pattern}: expected a file for each of {n} processes, got {len(sizes)}: start fewer")
    ends = np.cumsum(sizes)
    cuts = [0]
    for i in range(1, n):
        even = int(np.searchsorted(ends, ends[-1] * i / n)) + 1
        cuts.append(min(max(even, cuts[-1] + 1), len(sizes) - n + i))
    cuts.append(len(sizes))
    return cuts[k], cuts[k + 1]


def _load(path: Path, budget: Budget) -> Dataset:
    dataset, test = load_file(path, budget)
    if test is not None:
        raise data_error(path, "expected one set in each of many files, got a training and a test part")
    return dataset


def _check_alike(path: Path, dataset: Dataset, first: Dataset) -> None:
    """Raise DataError where a set could not be rows of the same table as the first."""
    for got, expected in zip(_features(dataset), _features(first), strict=True):
        if got != expected:
            raise data_error(path, f"expected {expected}, as in {first.name}, got {got}")


def _features(dataset: Dataset) -> tuple[str, ...]:
    """What all files of a set have in common."""
    return (
        f"{dataset.X.shape[1]} columns",
        "pixels (uint8)" if dataset.X.dtype == np.uint8 else "floats",
        "no labels" if dataset.y is None else "labels",
        f"classes of the names {', '.join(dataset.class_names)}" if dataset.class_names else "classes without names",
    )


def _joined(sets: list[Dataset]) -> Dataset:
    first = sets[0]
    if len(sets) == 1:
        return first
    y = None if first.y is None else np.concatenate([dataset.y for dataset in sets if dataset.y is not None])
    return replace(first, X=np.concatenate([dataset.X for dataset in sets]), y=y, file_names=None)
