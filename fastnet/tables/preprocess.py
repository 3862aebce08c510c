"""Preprocess: from the raw columns of a table to the float32 inputs of a network."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.source import data_error, told_as_data_errors
from fastnet.errors import did_you_mean
from fastnet.tables.cells import DATES, NUMBERS, WORDS, Piece, some
from fastnet.tables.columns import DROPPED, NUMBER, Column, choose, date_error, warn_of_strangers
from fastnet.tables.reading import Table, open_table
from fastnet.tables.statistics import Statistics
from fastnet.tables.targets import Target

SETTINGS = ("ignore", "categorical", "numeric", "max_categories")


class Preprocess:
    """What was learned about the columns of a table, and how they become inputs.

    ignore : columns to leave out. categorical : columns whose numbers are names, such as postal codes. numeric :
    columns of numbers that stay, though they count the rows or have leading zeros, which makes them categories
    otherwise. max_categories : most inputs for the names of a column; None chooses by the rows, see
    `fastnet.tables.columns`.

    ``columns`` holds a Column for each column of the table, and ``target`` the Target, or None. Tables are what
    `fastnet.load_table` takes: a path, a data frame, a pyarrow table or a dict of arrays; or an array (n, d), whose
    columns are x0, x1, ... Arrays and data frames need no further package. It is a transformer as scikit-learn knows
    them, to stand in a Pipeline before an estimator.
    """

    def __init__(
        self, ignore: Iterable[str] = (), categorical: Iterable[str] = (), numeric: Iterable[str] = (),
        max_categories: int | None = None,
    ):  # fmt: skip
        self.ignore, self.categorical, self.numeric = ignore, categorical, numeric
        self.max_categories = max_categories
        self.target: Target | None = None

    def fit(self, X: Any, y: Any = None) -> "Preprocess":
        """Learn the columns of a table. y is not looked at. Returns itself.

        Raises DataError, which names column and row, for what cannot be learned; TypeError for what is no table.
        """
        table = open_table(X)
        self.require_settings(table)
        table.settle([name for name in table.names if name not in set(self.ignore)])
        self.fit_rows(table, None)
        return self

    def require_settings(self, table: Table) -> None:
        """Raise DataError for a column of the settings that is missing; ValueError for settings that contradict."""
        require_columns(table, (*self.ignore, *self.categorical, *self.numeric))
        both = sorted(set(self.categorical) & set(self.numeric))
        if both:
            raise data_error(table.name, f"column {both[0]!r}: expected categorical or numeric, got both")
        most = self.max_categories
        if most is not None and not (isinstance(most, int) and most >= 1):
            raise ValueError(f"max_categories must be a whole number from 1 on or None, got {most!r}")

    def fit_rows(self, table: Table, rows: np.ndarray | None) -> None:
        """Learn the settled columns, but for the target, from some rows; rows : bool (n_rows,), None is all."""
        require_rows(table)
        names = [name for name in table.kinds if self.target is None or name != self.target.name]
        for name in names:
            self._require_usable(table, name)
        categorical = set(self.categorical)
        found = {name: Statistics(name) for name in names}
        for piece in table.pieces(names):
            numbers = np.arange(piece.start, piece.start + piece.length)
            chosen = slice(None) if rows is None else rows[piece.start : piece.start + piece.length]
            for name, cells in piece.cells.items():
                found[name].add(some(cells, chosen), numbers[chosen], table.name, categorical=name in categorical)
        self.columns = tuple(
            replace(self._choose(found[name], table.name), decimal=table.marks.get(name, ""))
            if name in found
            else _left_out(name)
            for name in table.names
            if self.target is None or name != self.target.name
        )
        if not self.feature_names:
            why = "; ".join(f"{column.name}: {column.note}" for column in self.columns) or "there is none"
            raise data_error(table.name, f"expected at least one column to learn from, but all are left out ({why})")

    def _choose(self, found: Statistics, table: str) -> Column:
        return choose(
            found, table, categorical=found.name in self.categorical, numeric=found.name in self.numeric,
            max_categories=self.max_categories,
        )  # fmt: skip

    def _require_usable(self, table: Table, name: str) -> None:
        kind = table.kinds[name]
        if kind == DATES:
            raise date_error(table.name, name)
        if kind not in (NUMBERS, WORDS):
            raise data_error(
                table.name, f"column {name!r}: expected numbers or text, got {kind}; leave it out by --ignore {name}"
            )

    def transform(self, X: Any) -> np.ndarray:
        """The inputs, float32 (n, d), of a table with these columns, in any order; further columns are not read.

        Warns of categories that are new. Raises DataError for a missing column, and for text where numbers were;
        ValueError before `fit`.
        """
        self._require_fit()
        table = open_table(X)
        self.settle(table)
        return self.encode(table)

    def _require_fit(self) -> None:
        if not hasattr(self, "columns"):
            raise ValueError("this Preprocess has learned no columns yet: call fit(table) before")

    def settle(self, table: Table, further: Sequence[str] = ()) -> None:
        """Settle the columns that are used, and ``further`` ones; DataError if one is missing."""
        require_columns(table, self.used)
        marks = {column.name: column.decimal for column in self.columns}
        numeric = [column.name for column in self.columns if column.kind == NUMBER]
        if self.target is not None:
            marks[self.target.name] = self.target.decimal
            numeric += [self.target.name] * self.target.holds_values
        table.settle([*self.used, *further], marks, numeric)
        for name in self.used:
            self._require_usable(table, name)

    def encode(self, table: Table, rows: np.ndarray | None = None, budget: Budget | None = None) -> np.ndarray:
        """The inputs of a settled table; rows : bool (n_rows,), None is all."""
        n = table.n_rows if rows is None else int(np.count_nonzero(rows))
        return self.encode_parts(table, np.zeros(table.n_rows, np.uint8) if rows is None else ~rows, (n,), budget)[0]

    def encode_parts(
        self, table: Table, part: np.ndarray, sizes: Sequence[int], budget: Budget | None = None
    ) -> list[np.ndarray]:
        """The inputs of several parts of the rows, read together.

        part : of each row, uint8 or bool (n_rows,); rows of no part have a number from len(sizes) on. sizes : of them.
        """
        with told_as_data_errors(table.name):
            if budget is not None:
                budget.take(4 * sum(sizes) * len(self.feature_names))
            arrays = [np.empty((n, len(self.feature_names)), np.float32) for n in sizes]
        filled, strangers = [0] * len(sizes), Counter[str]()
        for piece in table.pieces(self.used):
            block = self._encoded(piece, table.name, strangers)
            here = part[piece.start : piece.start + piece.length]
            for place, array in enumerate(arrays):
                rows = block[here == place]
                array[filled[place] : filled[place] + len(rows)] = rows
                filled[place] += len(rows)
        warn_of_strangers(table.name, {name: count for name, count in strangers.items() if count})
        return arrays

    def _encoded(self, piece: Piece, table: str, strangers: Counter[str]) -> np.ndarray:
        block = np.zeros((piece.length, len(self.feature_names)), np.float32)
        end = 0
        for column in self.columns:
            start, end = end, end + len(column.input_names)
            if column.kind != DROPPED:
                cells = piece.cells[column.name]
                strangers[column.name] += column.encode(cells, block[:, start:end], piece.start, table)
        return block

    def fit_transform(self, X: Any, y: Any = None, **_: Any) -> np.ndarray:
        """`fit`, and `transform` of the same table."""
        return self.fit(X, y).transform(X)

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that tables must have."""
        return tuple(column.name for column in self.columns if column.kind != DROPPED)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs: NAME of a number, NAME=category, "NAME other" and "NAME missing"."""
        return tuple(name for column in self.columns for name in column.input_names)

    @property
    def groups(self) -> tuple[str, ...]:
        """The column that each input is made of."""
        return tuple(column.name for column in self.columns for _ in column.input_names)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the inputs, an array of str objects."""
        self._require_fit()
        return np.array(self.feature_names, object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings, for scikit-learn."""
        return {name: getattr(self, name) for name in SETTINGS}

    def set_params(self, **settings: Any) -> "Preprocess":
        """Change settings, for scikit-learn. Returns itself."""
        for name, value in settings.items():
            if name not in self.get_params():
                raise ValueError(f"Preprocess has the settings {', '.join(SETTINGS)}, got {name!r}")
            setattr(self, name, value)
        return self

    def inverse_target(self, values: np.ndarray) -> np.ndarray:
        """Values in the units of the target column from those that a regression network gives."""
        return values if self.target is None else self.target.in_own_units(values)

    def description(self) -> dict[str, Any]:
        """All that was learned, as values for JSON."""
        return {
            "ignore": list(self.ignore),
            "categorical": list(self.categorical),
            "numeric": list(self.numeric),
            "max_categories": self.max_categories,
            "columns": [column.description() for column in self.columns],
            "target": None if self.target is None else self.target.description(),
        }

    @classmethod
    def from_description(cls, about: dict[str, Any]) -> "Preprocess":
        """The Preprocess of its `description`; ValueError, TypeError or KeyError on anything else."""
        ignore, categorical, numeric = (list(map(str, about.get(name, ()))) for name in SETTINGS[:3])
        made = cls(ignore, categorical, numeric, about.get("max_categories"))
        made.columns = tuple(Column.from_description(column) for column in about["columns"])
        made.target = None if about["target"] is None else Target.from_description(about["target"])
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preprocess) and self.__getstate__() == other.__getstate__()

    __hash__ = None  # type: ignore[assignment]  # settings can be changed

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __repr__(self) -> str:
        if not hasattr(self, "columns"):
            return f"Preprocess({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"
        return f"Preprocess({len(self.used)} columns to {len(self.feature_names)} inputs)"


def _left_out(name: str) -> Column:
    return Column(name, DROPPED, "as asked for")


def require_rows(table: Table) -> None:
    """Raise DataError if a settled table has no rows."""
    if not table.n_rows:
        raise data_error(table.name, "expected rows below the header, got none")


def require_columns(table: Table, names: Iterable[str]) -> None:
    """Raise DataError, with the nearest name that there is, if the table lacks one of the columns."""
    for name in names:
        if name not in table.names:
            hint = did_you_mean(name, table.names) or f"; it has {', '.join(table.names[:8])}"
            raise data_error(table.name, f"expected a column {name!r}, got none{hint}")
