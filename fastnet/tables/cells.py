"""The cells of a table in plain NumPy: numbers, or words by their codes, a piece of the rows at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet.data.source import data_error
from fastnet.tables.numerals import number_and_unit, number_of, plain_number

LONGEST = 1e21  # larger numbers have no names of figures alone
NUMBERS, WORDS, DATES = "numbers", "words", "dates"  # kinds of columns; any other kind cannot be used
PIECE_ROWS = 1 << 13
# Cells of a text that stand for nothing.
GAPS = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "?"})


@dataclass(frozen=True)
class Words:
    """A column of text.

    codes : int (n,), indices into names, -1 where there is a gap. names : different strings, without spaces around.
    """

    codes: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)


Cells = np.ndarray | Words  # the array is float64 (n,), NaN where there is a gap


@dataclass(frozen=True)
class Piece:
    """Neighbouring rows of a table: cells by the name of their column, and how many rows come before them."""

    start: int
    length: int
    cells: dict[str, Cells]


def clean_words(codes: np.ndarray, names: Sequence[str]) -> Words:
    """The Words of raw strings: spaces around them are dropped, and gaps become -1."""
    stripped = [name.strip() for name in names]
    kept = {name: code for code, name in enumerate(dict.fromkeys(name for name in stripped if name not in GAPS))}
    if list(kept) == stripped == list(names):
        return Words(codes, tuple(kept))
    lookup = np.array([kept.get(name, -1) for name in stripped] + [-1], codes.dtype)  # -1 finds the last one
    return Words(lookup[codes], tuple(kept))


def name_of(value: float) -> str:
    """The name of a number as a category: 3 for 3.0."""
    whole = abs(value) < LONGEST and value == int(value)
    return str(int(value)) if whole else repr(float(value))


def some(cells: Cells, chosen: Any) -> Cells:
    """The cells of some rows."""
    return Words(cells.codes[chosen], cells.names) if isinstance(cells, Words) else cells[chosen]


def as_numbers(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """(numbers float64 (n,), whether a cell is text and no number, bool (n,)); NaN for gaps and text."""
    if not isinstance(cells, Words):
        return cells, np.zeros(len(cells), bool)
    table = np.array([number_of(name) for name in cells.names] + [math.nan])
    values = table[cells.codes]
    return values, np.isnan(values) & (cells.codes >= 0)


def units(words: Words) -> list[str | None]:
    """The unit of each name that is a number; None for 0, which is the same in all units, and for any other text."""
    found = map(number_and_unit, words.names)
    return [None if value == 0 or math.isnan(value) else unit for value, unit in found]


def first_other_unit(words: Words, unit: str) -> tuple[int, str] | None:
    """(index, text) of the first cell that is a number with another unit, or with none; None if there is none."""
    other = np.array([own not in (None, unit) for own in units(words)] + [False])[words.codes]
    at = int(other.argmax()) if len(other) else 0
    return (at, words.names[words.codes[at]]) if other.any() else None


def unit_error(table: str, column: str, row: int, unit: str, got: str) -> Exception:
    """A DataError about a number whose unit is not that of its column."""
    wanted = f"a number with {unit}" if unit else "a number without a unit"
    return cell_error(table, column, row, f"expected {wanted}, as in the other rows, got {got!r}")


def as_words(cells: Cells) -> Words:
    """The cells as categories, whose names are the same whether they came as numbers or as text."""
    if isinstance(cells, Words):
        return clean_words(cells.codes, [_category_name(name) for name in cells.names])
    gaps = np.isnan(cells)
    values, codes = np.unique(np.where(gaps, 0.0, cells), return_inverse=True)
    return Words(np.where(gaps, -1, codes), tuple(name_of(value) for value in values))


def _category_name(text: str) -> str:
    if text.lower() in ("true", "false"):
        return text.capitalize()
    value = plain_number(text)
    return text if math.isnan(value) else name_of(value)


def joined(parts: Sequence[Cells]) -> Cells:
    """The cells of all pieces of a column as one; words if any piece holds words."""
    if not any(isinstance(part, Words) for part in parts):
        return np.concatenate([np.zeros(0), *parts])  # type: ignore[list-item]
    places: dict[str, int] = {}
    codes = [np.zeros(0, np.int32)]
    for part in map(as_words, parts):
        lookup = np.array([places.setdefault(name, len(places)) for name in part.names] + [-1], np.int32)
        codes.append(lookup[part.codes])
    smallest = np.min_scalar_type(-1 - len(places))  # a target of millions of rows stays in memory
    return Words(np.concatenate(codes).astype(smallest), tuple(places))


def require_finite(values: np.ndarray, table: str, column: str, rows: np.ndarray) -> None:
    """Raise DataError for infinite numbers in a column; rows : int (n,), the numbers of their rows."""
    infinite = np.isinf(values)
    if infinite.any():
        raise cell_error(table, column, int(rows[infinite.argmax()]), "expected a finite number, got inf")


def cell_error(table: str, column: str, row: int, message: str) -> Exception:
    """A DataError about a cell; row counts from 0, and is told from 1, the header not counted."""
    return data_error(table, f"column {column!r}, row {row + 1}: {message}")
