"""What a CSV file looks like, found from its first lines: separator, quotes, decimal marks and the names of columns."""

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass

from fastnet.data.source import data_error
from fastnet.tables.numerals import decimal_marks, plain_number

SEPARATORS = ",;\t|"
BOM = b"\xef\xbb\xbf"
SAMPLE = 1 << 18  # bytes
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Dialect:
    """How the file is written.

    header : the line of the names of columns, from 0. rows : the cells of the first lines below it.
    """

    names: tuple[str, ...]
    separator: str
    quote: str
    header: int
    rows: tuple[tuple[str, ...], ...]


def dialect_of(head: bytes, path: str) -> Dialect:
    """The dialect of a file that begins with ``head``; DataError where there is no header with different names."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise data_error(path, "expected text in UTF-8, got UTF-16: save the table as UTF-8")
    if _CONTROL.search(head.partition(b"\n")[0]):
        raise data_error(path, "expected the names of columns in the first line, got binary data")
    text = head.removeprefix(BOM).decode("utf-8", "replace")
    lines = text.splitlines(keepends=True)
    if len(head) >= SAMPLE and len(lines) > 1:
        lines.pop()  # it may be cut
    header = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[header:]
    quote = "'" if '"' not in text and lines and lines[0].lstrip().startswith("'") else '"'
    separator = max(SEPARATORS, key=lambda mark: _agreement(lines, mark, quote))
    rows = [tuple(row) for row in _parsed(lines, separator, quote) if row]
    if not rows:
        raise data_error(path, "expected a table with a header, got nothing but blank lines")
    if any("\ufffd" in name for name in rows[0]):
        raise data_error(
            path, f"the header is not in UTF-8: {', '.join(rows[0])}; convert it by iconv -f latin1 -t utf-8"
        )
    return Dialect(_names(rows[0], path), separator, quote, header, tuple(rows[1:]))


@dataclass(frozen=True)
class Decimals:
    """The decimal marks of the columns of a file, from its first rows.

    marks : . or "," by the name of a column; "" where no number of the file tells. ambiguous : a cell of each column
    whose points were taken for decimal ones, though they may as well stand between thousands.
    """

    marks: dict[str, str]
    ambiguous: dict[str, str]


def decimals_of(dialect: Dialect) -> Decimals:
    """The decimal marks that the first rows tell.

    A mark before three figures, as in 1.250, may be either. The other cells of the column decide, then those of the
    other columns. Where none does, it is a decimal mark, but not a comma in a file whose separator is the comma.
    """
    found = {name: _marks(dialect.rows, place) for place, name in enumerate(dialect.names)}
    whole = _clear(sum(found.values(), Counter()))
    marks, ambiguous = {}, {}
    for name, counts in found.items():
        marks[name] = _clear(counts) or whole
        if not marks[name] and counts:
            marks[name] = "," if counts["?,"] > counts["?."] and dialect.separator != "," else "."
            if counts["?."] and dialect.separator == ";":
                ambiguous[name] = _first_with_points(dialect.rows, dialect.names.index(name))
    return Decimals(marks, ambiguous)


def _marks(rows: tuple[tuple[str, ...], ...], place: int) -> Counter[str]:
    """How many cells of a column have a clear decimal mark, . or ",", and how many one that may be either, ?. or ?,."""
    cells = Counter(row[place].strip() for row in rows if len(row) > place)
    counts: Counter[str] = Counter()
    for cell, times in cells.items():
        marks = decimal_marks(cell)
        if marks:
            counts[marks if len(marks) == 1 else "?," if "," in cell else "?."] += times
    return counts


def _clear(counts: Counter[str]) -> str:
    return "" if counts["."] == counts[","] else max(".,", key=counts.__getitem__)


def _first_with_points(rows: tuple[tuple[str, ...], ...], place: int) -> str:
    return next(row[place].strip() for row in rows if len(row) > place and "." in row[place])


def _parsed(lines: list[str], separator: str, quote: str) -> list[list[str]]:
    """The rows of the lines; a quote that is not closed there ends them."""
    text = "".join(lines).replace("\0", "")
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote))
    except csv.Error:
        return [line.split(separator) for line in text.splitlines()]


def _agreement(lines: list[str], separator: str, quote: str) -> tuple[bool, float, int]:
    """How well the lines agree on a number of cells: several cells come first, then the share of lines that agree."""
    widths = Counter(len(row) for row in _parsed(lines[:200], separator, quote) if row)
    if not widths:
        return False, 0.0, 0
    width, times = widths.most_common(1)[0]
    return width > 1, times / widths.total(), width


def _names(header: tuple[str, ...], path: str) -> tuple[str, ...]:
    names = tuple(name.strip() or f"column_{place + 1}" for place, name in enumerate(header))
    require_different(names, path)
    return names


def require_different(names: tuple[str, ...], path: str) -> None:
    """Raise DataError if two columns have the same name."""
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        if all(not math.isnan(plain_number(other)) for other in names):
            raise data_error(path, f"expected the names of columns in the first line, got numbers: {', '.join(names)}")
        places = [str(place + 1) for place, other in enumerate(names) if other == name]
        raise data_error(path, f"expected different names of columns, got {name!r} for columns {', '.join(places)}")
