"""Tables with a header and a target: CSV, Parquet and Feather files."""

import io
import random
from pathlib import Path

import numpy as np

import fastnet
from fuzzing.changes import gzipped

SEPARATORS = (",", ",", ",", ";", "\t", "|")
CELLS = (
    "", "NA", "nan", "inf", "-inf", "1e308", "-1e308", "1e400", "1e-320", "9" * 40, "3.1%", "$1,234.50", "1 234", "1,5",
    "1.234.567,8", "€3", "12%%", "2024-01-05", "10:30", "true", "False", "abc", "a,b", 'a"b', '"', '"a', "'", "\0",
    "\u00e9", "\u0663", "\ufeff", " x ", "a\nb", "x" * 5000, "0x10", "1_000", "-", "+", ".", "%", "--1", "#N/A",
)  # fmt: skip
HEADERS = ("y", "y", "y", "x", "", " y ", "a,b", '"y', "col 1", "\u00e9", "1", "y\n", "\0")
COLUMNS = (
    *("numbers", "whole", "count", "few", "text", "names", "gaps", "constant", "percent") * 3, "mixed", "dates", "wild",
)  # fmt: skip
TARGETS = (*("numbers", "few", "text", "whole") * 5, *COLUMNS)
KINDS = (
    *("float64", "float32", "int8", "uint64", "bool", "str", "dictionary", "decimal") * 3, "date", "list", "struct",
    "null",
)  # fmt: skip


def csv(rng: random.Random) -> dict[str, bytes]:
    """A table of columns of all kinds, with cells, rows and headers that are odd."""
    n, kinds = rng.choice([0, 1, 5, 40, 40, 300, 300]), rng.choices(COLUMNS, k=rng.randint(2, 6))
    kinds[-1] = rng.choice(TARGETS)
    rows = [list(row) for row in zip(*(_column(rng, kind, n) for kind in kinds), strict=True)]
    strange = rng.choice([0, 0, 0, 0.002, 0.05])
    rows = [[rng.choice(CELLS) if rng.random() < strange else cell for cell in row] for row in rows]
    if rows and rng.random() < 0.1:
        victim = rng.choice(rows)
        victim[rng.randrange(len(victim)) :] = rng.choices(CELLS, k=rng.randint(0, 3))
    header = [f"c{place}" for place in range(len(kinds) - 1)] + ["y"]
    if rng.random() < 0.1:
        header[rng.randrange(len(header))] = rng.choice(HEADERS)
    separator, end = rng.choice(SEPARATORS), rng.choice(["\n", "\n", "\r\n", "\r"])
    quoted = rng.random() < 0.7
    lines = [separator.join(_quoted(cell, separator) if quoted else cell for cell in row) for row in [header, *rows]]
    text = rng.choice(["", "", "\ufeff"]) + end.join(lines) + rng.choice(["", end, end * 3])
    data = text.encode(rng.choice(["utf-8"] * 20 + ["utf-16", "latin-1"]), "replace")
    if rng.random() < 0.05:
        data += rng.choice([b"1,", b"\n", b"1,2\n", b'"', b"x"]) * rng.choice([1000, 3_000_000])
    return {"file": gzipped(rng, data) if rng.random() < 0.2 else data}


def _column(rng: random.Random, kind: str, n: int) -> list[str]:
    """Cells of a column of some kind."""
    words = [f"w{rng.randrange(9)}" for _ in range(n)]
    makers = {
        "numbers": lambda i: f"{rng.gauss(0, 10 ** rng.choice([0, 5])):.4g}",
        "whole": lambda i: str(rng.randrange(10**6)), "count": lambda i: str(i),
        "few": lambda i: str(rng.randrange(3)), "text": lambda i: words[i],
        "names": lambda i: f"name {i}", "gaps": lambda i: "", "mixed": lambda i: rng.choice(["1", "2.5", "a"]),
        "dates": lambda i: f"2024-01-{i % 28 + 1:02}", "constant": lambda i: "7",
        "percent": lambda i: f"{rng.random() * 100:.1f}%", "wild": lambda i: rng.choice(CELLS),
    }  # fmt: skip
    return [makers[kind](i) for i in range(n)]


def _quoted(cell: str, separator: str) -> str:
    needs = any(mark in cell for mark in (separator, '"', "\n", "\r"))
    return '"' + cell.replace('"', '""') + '"' if needs else cell


def parquet(rng: random.Random) -> dict[str, bytes]:
    """A Parquet file of columns of all types."""
    from pyarrow import parquet as format_

    stream = io.BytesIO()
    settings = {"compression": rng.choice(["snappy", "none", "zstd", "gzip"]), "use_dictionary": rng.random() < 0.5}
    format_.write_table(_typed(rng), stream, row_group_size=rng.choice([1, 10, 1000]), **settings)
    return {"file": stream.getvalue()}


def feather(rng: random.Random) -> dict[str, bytes]:
    """A Feather file of columns of all types."""
    from pyarrow import feather as format_

    stream = io.BytesIO()
    format_.write_feather(_typed(rng), stream, compression=rng.choice(["uncompressed", "lz4", "zstd"]))
    return {"file": stream.getvalue()}


def _typed(rng: random.Random):
    """A pyarrow table."""
    import pyarrow

    n, names = rng.choice([0, 2, 40, 40, 300]), [f"c{place}" for place in range(rng.randint(1, 5))] + ["y"]
    if rng.random() < 0.1:
        names[0] = rng.choice(HEADERS)
    columns = [_typed_column(rng, rng.choice(KINDS), n) for _ in names]
    if rng.random() < 0.8:
        columns[-1] = pyarrow.array([rng.randrange(3) for _ in range(n)], pyarrow.int8())
    return pyarrow.table(columns, names=names)


def _typed_column(rng: random.Random, kind: str, n: int):
    import pyarrow

    gap, extreme = rng.choice([0, 0, 0, 0.1, 0.1, 1]), rng.random() < 0.1
    makers = {
        "bool": lambda: rng.random() < 0.5, "str": lambda: rng.choice(["a", "b", "3", "3%", "", "\0", "x" * 99]),
        "dictionary": lambda: rng.choice("abc"), "date": lambda: 86_400_000 * rng.randrange(9),
        "list": lambda: [1, 2], "struct": lambda: {"a": 1}, "null": lambda: None, "decimal": lambda: rng.randrange(99),
        "int8": lambda: rng.randrange(-5, 5), "uint64": lambda: rng.choice([0, 1, 2**53 + 1, 2**64 - 1]),
    }  # fmt: skip
    types = {
        "str": pyarrow.string(), "dictionary": pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
        "date": pyarrow.date64(), "list": pyarrow.list_(pyarrow.int8()),
        "struct": pyarrow.struct({"a": pyarrow.int8()}), "null": pyarrow.null(),
        "bool": pyarrow.bool_(), "decimal": pyarrow.decimal128(20, 2),
    }  # fmt: skip
    floats = [1e30, 1e308, float("inf"), float("nan")] if extreme else [0.0, 1.5, -2.0]
    make = makers.get(kind, lambda: rng.choice(floats))
    values = [None if rng.random() < gap else make() for _ in range(n)]
    return pyarrow.array(values, types[kind] if kind in types else getattr(pyarrow, kind)())


def check_table(path: Path) -> None:
    """Load a table, look whether a network can learn from it, and read it again by what was learned."""
    train, test = fastnet.load_table(path, "y", test_split=0.3)
    for part in (train, test):
        assert part.X.dtype == np.float32
        assert np.isfinite(part.X).all()
        assert np.isfinite(part.y).all()
        assert part.X.shape == (len(part.y), len(train.preprocess.feature_names))
    assert len(train.preprocess.transform(path)) >= len(train) + len(test)
    assert fastnet.Preprocess.from_description(train.preprocess.description()) == train.preprocess
