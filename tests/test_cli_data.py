"""What the program makes of data: rows held out, regressions, names of classes, pictures."""

import json

import numpy as np
import pytest

from fastnet import Network
from fastnet.cli import files
from fastnet.cli.main import main

QUICK = ["--backend", "reference", "--epochs", "3", "--hidden", "8", "--batch-size", "10"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.npz"


@pytest.fixture
def run(capsys):
    """Runs the program; returns (exit code, output, errors)."""

    def call(*argv):
        code = main([str(word) for word in argv])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def train(run, path):
    return lambda *options: run("train", "--data", path, *QUICK, *options)


def blobs(n=90, k=3, seed=1):
    """Separable classes: X float32 (n, 4), y (n,), sorted by class."""
    rng = np.random.default_rng(seed)
    y = np.sort(np.arange(n) % k)
    return (rng.normal(0, 0.3, (n, 4)) + 3 * np.eye(k, 4)[y]).astype(np.float32), y


def line(n=120, seed=1):
    """Values that are linear in X: X float32 (n, 3), y float64 (n,)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    return X, X.astype(float) @ [0.5, -0.25, 0.125] + 0.0625


def epochs(file):
    return json.loads(file.read_text())["epochs"]


# Rows held out


def test_a_set_sorted_by_class_learns_every_class(train, path):
    X, y = blobs()
    np.savez(path, X=X, y=y)
    code, out, err = train("--validation-split", "0.2", "--epochs", "30")
    assert (code, err) == (0, "")
    assert "18 of 18 validation rows are right" in out
    for label in "012":
        assert f"{label}       1.00      1.00      1.00         6" in out
    assert "0 of 30" in train("--validation-split", "30", "--no-shuffle-split", "--epochs", "30")[1]


def test_the_split_is_drawn_from_the_seed(train, path, tmp_path):
    X, y = blobs()
    np.savez(path, X=X, y=y)
    losses = []
    for i, seed in enumerate((1, 1, 2)):
        train("--seed", seed, "--validation-split", "9", "--json", tmp_path / f"{i}.json", "--quiet")
        losses.append(epochs(tmp_path / f"{i}.json")[-1]["val_loss"])
    assert losses[0] == losses[1] != losses[2]


def test_without_a_test_part_a_tenth_is_held_out(train, path, tmp_path):
    X, y = blobs()
    for arrays in ({"X": X, "y": y}, {"x_train": X, "y_train": y, "x_val": X[:0], "y_val": y[:0]}):
        np.savez(path, **arrays)
        code, out, _ = train("--json", tmp_path / "run.json")
        assert code == 0
        assert "no labelled test rows: 9 rows, drawn at random, are held out for validation" in out
        assert "of 9 validation rows are right" in out
        assert epochs(tmp_path / "run.json")[-1]["val_accuracy"] is not None
        content = json.loads((tmp_path / "run.json").read_text())
        assert content["test"] is None
        assert content["config"]["validation_split"] == 0.1
    out = train("--no-shuffle-split")[1]
    assert "9 rows, the last ones, are held out" in out


def test_few_rows_are_all_trained_on(train, path):
    X, y = blobs(18)
    np.savez(path, X=X, y=y)
    out = train()[1]
    assert "no labelled test rows: the report is on the training rows" in out
    assert "training on 18 rows" in out
    assert "of 18 training rows are right" in out
    X, y = blobs()
    np.savez(path, X=X, y=y)
    out = train("--validation-split", "0")[1]
    assert "training on 90 rows" in out
    assert "of 90 training rows are right" in out


def test_test_rows_without_labels_do_not_count(train, path):
    X, y = blobs()
    np.savez(path, x_train=X, y_train=y, x_test=X[:5])
    assert "of 9 validation rows are right" in train()[1]


def test_a_test_part_changes_nothing(train, path):
    X, y = blobs()
    np.savez(path, x_train=X, y_train=y, x_test=X[:30], y_test=y[:30])
    out = train()[1]
    assert "training on 90 rows" in out
    assert "of 30 test rows are right" in out
    assert "held out" not in out


# Regression


@pytest.mark.parametrize("columns", [1, 2])
def test_regression_from_end_to_end(train, run, path, tmp_path, columns):
    X, y = line()
    y = y if columns == 1 else np.stack([y, -y], axis=1)
    np.savez(path, X=X, y=y)
    model, report = tmp_path / "model.npz", tmp_path / "run.json"
    settings = ["--epochs", "200", "--lr", "0.01", "--evaluate-train", "--save", model, "--json", report]
    code, out, err = train(*settings)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "y holds values and no labels: a regression (--output identity)"
    assert f"120 rows, 3 inputs, {columns} target{'s' * (columns - 1)}" in out
    assert all("train R2 " in text and "val R2 " in text for text in lines if text.startswith("epoch "))
    assert lines[-1].startswith("12 validation rows: loss ")
    assert float(lines[-1].split("R2 ")[1].split()[0]) > 0.9
    assert "RMSE" in lines[-1]
    for word in ("accuracy", "nan", "precision", "right"):
        assert word not in out
    content = json.loads(report.read_text())
    settings = {name: content["config"][name] for name in ("output", "loss", "optimizer", "lr")}
    assert settings == {"output": "identity", "loss": "mse", "optimizer": "adam", "lr": 0.01}
    assert content["epochs"][-1]["val_r2"] > 0.9
    assert content["epochs"][-1]["val_accuracy"] is None

    code, out, _ = run("evaluate", model, "--data", path, "--report", "--json", report)
    assert code == 0
    assert "R2 0.9" in out
    assert "accuracy" not in out
    content = json.loads(report.read_text())
    assert content["r2"] > 0.9
    assert content["rmse"] > 0
    assert "accuracy" not in content

    code, out, _ = run("predict", model, path)
    predicted = Network.load(model).predict(X)
    np.testing.assert_array_equal(np.loadtxt(out.splitlines(), np.float32, delimiter=","), predicted)
    assert np.abs(predicted - y).max() < 0.5
    assert run("predict", model, path, "--output", tmp_path / "out.npy")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), predicted)
    code, out, err = run("predict", model, path, "--proba")
    assert (code, out) == (2, "")
    assert "is a regression, which has values and no probabilities" in err


def test_a_regression_that_learned_nothing_is_told_what_to_try(train, path):
    X, y = line()
    np.savez(path, X=X, y=y + 1000)
    assert "R2 below 0 is worse than the mean of y: try more --epochs, or standardise y" in train()[1]


def test_whole_numbers_are_values_where_there_are_too_many_of_them(train, path, tmp_path):
    X, y = line()
    np.savez(path, X=X, y=np.round(40 * y + 60))
    out = train("--output", "softmax")[1]
    assert "of 12 validation rows are right" in out
    out = train("--save", tmp_path / "m.npz")[1]
    assert "a regression (--output identity; --output softmax takes them for classes)" in out
    assert "1 target" in out
    assert "validation rows: loss" in out
    assert Network.load(tmp_path / "m.npz").sizes == [3, 8, 1]


def test_whole_numbers_that_are_no_labels_are_not_guessed_about(train, path):
    X, y = line()
    np.savez(path, X=X, y=np.where(y > 0, 1, -1))
    code, out, err = train()
    assert (code, out) == (2, "")
    assert "y of " in err
    assert "number the classes so, or train a regression on the values by --output identity" in err
    assert train("--output", "identity")[0] == 0


def test_defaults_of_a_regression(train, path, tmp_path):
    X, y = line()
    np.savez(path, X=X, y=y)
    for options, optimizer, lr in (
        ([], "adam", 0.001),
        (["--optimizer", "sgd", "--lr", "0.1"], "sgd", 0.1),
        (["--lr", "0.1", "--beta", "0.5"], "momentum", 0.1),
    ):
        assert train("--json", tmp_path / "run.json", *options)[0] == 0
        config = json.loads((tmp_path / "run.json").read_text())["config"]
        assert (config["optimizer"], config["lr"]) == (optimizer, lr)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_values_are_no_labels(train, path, output):
    X, y = line()
    np.savez(path, X=X, y=y)
    code, _, err = train("--output", output)
    assert code == 2
    assert "holds values where labels are needed" in err


def test_a_classifier_is_not_asked_for_values_nor_the_other_way_round(train, run, path, tmp_path):
    X, y = line()
    words = np.array(["low", "high"])[(y > 0).astype(int)]
    for name, targets in (("values", y), ("words", words)):
        np.savez(path, X=X, y=targets)
        assert train("--save", tmp_path / f"{name}-model.npz")[0] == 0
        np.savez(tmp_path / f"{name}.npz", X=X, y=targets)
    code, _, err = run("evaluate", tmp_path / "words-model.npz", "--data", tmp_path / "values.npz")
    assert code == 2
    assert "holds values where labels are needed" in err
    code, _, err = run("evaluate", tmp_path / "values-model.npz", "--data", tmp_path / "words.npz")
    assert code == 2
    assert "a regression needs values, but the labels of" in err


# Names of classes


@pytest.fixture
def named(train, path, tmp_path):
    """A network that knows fox, cat and dog."""
    X, y = blobs()
    np.savez(path, X=X, y=np.array(["fox", "cat", "dog"])[y])
    model = tmp_path / "named.npz"
    code, out, _ = train("--epochs", "30", "--save", model, "--json", tmp_path / "run.json")
    assert code == 0
    assert "classes: cat, dog, fox" in out
    for name in ("cat", "dog", "fox"):
        assert f"{name}       1.00      1.00      1.00         3" in out
    assert json.loads((tmp_path / "run.json").read_text())["data"]["class_names"] == ["cat", "dog", "fox"]
    return model


def test_names_reach_predictions(named, run, path, tmp_path):
    expected = np.array(["fox", "cat", "dog"])[blobs()[1]].tolist()
    assert Network.load(named).class_names == ("cat", "dog", "fox")
    assert run("predict", named, path)[1].split() == expected
    for kind in ("csv", "npy"):
        assert run("predict", named, path, "--output", tmp_path / f"out.{kind}")[0] == 0
    assert (tmp_path / "out.csv").read_text().split() == expected
    assert np.load(tmp_path / "out.npy").tolist() == expected


def test_classes_are_matched_by_name(named, run, tmp_path):
    X, y = blobs()
    some = tmp_path / "some.npz"
    words = np.array(["fox", "cat", "dog"])[y]
    np.savez(some, X=X[y != 1], y=words[y != 1])  # dog and fox: numbered 0 and 1 by themselves
    out = run("evaluate", named, "--data", some, "--report")[1]
    assert "accuracy 100.00%" in out
    assert "60 of 60" in out
    np.savez(some, X=X, y=np.array([2, 0, 1])[y])  # no names: by their order
    assert "accuracy 100.00%" in run("evaluate", named, "--data", some)[1]
    np.savez(some, X=X, y=np.array(["fox", "cat", "owl"])[y])
    code, _, err = run("evaluate", named, "--data", some)
    assert code == 2
    assert "has a class owl, which the network does not know: cat, dog, fox" in err


def test_a_network_without_names_takes_numbers_for_names(train, run, path, tmp_path):
    X, y = blobs()
    np.savez(path, X=X, y=y)
    assert train("--epochs", "30", "--save", tmp_path / "m.npz")[0] == 0
    some = tmp_path / "some.npz"
    np.savez(some, X=X[y > 0], y=y[y > 0].astype(str))  # classes 1 and 2, numbered 0 and 1 by themselves
    assert "accuracy 100.00%" in run("evaluate", tmp_path / "m.npz", "--data", some)[1]
    np.savez(some, X=X, y=np.array(["a", "b", "c"])[y])
    assert "accuracy 100.00%" in run("evaluate", tmp_path / "m.npz", "--data", some)[1]


# Pictures


@pytest.fixture
def pictures(tmp_path):
    """Folders even and odd, of 30 colour pictures each."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(1)
    for i in range(60):
        array = rng.integers(0, 60, (9, 8, 3)).astype(np.uint8)
        array[:, 4 * (i % 2)] = 220
        folder = tmp_path / "pictures" / ("even", "odd")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(array).save(folder / f"{i:02}.png")
    return tmp_path / "pictures"


def test_pictures_by_class_from_end_to_end(pictures, run, tmp_path):
    model = tmp_path / "m.npz"
    settings = ["--epochs", "30", "--lr", "1", "--save", model]
    code, out, err = run("train", "--data", pictures, *QUICK, *settings)
    assert code == 0
    assert err == "fastnet: warning: 60 colour pictures of 60 were converted to grey\n"
    assert "classes: even, odd" in out
    assert "6 of 6 validation rows are right" in out
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("odd/01", "even/02", "odd/03"):
        (flat / f"{name[-2:]},x.png").write_bytes((pictures / f"{name}.png").read_bytes())
    assert run("predict", model, flat)[1] == '"01,x.png",odd\n"02,x.png",even\n"03,x.png",odd\n'
    assert run("predict", model, flat, "--output", tmp_path / "out.csv")[0] == 0
    assert (tmp_path / "out.csv").read_text() == '"01,x.png",odd\n"02,x.png",even\n"03,x.png",odd\n'
    assert run("predict", model, pictures / "even" / "00.png")[1] == "even\n"
    first = run("predict", model, flat, "--proba")[1].splitlines()[0].rpartition('",')[2].split(",")
    assert sum(map(float, first)) == pytest.approx(1)


# Files that are asked for


def test_a_diverged_run_writes_everything_and_ends_with_3(train, path, tmp_path):
    rng = np.random.default_rng(1)
    np.savez(path, X=255 * rng.random((300, 20)), y=np.arange(300) % 10)
    model, report = tmp_path / "m.npz", tmp_path / "run.json"
    code, out, err = train("--lr", "1000", "--save", model, "--json", report)
    assert code == 3
    assert err.startswith("fastnet: warning: ")
    assert err.count("\n") == 1
    assert "weighted avg" in out
    assert Network.load(model)
    assert json.loads(report.read_text())["diverged"] is True


def test_what_cannot_be_written_is_told_and_the_rest_is_done(train, path, tmp_path, monkeypatch):
    X, y = blobs()
    np.savez(path, X=X, y=y)

    def full(self, file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Network, "save", full)
    code, out, err = train("--save", tmp_path / "m.npz", "--json", tmp_path / "run.json")
    assert code == 4
    assert err == "fastnet: error: --save: not written: [Errno 28] No space left on device\n"
    assert "weighted avg" in out
    assert (tmp_path / "run.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr(files, "replacing", lambda file: full(None, file))
    assert train("--save", tmp_path / "m.npz", "--json", tmp_path / "other.json")[0] == 4
    assert (tmp_path / "m.npz").exists()
