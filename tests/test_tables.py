"""Columns of tables: what becomes of them, from which rows it is learned, and where it is kept."""

import json

import numpy as np
import pytest
from table_makers import arrays

import fastnet
from fastnet.errors import DataError
from fastnet.tables.cells import Words, as_words, clean_words
from fastnet.tables.dates import looks_like_a_date
from fastnet.tables.loading import TableLoader, column_lines, fold_target, load_rows
from fastnet.tables.numerals import decimal_marks, number_and_unit
from fastnet.tables.statistics import Statistics


@pytest.fixture
def values(rng):
    """A regression: y follows from a number and a letter, in units far from 1."""
    x, c = rng.normal(0, 1, 200), rng.choice(list("ab"), 200)
    return {"x": x, "c": c, "y": 5000 + 300 * x + 200 * (c == "b") + rng.normal(0, 10, 200)}


def trained(train, epochs=30) -> fastnet.Network:
    outputs = train.n_classes or 1
    net = fastnet.Network(
        [train.X.shape[1], 16, outputs], hidden="relu", output="softmax" if train.n_classes else "identity", init="he",
        seed=0, class_names=train.class_names,
    )  # fmt: skip
    net.preprocess = train.preprocess
    fastnet.train(net, train.X, train.y, epochs=epochs, batch_size=16, optimizer=fastnet.Adam(0.01), seed=0,
                  backend="reference")  # fmt: skip
    return net


def test_numbers_are_standardised_and_text_is_one_hot():
    table = arrays()
    train, test = fastnet.load_table(table, "y")
    assert test is None
    assert train.X.dtype == np.float32
    assert train.preprocess.feature_names == ("x", "c=a", "c=b", "c=c")
    x = table["x"]
    np.testing.assert_allclose(train.X[:, 0], (x - x.mean()) / x.std(), rtol=1e-6)
    np.testing.assert_array_equal(train.X[:, 1:], table["c"][:, None] == np.array(list("abc")))
    assert train.class_names == ("no", "yes")
    np.testing.assert_array_equal(train.y, table["y"] == "yes")


def test_statistics_in_pieces_are_those_of_the_whole(rng):
    values = 1e6 + rng.normal(0, 1e-2, 10_000)
    found = Statistics("x")
    for start in range(0, len(values), 700):
        piece = values[start : start + 700]
        found.add(piece, np.arange(start, start + len(piece)), "t", categorical=False)
    assert found.mean == pytest.approx(values.mean(), rel=1e-15)
    assert found.deviation == pytest.approx(values.std(), rel=1e-6)
    assert found.deviation != pytest.approx(values[:700].std(), rel=1e-3)


def test_gaps_become_the_mean_with_a_flag():
    table = arrays() | {"z": np.where(np.arange(60) % 10 == 0, np.nan, np.arange(60) ** 2.0)}
    table["c"] = np.where(np.arange(60) == 7, None, table["c"])
    train, _ = fastnet.load_table(table, "y")
    X, names = train.X, train.preprocess.feature_names
    assert names == ("x", "c=a", "c=b", "c=c", "c missing", "z", "z missing")
    assert X[::10, 5].tolist() == [0] * 6
    assert X[:, 6].tolist() == [float(i % 10 == 0) for i in range(60)]
    assert X[7, 1:5].tolist() == [0, 0, 0, 1]


def test_rows_without_a_target_are_left_out():
    table = arrays()
    table["y"] = np.where(np.arange(60) < 5, None, table["y"])
    assert len(fastnet.load_table(table, "y")[0]) == 55
    assert TableLoader(table, "y").left_out == 5


@pytest.mark.parametrize(
    ("y", "n_classes", "names"),
    [
        (np.arange(60) % 3, 3, None),
        (np.arange(60) % 3 + 3.0, 3, ("3", "4", "5")),
        (np.arange(60) % 2 == 0, 2, ("False", "True")),
        (np.arange(60) / 7, 0, None),
        (np.arange(60), 0, None),
        (np.arange(60) % 2 - 0.5, 0, None),
    ],
)
def test_classes_or_values(y, n_classes, names):
    train, _ = fastnet.load_table(arrays() | {"y": y}, "y")
    assert (train.n_classes, train.class_names, train.holds_values) == (n_classes, names, not n_classes)


def test_regression_can_be_asked_for():
    table = arrays() | {"y": np.arange(60) % 3}
    assert fastnet.load_table(table, "y", regression=True)[0].holds_values
    with pytest.raises(fastnet.DataError, match="column 'y', row 1: expected a number to predict, got 'no'"):
        fastnet.load_table(arrays(), "y", regression=True)


def test_categorical_numbers():
    table = arrays() | {"zip": np.repeat([100.0, 200.0, np.nan], 20)}
    train, _ = fastnet.load_table(table, "y", categorical=["zip"])
    assert train.preprocess.feature_names[-3:] == ("zip=100", "zip=200", "zip missing")
    text = table | {"zip": np.repeat(["100", "200.0", ""], 20)}
    np.testing.assert_array_equal(train.preprocess.transform(text), train.X)


@pytest.mark.parametrize("name", ["ignore", "categorical"])
def test_columns_that_are_named_must_exist(name):
    with pytest.raises(fastnet.DataError, match="expected a column 'xx', got none; did you mean 'x'"):
        fastnet.load_table(arrays(), "y", **{name: ["xx"]})


def test_columns_that_count_stay_if_asked_for():
    table = arrays() | {"id": np.arange(60) + 7}
    train, _ = fastnet.load_table(table, "y")
    assert train.preprocess.columns[-1].note == "it counts the rows (--numeric id keeps it)"
    train, _ = fastnet.load_table(table, "y", numeric=["id"])
    assert train.preprocess.feature_names[-1] == "id"
    assert train.X[:, -1].std() == pytest.approx(1)
    with pytest.raises(fastnet.DataError, match="column 'c', row 1: expected a number, as by --numeric c, got 'a'"):
        fastnet.load_table(table | {"c": np.repeat(["a", "1"], 30)}, "y", numeric=["c"])
    with pytest.raises(fastnet.DataError, match="column 'id': expected categorical or numeric, got both"):
        fastnet.load_table(table, "y", numeric=["id"], categorical=["id"])


def coded(n: int, k: int) -> dict[str, np.ndarray]:
    """A table of n rows with k codes."""
    return {"code": np.array([f"u{i % k}" for i in range(n)]), "y": np.arange(n) // k % 2}


@pytest.mark.parametrize(
    ("n", "k", "most", "kept"),
    [
        (500, 100, None, 100),  # five rows each
        (400, 100, None, 32),
        (3000, 300, None, 256),
        (500, 100, 40, 40),
        (500, 100, 300, 100),
        (500, 20, 3, 3),
    ],
)
def test_how_many_categories_are_told_apart(n, k, most, kept):
    train, _ = fastnet.load_table(coded(n, k), "y", max_categories=most)
    column = train.preprocess.columns[0]
    assert (len(column.names), column.rest, column.other) == (kept, k - kept, kept < k)
    assert (train.X.sum(axis=1) == 1).all()
    assert train.preprocess == fastnet.Preprocess.from_description(train.preprocess.description())


def test_many_rows_have_fewer_categories(monkeypatch):
    monkeypatch.setattr("fastnet.tables.columns.MOST_CELLS", 50 * 500)
    assert len(fastnet.load_table(coded(500, 100), "y")[0].preprocess.columns[0].names) == 50


@pytest.mark.parametrize("most", [0, 2.5, "3"])
def test_max_categories_is_a_number(most):
    with pytest.raises(ValueError, match="max_categories must be a whole number from 1 on or None"):
        fastnet.load_table(coded(500, 100), "y", max_categories=most)


def test_networks_of_older_versions_know_their_columns():
    train, _ = fastnet.load_table(arrays(), "y")
    about = train.preprocess.description()
    del about["numeric"], about["max_categories"]
    for column in about["columns"]:
        del column["unit"], column["rest"], column["decimal"]
    del about["target"]["decimal"]
    assert fastnet.Preprocess.from_description(about) == train.preprocess


def test_large_whole_numbers_that_are_close_together():
    table = arrays() | {"id": 2**53 + 7919 * (np.arange(60) ** 2 % 61)}
    train, _ = fastnet.load_table(table, "y")
    assert train.X[:, -1].std() == pytest.approx(1)
    assert len(np.unique(train.X[:, -1])) == len(np.unique(table["id"]))


# Numbers as people write them


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("3.1%", 3.1, "%"), ("-3 %", -3, "%"), ("$3", 3, "$"), ("$1,234.50", 1234.5, "$"), ("-$5", -5, "$"),
        ("12 \u20ac", 12, "\u20ac"), ("1,234", 1234, ""), ("1 234 567", 1234567, ""), ("1'234.5", 1234.5, ""),
        ("1\u202f234", 1234, ""), ("1e3", 1000, ""), ("-inf", -np.inf, ""),
    ],
)  # fmt: skip
def test_numbers_and_units(text, value, unit):
    assert number_and_unit(text) == (value, unit)


@pytest.mark.parametrize("text", ["1,23", "12,34,567", "1,234 567", "$3%", "3 kg", "1 23", "%", "$", ".", "1.2.3", "٣"])
def test_no_numbers(text):
    assert np.isnan(number_and_unit(text)[0])


@pytest.mark.parametrize(
    ("text", "marks"),
    [("1.5", "."), ("1,5", ","), ("1.250", ".,"), ("$1,250", ".,"), ("1.250.000", ","), ("1.250,5 %", ","),
     ("0,125", ","), ("$0.125", "."), ("1250.125", "."), ("1e-3", ""), ("12", ""), ("a.b", ""), ("1.2.2024", "")],
)  # fmt: skip
def test_decimal_marks(text, marks):
    assert decimal_marks(text) == marks


def test_columns_of_numbers_with_units():
    x = np.arange(60) ** 2 / 7
    plain, _ = fastnet.load_table(arrays() | {"p": x.round(1)}, "y")
    text = np.array([f"{value:.1f}%" for value in x])
    train, _ = fastnet.load_table(arrays() | {"p": text}, "y")
    np.testing.assert_array_equal(train.X, plain.X)
    assert str(train.preprocess.columns[-1]).startswith("number in %, mean ")
    np.testing.assert_array_equal(train.preprocess.transform(arrays() | {"p": text}), plain.X)
    np.testing.assert_array_equal(train.preprocess.transform(arrays() | {"p": x.round(1)}), plain.X)
    told = r"column 'p', row 4: expected a number with %, as in the other rows, got '\$3'"
    wrong = np.where(np.arange(60) == 3, "$3", text)
    with pytest.raises(fastnet.DataError, match=told):
        fastnet.load_table(arrays() | {"p": wrong}, "y")
    with pytest.raises(fastnet.DataError, match=told):
        train.preprocess.transform(arrays() | {"p": wrong})
    with pytest.raises(fastnet.DataError, match="'p', row 2: expected a number without a unit"):
        plain.preprocess.transform(arrays() | {"p": np.where(np.arange(60) == 1, "3%", x.astype(str))})


def test_a_target_with_units():
    y = np.array([f"${1000 + 7 * i:,}" for i in range(60)])
    train, _ = fastnet.load_table(arrays() | {"y": y}, "y")
    np.testing.assert_allclose(train.preprocess.inverse_target(train.y), 1000 + 7.0 * np.arange(60))
    with pytest.raises(
        fastnet.DataError, match=r"'y', row 6: expected a number with \$, as in the other rows, got '5%'"
    ):
        fastnet.load_table(arrays() | {"y": np.where(np.arange(60) == 5, "5%", y)}, "y")


# Nothing leaks


@pytest.mark.parametrize("part", ["test", "validation"])
def test_rows_that_are_held_out_change_no_statistics(rng, part):
    table = arrays(200) | {"extra": rng.normal(size=200)}

    def learned(table):
        return TableLoader(table, "y").split(test_split=0.2, validation_split=0.2, seed=3)

    parts = learned(table)
    held_out = rows_of(parts, part, table)
    assert 30 < held_out.sum() < 50
    changed = table | {
        "x": np.where(held_out, 1e9, table["x"]),
        "c": np.where(held_out, "z", table["c"]),
        "extra": np.where(held_out, np.nan, table["extra"]),
    }
    with pytest.warns(UserWarning, match="in column 'c'"):
        other = learned(changed)
    assert other.train.preprocess == parts.train.preprocess
    np.testing.assert_array_equal(other.train.X, parts.train.X)
    assert not np.array_equal(getattr(other, part).X, getattr(parts, part).X)


def rows_of(parts, name, table) -> np.ndarray:
    """Whether a row is in a part, bool (n,), by its column extra, whose numbers are all different."""
    place = parts.train.preprocess.feature_names.index("extra")
    column = parts.train.preprocess.columns[-1]
    standardised = ((table["extra"] - column.mean) / column.scale).astype(np.float32)
    return np.isin(standardised, getattr(parts, name).X[:, place])


def test_a_regression_is_standardised_by_its_training_rows(values):
    train, test = fastnet.load_table(values, "y", test_split=50, seed=1)
    assert (len(train), len(test)) == (150, 50)
    assert abs(train.y.mean()) < 1e-12 < abs(test.y.mean())
    assert train.y.std() == pytest.approx(1)
    back = np.concatenate([part.preprocess.inverse_target(part.y) for part in (train, test)])
    np.testing.assert_allclose(np.sort(back), np.sort(values["y"]))


def test_a_shuffled_target_gives_chance(rng):
    table = arrays(600)
    honest = fastnet.load_table(table, "y", test_split=0.5)
    shuffled = fastnet.load_table(table | {"y": rng.permutation(table["y"])}, "y", test_split=0.5)
    scores = [trained(train).evaluate(test.X, test.y).accuracy for train, test in (honest, shuffled)]
    assert scores[0] > 0.9
    assert 0.4 < scores[1] < 0.6


def test_splits_are_drawn_from_the_seed_by_class():
    table = arrays(100)
    first, again, other = (fastnet.load_table(table, "y", test_split=0.3, seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    share = np.mean(table["y"] == "yes")
    assert abs(first.y.mean() - share) < 0.02
    last = TableLoader(table, "y").split(test_split=10, shuffle=False).test
    np.testing.assert_array_equal(last.y, table["y"][-10:] == "yes")


# New tables


def test_transform_takes_columns_in_any_order_and_more_of_them():
    table = arrays()
    train, _ = fastnet.load_table(table, "y")
    mixed = {"more": np.zeros(60), "c": table["c"], "x": table["x"].astype(str)}
    np.testing.assert_array_equal(train.preprocess.transform(mixed), train.X)


def test_transform_says_what_does_not_fit():
    train, _ = fastnet.load_table(arrays(), "y")
    with pytest.raises(fastnet.DataError, match="the table: expected a column 'c', got none; it has x"):
        train.preprocess.transform({"x": np.zeros(3)})
    with pytest.raises(fastnet.DataError, match="column 'x', row 2: expected a number, got 'two'"):
        train.preprocess.transform({"x": np.array(["1", "two"]), "c": np.array(["a", "b"])})
    with pytest.raises(fastnet.DataError, match=r"column 'x', row 1: expected a number near .*, got 1e"):
        train.preprocess.transform({"x": np.array([1e60]), "c": np.array(["a"])})
    with pytest.warns(UserWarning, match=r"categories that the training rows did not have.*: 2 in column 'c'"):
        X = train.preprocess.transform({"x": np.zeros(3), "c": np.array(["a", "q", "r"])})
    assert X[:, 1:].sum(axis=1).tolist() == [1, 0, 0]


def test_rows_of_a_further_table():
    table = arrays()
    train, _ = fastnet.load_table(table, "y")
    again = load_rows(table, train.preprocess)
    np.testing.assert_array_equal(again.y, train.y)
    assert load_rows({name: table[name] for name in "xc"}, train.preprocess).y is None


# Where it is kept


def test_a_saved_network_knows_its_columns(tmp_path):
    train, _ = fastnet.load_table(arrays(), "y")
    net = trained(train, epochs=2)
    net.save(tmp_path / "net.npz")
    again = fastnet.Network.load(tmp_path / "net.npz")
    assert again.preprocess == net.preprocess
    assert again.preprocess.used == ("x", "c")
    np.testing.assert_array_equal(again.preprocess.transform(arrays()), train.X)


def test_a_description_of_many_columns_is_kept(tmp_path, rng):
    table = {f"a column with a long name {i}": rng.normal(size=20) for i in range(400)} | {"y": np.arange(20) % 2}
    train, _ = fastnet.load_table(table, "y")
    net = fastnet.Network([400, 2], seed=0)
    net.preprocess = train.preprocess
    net.save(tmp_path / "net.npz")
    assert fastnet.Network.load(tmp_path / "net.npz").preprocess == train.preprocess


def test_preprocess_must_fit_the_network():
    train, _ = fastnet.load_table(arrays(), "y")
    with pytest.raises(ValueError, match="preprocess must make the 3 inputs of the network, got 4 inputs"):
        fastnet.Network([3, 2]).preprocess = train.preprocess


def test_damaged_descriptions_are_refused(tmp_path):
    train, _ = fastnet.load_table(arrays(), "y")
    net = trained(train, epochs=1)
    about = net.description()
    for place, value in (("scale", 0.0), ("mean", float("nan")), ("kind", "picture")):
        spoilt = json.loads(json.dumps(about))
        spoilt["preprocess"]["columns"][0][place] = value
        with pytest.raises(ValueError, match="column"):
            fastnet.Network.from_description(spoilt, 1 << 20)


def test_a_folded_regression_gives_the_units_of_the_table(values):
    train, test = fastnet.load_table(values, "y", test_split=50)
    net = trained(train)
    expected = train.preprocess.inverse_target(net.predict(test.X))
    r2 = net.evaluate(test.X, test.y).r2
    fold_target(net)
    np.testing.assert_allclose(net.predict(test.X), expected, rtol=1e-5)
    own = load_rows(values, net.preprocess)
    np.testing.assert_allclose(own.y, values["y"])
    assert net.evaluate(own.X, own.y).r2 > 0.9 < r2
    once = net.params.copy()
    fold_target(net)
    np.testing.assert_array_equal(net.params, once)


def test_onnx_metadata_hold_the_columns(tmp_path):
    onnx = pytest.importorskip("onnx")
    train, _ = fastnet.load_table(arrays(), "y")
    trained(train, epochs=1).to_onnx(tmp_path / "net.onnx")
    about = json.loads(onnx.load(tmp_path / "net.onnx").metadata_props[0].value)
    assert fastnet.Preprocess.from_description(about["preprocess"]) == train.preprocess


def test_checkpoints_keep_the_columns(tmp_path):
    train, _ = fastnet.load_table(arrays(), "y")
    net = fastnet.Network([4, 2], seed=0)
    net.preprocess = train.preprocess
    fastnet.train(net, train.X, train.y, epochs=2, backend="reference", seed=0, checkpoint=tmp_path / "kept")
    again, _ = fastnet.resume(tmp_path / "kept", train.X, train.y)
    assert again.preprocess == train.preprocess


# Other libraries


def test_data_frames(rng):
    pandas = pytest.importorskip("pandas")
    table = arrays() | {"b": rng.random(60) > 0.5, "n": np.arange(60) % 7}
    frame = pandas.DataFrame(table)
    expected = fastnet.load_table(table, "y")[0].X
    np.testing.assert_array_equal(fastnet.load_table(frame, "y")[0].X, expected)
    frame = frame.astype({"c": "category", "n": "Int64", "b": "boolean"})
    np.testing.assert_array_equal(fastnet.load_table(frame, "y")[0].X, expected)
    frame.loc[3, "n"] = pandas.NA
    assert fastnet.load_table(frame, "y")[0].X.shape == (60, expected.shape[1] + 1)
    frame["when"] = pandas.Timestamp("2024-01-05")
    with pytest.raises(fastnet.DataError, match="column 'when' holds dates"):
        fastnet.load_table(frame, "y")


def test_in_a_pipeline():
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    pandas = pytest.importorskip("pandas")
    table = arrays(200)
    frame = pandas.DataFrame({name: table[name] for name in "xc"})
    steps = make_pipeline(fastnet.Preprocess(), LogisticRegression())
    assert cross_val_score(steps, frame, table["y"]).mean() > 0.4
    fitted = clone(steps[0]).fit(frame)
    assert fitted.get_feature_names_out().tolist() == ["x", "c=a", "c=b", "c=c"]
    assert fitted.set_params(ignore=["x"]).fit_transform(frame).shape == (200, 3)
    with pytest.raises(ValueError, match="settings ignore, categorical, numeric, max_categories, got 'ignor'"):
        fitted.set_params(ignor=[])


def test_arrays_of_two_axes(rng):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    X = rng.normal(5, 2, (50, 3))
    made = fastnet.Preprocess().fit(X)
    assert made.get_feature_names_out().tolist() == ["x0", "x1", "x2"]
    np.testing.assert_allclose(made.transform(X), (X - X.mean(axis=0)) / X.std(axis=0), rtol=1e-5, atol=1e-6)
    mixed = np.column_stack([X[:, 0].astype(object), rng.choice(["a", "b"], 50)])
    assert fastnet.Preprocess().fit(mixed).feature_names == ("x0", "x1=a", "x1=b")
    assert make_pipeline(fastnet.Preprocess(), LinearRegression()).fit(X, X[:, 0]).score(X, X[:, 0]) > 0.999
    with pytest.raises(TypeError, match=r"or an array \(n, d\), got ndarray of shape \(50,\)"):
        fastnet.Preprocess().fit(X[:, 0])


def test_a_preprocess_that_was_not_fitted():
    for call in (lambda made: made.transform(arrays()), lambda made: made.get_feature_names_out()):
        with pytest.raises(ValueError, match=r"this Preprocess has learned no columns yet: call fit\(table\) before"):
            call(fastnet.Preprocess())
    assert repr(fastnet.Preprocess(numeric=["a"])) == (
        "Preprocess(ignore=(), categorical=(), numeric=['a'], max_categories=None)"
    )


def test_files_without_pyarrow_say_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(ImportError, match="pip install pyarrow, or install fastnet with its extra 'tables'"):
        fastnet.load_table(path, "y")


# Small parts


def test_clean_words():
    words = clean_words(np.array([0, 1, 2, 3, -1]), ["a", " a", "NA", "b"])
    assert words.names == ("a", "b")
    assert words.codes.tolist() == [0, 0, -1, 1, -1]


def test_names_of_numbers_and_text_are_the_same():
    assert as_words(np.array([3.0, np.nan, 0.5])).names[1:] == ("0.5", "3")
    assert as_words(Words(np.array([0, 1, 2]), ("3.0", "0.5", "true"))).names == ("3", "0.5", "True")


@pytest.mark.parametrize("text", ["2024-01-05", "5.1.2024", "01/05/24", "2024-01-05T10:30:00Z", "10:30"])
def test_dates(text):
    assert looks_like_a_date(text)


@pytest.mark.parametrize("text", ["2024", "1.5", "a-b-c", "10-20", "192.168.0.1"])
def test_no_dates(text):
    assert not looks_like_a_date(text)


def test_lines_on_the_columns_fit(rng):
    table = {f"column {i}": rng.normal(size=30) for i in range(60)} | {"y": np.arange(30) % 2}
    lines = column_lines(fastnet.load_table(table, "y")[0].preprocess)
    assert len(lines) == 41
    assert lines[-1] == "  and 20 more"
    assert max(map(len, lines)) < 80


def test_a_target_that_float32_cannot_hold():
    table = {"x": np.arange(50) % 7, "t": np.linspace(1e40, 3e40, 50)}
    with pytest.raises(DataError, match=r"'t' has values up to 3e\+40, more than float32 holds"):
        fastnet.load_table(table, "t")


def test_a_target_that_varies_little():
    table = {"x": np.arange(50) % 7, "t": 1e9 + np.linspace(-1, 1, 50)}
    train, _ = fastnet.load_table(table, "t")  # which a network can learn
    net = fastnet.Network([1, 1], output="identity", seed=0)
    net.preprocess = train.preprocess
    with pytest.warns(UserWarning, match="rounds the values of 't', which differ by less than 1e-05 of their size"):
        fold_target(net)  # which it cannot give


def test_columns_that_are_all_left_out_are_named():
    with pytest.raises(DataError, match=r"all are left out \(a: it counts the rows"):
        fastnet.load_table({"a": np.arange(30), "t": np.arange(30) % 2}, "t")
