"""Damaged and odd tables: each is read as it is meant, or refused in one line that names column and row."""

import gzip

import numpy as np
import pytest
from table_makers import arrays, csv_bytes, rows, with_cell

import fastnet

pyarrow = pytest.importorskip("pyarrow")

LATIN = csv_bytes(with_cell(9, 1, "é")).decode().encode("latin1")
REFUSED = {
    "ragged": (csv_bytes([*rows()[:5], ["1", "a"], *rows()]), "row 6: expected 3 cells, got 2"),
    "too long": (csv_bytes([*rows()[:5], ["1", "a", "b", "no"], *rows()]), "row 6: expected 3 cells, got 4"),
    "unclosed quote": (csv_bytes(with_cell(8, 1, '"a')), "row 8: expected 3 cells, got 2 (is a quote not closed"),
    "duplicate names": (csv_bytes(rows(), "x,x,y"), "expected different names of columns, got 'x' for columns 1, 2"),
    "empty": (b"", "expected data, got an empty file"),
    "blank lines": (b"\n\n\n", "nothing but blank lines"),
    "header only": (b"x,c,y\n", "expected rows below the header, got none"),
    "header without an end": (b"x,c,y", "expected rows below the header, got none"),
    "no header": (csv_bytes([["1", "1", "0"]] * 9, "1,1,0"), "names of columns in the first line, got numbers: 1, 1"),
    "binary": (bytes(range(256)) * 9, "expected the names of columns in the first line, got binary data"),
    "UTF-16 without a mark": (csv_bytes(rows()).decode().encode("utf-16-le"), "in the first line, got binary data"),
    "Excel": (b"PK\3\4" + bytes(26) + b"[Content_Types].xml" + bytes(99), "got Excel's: save it as CSV"),
    "old Excel": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(999), "got Excel's: save it as CSV"),
    "a huge cell": (csv_bytes([*rows(), ["1", "z" * 5_000_000, "no"]]), "row 61: a quote is not closed, or the row"),
    "a line without an end, packed": (gzip.compress(csv_bytes(rows()) + b"0" * 20_000_000), "row 61: a quote is not"),
    "one row": (csv_bytes(rows(1)), "the target column 'y' is constant: 'no'"),
    "no such target": (csv_bytes(rows(), "x,c,yy"), "expected a column 'y', got none; did you mean 'yy'?"),
    "constant target": (csv_bytes([[x, c, "no"] for x, c, _ in rows()]), "the target column 'y' is constant: 'no'"),
    "target of gaps": (csv_bytes([[x, c, ""] for x, c, _ in rows()]), "values in the target column 'y', got none"),
    "infinite": (csv_bytes(with_cell(10, 0, "-inf")), "column 'x', row 10: expected a finite number, got inf"),
    "beyond floats": (csv_bytes(with_cell(10, 0, "1e400")), "column 'x', row 10: expected a finite number"),
    "enormous": (csv_bytes(with_cell(10, 0, "9e200")), "column 'x': expected numbers up to 1e+100, got 9e+200"),
    "text among numbers": (csv_bytes(with_cell(12, 0, "abc")), "column 'x', row 12: expected a number, as most of the"),
    "zero byte": (csv_bytes(with_cell(5, 1, "\0")), "column 'c', row 5: expected text, got zero bytes"),
    "zero byte in numbers": (csv_bytes(with_cell(5, 0, "\0")), "column 'x', row 5: expected text, got zero bytes"),
    "latin-1": (LATIN, "column 'c', row 9: expected text in UTF-8"),
    "latin-1 header": (csv_bytes(rows(), "x,é,y").decode().encode("latin1"), "the header is not in UTF-8: x, "),
    "UTF-16": (csv_bytes(rows()).decode().encode("utf-16"), "expected text in UTF-8, got UTF-16"),
    "dates": (csv_bytes([[x, "2024-01-05", y] for x, _, y in rows()] + [["1", "2024-02-03", "no"]]),
              "column 'c' holds dates, as in row 1: '2024-01-05'; leave it out by --ignore c"),
    "target of dates": (csv_bytes([[x, c, "2024-01-05"] for x, c, _ in rows()]),
                        "the target column 'y' holds dates, as in row 1: '2024-01-05'; expected numbers or text"),
    "target of names": (csv_bytes([[x, c, f"n{i}"] for i, (x, c, _) in enumerate(rows())]),
                        "the target column 'y' has 60 different values in 60 rows: expected classes with several rows"),
    "units that differ": (csv_bytes([*([f"{x}%", c, y] for x, c, y in rows()), ["3", "a", "no"]]),
                          "column 'x', row 61: expected a number with %, as in the other rows, got '3'"),
    "nothing to learn from": (csv_bytes([["1", "a", y] for *_, y in rows()]), "at least one column to learn from"),
    "gzip cut off": (gzip.compress(csv_bytes(rows()))[:-20], "the gzip data end in the middle"),
    "an array": (b"\x93NUMPY\x01\x00", "expected a table, which is CSV, Parquet or Feather, got .npy"),
    "Parquet cut off": (b"PAR1" + bytes(200), "Parquet magic bytes not found in footer"),
    "Feather cut off": (b"ARROW1" + bytes(200), "Not an Arrow file"),
}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a table."""

    def call(content: bytes, **settings):
        path = tmp_path / "table"
        path.write_bytes(content)
        return fastnet.load_table(path, "y", **settings)[0]

    return call


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(read, name, tmp_path):
    content, words = REFUSED[name]
    with pytest.raises(fastnet.DataError) as error:
        read(content)
    message = str(error.value)
    assert words in message
    assert message.startswith(f"{tmp_path / 'table'}: ")
    assert "\n" not in message


READ = {
    "semicolons and decimal commas": csv_bytes([[x.replace(".", ","), c, y] for x, c, y in rows()], separator=";"),
    "tabs": csv_bytes(rows(), separator="\t"),
    "byte order mark": b"\xef\xbb\xbf" + csv_bytes(rows()),
    "gzip": gzip.compress(csv_bytes(rows())),
    "Windows line ends": csv_bytes(rows(), end="\r\n"),
    "blank lines at the end": csv_bytes(rows()) + b"\n\r\n\n",
    "no newline at the end": csv_bytes(rows())[:-1],
    "double quotes": csv_bytes([[f'"{cell}"' for cell in row] for row in rows()], '"x","c","y"'),
    "single quotes": csv_bytes([[f"'{cell}'" for cell in row] for row in rows()], "'x','c','y'"),
    "percent": csv_bytes([[f"{x} %", c, y] for x, c, y in rows()]),
    "decimal commas in quotes": csv_bytes([['"' + x.replace(".", ",") + '"', c, y] for x, c, y in rows()]),
    "decimal commas and percent": csv_bytes([[x.replace(".", ",") + "%", c, y] for x, c, y in rows()], separator=";"),
    "spaces": csv_bytes([[x, f" {c} ", y] for x, c, y in rows()], "x, c, y"),
}


@pytest.mark.parametrize("name", READ)
def test_read_as_it_is_meant(read, name):
    expected = fastnet.load_table(arrays(), "y")[0]
    got = read(READ[name])
    np.testing.assert_array_equal(got.X, expected.X)
    np.testing.assert_array_equal(got.y, expected.y)
    assert got.preprocess.feature_names == ("x", "c=a", "c=b", "c=c")


@pytest.mark.parametrize("gap", ["", "NA", "NaN", "null", "?", " ?", "None"])
def test_gaps(read, gap):
    X = read(csv_bytes(with_cell(3, 0, gap))).X
    assert X.shape == (60, 5)
    assert X[2].tolist()[:1] + X[2].tolist()[-3:] == [0.0, *X[2, 2:].tolist()]  # the mean
    assert X[:, 1].tolist() == [float(row == 2) for row in range(60)]


def test_columns_that_cannot_help_are_left_out(read):
    table = [[str(i), f"user {i}", "", "7", x, y] for i, (x, _, y) in enumerate(rows())]
    columns = read(csv_bytes(table, "place,name,gaps,seven,x,y")).preprocess.columns
    assert [column.note for column in columns] == [
        "it counts the rows (--numeric place keeps it)",
        "60 different texts in 60 rows, such as 'user 0' (--categorical name keeps it)",
        "it holds nothing but gaps",
        "every row has 7",
        "",
    ]


@pytest.mark.parametrize(
    ("numbers", "separator"),
    [
        (lambda n: f'"{n:,}"', ","),
        (lambda n: f"{n:,}", ";"),
        (lambda n: f"{n:,}".replace(",", "."), ";"),
        (lambda n: f"{n:,}".replace(",", " "), "\t"),
        (lambda n: f'"${n:,}.00"', ","),
    ],
)
def test_marks_between_thousands(read, numbers, separator):
    values = [1000 + 7919 * i * i for i in range(60)]
    table = [[numbers(n), c, y] for n, (_, c, y) in zip(values, rows(), strict=True)]
    (column, _), expected = read(csv_bytes(table, separator=separator)).preprocess.columns, np.array(values, float)
    assert (column.kind, column.mean) == ("number", pytest.approx(expected.mean()))


def test_large_whole_numbers(read):
    train = read(csv_bytes(with_cell(10, 0, "9" * 30)))
    assert np.isfinite(train.X).all()
    assert train.X[9, 0] == pytest.approx(59**0.5, rel=1e-3)


def test_an_unclosed_quote_in_a_large_file(read):
    with pytest.raises(fastnet.DataError, match=r"row 61: .*(a quote is not closed|is a quote not closed)"):
        read(csv_bytes([*rows(), ["1", '"a', "no"], *rows(30) * 20_000]))


def test_parquet_with_columns_that_cannot_be_used(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table, path = pyarrow.table(arrays()), tmp_path / "t.parquet"
    parquet.write_table(table.append_column("when", pyarrow.array(np.arange(60).astype("datetime64[D]"))), path)
    with pytest.raises(fastnet.DataError, match="column 'when' holds dates; leave it out by --ignore when"):
        fastnet.load_table(path, "y")
    parquet.write_table(table.append_column("list", pyarrow.array([[1, 2]] * 60)), path)
    with pytest.raises(fastnet.DataError, match="column 'list': expected numbers or text, got list<"):
        fastnet.load_table(path, "y")
    assert fastnet.load_table(path, "y", ignore=["list"])[0].X.shape == (60, 4)


@pytest.mark.parametrize("settings", [{}, {"compression": "uncompressed"}])
def test_parquet_and_feather_are_the_same_as_arrays(tmp_path, settings):
    feather, parquet = pytest.importorskip("pyarrow.feather"), pytest.importorskip("pyarrow.parquet")
    table, path = pyarrow.table(arrays()), tmp_path / "table"
    expected = fastnet.load_table(arrays(), "y")[0].X
    feather.write_feather(table, path, **settings)
    np.testing.assert_array_equal(fastnet.load_table(path, "y")[0].X, expected)
    parquet.write_table(table, path)
    np.testing.assert_array_equal(fastnet.load_table(path, "y")[0].X, expected)
    np.testing.assert_array_equal(fastnet.load_table(table, "y")[0].X, expected)


def test_a_feather_file_whose_text_has_other_lengths_than_it_says(tmp_path):
    """Which crashes a process that believes it."""
    feather = pytest.importorskip("pyarrow.feather")
    path = tmp_path / "table"
    feather.write_feather(pyarrow.table(arrays()), path, compression="uncompressed")
    content = path.read_bytes()
    ends = np.arange(61, dtype="<i4").tobytes()  # of the letters, one byte each
    assert ends in content
    path.write_bytes(content.replace(ends, ends[:4] + b"\2\x7c\0\0" + ends[8:]))
    with pytest.raises(fastnet.DataError, match="out of bounds"):
        fastnet.load_table(path, "y")


def test_a_test_table_with_other_columns(tmp_path, read):
    other = tmp_path / "other.csv"
    other.write_bytes(csv_bytes(rows(), "x,d,y"))
    with pytest.raises(fastnet.DataError, match=r"other.csv: expected a column 'c', got none"):
        read(csv_bytes(rows()), test=other)
    other.write_bytes(csv_bytes(with_cell(4, 2, "maybe")))
    with pytest.raises(fastnet.DataError, match=r"column 'y', row 4: the class 'maybe' is not among those trained on"):
        read(csv_bytes(rows()), test=other)


def test_what_is_no_file(tmp_path):
    with pytest.raises(fastnet.DataError, match="No such file"):
        fastnet.load_table(tmp_path / "none.csv", "y")
    with pytest.raises(fastnet.DataError, match="expected a regular file, got a folder"):
        fastnet.load_table(tmp_path, "y")
    with pytest.raises(TypeError, match=r"a table must be a path, a data frame, .* or an array \(n, d\), got list"):
        fastnet.load_table([1, 2], "y")


def test_more_memory_than_allowed(read):
    with pytest.raises(fastnet.DataError, match="--max-bytes"):
        read(csv_bytes(rows()), max_bytes=100)


def prices(cells: list[str], *other: str, separator: str = ";") -> bytes:
    """A file of prices, with the cells of another column by turns, and an answer."""
    others = other or ("1", "2", "4")
    table = [[cell, others[i % len(others)], "hi" if i % 2 else "lo"] for i, cell in enumerate(cells)]
    return csv_bytes(table, "price,z,y", separator)


def encoded(preprocess, tmp_path, content: bytes) -> list[float]:
    path = tmp_path / "further.csv"
    path.write_bytes(content)
    return preprocess.transform(path)[:, preprocess.feature_names.index("price")].tolist()


GERMAN = ["911.000", "1.250.000", "12.000", "350.000"] * 9


def test_decimal_marks_of_further_rows_are_those_of_the_training(read, tmp_path):
    learned = read(prices(GERMAN)).preprocess
    assert learned.columns[0].mean == pytest.approx(630_750)
    learned = fastnet.Preprocess.from_description(learned.description())
    alone, both = (
        encoded(learned, tmp_path, b"price;z\n" + rows) for rows in (b"911.000;1", b"911.000;1\n1.250.000;1")
    )
    assert alone == both[:1] == [pytest.approx((911_000 - 630_750) / learned.columns[0].scale)]
    points = read(prices(["1.250", "2.5", "3.75", "4.5"] * 9)).preprocess
    assert encoded(points, tmp_path, b"price;z\n1.250;1\n")[0] < encoded(points, tmp_path, b"price;z\n4;1\n")[0]


@pytest.mark.parametrize(
    ("trained", "cell", "mark"), [(GERMAN, "3.5", "comma"), (["1.5", "2.5", "4.25"] * 9, "3,5", "point")]
)
def test_the_other_decimal_mark_is_refused(read, tmp_path, trained, cell, mark):
    learned = read(prices(trained)).preprocess
    with pytest.raises(
        fastnet.DataError,
        match=f"column 'price', row 2: expected a decimal {mark}, as in the rows trained on, got '{cell}'",
    ):
        encoded(learned, tmp_path, f"price;z\n7;1\n{cell};1\n".encode())


def test_networks_of_older_versions_find_the_decimal_marks_of_each_file(read, tmp_path):
    about = read(prices(["1.5", "2.5", "4.25"] * 9)).preprocess.description()
    for column in about["columns"]:
        del column["decimal"]
    learned = fastnet.Preprocess.from_description(about)
    further = (encoded(learned, tmp_path, f"price;z\n{cell};1\n".encode()) for cell in ("2.5", "2,5"))
    assert next(further) == next(further)


AMBIGUOUS = ["911.000", "250.000", "12.000"] * 12


def test_points_before_three_figures(read):
    with pytest.warns(UserWarning, match=r"column 'price': 911.000 is read as 911; if its point stands between thou"):
        assert read(prices(AMBIGUOUS)).preprocess.columns[0].mean == pytest.approx(391)
    assert read(prices(AMBIGUOUS, "1,5", "2,25")).preprocess.columns[0].mean == pytest.approx(391_000)
    assert read(prices(AMBIGUOUS, "1.5", "2.25")).preprocess.columns[0].mean == pytest.approx(391)


def test_columns_with_marks_of_their_own(read):
    price, z = read(prices(["1.234,5", "2.000,5"] * 9, "0.125", "0.25", "0.5")).preprocess.columns
    assert (price.decimal, price.mean) == (",", pytest.approx(1617.5))
    assert (z.decimal, z.mean) == (".", pytest.approx(0.875 / 3))


@pytest.mark.parametrize("above", [b"\n\n", b"\r\n", b" \n\n"])
def test_blank_lines(read, above):
    head, *lines = csv_bytes(rows()).splitlines(keepends=True)
    spread = above + head + b"\n" + b"".join(lines[:7]) + b"\n\r\n" + b"".join(lines[7:])
    np.testing.assert_array_equal(read(spread).X, read(csv_bytes(rows())).X)
    with pytest.raises(fastnet.DataError, match="row 61: expected 3 cells, got 2"):
        read(spread + b"1,a\n")


CODES = [[["06340", "6300", "10115"][i % 3], c, y] for i, (_, c, y) in enumerate(rows())]


def test_whole_numbers_with_leading_zeros_are_names(read):
    zip_code = read(csv_bytes(CODES)).preprocess.columns[0]
    assert (zip_code.kind, zip_code.names) == ("category", ("10115", "6300", "6340"))
    assert str(zip_code) == "3 categories, for their leading zeros (--numeric x takes numbers)"
    kept = read(csv_bytes(CODES), numeric=["x"]).preprocess.columns[0]
    assert (kept.kind, kept.mean) == ("number", pytest.approx((6340 + 6300 + 10115) / 3))
    mixed = read(csv_bytes([["0.5" if x == "6300" else x, *rest] for x, *rest in CODES])).preprocess.columns[0]
    assert mixed.kind == "number"


def test_names_of_categories_are_counted_as_they_are_encoded(read):
    X = read(csv_bytes([[["true", "false", "01"][i % 3], c, y] for i, (_, c, y) in enumerate(rows())])).X
    assert X[:, :3].sum(axis=1).tolist() == [1] * 60


def test_a_table_of_one_row_needs_more(read):
    with pytest.raises(fastnet.DataError, match="expected 2 rows or more where some are held out, got 1: add rows"):
        read(b"x,c,y\n1,a,2.5\n", test_split=0.2)
