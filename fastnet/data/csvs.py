"""CSV files of whole pixels 0-255: Kaggle's (header, label first; none in the test file) and headerless ones."""

import math
import os
from collections.abc import Iterator
from typing import NoReturn

import numpy as np

from fastnet.data.dataset import Dataset, make_dataset
from fastnet.data.source import PIECE, Source, data_error, told_as_data_errors

BOM = b"\xef\xbb\xbf"
LABEL_NAMES = {"label", "labels", "class", "target", "digit", "y"}
TABLE = "any other table is read by the column to learn: --target COLUMN, or fastnet.load_table"
OTHERWISE = "data that are not whole pixels can come as .npy or .npz"
LONGEST_LINE = 1 << 22
FIELD = 256  # bytes that a field of the first line takes while it is looked at
COMMA, NEWLINE, ZERO = b",\n0"


def is_csv(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be CSV: text with commas."""
    return b"," in head and is_text(head) and head.removeprefix(BOM).lstrip()[:1] != b"<"


def is_text(head: bytes) -> bool:
    """Whether a file begins with ASCII text."""
    return all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head.removeprefix(BOM))


def load_csv(source: Source) -> tuple[Dataset, None]:
    """Load a CSV file of whole pixels from 0 to 255 as uint8, with the label, up to 999, in the first column.

    A header tells by its first name whether there are labels. Without a header there are, unless the number of columns
    is a square and one less is not. Uses little more memory than the array that results.
    """
    path = source.path
    with told_as_data_errors(path):
        lines = _count_lines(source)
        with Source(path, source.budget) as again:
            first = _first_line(again)
            source.budget.take(FIELD * first.count(b","))
            fields = [field.strip().strip("\"'") for field in first.decode("utf-8", "replace").strip().split(",")]
            header = not all(_is_number(field) for field in fields)
            width = len(fields)
            labelled = fields[0].lower() in LABEL_NAMES if header else not _is_square(width) or _is_square(width - 1)
            _check_columns(path, fields, header, labelled)
            source.budget.take((lines - header) * (width - labelled + 8 * labelled))
            X = np.empty((lines - header, width - labelled), np.uint8)
            y = np.empty(lines - header, np.int64) if labelled else None
            rows = 0
            for values in _values(again, b"" if header else first, width, labelled, 1 + header):
                X[rows : rows + len(values)] = values[:, labelled:]
                if y is not None:
                    y[rows : rows + len(values)] = values[:, 0]
                rows += len(values)
    if not rows:
        raise data_error(path, "expected rows of numbers, got none")
    return make_dataset(X[:rows], None if y is None else y[:rows], path, budget=source.budget), None


def _count_lines(source: Source) -> int:
    lines, last = 0, b""
    while piece := source.stream.read(PIECE):
        lines += piece.count(b"\n")
        last = piece[-1:]
    return lines + (last != b"\n")


def _first_line(source: Source) -> bytes:
    if source.head().startswith(BOM):
        source.exactly(len(BOM), "CSV")
    line = source.stream.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise data_error(source.path, f"line 1: expected at most {LONGEST_LINE} bytes, got a longer line")
    return line


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return not field
    return True


def _is_square(n: int) -> bool:
    return math.isqrt(n) ** 2 == n


def _check_columns(path: os.PathLike, fields: list[str], header: bool, labelled: bool) -> None:
    if len(fields) <= labelled:
        raise data_error(path, f"expected a label and pixels in each line, got {len(fields)} column")
    if header and not labelled and any(field.lower() in LABEL_NAMES for field in fields):
        raise data_error(
            path,
            f"expected the labels in the first column, got them in a later one; and pixels in all others; {TABLE}",
        )


def _values(source: Source, data: bytes, width: int, labelled: bool, line: int) -> Iterator[np.ndarray]:
    """Blocks of rows, uint16 (m, width), of ``data`` and what comes after it; it begins with line ``line``."""
    while True:
        piece = source.stream.read(PIECE)
        data += piece
        # The last line waits: blank lines are allowed after it if the file ends there.
        body = data.rstrip(b"\r\n")
        if piece:
            cut = body.rfind(b"\n") + 1
        else:
            data = body + b"\n" if body else b""
            cut = len(data)
        if len(data) - cut > LONGEST_LINE:
            raise data_error(source.path, f"line {line}: expected at most {LONGEST_LINE} bytes, got a longer line")
        if cut:
            text = data[:cut]
            data = data[cut:]
            values = _parse(text, width, labelled)
            if values is None:
                _complain(source, text, width, labelled, line)
            line += len(values)
            yield values
        if not piece:
            return


def _parse(text: bytes, width: int, labelled: bool) -> np.ndarray | None:
    """The numbers of whole lines; None if anything is not as it should be."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    chars = np.frombuffer(text, np.uint8)
    digits = chars - np.uint8(ZERO)
    ends = np.flatnonzero((chars == COMMA) | (chars == NEWLINE))
    if np.count_nonzero(digits > 9) != len(ends) or len(ends) % width:
        return None
    if np.count_nonzero(chars == NEWLINE) != len(ends) // width or (chars[ends[width - 1 :: width]] != NEWLINE).any():
        return None
    length = np.diff(ends, prepend=-1) - 1
    if length.min() < 1 or length.max() > 3:
        return None
    values = digits[ends - 1].astype(np.uint16)
    for place, power in ((2, 10), (3, 100)):
        longer = np.flatnonzero(length >= place)
        values[longer] += digits[ends[longer] - place] * np.uint16(power)
    values = values.reshape(-1, width)
    return values if values[:, labelled:].max() <= 255 else None


def _complain(source: Source, text: bytes, width: int, labelled: bool, first: int) -> NoReturn:
    for number, row in enumerate(text.removesuffix(b"\n").split(b"\n"), first):
        columns = row.count(b",") + 1
        if columns != width:
            got = columns if row else "none"
            raise data_error(source.path, f"line {number}: expected {width} columns, got {got}")
        for column, field in enumerate(row.removesuffix(b"\r").split(b","), 1):
            top = 999 if labelled and column == 1 else 255
            if not (field.isdigit() and len(field) <= 3 and int(field) <= top):
                hint = f"; {TABLE}" if column == 1 else f"; {OTHERWISE}; {TABLE}"
                place, told = f"line {number}, column {column}", ascii(field[:20].decode("latin1"))
                raise data_error(source.path, f"{place}: expected a whole number from 0 to {top}, got {told}{hint}")
    raise data_error(source.path, f"line {first}: expected lines that end with a newline")
