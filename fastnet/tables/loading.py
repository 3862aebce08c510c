"""From a table to the Datasets that training takes, and the rows of further tables for a trained network."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset
from fastnet.data.source import data_error, told_as_data_errors
from fastnet.data.splitting import STREAM, draw, held_out_rows
from fastnet.errors import warn
from fastnet.tables.cells import DATES, NUMBERS, WORDS, Cells, Words, joined, some
from fastnet.tables.preprocess import Preprocess, require_columns, require_rows
from fastnet.tables.reading import Table, open_table
from fastnet.tables.targets import LEAST, Target, choose_target, target_date_error

if TYPE_CHECKING:
    from fastnet.network import Network

TRAIN, VALIDATION, TEST, LEFT_OUT = range(4)


def load_table(
    source: Any,
    target: str,
    *,
    test: Any = None,
    test_split: int | float | None = None,
    ignore: Iterable[str] = (),
    categorical: Iterable[str] = (),
    numeric: Iterable[str] = (),
    max_categories: int | None = None,
    regression: bool | None = None,
    seed: int = 0,
    max_bytes: int | None = None,
) -> tuple[Dataset, Dataset | None]:
    """Load a table as (train, test), encoded for a network; test is None without ``test`` and ``test_split``.

    source : the path of a CSV (also gzip), Parquet or Feather file, a pandas or polars data frame, a pyarrow table, or
        a dict of arrays (n,). Files need the extra ``tables``. target : the column to learn. Rows without a value in it
        are left out.
    test : another table with the same columns. test_split : or the rows to hold out, a number or a share, drawn from
        the seed by class. ignore : columns to leave out. categorical : columns whose numbers are names. numeric :
        columns of numbers that stay, though they count the rows or have leading zeros. max_categories : most
        inputs for the names of a column; None chooses by the rows, see `fastnet.tables.columns`.
    regression : whether the target holds values; None takes text and few different whole numbers for classes.
    max_bytes : as for `fastnet.load_data`.

    X is float32 (n, d), as `fastnet.tables.columns` says. y holds labels, or the standardised values of a regression,
    float64 (n,): (y - mean) / deviation. ``preprocess`` of both sets holds what was learned, from rows of train alone;
    its inverse_target gives values in the units of the table. Raises DataError in one line that names column and row.
    """
    loaded = TableLoader(source, target, test=test, ignore=ignore, categorical=categorical, numeric=numeric,
                         max_categories=max_categories, regression=regression, max_bytes=max_bytes)  # fmt: skip
    parts = loaded.split(test_split=test_split, seed=seed)
    return parts.train, parts.test


@dataclass(frozen=True)
class Parts:
    """The Datasets of a table; validation and test may be None."""

    train: Dataset
    validation: Dataset | None
    test: Dataset | None


class TableLoader:
    """A table whose target is known, before its rows are split and its columns are learned.

    The arguments are those of `load_table`. y : labels, uint8 or int32 (n_rows,), or values, float64 (n_rows,), in the
    units of the table. n_rows : rows that have a value in the target.
    """

    def __init__(
        self, source: Any, target: str, *, test: Any = None, ignore: Iterable[str] = (),
        categorical: Iterable[str] = (), numeric: Iterable[str] = (), max_categories: int | None = None,
        regression: bool | None = None, max_bytes: int | None = None,
    ):  # fmt: skip
        self.budget = Budget(max_bytes)
        self.table, self.test = open_table(source, self.budget), test
        self.preprocess = Preprocess(list(ignore), list(categorical), list(numeric), max_categories)
        require_columns(self.table, (target,))
        self.preprocess.require_settings(self.table)
        if target in self.preprocess.ignore:
            raise data_error(self.table.name, f"the target column {target!r} cannot be left out")
        self.table.settle([name for name in self.table.names if name not in set(self.preprocess.ignore)])
        require_rows(self.table)
        cells, self.known = target_cells(self.table, target)
        if not len(cells):
            raise data_error(self.table.name, f"expected values in the target column {target!r}, got none")
        chosen = choose_target(target, cells, self.table.name, self.known, regression)
        self.target = replace(chosen, decimal=self.table.marks.get(target, ""))
        self.y = self.target.encode(cells, self.table.name, self.known)

    @property
    def n_rows(self) -> int:
        """Rows that have a value in the target."""
        return len(self.y)

    @property
    def left_out(self) -> int:
        """Rows that have none."""
        return self.table.n_rows - len(self.y)

    @property
    def holds_values(self) -> bool:
        """Whether it is a regression."""
        return self.target.holds_values

    def split(
        self, *, test_split: int | float | None = None, validation_split: int | float | None = None, seed: int = 0,
        shuffle: bool = True,
    ) -> Parts:  # fmt: skip
        """Split the rows, learn the columns from those of train alone, and encode all.

        test_split, validation_split : rows, or a share of the rows, as for `load_table`; None or 0 is none. seed : of
        the draw. shuffle : False takes the last rows; those of validation come before those of the test.
        """
        drawn = self.drawn(test_split=test_split, validation_split=validation_split, seed=seed, shuffle=shuffle)
        parts = self.encoded(drawn)
        if self.test is None:
            return parts
        assert parts.train.preprocess is not None
        test = load_rows(self.test, parts.train.preprocess, budget=self.budget)
        if test.y is None:
            raise data_error(test.name, f"expected a column {self.target.name!r}, the target, got none")
        return replace(parts, test=test)

    def drawn(
        self, *, test_split: int | float | None = None, validation_split: int | float | None = None, seed: int = 0,
        shuffle: bool = True,
    ) -> np.ndarray:  # fmt: skip
        """The part of each row, uint8 (n_rows,): TRAIN, VALIDATION or TEST; arguments as for `split`."""
        if test_split and self.test is not None:
            raise ValueError("test_split must be None where there is a test table")
        part = np.full(self.n_rows, TRAIN, np.uint8)
        for number, amount in ((TEST, test_split), (VALIDATION, validation_split)):
            if amount:
                self._take(part, number, amount, seed, shuffle)
        return part

    def encoded(self, part: np.ndarray) -> Parts:
        """The sets of the rows that are TRAIN, VALIDATION and TEST in part, uint8 (n_rows,); others are left out.

        What is learned of the columns comes from those of TRAIN alone.
        """
        learned = Preprocess(**self.preprocess.get_params())
        learned.target = self.target
        if self.holds_values:
            learned.target = self.target.standardised(self.y[part == TRAIN], self.table.name)
        parts = part
        if self.left_out:
            parts = np.full(self.table.n_rows, LEFT_OUT, np.uint8)
            parts[self.known] = part
        learned.fit_rows(self.table, parts == TRAIN)
        sizes = np.bincount(part, minlength=LEFT_OUT)[:LEFT_OUT].tolist()
        arrays = learned.encode_parts(self.table, parts, sizes, self.budget)
        # What reading needed is free by now: y in its final type comes last.
        train, validation, test = (
            as_dataset(X, self._y(part == number, learned.target), self.table.name, learned) if len(X) else None
            for number, X in enumerate(arrays)
        )
        assert train is not None
        return Parts(train, validation, test)

    def _y(self, chosen: np.ndarray, target: Target) -> np.ndarray:
        """The y of a Dataset: labels, int64 (n,), or standardised values, float64 (n,), of the chosen rows."""
        y = self.y[chosen]
        if not self.holds_values:
            return y.astype(np.int64)
        y -= target.mean
        y /= target.scale
        return y

    def _take(self, part: np.ndarray, number: int, amount: int | float, seed: int, shuffle: bool) -> None:
        """Give that part some of the rows that are in TRAIN."""
        free = np.flatnonzero(part == TRAIN)
        try:
            n_held = held_out_rows(len(free), amount)
        except ValueError as error:
            raise data_error(self.table.name, error) from None
        if self.holds_values and n_held < 2:
            asked = f"{amount:g} of {len(free)} rows is {n_held}" if isinstance(amount, float) else f"got {n_held}"
            what = "the test" if number == TEST else "validation"
            raise data_error(self.table.name, f"expected 2 rows or more for {what}: R2 compares values; {asked}")
        held = np.arange(len(free) - n_held, len(free))
        if shuffle:
            stream = STREAM + (number == TEST)
            rng = np.random.default_rng([seed, stream])
            _, held = draw(len(free), n_held, rng, None if self.holds_values else self.y[free])
        part[free[held]] = number


def target_cells(table: Table, target: str) -> tuple[Cells, np.ndarray]:
    """(the cells of the target column that are no gaps, and where they are, bool (n_rows,))."""
    if table.kinds[target] == DATES:
        raise target_date_error(table.name, target)
    if table.kinds[target] not in (NUMBERS, WORDS):
        raise data_error(
            table.name, f"the target column {target!r} holds {table.kinds[target]}; expected numbers or text"
        )
    cells = joined([piece.cells[target] for piece in table.pieces([target])])
    known = cells.codes >= 0 if isinstance(cells, Words) else ~np.isnan(cells)
    return cells if known.all() else some(cells, known), known


def as_dataset(X: np.ndarray, y: np.ndarray | None, name: str, preprocess: Preprocess) -> Dataset:
    """The Dataset of encoded rows."""
    target = preprocess.target
    classes = 0 if target is None or y is None else len(target.names)
    names = target.class_names if classes and target is not None else None
    return Dataset(X, y, classes, name, class_names=names, preprocess=preprocess)


def load_rows(source: Any, preprocess: Preprocess, *, labelled: bool = True, budget: Budget | None = None) -> Dataset:
    """The encoded rows of another table. y is None where ``labelled`` is False or the target column is missing.

    With y, rows without a value in the target are left out. Raises DataError for a class that was not trained on.
    """
    with told_as_data_errors(source if isinstance(source, str | os.PathLike) else "the table"):
        table, target = open_table(source, budget), preprocess.target
        has_target = labelled and target is not None and target.name in table.names
        if not has_target:
            preprocess.settle(table)
            require_rows(table)
            return as_dataset(preprocess.encode(table, budget=budget), None, table.name, preprocess)
        assert target is not None
        preprocess.settle(table, [target.name])
        require_rows(table)
        cells, known = target_cells(table, target.name)
        y = target.encode(cells, table.name, known)
        y = y if target.holds_values else y.astype(np.int64)
        return as_dataset(preprocess.encode(table, known, budget), y, table.name, preprocess)


def in_own_units(dataset: Dataset) -> Dataset:
    """The Dataset of a regression with y in the units of the table; any other Dataset as it is."""
    preprocess = dataset.preprocess
    if preprocess is None or dataset.y is None or not dataset.holds_values:
        return dataset
    return replace(dataset, y=preprocess.inverse_target(dataset.y), preprocess=_unscaled(preprocess))


def fold_target(network: "Network") -> None:
    """Make a regression network that learned standardised values give values in the units of the table.

    Its last layer takes over mean and deviation of the target, in the network's dtype: values keep some 7 digits of
    float32. Any other network stays as it is, and so does one that was folded before.
    """
    preprocess = network.preprocess
    if preprocess is None or preprocess.target is None or network.output != "identity":
        return
    target = preprocess.target
    if target.is_fine and network.dtype == np.float32:
        warn(
            f"a float32 network rounds the values of {target.name!r}, which differ by less than {LEAST:g} of their size"
        )
    network.W[-1][:] = network.W[-1] * target.scale
    network.b[-1][:] = network.b[-1].astype(np.float64) * target.scale + target.mean
    network.preprocess = _unscaled(preprocess)


def _unscaled(preprocess: Preprocess) -> Preprocess:
    """The same, for values that are in the units of the table already."""
    assert preprocess.target is not None
    changed = Preprocess(**preprocess.get_params())
    changed.columns, changed.target = preprocess.columns, replace(preprocess.target, mean=0.0, scale=1.0)
    return changed


def column_facts(preprocess: Preprocess) -> list[dict[str, Any]]:
    """What was chosen for each column, for JSON."""
    return [column.description() | {"inputs": column.input_names} for column in preprocess.columns]


def column_lines(preprocess: Preprocess, most: int = 40) -> Sequence[str]:
    """A line for each column, at most so many, on what was chosen for it."""
    wide = max((len(column.name) for column in preprocess.columns), default=0)
    lines = [f"  {column.name:<{min(wide, 24)}}  {column}" for column in preprocess.columns]
    more = len(lines) - most
    return lines if more <= 0 else [*lines[:most], f"  and {more} more"]
