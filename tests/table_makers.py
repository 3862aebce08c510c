"""Tables for tests: rows of a number, a letter and an answer, written by hand."""

import numpy as np

HEADER = "x,c,y"


def rows(n: int = 60, seed: int = 0) -> list[list[str]]:
    """Rows [number, letter, yes or no]; the answer follows from both."""
    rng = np.random.default_rng(seed)
    x, c = rng.normal(3, 2, n).round(3), rng.choice(list("abc"), n)
    y = np.where((x > 3) ^ (c == "b"), "yes", "no")
    return [[str(value), str(letter), str(answer)] for value, letter, answer in zip(x, c, y, strict=True)]


def with_cell(row: int, column: int, text: str) -> list[list[str]]:
    """Those rows with one cell changed; row counts from 1."""
    changed = rows()
    changed[row - 1][column] = text
    return changed


def csv_bytes(table: list[list[str]], header: str = HEADER, separator: str = ",", end: str = "\n") -> bytes:
    """The rows as a CSV file."""
    lines = [header.replace(",", separator), *(separator.join(row) for row in table)]
    return (end.join(lines) + end).encode()


def arrays(n: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """The same as a dict of arrays."""
    x, c, y = zip(*rows(n, seed), strict=True)
    return {"x": np.array(x, float), "c": np.array(c), "y": np.array(y)}
