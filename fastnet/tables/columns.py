"""What becomes of each column of a table: the rules, and the float32 inputs that they lead to.

Numbers are standardised by mean and deviation; gaps become the mean, and a 0/1 input tells them where training rows had
some. Text and bool become a 0/1 input for each of the commonest names, one for all the others, and one for gaps. What
cannot help is dropped: constant columns, columns that only count the rows, and text that differs in nearly every row.

Every name in ENOUGH_ROWS rows or more has an input of its own, and the FEW_CATEGORIES commonest have one in any case;
but there are MOST_CATEGORIES inputs at most, and fewer where so many rows would take more than MOST_CELLS numbers.
On made tables of 1 000 rows with 100 codes that matter, R2 is 0.98 so, and 0.34 with 32 inputs; where the codes are but
noise it is 0.49, and 0.50 with 32.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastnet.data.source import data_error
from fastnet.errors import warn
from fastnet.tables.cells import (
    Cells,
    Words,
    as_numbers,
    as_words,
    cell_error,
    first_other_unit,
    require_finite,
    unit_error,
)  # fmt: skip
from fastnet.tables.dates import looks_like_a_date
from fastnet.tables.statistics import Statistics

FEW_CATEGORIES, MOST_CATEGORIES, ENOUGH_ROWS, MOST_CELLS = 32, 256, 5, 1 << 24
NUMBER, CATEGORY, DROPPED = "number", "category", "dropped"
FARTHEST = 1e30  # deviations from the mean: float32 has no room for much more
LARGEST = 1e100  # squares of larger numbers leave the range of float64


@dataclass(frozen=True)
class Column:
    """One column of the table and how it is encoded.

    kind : NUMBER, CATEGORY or DROPPED. note : why it was dropped, or became categories. mean, scale : of a number;
    inputs are (x - mean) / scale. unit : of its text, such as %. names : of a category, an input each. other : whether
    there is an input for any other name; rest : how many others the training rows had. gaps : whether there is an input
    that tells gaps. decimal : the mark, . or ",", of its numbers in text; "" is not known.
    """

    name: str
    kind: str
    note: str = ""
    mean: float = 0.0
    scale: float = 1.0
    names: tuple[str, ...] = ()
    other: bool = False
    gaps: bool = False
    unit: str = ""
    rest: int = 0
    decimal: str = ""

    @classmethod
    def from_description(cls, about: dict[str, Any]) -> "Column":
        """The column of its `description`; raises ValueError or TypeError on anything else."""
        column = cls(**{**about, "names": tuple(map(str, about["names"]))})
        numbers = isinstance(column.mean, float) and isinstance(column.scale, float)
        if not (isinstance(column.name, str) and numbers and math.isfinite(column.mean) and column.scale > 0):
            raise ValueError(f"expected the description of a column, got {about}")
        if column.kind not in (NUMBER, CATEGORY, DROPPED):
            raise ValueError(f"expected a kind of column, got {column.kind!r}")
        return column

    def description(self) -> dict[str, Any]:
        """The values of the column for JSON."""
        return asdict(self) | {"names": list(self.names)}

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs that it becomes, NAME or NAME=category."""
        if self.kind == DROPPED:
            return []
        values = [self.name] if self.kind == NUMBER else [f"{self.name}={name}" for name in self.names]
        return values + [f"{self.name} other"] * self.other + [f"{self.name} missing"] * self.gaps

    def __str__(self) -> str:
        gaps = ", gaps flagged" if self.gaps else ""
        if self.kind == NUMBER:
            return (
                f"number{' in ' * bool(self.unit)}{self.unit}, mean {self.mean:.4g}, deviation {self.scale:.4g}{gaps}"
            )
        if self.kind == CATEGORY:
            note = f", {self.note}" * bool(self.note)
            return f"{len(self.names)} categories{f', {self.rest} rarer ones are other' * self.other}{gaps}{note}"
        return f"left out: {self.note}"

    def encode(self, cells: Cells, out: np.ndarray, start: int, table: str) -> int:
        """Write the inputs into out (n, len(input_names)), float32 zeros; returns how many names are not known.

        start : rows of the table before these. Raises DataError for text where numbers were, and for infinity.
        """
        if self.kind == NUMBER:
            return self._encode_numbers(cells, out, start, table)
        return self._encode_names(as_words(cells), out)

    def _encode_numbers(self, cells: Cells, out: np.ndarray, start: int, table: str) -> int:
        values, text = as_numbers(cells)
        if text.any():
            at = int(text.argmax())
            got = cells.names[cells.codes[at]]  # type: ignore[union-attr]
            raise cell_error(table, self.name, start + at, f"expected a number, got {got!r}")
        require_finite(values, table, self.name, np.arange(start, start + len(values)))
        other = first_other_unit(cells, self.unit) if isinstance(cells, Words) else None
        if other is not None:
            raise unit_error(table, self.name, start + other[0], self.unit, other[1])
        gaps = np.isnan(values)
        with np.errstate(over="ignore"):  # what is too far is refused
            standardised = np.where(gaps, 0.0, (values - self.mean) / self.scale)
        far = np.abs(standardised) > FARTHEST
        if far.any():
            at = int(far.argmax())
            raise cell_error(table, self.name, start + at, f"expected a number near {self.mean:g}, got {values[at]:g}")
        out[:, 0] = standardised
        if self.gaps:
            out[:, 1] = gaps
        return 0

    def _encode_names(self, words: Words, out: np.ndarray) -> int:
        places = {name: place for place, name in enumerate(self.names)}
        stranger = len(self.names)
        lookup = np.array([places.get(name, stranger) for name in words.names] + [-1], np.int64)
        found = lookup[words.codes]
        rows = np.arange(len(found))
        strange, gap = found == stranger, found < 0
        kept = (~gap) & (self.other | ~strange)
        out[rows[kept], found[kept]] = 1
        if self.gaps:
            out[gap, -1] = 1
        return 0 if self.other else int(np.count_nonzero(strange))


def choose(
    found: Statistics,
    table: str,
    *,
    categorical: bool = False,
    numeric: bool = False,
    max_categories: int | None = None,
) -> Column:
    """The Column for the statistics of the training rows; DataError where the user has to decide.

    categorical, numeric : what the user says of it. max_categories : inputs for names; None chooses by the rows.
    """
    if numeric and found.first_text is not None:
        row, text = found.first_text
        raise cell_error(table, found.name, row, f"expected a number, as by --numeric {found.name}, got {text!r}")
    if categorical or found.texts or (found.is_padded and not (numeric or found.is_counter)):
        return _category(found, table, categorical, max_categories)
    if found.numbers == 0:
        return Column(found.name, DROPPED, "it holds nothing but gaps")
    if found.low == found.high and not found.gaps:
        return Column(found.name, DROPPED, f"every row has {found.low:g}")
    if found.is_counter and not numeric:
        return Column(found.name, DROPPED, f"it counts the rows (--numeric {found.name} keeps it)")
    if found.other_unit is not None:
        row, text = found.other_unit
        raise unit_error(table, found.name, row, found.unit or "", text)
    if max(-found.low, found.high) > LARGEST:
        raise data_error(table, f"column {found.name!r}: expected numbers up to {LARGEST:g}, got {found.high:g}")
    scale = found.deviation if found.low < found.high else 1.0
    return Column(found.name, NUMBER, mean=found.mean, scale=scale, gaps=found.gaps > 0, unit=found.unit or "")


def _category(found: Statistics, table: str, asked: bool, max_categories: int | None) -> Column:
    name = found.name
    if found.texts and not asked:
        _refuse_mixtures_and_dates(found, table)
    if not found.counts:
        return Column(name, DROPPED, "it holds nothing but gaps")
    if len(found.counts) == 1 and not found.gaps:
        return Column(name, DROPPED, f"every row has {next(iter(found.counts))!r}")
    different, present = len(found.counts), found.n - found.gaps
    if not asked and different > FEW_CATEGORIES and different > present // 2:
        reason = f"{different} different texts in {present} rows, such as {_short(next(iter(found.counts)))!r}"
        return Column(name, DROPPED, f"{reason} (--categorical {name} keeps it)")
    # Equal counts are put in the order of the names: the order of rows must not decide.
    common = sorted(found.counts, key=lambda word: (-found.counts[word], word))
    kept = tuple(sorted(common[: max_categories or _most_categories(found)]))
    rest = different - len(kept)
    note = "" if asked or found.texts else f"for their leading zeros (--numeric {name} takes numbers)"
    return Column(name, CATEGORY, note, names=kept, other=rest > 0, gaps=found.gaps > 0, rest=rest)


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:21]}..."


def _most_categories(found: Statistics) -> int:
    """How many names have an input of their own, if the user does not say."""
    frequent = sum(count >= ENOUGH_ROWS for count in found.counts.values())
    return max(FEW_CATEGORIES, min(frequent, MOST_CATEGORIES, MOST_CELLS // max(found.n, 1)))


def _refuse_mixtures_and_dates(found: Statistics, table: str) -> None:
    assert found.first_text is not None
    row, text = found.first_text
    if found.numbers > found.texts:
        raise cell_error(
            table, found.name, row, f"expected a number, as most of the column, got {text!r}: correct it, or take the "
            f"column for text by --categorical {found.name}"
        )  # fmt: skip
    if looks_like_a_date(text):
        raise date_error(table, found.name, f", as in row {row + 1}: {text!r}")


def date_error(table: str, column: str, where: str = "") -> Exception:
    """The DataError for a column of dates."""
    return data_error(
        table, f"column {column!r} holds dates{where}; leave it out by --ignore {column}, or make numbers of it, "
        "such as year, month and weekday"
    )  # fmt: skip


def warn_of_strangers(table: str, counts: dict[str, int]) -> None:
    """Warn of names, counted by column, that the training rows did not have."""
    if counts:
        told = ", ".join(f"{count} in column {name!r}" for name, count in counts.items())
        warn(f"{table}: categories that the training rows did not have, taken for none of them: {told}")
