"""CSV tables: a first reading finds the kinds of the columns, later ones give pieces."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice, takewhile
from typing import Any

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.source import Source, data_error, shown
from fastnet.errors import DataError, warn
from fastnet.tables.arrow import cells_of, given_back, pyarrow, told
from fastnet.tables.cells import GAPS, NUMBERS, WORDS, Cells, Piece, Words, cell_error
from fastnet.tables.csv_dialect import BOM, decimals_of, dialect_of
from fastnet.tables.numerals import decimal_marks, is_padded, plain_number, with_decimal_point

BLOCK = 1 << 21  # bytes of CSV text that are parsed at a time
KEPT = 64_000_000  # bytes of cells that are kept, so that small files are parsed once
_CONVERSION = re.compile(r"In CSV column #(\d+): CSV conversion error to (\w+)")
_WIDTH = re.compile(r"Expected (\d+) columns, got (\d+)(.*)", re.DOTALL)


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
            with told(self.name), Source(self.path, self.budget) as source, given_back():
                for batch in self._batches(source, columns):
                    written = {name: cells_of(batch.column(name)) for name in columns}
                    self._require_text(written, start)
                    cells = {name: self._with_points(name, found, start) for name, found in written.items()}
                    yield Piece(start, len(batch), cells)
                    start += len(batch)
        except DataError as error:
            with told(self.name):
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
