"""The column that is learned: classes with names, or values."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fastnet.data.dataset import MOST_CLASSES, numbered
from fastnet.data.source import data_error
from fastnet.errors import warn
from fastnet.tables.cells import Cells, Words, as_numbers, as_words, cell_error, require_finite

MOST_WHOLE_CLASSES = 20  # whole numbers with more different values are values, not classes
LEAST = 1e-5  # deviation of a target, as a share of its mean: float32 keeps seven digits, and two must be left
LARGEST = 1e37  # of the values of a target: a network of float32 gives them in their own units


@dataclass(frozen=True)
class Target:
    """The target column.

    names : of the classes, as they stand in the table; none for values. mean, scale : of values, in the units of the
    table; a network learns (y - mean) / scale. 0 and 1 if it gives values in those units itself.
    """

    name: str
    names: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def from_description(cls, about: Mapping[str, Any]) -> "Target":
        """The target of its `description`; raises ValueError or TypeError on anything else."""
        target = cls(**{**about, "names": tuple(map(str, about["names"]))})
        if not (math.isfinite(target.mean) and math.isfinite(target.scale) and target.scale > 0):
            raise ValueError(f"expected the description of a target, got {dict(about)}")
        return target

    def description(self) -> dict[str, Any]:
        """The values for JSON."""
        return asdict(self) | {"names": list(self.names)}

    @property
    def holds_values(self) -> bool:
        """Whether it is a regression."""
        return not self.names

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names for a Dataset and a Network, or None where 0, 1, ... are the names themselves."""
        return numbered(self.names)[1] if self.names else None

    def encode(self, cells: Cells, table: str, known: np.ndarray) -> np.ndarray:
        """Labels, int64 (n,), or standardised values, float64 (n,), of cells without gaps.

        known : bool, which rows of the table they are. Raises DataError for what is no class, or no finite number.
        """
        if self.holds_values:
            values, text = as_numbers(cells)
            if text.any():
                row, got = first_text(cells, text, known)
                raise cell_error(table, self.name, row, f"expected a number to predict, got {got!r}")
            if np.isinf(values).any():
                require_finite(values, table, self.name, np.flatnonzero(known))
            return (values - self.mean) / self.scale
        words, labels = as_words(cells), {name: label for label, name in enumerate(self.names)}
        codes = np.array([labels.get(name, -1) for name in words.names] + [-1], np.int64)[words.codes]
        strange = codes < 0
        if strange.any():
            row, got = first_text(words, strange, known)
            raise cell_error(table, self.name, row, f"the class {got!r} is not among those trained on")
        return codes

    def in_own_units(self, values: np.ndarray) -> np.ndarray:
        """Values in the units of the table from standardised ones."""
        return values * self.scale + self.mean

    def standardised(self, values: np.ndarray, table: str) -> "Target":
        """The same target with mean and deviation of the values, float64 (n,), of the training rows."""
        mean = float(values.mean())
        scale = float(np.sqrt(np.square(values - mean).mean()))
        if not scale > 1e-12 * abs(mean):  # of equal values in float64 rounding alone leaves less
            raise data_error(table, f"the target column {self.name!r} is constant in the training rows: {mean:g}")
        largest = float(np.abs(values).max())
        if largest > LARGEST:
            reason = f"the target column {self.name!r} has values up to {largest:g}, more than float32 holds"
            raise data_error(table, f"{reason}: divide the column by a constant")
        if scale < LEAST * abs(mean):
            reason = f"the values of {self.name!r} differ by less than {LEAST:g} of their size"
            warn(f"{reason}: a float32 network rounds them; subtract a constant, or use dtype float64")
        return replace(self, mean=mean, scale=scale)


def first_text(cells: Cells, chosen: np.ndarray, known: np.ndarray) -> tuple[int, str]:
    """(row of the table, text) of the first chosen one of cells that are words; known : which rows they are."""
    assert isinstance(cells, Words)
    at = int(chosen.argmax())
    return int(np.flatnonzero(known)[at]), cells.names[cells.codes[at]]


def choose_target(name: str, cells: Cells, table: str, known: np.ndarray, regression: bool | None = None) -> Target:
    """Classes for text and for whole numbers of few different values, values for other numbers.

    cells : without gaps; known : bool, which rows they are. regression : whether to take them for values; None
    decides. Raises DataError where the column cannot be learned.
    """
    values, text = as_numbers(cells)
    if not text.any() and (regression or (regression is None and not _few_whole(values))):
        return Target(name)
    words = as_words(cells)
    if regression:
        return Target(name)  # `encode` tells the text and its row
    if text.any() and not text.all() and np.count_nonzero(~text) > np.count_nonzero(text):
        row, got = first_text(cells, text, known)
        raise cell_error(table, name, row, f"expected a number, as most of the target column, got {got!r}")
    present = {name for name, times in zip(words.names, np.bincount(words.codes), strict=False) if times}
    labels, _ = numbered(present)
    if len(labels) == 1:
        raise data_error(table, f"the target column {name!r} is constant: {next(iter(labels))!r}")
    if len(labels) > MOST_CLASSES or (len(labels) > 100 and len(labels) > len(words) // 2):
        raise data_error(table, f"the target column {name!r} has {len(labels)} different values in {len(words)} rows")
    return Target(name, tuple(labels))


def _few_whole(values: np.ndarray) -> bool:
    """Whether the numbers are few different whole ones, of which at least half come twice."""
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return False
    different = len(np.unique(values))
    return different <= MOST_WHOLE_CLASSES and (different <= 2 or 2 * different <= len(values))
