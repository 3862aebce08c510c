"""Tables from files and from memory, in pieces: the one place that knows the library for tables, pyarrow.

Why pyarrow, of pyarrow 26, polars 2.1 and pandas 3: it reads CSV, Parquet and Feather in pieces, in bounded memory, and
refuses a row that is too short, where polars takes the missing cells for gaps and says nothing. CPU seconds for a CSV
of 200 000 x 31 (52 MB) in pieces, text as codes: pyarrow 0.31, polars 0.23 without the codes. Installed size: 170 MB,
182 MB, and 84 MB of pandas, which needs pyarrow for Parquet and Feather. Arrays and data frames need neither.

Peak memory of the process while ten million rows of 30 numbers and a class are read: 256 MB from Parquet, 298 MB from
CSV, beside the float32 inputs of 1144 MB. 67 of them are Python with pyarrow, and 80 are labels; values that are to be
learned take 50 MB more. pyarrow reads on one thread for that, which costs no time, and gives back what it keeps.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice, takewhile
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.extras import required
from fastnet.data.formats import FORMATS
from fastnet.data.source import Source, data_error, shown, told_as_data_errors
from fastnet.errors import DataError, warn
from fastnet.tables.cells import GAPS, PIECE_ROWS, Cells, Piece, Words, cell_error, clean_words
from fastnet.tables.csv_dialect import BOM, SAMPLE, decimals_of, dialect_of, require_different
from fastnet.tables.numerals import decimal_marks, is_padded, plain_number, with_decimal_point

NUMBERS, WORDS, DATES = "numbers", "words", "dates"  # kinds of columns; any other kind cannot be used
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BLOCK = 1 << 21  # bytes of CSV text that are parsed at a time
KEPT = 64_000_000  # bytes of cells that are kept, so that small files are parsed once
_CONVERSION = re.compile(r"In CSV column #(\d+): CSV conversion error to (\w+)")
_WIDTH = re.compile(r"Expected (\d+) columns, got (\d+)(.*)", re.DOTALL)


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
            return _parquet(path)
        if not packed and head.startswith(b"ARROW1"):
            return _feather(path)
        if head.startswith(OLD_EXCEL) or (head.startswith(b"PK") and b"[Content_Types].xml" in head):
            raise data_error(path, "expected a table, which is CSV, Parquet or Feather, got Excel's: save it as CSV")
        other = next((name for name, recognized, _ in FORMATS if name != "CSV" and recognized(head)), None)
        if other is not None:
            raise data_error(path, f"expected a table, which is CSV, Parquet or Feather, got {other}")
        return CsvTable(path, budget, source.stream.read(SAMPLE))


def pyarrow(module: str = "pyarrow") -> ModuleType:
    """A module of the library, or an ImportError that says what to install."""
    return required(module, "pyarrow", "a table in a file", "tables")


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


class ArrowTable:
    """Columns that have types, as in Parquet and Feather.

    batches : gives the record batches of some columns, in order.
    """

    def __init__(self, name: str, schema: Any, batches: Any):
        self.name, self.names = name, tuple(schema.names)
        require_different(self.names, name)
        self.kinds: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self.n_rows = 0
        self._schema, self._batches = schema, batches

    def settle(
        self, columns: Sequence[str], marks: Mapping[str, str] | None = None, numeric: Collection[str] = ()
    ) -> None:
        """Take the kinds from the types; count the rows by reading one column."""
        self.kinds = {name: kind_of(self._schema.field(name).type) for name in columns}
        with _told(self.name), _given_back():
            self.n_rows = sum(len(batch) for batch in self._batches(list(columns[:1])))

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """The record batches as cells."""
        names, start = list(self.kinds if columns is None else columns), 0
        with _told(self.name), _given_back():
            for batch in self._batches(names):
                yield Piece(start, len(batch), {name: cells_of(batch.column(name)) for name in names})
                start += len(batch)


def _parquet(path: str | os.PathLike) -> ArrowTable:
    parquet = pyarrow("pyarrow.parquet")
    with _told(shown(path)):
        schema = parquet.read_schema(path)

    def batches(columns: list[str]) -> Iterator[Any]:
        # Without a buffered stream, whole row groups are held at once.
        with parquet.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:
            yield from file.iter_batches(PIECE_ROWS, columns=columns, use_threads=False)

    return ArrowTable(shown(path), schema, batches)


def _feather(path: str | os.PathLike) -> ArrowTable:
    arrow, ipc = pyarrow(), pyarrow("pyarrow.ipc")
    with _told(shown(path)), arrow.OSFile(os.fspath(path)) as opened:
        schema = ipc.open_file(opened).schema

    def batches(columns: list[str]) -> Iterator[Any]:
        with arrow.OSFile(os.fspath(path)) as opened:
            options = ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
            file = ipc.open_file(opened, options=options)
            for i in range(file.num_record_batches):
                batch = file.get_batch(i)
                batch.validate(full=True)  # pyarrow trusts what a file says of its own lengths, and would crash
                yield from (batch.slice(start, PIECE_ROWS) for start in range(0, len(batch), PIECE_ROWS))

    return ArrowTable(shown(path), schema, batches)


def kind_of(arrow_type: Any) -> str:
    """The kind of a column of that type of pyarrow."""
    types = pyarrow("pyarrow.types")
    if types.is_dictionary(arrow_type):
        return kind_of(arrow_type.value_type)
    if types.is_temporal(arrow_type):
        return DATES
    if types.is_integer(arrow_type) or types.is_floating(arrow_type) or types.is_decimal(arrow_type):
        return NUMBERS
    text = (types.is_string, types.is_large_string, types.is_string_view, types.is_boolean)
    if any(matches(arrow_type) for matches in text):
        return WORDS
    return NUMBERS if types.is_null(arrow_type) else str(arrow_type)


def cells_of(array: Any) -> Cells:
    """The cells of an array of pyarrow."""
    arrow, types = pyarrow(), pyarrow("pyarrow.types")
    if types.is_dictionary(array.type) and kind_of(array.type) == NUMBERS:
        array = array.dictionary_decode()
    if kind_of(array.type) == NUMBERS:
        return array.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    if types.is_boolean(array.type):
        return Words(array.cast(arrow.int8()).fill_null(-1).to_numpy(zero_copy_only=False), ("False", "True"))
    if not types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return clean_words(codes, [str(name) for name in array.dictionary.to_pylist()])


class CsvTable:
    """A CSV file. Types are those of the first rows; a column where later rows hold text is read again as text."""

    def __init__(self, path: str | os.PathLike, budget: Budget, head: bytes):
        self.path, self.name, self.budget = path, shown(path), budget
        self.dialect = dialect_of(head, self.name)
        self.names = self.dialect.names
        self.kinds: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self._numeric: set[str] = set()
        self._decimal = "."  # of the columns that pyarrow reads as numbers
        self.n_rows = 0
        self._kept: list[Piece] | None = None

    def settle(
        self, columns: Sequence[str], marks: Mapping[str, str] | None = None, numeric: Collection[str] = ()
    ) -> None:
        """Read the file until every column has a type that all of its cells fit; small files stay in memory."""
        self._choose_marks(columns, marks or {})
        self._numeric = {name for name in numeric if marks and marks.get(name)}
        self.kinds, self._kept = {name: self._first_kind(name) for name in columns}, None
        while not self._fits():
            continue

    def _choose_marks(self, columns: Sequence[str], known: Mapping[str, str]) -> None:
        found = decimals_of(self.dialect)
        self.marks = {name: known.get(name) or found.marks[name] for name in columns}
        for name, cell in found.ambiguous.items():
            if name in columns and not known.get(name):
                warn(
                    f"{self.name}: column {name!r}: {cell} is read as {plain_number(cell):g}; if its point stands "
                    "between thousands, take such points out of the file"
                )
        common = Counter(mark for mark in self.marks.values() if mark).most_common(1)
        self._decimal = common[0][0] if common else "."

    def _first_kind(self, name: str) -> str:
        """Text where pyarrow cannot read numbers, or would lose leading zeros."""
        if (self.marks[name] or self._decimal) != self._decimal:
            return WORDS
        place = self.names.index(name)
        point = str.maketrans({self._decimal: "."})
        cells = {row[place].strip() for row in self.dialect.rows if len(row) > place} - GAPS
        text = any(np.isnan(plain_number(cell.translate(point))) or is_padded(cell) for cell in cells)
        return WORDS if text else NUMBERS

    def _fits(self) -> bool:
        """Whether the types fit; the column that does not is text from then on."""
        kept: list[Piece] | None = []
        self.n_rows = size = 0
        try:
            for piece in self._read(list(self.kinds)):
                self.n_rows += piece.length
                size += 8 * piece.length * len(self.kinds)
                kept = None if kept is None or size > KEPT else [*kept, piece]
        except _NotNumbersError as error:
            self.kinds[error.column] = WORDS
            return False
        self._kept = kept
        return True

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """The cells, from memory or from the file."""
        names = list(self.kinds if columns is None else columns)
        for piece in self._read(names) if self._kept is None else self._kept:
            yield Piece(piece.start, piece.length, {name: piece.cells[name] for name in names})

    def _read(self, columns: list[str]) -> Iterator[Piece]:
        start = 0
        try:
            with _told(self.name), Source(self.path, self.budget) as source, _given_back():
                for batch in self._batches(source, columns):
                    written = {name: cells_of(batch.column(name)) for name in columns}
                    self._require_text(written, start)
                    cells = {name: self._with_points(name, found, start) for name, found in written.items()}
                    yield Piece(start, len(batch), cells)
                    start += len(batch)
        except DataError as error:
            with _told(self.name):
                self._explain(str(error))
            raise

    def _batches(self, source: Source, columns: list[str], **changed: Any) -> Iterator[Any]:
        """Record batches. changed : options of conversion in place of the usual ones."""
        arrow, csv = pyarrow(), pyarrow("pyarrow.csv")
        if source.head().startswith(BOM):
            source.exactly(len(BOM), "CSV")
        text = arrow.dictionary(arrow.int32(), arrow.string())
        types = {name: arrow.float64() if self.kinds[name] == NUMBERS else text for name in columns}
        # The header is read here: what pyarrow makes of a header depends on the other options.
        conversion = {
            "column_types": types, "include_columns": columns, "null_values": sorted(GAPS), "strings_can_be_null": True,
            "decimal_point": self._decimal,
        } | changed  # fmt: skip
        reader = csv.open_csv(
            source.stream,
            csv.ReadOptions(block_size=BLOCK, column_names=list(self.names), skip_rows=self.dialect.header + 1),
            csv.ParseOptions(delimiter=self.dialect.separator, quote_char=self.dialect.quote, newlines_in_values=True),
            csv.ConvertOptions(**conversion),
        )
        yield from reader

    def _with_points(self, column: str, cells: Cells, start: int) -> Cells:
        """The cells, whose text has numbers with decimal points."""
        if not isinstance(cells, Words):
            return cells
        mark = self.marks[column] or self._decimal
        if column in self._numeric:
            self._require_mark(column, cells, mark, start)
        return cells if mark == "." else Words(cells.codes, tuple(map(with_decimal_point, cells.names)))

    def _require_mark(self, column: str, cells: Words, mark: str, start: int) -> None:
        """Raise DataError for numbers that can be read with the other decimal mark alone."""
        for code, name in enumerate(cells.names):
            if decimal_marks(name) not in ("", mark, ".,"):
                row = start + int((cells.codes == code).argmax())
                kind = "point" if mark == "." else "comma"
                raise cell_error(
                    self.name, column, row, f"expected a decimal {kind}, as in the rows trained on, got {name!r}"
                )

    def _require_text(self, cells: dict[str, Cells], start: int) -> None:
        """Raise DataError for zero bytes, which damaged files have."""
        for column, found in cells.items():
            for code, name in enumerate(found.names if isinstance(found, Words) else ()):
                if "\0" in name:
                    row = start + int((found.codes == code).argmax())  # type: ignore[union-attr]
                    raise data_error(self.name, f"column {column!r}, row {row + 1}: expected text, got zero bytes")

    def _explain(self, message: str) -> None:
        """Raise what an error of pyarrow means, if that is known."""
        found = _CONVERSION.search(message)
        if found and found[2] == "double":
            raise _NotNumbersError(self.names[int(found[1])])
        if found:
            column = self.names[int(found[1])]
            row = self._first_bad_text(column)
            raise data_error(
                self.name, f"column {column!r}, row {row + 1}: expected text in UTF-8, got other bytes: convert the "
                "file, as by iconv -f latin1 -t utf-8"
            ) from None  # fmt: skip
        found = _WIDTH.search(message)
        if found:
            row = self._first_bad_row()
            quote = " (is a quote not closed there?)" if self.dialect.quote in found[3] else ""
            raise data_error(self.name, f"row {row + 1}: expected {found[1]} cells, got {found[2]}{quote}") from None
        if "Could not skip" in message:
            raise data_error(self.name, "expected rows below the header, got none") from None
        if "straddl" in message or "out of sync" in message:
            row = self._first_bad_row()
            raise data_error(self.name, f"row {row + 1}: a quote is not closed, or the row has over 2 MB") from None

    def _first_bad_text(self, column: str) -> int:
        """The row, from 0, of the first cell that is not UTF-8."""
        row, binary = 0, pyarrow().binary()
        with Source(self.path, self.budget) as source:
            for batch in self._batches(source, [column], column_types={column: binary}):
                for cell in batch.column(column).to_pylist():
                    if cell is not None and cell.decode("utf-8", "replace").encode() != cell:
                        return row
                    row += 1
        return row

    def _first_bad_row(self) -> int:
        """The row, from 0, of the first one that has another number of cells, or that has no end."""
        import csv

        with Source(self.path, self.budget) as source:
            # A longer line is itself the bad row, and may be as long as the file.
            lines = iter(lambda: source.stream.readline(BLOCK), b"")
            short = takewhile(lambda line: len(line) < BLOCK, lines)
            below = islice(short, self.dialect.header, None)
            texts = (line.decode("utf-8", "replace").replace("\0", "") for line in below)
            reader = csv.reader(texts, delimiter=self.dialect.separator, quotechar=self.dialect.quote)
            rows = -1  # the header comes first
            with suppress(csv.Error):  # of a cell without an end
                for row in reader:
                    if row and len(row) != len(self.names):
                        return max(rows, 0)
                    rows += bool(row)
        return max(rows, 0)


class _NotNumbersError(Exception):
    """A column that was taken for numbers holds text."""

    def __init__(self, column: str):
        self.column = column


@contextmanager
def _given_back() -> Iterator[None]:
    """Give back the memory that pyarrow keeps for more reading."""
    try:
        yield
    finally:
        pyarrow().default_memory_pool().release_unused()


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn what pyarrow raises into DataErrors; most of it is a ValueError or an OSError anyway."""
    try:
        with told_as_data_errors(name):
            try:
                yield
            except MemoryError:  # of lengths that a damaged file claims, as a rule
                raise data_error(name, "needs more memory than there is, or is damaged") from None
    except (KeyError, NotImplementedError) as error:
        raise data_error(name, error) from None
