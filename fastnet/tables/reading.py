"""Tables from files and from memory, in pieces."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.formats import FORMATS
from fastnet.data.source import Source, data_error, told_as_data_errors
from fastnet.tables.arrow import ArrowTable, feather_table, parquet_table
from fastnet.tables.cells import DATES, NUMBERS, PIECE_ROWS, WORDS, Cells, Piece, Words, clean_words
from fastnet.tables.csv_dialect import SAMPLE, require_different
from fastnet.tables.csv_table import CsvTable

OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Table(Protocol):
    """A table that can be read several times.

    name : for messages. names : of the columns. After `settle`, kinds holds the kind of each column that was asked for,
    and n_rows is known, and so is the decimal mark, . or ",", of the columns of text in which numbers told it.
    """

    name: str
    names: tuple[str, ...]
    kinds: dict[str, str]
    n_rows: int
    marks: dict[str, str]

    def settle(
        self, columns: Sequence[str], marks: Mapping[str, str] | None = None, numeric: Collection[str] = ()
    ) -> None:
        """Find the kinds of some columns, those that will be read, and the number of rows.

        marks : decimal marks that are known from another table; "" or none is found out. numeric : the columns of them
        in which a number with the other mark is an error. Both are for tables whose cells are text, which is CSV.
        """

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """The cells of these columns, or of all that were settled, in pieces of the rows."""


def open_table(source: Any, budget: Budget | None = None) -> Table:
    """The Table of a path (CSV, also gzip; Parquet; Feather), a data frame, a pyarrow table, a dict of arrays (n,), or
    an array (n, d), whose columns are x0, x1, ...
    """
    if isinstance(source, str | os.PathLike):
        with told_as_data_errors(source):
            return _open_file(source, Budget() if budget is None else budget)
    if isinstance(source, np.ndarray) and source.ndim == 2:
        return ArrayTable({f"x{place}": column for place, column in enumerate(source.T)})
    if isinstance(source, Mapping):
        return ArrayTable({str(name): np.asarray(values) for name, values in source.items()})
    if hasattr(source, "to_batches") and hasattr(source, "schema"):
        return ArrowTable("the table", source.schema, lambda columns: source.select(columns).to_batches(PIECE_ROWS))
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        names = tuple(str(name) for name in source.columns)
        require_different(names, "the table")
        return ArrayTable({str(name): source[name].to_numpy() for name in source.columns})
    raise TypeError(
        "a table must be a path, a data frame, a pyarrow table, a dict of arrays or an array (n, d), got "
        f"{type(source).__name__}{f' of shape {source.shape}' if isinstance(source, np.ndarray) else ''}"
    )


def _open_file(path: str | os.PathLike, budget: Budget) -> Table:
    with Source(path, budget) as source:
        head, packed = source.head(), source.gz
        if not packed and head.startswith(b"PAR1"):
            return parquet_table(path)
        if not packed and head.startswith(b"ARROW1"):
            return feather_table(path)
        if head.startswith(OLD_EXCEL) or (head.startswith(b"PK") and b"[Content_Types].xml" in head):
            raise data_error(path, "expected a table, which is CSV, Parquet or Feather, got Excel's: save it as CSV")
        other = next((name for name, recognized, _ in FORMATS if name != "CSV" and recognized(head)), None)
        if other is not None:
            raise data_error(path, f"expected a table, which is CSV, Parquet or Feather, got {other}")
        return CsvTable(path, budget, source.stream.read(SAMPLE))


class ArrayTable:
    """Columns in memory: arrays (n,) of one length."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.name, self.names = "the table", tuple(arrays)
        self.kinds: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self._arrays = dict(arrays)
        self._cells: dict[str, Cells] = {}
        shapes = {array.shape for array in arrays.values()}
        if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
            raise data_error(self.name, f"expected columns of one length, got shapes {sorted(shapes, key=str)}")
        self.n_rows = next(iter(shapes))[0] if shapes else 0

    def settle(
        self, columns: Sequence[str], marks: Mapping[str, str] | None = None, numeric: Collection[str] = ()
    ) -> None:
        """Find the kinds of the columns."""
        for name in columns:
            array = self._arrays[name]
            self.kinds[name] = DATES if array.dtype.kind in "mM" else NUMBERS
            if self.kinds[name] == NUMBERS and array.dtype.kind not in "fiu":
                self._cells[name] = _cells_of_objects(array)
                self.kinds[name] = WORDS if isinstance(self._cells[name], Words) else NUMBERS

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """Slices of the columns."""
        names = list(self.kinds if columns is None else columns)
        for start in range(0, self.n_rows, PIECE_ROWS):
            rows = slice(start, min(start + PIECE_ROWS, self.n_rows))
            yield Piece(start, rows.stop - start, {name: self._slice(name, rows) for name in names})

    def _slice(self, name: str, rows: slice) -> Cells:
        cells = self._cells.get(name)
        if isinstance(cells, Words):
            return Words(cells.codes[rows], cells.names)
        return (self._arrays[name] if cells is None else cells)[rows].astype(np.float64)


def _cells_of_objects(array: np.ndarray) -> Cells:
    """The cells of an array of bool, str or Python objects: numbers if all of them are, else words."""
    values = array.tolist()
    gap = [value is None or type(value).__name__ in ("NAType", "NaTType") or value != value for value in values]
    # A bool is a number for Python, but two names for a table.
    if all(empty or (isinstance(v, int | float) and type(v) is not bool) for v, empty in zip(values, gap, strict=True)):
        return np.array([np.nan if empty else float(v) for v, empty in zip(values, gap, strict=True)])
    places: dict[str, int] = {}
    codes = [-1 if empty else places.setdefault(str(v), len(places)) for v, empty in zip(values, gap, strict=True)]
    return clean_words(np.array(codes, np.int64), list(places))
