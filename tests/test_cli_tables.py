"""fastnet train --target, and predict and evaluate with the network that comes of it."""

import json

import numpy as np
import pytest
from table_makers import csv_bytes, rows

import fastnet
from fastnet.cli.main import main
from fastnet.tables.defaults import defaults

pytest.importorskip("pyarrow")
FAST = ("--backend", "reference", "--epochs", "20", "--batch-size", "16", "--seed", "1")


@pytest.fixture
def run(capsys):
    """Runs the program; (code, stdout, stderr)."""

    def call(*argv: object) -> tuple[int, str, str]:
        code = main(list(map(str, argv)))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "churn.csv"
    path.write_bytes(csv_bytes(rows(400)))
    return path


@pytest.fixture
def houses(tmp_path):
    """A regression, in units far from 1."""
    rng = np.random.default_rng(0)
    size, town = rng.normal(100, 20, 300), rng.choice(["A", "B"], 300)
    price = 3000 * size + 50_000 * (town == "B") + rng.normal(0, 1000, 300)
    path = tmp_path / "houses.csv"
    columns = zip(size.round(2).astype(str), town, price.round(2).astype(str), strict=True)
    path.write_bytes(csv_bytes([list(row) for row in columns], "size,town,price"))
    return path


def test_train_predict_evaluate(run, table, tmp_path):
    model, report = tmp_path / "churn.npz", tmp_path / "churn.json"
    code, out, err = run(
        "train", "--data", table, "--target", "y", "--test-split", 0.25, "--save", model, "--json", report, *FAST
    )
    assert (code, err) == (0, "")
    assert "\n  x  number, mean " in out
    assert "\n  c  3 categories\n" in out
    assert "300 + 100 rows, 4 inputs, 2 classes\nclasses: no, yes\n" in out
    assert max(map(len, out.replace(str(table), "").splitlines())) <= 80
    about = json.loads(report.read_text())
    assert about["test"]["accuracy"] > 0.9
    assert [(column["name"], column["kind"]) for column in about["columns"]] == [("x", "number"), ("c", "category")]
    assert about["config"]["target"] == "y"

    new = tmp_path / "new.csv"
    new.write_bytes(b"c,more,x\nb,1,9\na,2,9\nb,3,-3\n")
    assert run("predict", model, new) == (0, "no\nyes\nyes\n", "")
    assert run("predict", model, new, "--proba", "--header")[1].startswith("no,yes\n")
    code, out, _ = run("evaluate", model, table)
    assert code == 0
    assert "accuracy 9" in out
    assert out == run("evaluate", model, "--data", table)[1]


def test_what_does_not_fit_is_said_in_a_line(run, table, tmp_path):
    model, new = tmp_path / "churn.npz", tmp_path / "new.csv"
    assert run("train", "--data", table, "--target", "y", "--save", model, "--quiet", *FAST) == (0, "", "")
    new.write_bytes(b"c,x\nb,9\nq,9\n")
    code, out, err = run("predict", model, new)
    assert (code, out.count("\n")) == (0, 2)
    assert err == f"fastnet: warning: {new}: categories that the training rows did not have, taken for none of them: " \
        "1 in column 'c'\n"  # fmt: skip
    new.write_bytes(b"c,X\nb,9\n")
    assert run("predict", model, new)[::2] == (
        2,
        f"fastnet: error: {new}: expected a column 'x', got none; it has c, X\n",
    )
    new.write_bytes(b"c,x\nb,9\nb,many\n")
    assert run("predict", model, new)[::2] == (
        2, f"fastnet: error: {new}: column 'x', row 2: expected a number, got 'many'\n"
    )  # fmt: skip
    new.write_bytes(b"c,x\nb,9\n")
    assert "has no labels" in run("evaluate", model, new)[2]
    assert "learned a table: name one" in run("evaluate", model)[2]


def test_a_regression_is_in_the_units_of_the_table(run, houses, tmp_path):
    model, report = tmp_path / "houses.npz", tmp_path / "houses.json"
    code, out, _ = run("train", "--data", houses, "--target", "price", "--test-split", 60, "--save", model,
                       "--json", report, *FAST, "--epochs", 60)  # fmt: skip
    assert code == 0
    about = json.loads(report.read_text())["test"]
    assert about["r2"] > 0.95
    assert 1000 < about["rmse"] < 15_000
    assert f"RMSE {about['rmse']:.4g}" in out
    predicted = np.array(run("predict", model, houses)[1].split(), float)
    price = np.loadtxt(houses, str, delimiter=",", skiprows=1)[:, 2].astype(float)
    assert np.corrcoef(predicted, price)[0, 1] > 0.97
    assert abs(predicted.mean() / price.mean() - 1) < 0.02
    net = fastnet.Network.load(model)
    assert (net.preprocess.target.mean, net.preprocess.target.scale) == (0, 1)


def test_a_table_run_goes_on(run, houses, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = ("train", "--data", houses.name, "--target", "price", "--test-split", 60, "--quiet", *FAST,
                "--schedule", "constant")  # fmt: skip
    whole, kept = tmp_path / "whole.npz", tmp_path / "kept.npz"
    assert run(*settings, "--save", whole)[0] == 0
    assert run(*settings, "--epochs", 12, "--checkpoint", "folder", "--save", kept)[0] == 0
    monkeypatch.chdir(tmp_path.parent)
    assert run("train", "--resume", tmp_path / "folder", "--epochs", 8, "--quiet") == (0, "", "")
    nets = [fastnet.Network.load(path) for path in (whole, kept)]
    assert nets[0].preprocess == nets[1].preprocess
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-5)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("--test-split 0.2", "--test-split is for tables: name the column to learn by --target COLUMN"),
        ("--ignore a", "--ignore is for tables"),
        ("--target y", "--target is a column of a table, which is missing: --data PATH"),
        ("--data t.csv --target y --test a --test-split 3", "--test and --test-split both name test rows"),
        ("--data t.csv --target y --augment shift", "--augment changes images"),
        ("--data t.csv --target y --ignore a,,b", "expected names of columns separated by commas, got 'a,,b'"),
        ("--data mnist --target y", "mnist is no table: leave --target out, or name a CSV, Parquet or Feather file"),
        ("--numeric a", "--numeric is for tables"),
        ("--max-categories 3", "--max-categories is for tables"),
        ("--data t.csv --target y --max-categories 0", "expected a whole number from 1 on, got '0'"),
    ],
)
def test_options_that_do_not_fit(run, argv, words):
    code, out, err = run("train", *argv.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_a_table_without_a_target_names_the_option(run, table):
    assert "any other table is read by the column to learn: --target COLUMN" in run("train", "--data", table)[2]
    table.write_bytes(csv_bytes(rows(), separator=";"))
    assert "--target COLUMN" in run("train", "--data", table)[2]


def test_settings_of_the_user_come_before_those_of_tables(run, table, tmp_path):
    report = tmp_path / "r.json"
    assert run("train", "--data", table, "--target", "y", "--hidden", 3, "--lr", 0.5, "--backend", "reference",
               "--epochs", 2, "--optimizer", "sgd", "--quiet", "--json", report)[0] == 0  # fmt: skip
    config, chosen = json.loads(report.read_text())["config"], defaults(400)
    assert (config["hidden"], config["lr"], config["optimizer"], config["epochs"]) == ([3], 0.5, "sgd", 2)
    assert config["activation"] == chosen["activation"]
    assert config["schedule"] is None
    assert config["batch_size"] == chosen["batch_size"]


def test_a_schedule_of_the_user_goes_with_the_rule_of_tables(run, table, tmp_path):
    report = tmp_path / "r.json"
    options = ("--schedule", "cosine", "--quiet", "--json", report)
    assert run("train", "--data", table, "--target", "y", *options, *FAST)[0] == 0
    config = json.loads(report.read_text())["config"]
    assert (config["schedule"], config["optimizer"], config["lr"]) == ("cosine", "adam", defaults(400)["lr"])


def test_one_output_layer_or_the_other(run, tmp_path):
    path, report = tmp_path / "t.csv", tmp_path / "r.json"
    path.write_bytes(csv_bytes([[x, c, str(i % 4)] for i, (x, c, _) in enumerate(rows())]))
    for options, output in (((), "softmax"), (("--output", "identity"), "identity")):
        assert run("train", "--data", path, "--target", "y", *options, "--quiet", "--json", report, *FAST)[0] == 0
        assert json.loads(report.read_text())["config"]["output"] == output


def test_the_importance_of_columns_is_by_their_names(run, table, tmp_path):
    pytest.importorskip("matplotlib")
    model = tmp_path / "churn.npz"
    assert run("train", "--data", table, "--target", "y", "--quiet", "--save", model, *FAST)[0] == 0
    net, (train, _) = fastnet.Network.load(model), fastnet.load_table(table, "y")
    assert list(fastnet.permutation_importance(net, train.X, train.y).names) == ["x", "c"]
    page = tmp_path / "page.html"
    assert run("report", model, "--data", table, "--output", page)[0] == 0
    assert "Importance of the columns" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_search_on_a_table(run, table, houses, tmp_path, kind):
    pytest.importorskip("optuna")
    source, target = (table, "y") if kind == "classes" else (houses, "price")
    model, study = tmp_path / "best.npz", tmp_path / "search.db"
    code, out, err = run(
        "tune", "--data", source, "--target", target, "--test-split", 0.25, "--trials", 2, "--epochs", 5, "--jobs", 1,
        "--study", study, "--save", model, "--backend", "reference",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "trial 0 " in out
    code, out, err = run("predict", model, source)
    assert (code, err) == (0, "")
    if kind == "classes":
        assert set(out.split()) <= {"yes", "no"}
    else:
        assert np.mean(np.array(out.split(), float)) > 100_000


def test_columns_of_ids_and_of_many_categories(run, tmp_path):
    path, report = tmp_path / "t.csv", tmp_path / "r.json"
    table = [[str(1000 + i), f"u{i % 60}", x, y] for i, (x, _, y) in enumerate(rows(600))]
    path.write_bytes(csv_bytes(table, "id,code,x,y"))
    train = ("train", "--data", path, "--target", "y", *FAST, "--epochs", 1)
    out = run(*train)[1]
    assert "  id    left out: it counts the rows (--numeric id keeps it)\n" in out
    assert "  code  60 categories\n" in out
    out = run(*train, "--numeric", "id", "--max-categories", 7, "--json", report)[1]
    assert "  id    number, mean " in out
    assert "  code  7 categories, 53 rarer ones are other\n" in out
    config = json.loads(report.read_text())["config"]
    assert (config["numeric"], config["max_categories"]) == (["id"], 7)


def test_the_unit_of_the_losses_is_told(run, houses, table):
    out = run("train", "--data", houses, "--target", "price", *FAST, "--epochs", 1)[1]
    assert "the loss of an epoch is that of (price - 3.2" in out
    assert "the figures at the end are in the unit of price" in " ".join(out.split())
    assert "the loss of an epoch is that" not in run("train", "--data", table, "--target", "y", *FAST)[1]


def test_figures_that_a_network_cannot_give(run, tmp_path, houses):
    path = tmp_path / "t.csv"
    path.write_bytes(csv_bytes([[x, c, str(10**10 + i)] for i, (x, c, _) in enumerate(rows())]))
    code, _, err = run("train", "--data", path, "--target", "y", *FAST)
    assert code == 2
    assert "the values of 'y' lie around 1e+10 and deviate by 17.3" in err
    assert "subtract a constant from the column, or use --dtype float64" in err
    assert run("train", "--data", path, "--target", "y", "--dtype", "float64", *FAST)[0] == 0
    code, _, err = run("train", "--data", houses, "--target", "price", "--test-split", 0.001, *FAST)
    assert code == 2
    assert "expected 2 rows or more for the test: R2 compares values; 0.001 of 300 rows is 1" in err


def test_few_rows_to_judge_by_are_told_of(run, table, tmp_path):
    train = ("train", "--data", table, "--target", "y", *FAST, "--epochs", 1)
    told = "figures on 1 row say little of other rows: hold out more, by --test-split or --validation-split"
    assert told in run(*train, "--test-split", 0.0001)[2]
    assert run(*train, "--test-split", 10)[2] == ""
    new = tmp_path / "new.csv"
    new.write_bytes(csv_bytes(rows(3)))
    assert "figures on 3 rows say little" in run(*train, "--test", new)[2]


def test_advice_for_tables_is_not_to_standardise(run, houses):
    _, out, err = run("train", "--data", houses, "--target", "price", *FAST, "--lr", 50, "--optimizer", "sgd",
                      "--clip-norm", 1)  # fmt: skip
    assert "R2 below 0 is worse than the mean of y: try more --epochs, or a smaller --lr" in out
    assert ". Choose a smaller lr" in err
    assert "tandardise" not in out + err


def test_tables_without_rows(run, table, tmp_path):
    model, new = tmp_path / "churn.npz", tmp_path / "new.csv"
    assert run("train", "--data", table, "--target", "y", "--save", model, "--quiet", *FAST)[0] == 0
    new.write_bytes(b"c,x,y\n")
    for verb in ("predict", "evaluate"):
        told = f"fastnet: error: {new}: expected rows below the header, got none\n"
        assert run(verb, model, new) == (2, "", told)


def test_export_says_what_goes_in(run, table, tmp_path):
    onnx = pytest.importorskip("onnx")
    model, path = tmp_path / "churn.npz", tmp_path / "churn.onnx"
    assert run("train", "--data", table, "--target", "y", "--save", model, "--quiet", *FAST)[0] == 0
    out = run("export", model, path)[1]
    told = "X holds rows that net.preprocess.transform has encoded, 4 inputs in this order: x, c=a, c=b, c=c"
    assert told in " ".join(out.split())
    props = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    assert json.loads(props["inputs"]) == ["x", "c=a", "c=b", "c=c"]


def test_a_report_says_what_the_losses_are_of(run, houses, table, tmp_path):
    pytest.importorskip("matplotlib")
    kept, page, told = tmp_path / "r.json", tmp_path / "r.html", "The losses are of price less its mean"
    for path, target, expected in ((houses, "price", True), (table, "y", False)):
        train = ("train", "--data", path, "--target", target, "--json", kept, "--quiet", *FAST, "--epochs", 2)
        assert run(*train)[0] == 0
        assert run("report", kept, "--output", page)[0] == 0
        assert (told in page.read_text(encoding="utf-8")) is expected
