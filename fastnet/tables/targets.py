"""The column that is learned: classes with names, or values."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fastnet.data.dataset import MOST_CLASSES, label_dtype, numbered
from fastnet.data.source import data_error
from fastnet.tables.cells import (
    Cells,
    Words,
    as_numbers,
    as_words,
    cell_error,
    first_other_unit,
    name_of,
    some,
    unit_error,
    units,
)  # fmt: skip
from fastnet.tables.dates import looks_like_a_date

MOST_WHOLE_CLASSES = 20  # whole numbers with more different values are values, not classes
STRETCH = 1 << 16  # rows that are looked at together
LEAST = 1e-5  # deviation of a target, as a share of its mean: float32 keeps seven figures, and two must be left
LARGEST = 1e37  # of the values of a target: a network of float32 gives them in their own units


@dataclass(frozen=True)
class Target:
    """The target column.

    names : of the classes, as they stand in the table; none for values. mean, scale : of values, in the units of the
    table; a network learns (y - mean) / scale. 0 and 1 if it gives values in those units itself. decimal : as for a
    Column.
    """

    name: str
    names: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    decimal: str = ""

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
        """Labels, uint8 or int32 (n,), or standardised values, float64 (n,), of cells without gaps.

        known : bool, which rows of the table they are. Raises DataError for what is no class, or no finite number.
        """
        rows = _RowNumbers(known)
        return self._values(cells, table, rows) if self.holds_values else self._labels(cells, table, rows)

    def _values(self, cells: Cells, table: str, rows: "_RowNumbers") -> np.ndarray:
        values, text = as_numbers(cells)
        if text.any():
            at, got = first_text(cells, text)
            raise cell_error(table, self.name, rows[at], f"expected a number to predict, got {got!r}")
        infinite = np.isinf(values)
        if infinite.any():
            raise cell_error(table, self.name, rows[int(infinite.argmax())], "expected a finite number, got inf")
        return (values - self.mean) / self.scale

    def _labels(self, cells: Cells, table: str, rows: "_RowNumbers") -> np.ndarray:
        labels = {name: label for label, name in enumerate(self.names)}
        y = np.empty(len(cells), label_dtype(len(labels)))
        step = max(1, len(cells)) if isinstance(cells, Words) else STRETCH
        for start in range(0, len(y), step):
            words = as_words(some(cells, slice(start, start + step)))
            lookup = np.array([labels.get(name, -1) for name in words.names] + [-1], np.int32)
            found = lookup[words.codes]
            if (found < 0).any():
                at, got = first_text(words, found < 0)
                raise cell_error(table, self.name, rows[start + at], f"the class {got!r} is not among those trained on")
            y[start : start + step] = found
        return y

    @property
    def is_fine(self) -> bool:
        """Whether values in their own units differ by less than float32 can tell."""
        return not self.names and self.scale < LEAST * abs(self.mean)

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
        return replace(self, mean=mean, scale=scale)


class _RowNumbers:
    """The numbers in the table of the rows that are known, which are found when an error needs one."""

    def __init__(self, known: np.ndarray):
        self.known = known

    def __getitem__(self, index: int) -> int:
        return int(np.flatnonzero(self.known)[index])


def first_text(cells: Cells, chosen: np.ndarray) -> tuple[int, str]:
    """(index, text) of the first chosen one of cells that are words."""
    assert isinstance(cells, Words)
    at = int(chosen.argmax())
    return at, cells.names[cells.codes[at]]


def choose_target(name: str, cells: Cells, table: str, known: np.ndarray, regression: bool | None = None) -> Target:
    """Classes for text and for whole numbers of few different values, values for other numbers.

    cells : without gaps; known : bool, which rows they are. regression : whether to take them for values; None
    decides. Raises DataError where the column cannot be learned.
    """
    if not isinstance(cells, Words):
        found = _different(cells, MOST_CLASSES)
        if regression or (regression is None and not _few_whole(found, len(cells))):
            return Target(name)
        return Target(name, _class_names(name, [name_of(value) for value in found], len(cells), table))
    values, text = as_numbers(cells)
    rows = _RowNumbers(known)
    _refuse_dates_and_mixtures(name, cells, text, table, rows)
    if not text.any() and (regression or (regression is None and not _few_whole(np.unique(values), len(cells)))):
        unit = next((unit for unit in units(cells) if unit is not None), "")
        other = first_other_unit(cells, unit)
        if other is not None:
            raise unit_error(table, name, rows[other[0]], unit, other[1])
        return Target(name)
    if regression:
        return Target(name)  # `encode` tells the text and its row
    words = as_words(cells)
    times = np.bincount(words.codes, minlength=len(words.names))
    present = [word for word, count in zip(words.names, times, strict=True) if count]
    return Target(name, _class_names(name, present, len(cells), table))


def _refuse_dates_and_mixtures(name: str, cells: Words, text: np.ndarray, table: str, rows: _RowNumbers) -> None:
    if not text.any():
        return
    at, got = first_text(cells, text)
    if np.count_nonzero(~text) > np.count_nonzero(text):
        raise cell_error(table, name, rows[at], f"expected a number, as most of the target column, got {got!r}")
    if looks_like_a_date(got):
        raise target_date_error(table, name, f", as in row {rows[at] + 1}: {got!r}")


def target_date_error(table: str, name: str, where: str = "") -> Exception:
    """The DataError for a target that holds dates."""
    return data_error(
        table, f"the target column {name!r} holds dates{where}; expected numbers or text: make numbers of it, such as "
        "days since the first"
    )  # fmt: skip


def _class_names(name: str, present: list[str], n: int, table: str) -> tuple[str, ...]:
    """The names of the classes in the order of their labels, of a column of n rows; DataError if it has no classes."""
    labels, _ = numbered(present)
    if len(labels) == 1:
        raise data_error(table, f"the target column {name!r} is constant: {next(iter(labels))!r}")
    if len(labels) > MOST_CLASSES or len(labels) == n > 2 or (len(labels) > 20 and len(labels) > n // 2):
        many = f"more than {MOST_CLASSES}" if len(labels) > MOST_CLASSES else str(len(labels))
        raise data_error(
            table, f"the target column {name!r} has {many} different values in {n} rows: expected classes with several "
            "rows each, or numbers"
        )  # fmt: skip
    return tuple(labels)


def _different(values: np.ndarray, most: int) -> np.ndarray:
    """The different ones of the values, sorted; some of them, more than ``most``, if they are so many."""
    found = np.zeros(0)
    for start in range(0, len(values), STRETCH):
        found = np.union1d(found, values[start : start + STRETCH])
        if len(found) > most:
            break
    return found


def _few_whole(different: np.ndarray, n: int) -> bool:
    """Whether the different ones of n numbers are few whole ones, of which at least half come twice."""
    if len(different) > MOST_WHOLE_CLASSES or not np.isfinite(different).all():
        return False
    whole = bool((different == np.floor(different)).all())
    return whole and (len(different) <= 2 or 2 * len(different) <= n)
