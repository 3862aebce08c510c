"""What a CSV file looks like, found from its first lines: separator, quotes, decimal point and the names of columns."""

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass

from fastnet.data.source import data_error
from fastnet.tables.numerals import plain_number

SEPARATORS = ",;\t|"
BOM = b"\xef\xbb\xbf"
SAMPLE = 1 << 18  # bytes
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
UNITS = "% $\u20ac\u00a3\u00a5\u00a0"  # beside a number


@dataclass(frozen=True)
class Dialect:
    """How the file is written. rows : the cells of its first lines, without the header."""

    names: tuple[str, ...]
    separator: str
    quote: str
    decimal: str
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
    quote = "'" if '"' not in text and lines and lines[0].lstrip().startswith("'") else '"'
    separator = max(SEPARATORS, key=lambda mark: _agreement(lines, mark, quote))
    rows = [tuple(row) for row in _parsed(lines, separator, quote) if row]
    if not rows:
        raise data_error(path, "expected a table with a header, got nothing but blank lines")
    if any("\ufffd" in name for name in rows[0]):
        raise data_error(
            path, f"the header is not in UTF-8: {', '.join(rows[0])}; convert it by iconv -f latin1 -t utf-8"
        )
    return Dialect(_names(rows[0], path), separator, quote, _decimal(rows[1:], separator), tuple(rows[1:]))


def _decimal(rows: list[tuple[str, ...]], separator: str) -> str:
    """The decimal point or comma of the numbers in the rows."""
    cells = [cell.strip(UNITS) for row in rows for cell in row if "," in cell or "." in cell]
    (commas, _), (points, between) = (_decimals(cells, mark, separator) for mark in ",.")
    return "," if commas > points or (between and not points) else "."


def _decimals(cells: list[str], mark: str, separator: str) -> tuple[int, bool]:
    """(how many cells have this mark as a decimal one, whether it stands between thousands).

    A mark before three figures may be either. It stands between thousands where a number has two of them, and a comma
    does so where commas separate the cells.
    """
    thousands = re.compile(rf"[-+]?[1-9]\d{{0,2}}(\{mark}\d{{3}})+")
    between = [cell for cell in cells if thousands.fullmatch(cell)]
    is_between = any(cell.count(mark) > 1 for cell in between)
    decimal = re.compile(rf"[-+]?\d+\{mark}\d+")
    found = sum(decimal.fullmatch(cell) is not None for cell in cells)
    if is_between or mark == separator:
        found -= sum(cell.count(mark) == 1 for cell in between)
    return found, is_between


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
