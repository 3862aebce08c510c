"""The recipes: that they are what their documents say, and that the runner tells the truth about them."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastnet import SGD, Network, train
from fastnet.cli.main import build_parser, main
from fastnet.cli.parser import UsageError
from fastnet.cli.recipe import NOT_SETTINGS, compare, compete, load_mnist
from fastnet.data import Dataset
from fastnet.recipes import RECIPES
from fastnet.recipes.recipe import figure
from fastnet.recipes.running import MEASURES, against_numpy, compile_kernels, run, splits, spreads
from fastnet.settings import combine

DOCUMENTS = [name for name, recipe in RECIPES.items() if recipe.target is None]


def images(n: int, seed: int) -> Dataset:
    """Noisy 28x28 images of ten separable classes: a bright row of pixels for each."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 10
    X = rng.integers(0, 90, (n, 784)).astype(np.uint8) * (rng.random((n, 784)) < 0.2)
    for row, label in zip(X, y, strict=True):
        row[84 * (label % 9) + 28 * (label // 9) :][:28] = 200
    return Dataset(X.astype(np.uint8), y, 10, "images", (28, 28))


@pytest.fixture(scope="module")
def sets():
    return images(600, 1), images(200, 2)


def short(recipe, **changes):
    """What to change for a short run on plain NumPy."""
    split = {"validation_split": 100} if "validation_split" in recipe.settings else {}
    return {"epochs": 2, "backend": "reference"} | split | changes


def quick(recipe, **changes):
    """The recipe's settings, so changed."""
    return combine(recipe.settings, short(recipe, **changes))


# What the documents say


@pytest.mark.parametrize(
    ("name", "sizes", "expected"),
    [
        ("weisberg-part2", [784, 64, 10], "sigmoid softmax cross_entropy lecun momentum True 0.9 4.0 128 9"),
        ("jpark", [784, 30, 10], "sigmoid softmax cross_entropy normal sgd None None 3.0 50 10"),
        ("zhenye-na", [784, 64, 10], "sigmoid softmax cross_entropy lecun momentum True 0.9 0.5 64 50"),
        ("stackoverflow-relu", [784, 10, 10], "relu softmax cross_entropy he sgd None None 0.25 full 200"),
        ("stackoverflow-minibatch", [784, 10, 10], "relu softmax cross_entropy he sgd None None 0.01 32 20"),
        ("nielsen-matrix", [784, 30, 10], "sigmoid sigmoid mse normal sgd None None 3.0 10 30"),
    ],
)
def test_settings_are_those_of_the_document(name, sizes, expected):
    args = combine(RECIPES[name].settings)
    words = [args.activation, args.output, args.loss, args.init, args.optimizer, args.ema, args.beta, args.lr]
    assert [784, *args.hidden, 10] == sizes
    assert " ".join(map(str, [*words, args.batch_size, args.epochs])) == expected
    assert args.l2 == 0
    assert args.schedule is None
    assert args.validation_split == (10_000 if name in ("jpark", "nielsen-matrix") else None)


def test_every_recipe_says_where_it_differs():
    for recipe in RECIPES.values():
        assert recipe.differences
        assert set(recipe.published) <= set(MEASURES)
        assert all(math.isfinite(figure(text)) for text in recipe.published.values() if text)
    assert "last row" in str(RECIPES["weisberg-part2"].differences)
    assert "recall" in str(RECIPES["weisberg-part2"].differences)
    assert "last row" in str(RECIPES["zhenye-na"].differences)
    assert "axes wrong" in str(RECIPES["stackoverflow-relu"].differences)
    assert "never learn" in str(RECIPES["nielsen-matrix"].differences)
    assert "race" in str(RECIPES["mnist-fast"].differences)


def test_one_step_of_weisbergs_listing(sets):
    """His update, written out as he does, features by samples, gives the weights that the recipe's settings give."""
    data, test = sets
    args = combine(RECIPES["weisberg-part2"].settings, {"backend": "reference", "dtype": "float64", "epochs": 1})
    few = replace(data, X=data.X[:128], y=data.y[:128])
    start = Network([784, 64, 10], dtype="float64", seed=args.seed)
    W1, b1, W2, b2 = start.W[0].T, start.b[0][:, None], start.W[1].T, start.b[1][:, None]
    X, Y = few.X.T / 255, np.eye(10)[few.y].T
    A1 = 1 / (1 + np.exp(-(W1 @ X + b1)))
    Z2 = W2 @ A1 + b2
    dZ2 = np.exp(Z2) / np.exp(Z2).sum(axis=0) - Y
    dZ1 = (W2.T @ dZ2) * A1 * (1 - A1)
    expected = W1 - 4 * (1 - 0.9) * (dZ1 @ X.T) / 128

    kept = []
    run(RECIPES["weisberg-part2"], args, few, test, None, [lambda network, epoch: kept.append(network.W[0].copy())])
    np.testing.assert_allclose(kept[0], expected.T, rtol=0, atol=1e-12)
    assert np.abs(kept[0] - start.W[0]).max() > 1e-4


def test_lambda_over_n_is_l2(sets):
    """W <- (1 - eta lambda / n) W - eta dW, as in jpark's listing, is --l2 lambda/n."""
    data, _ = sets
    eta, weight, nets = 3.0, 5.0, []
    for l2 in (0.0, weight / len(data)):
        nets.append(Network([784, 30, 10], init="normal", dtype="float64", seed=1))
        settings = {"epochs": 1, "batch_size": len(data), "optimizer": SGD(eta), "backend": "reference"}
        train(nets[-1], data.X, data.y, l2=l2, seed=1, **settings)
    shrunk = eta * weight / len(data) * Network([784, 30, 10], init="normal", dtype="float64", seed=1).W[0]
    np.testing.assert_allclose(nets[1].W[0], nets[0].W[0] - shrunk, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_both_backends_run_a_recipe_alike(name, sets):
    data, test = sets
    if "augment" in RECIPES[name].settings:  # bytes may be rounded either way
        data, test = (replace(rows, X=rows.X / 255) for rows in sets)
    losses = []
    for backend in ("numba", "reference"):
        outcome = run(RECIPES[name], quick(RECIPES[name], backend=backend, dtype="float64"), data, test)
        losses.append([[epoch.loss, epoch.val_loss] for epoch in outcome.history.epochs])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9)
    assert losses[0][0] != losses[0][1]


def test_layer_list_of_jpark_is_the_recipes_network():
    layers = [["FullyConnected", 784, None], ["FullyConnected", 30, "sigmoid"], ["FullyConnected", 10, "softmax"]]
    args = combine(RECIPES["jpark"].settings)
    expected = Network([784, *args.hidden, 10], hidden=args.activation, output=args.output, init=args.init, seed=1)
    listed = Network.from_layers(layers, init="normal", seed=1)
    assert np.array_equal(listed.params, expected.params)
    assert listed.activations == expected.activations
    assert 0.9 < listed.W[0].std() < 1.1
    assert listed.b[0].all()


def test_readme_has_every_recipe():
    text = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Recipes")[2].partition("\n## ")[0]
    assert [name for name in RECIPES if f"| `{name}` |" not in section] == []


# Settings on the command line


def test_option_names_of_zhenye_na_have_a_counterpart():
    line = "recipe zhenye-na --lr 0.5 --epochs 50 --hidden 64 --beta 0.9 --batch-size 64"
    given = {k: v for k, v in vars(build_parser().parse(line.split())).items() if k not in NOT_SETTINGS}
    assert set(given) == {"lr", "epochs", "hidden", "beta", "batch_size"}
    recipe = RECIPES["zhenye-na"]
    assert combine(recipe.settings, given) == combine(recipe.settings)


def test_given_settings_win_and_only_those():
    given = vars(build_parser().parse(["recipe", "jpark", "--lr", "2", "--l2", "0.0001", "--dtype", "float64"]))
    assert "epochs" not in given
    args = combine(RECIPES["jpark"].settings, {"lr": given["lr"], "l2": given["l2"], "dtype": given["dtype"]})
    assert (args.lr, args.l2, args.dtype, args.epochs, args.hidden) == (2.0, 1e-4, "float64", 10, [30])


def test_another_optimizer_or_output_drops_what_belonged_to_the_old():
    args = combine(RECIPES["mnist-fast"].settings, {"optimizer": "adam"})
    assert (args.lr, args.beta, args.ema, args.nesterov) == (1e-3, None, None, None)
    assert combine(RECIPES["nielsen-matrix"].settings, {"output": "softmax"}).loss == "cross_entropy"
    with pytest.raises(UsageError, match="--beta"):
        combine(RECIPES["jpark"].settings, {"beta": 0.5})


def test_held_out_rows_are_the_documents_last(sets):
    """Whatever fastnet train holds out: jpark's validation rows are the last 10 000 of 60 000."""
    data, test = sets
    recipe = RECIPES["jpark"]
    train_rows, validation = splits(recipe, combine(recipe.settings, {"validation_split": 100}), data, test)
    assert np.shares_memory(validation.X, data.X)
    np.testing.assert_array_equal(validation.X, data.X[-100:])
    np.testing.assert_array_equal(train_rows.y, data.y[:-100])


# What a run prints and writes


def test_lines_are_those_of_the_document(sets, capsys):
    data, test = sets
    lines = {}
    for name in DOCUMENTS:
        recipe = RECIPES[name]
        compare(recipe, quick(recipe), {"lr": 1.0, "activation": "relu"}, data, test, 1)
        lines[name] = capsys.readouterr().out.splitlines()
    number = r"\d+\.\d+"
    for name, first in [
        ("weisberg-part2", rf"Epoch 1: training cost = {number}, test cost = {number}"),
        ("jpark", rf"Epoch 0: Total Match: \d+ Total Test Data: 100 \( {number}% \)"),
        ("zhenye-na", rf"Epoch 1: training loss = {number}, test loss = {number}"),
        ("stackoverflow-relu", r"Iteration:  1"),
        ("nielsen-matrix", r"Epoch 0: \d+ / 200"),
    ]:
        assert any(re.fullmatch(first, line) for line in lines[name]), lines[name]
    assert lines["weisberg-part2"][0].startswith("Epoch 1")
    assert "weighted avg" in "\n".join(lines["weisberg-part2"])
    assert "plain NumPy" not in "\n".join(lines["weisberg-part2"])


def test_comparison_with_the_published_result(sets, capsys):
    data, test = sets
    recipe = RECIPES["weisberg-part2"]
    content = compare(recipe, quick(recipe, backend="numba"), {}, data, test, 3)
    out = capsys.readouterr().out
    (row,) = [line.split() for line in out.splitlines() if line.startswith("test cost")]
    found = content["obtained"]["test cost"]
    assert row[2:] == [
        "0.0802", *(f"{found[name]:.4f}" for name in ("mean", "lowest", "highest")), f"{found['mean'] - 0.0802:+.4f}"
    ]  # fmt: skip
    assert content["published"]["test cost"] == 0.0802
    assert content["published"]["seconds"] == 30
    assert [entry["seed"] for entry in content["runs"]] == [138, 139, 140]
    costs = [entry["test"]["loss"] for entry in content["runs"]]
    assert found["lowest"] == min(costs) < found["mean"] < max(costs) == found["highest"]
    assert content["epochs"] == content["runs"][0]["epochs"]
    assert content["numpy"]["ratio"] == content["numpy"]["numpy_seconds"] / content["numpy"]["seconds"]
    assert content["numpy"]["loss_difference"] < 1e-4
    assert f"{content['numpy']['ratio']:.1f} times as fast" in " ".join(out.split())
    assert "seed 140" in out


@pytest.mark.filterwarnings("ignore:Training went nowhere")  # two epochs of few rows
def test_what_the_document_tries_beside(sets, capsys):
    data, test = sets
    recipe = RECIPES["jpark"]
    assert recipe.beside == {"learning rate 2": {"lr": 2.0}}
    recipe = replace(recipe, beside={"hardly any step": {"lr": 1e-9}})
    content = compare(recipe, quick(recipe), short(recipe), data, test, 1)
    slow = content["beside"]["hardly any step"]["obtained"]["test accuracy"]
    assert slow["mean"] < 0.5 < content["obtained"]["test accuracy"]["mean"]
    assert "hardly any step:" in capsys.readouterr().out
    content = compare(recipe, quick(recipe, lr=1.0), short(recipe, lr=1.0), data, test, 1)
    assert "beside" not in content


def test_measures(sets):
    """On the reports that scikit-learn would print; the labels are the truth."""
    from sklearn.metrics import precision_recall_fscore_support

    data, test = sets
    recipe = RECIPES["weisberg-part2"]
    outcome = run(recipe, quick(recipe, epochs=1), data, test)
    expected = precision_recall_fscore_support(test.y, outcome.predicted, average="weighted", zero_division=0)[:3]
    measures = outcome.measures
    assert [measures[name] for name in ("precision", "recall", "f1-score")] == pytest.approx(expected)
    assert measures["test accuracy"] == np.mean(outcome.predicted == test.y)
    assert measures["training cost"] == outcome.history.epochs[-1].train_loss
    assert "validation accuracy" not in measures
    assert set(spreads([outcome], ["recall", "validation accuracy"])) == {"recall"}


def test_race_ends_at_the_target(sets, capsys):
    data, test = sets
    recipe = replace(RECIPES["mnist-fast"], target=0.9)
    config = combine(recipe.settings, {"epochs": 20, "threads": 1, "batch_size": 64, "lr": 0.02})
    content = compete(recipe, config, data, test, 3)
    assert content["reached"] == content["seeds"] == len(content["runs"]) == 3
    for entry in content["runs"]:
        accuracies = [epoch["val_accuracy"] for epoch in entry["epochs"]]
        assert max(accuracies[:-1], default=0) < 0.9 <= accuracies[-1] == entry["test"]["accuracy"]
        assert entry["seconds_to_98"] >= sum(epoch["seconds"] for epoch in entry["epochs"])
    assert content["seconds_to_98"] == sorted(entry["seconds_to_98"] for entry in content["runs"])[1]
    assert 0 < content["fair_accuracy"] <= 1
    assert "3 of 3 seeds" in " ".join(capsys.readouterr().out.split())


def test_race_without_a_winner_has_no_median(sets, capsys):
    recipe = replace(RECIPES["mnist-fast"], target=2.0)
    content = compete(recipe, combine(recipe.settings, {"epochs": 2, "backend": "reference"}), *sets, 1)
    assert content["seconds_to_98"] is content["runs"][0]["seconds_to_98"] is None
    assert len(content["runs"][0]["epochs"]) == 2
    assert "0 of 1 seeds" in " ".join(capsys.readouterr().out.split())


def test_nothing_is_compiled_while_the_clock_runs(sets):
    from fastnet.kernels.compile.cache import listeners

    recipe = RECIPES["weisberg-part2"]
    args = quick(recipe, backend="numba", threads=2)
    compile_kernels(args, sets[0], None)
    compiled = []
    listeners.append(compiled.append)
    try:
        run(recipe, args, *sets)
    finally:
        listeners.remove(compiled.append)
    assert compiled == []


def test_plain_numpy_is_timed_on_the_same_training(sets):
    comparison = against_numpy(quick(RECIPES["nielsen-matrix"], backend="numba"), sets[0])
    assert comparison.rows == len(sets[0])
    assert comparison.loss_difference < 1e-4
    assert comparison.ratio == comparison.numpy_seconds / comparison.seconds > 0


# The verb


def test_list(capsys):
    assert main(["recipe", "--list"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    for name, recipe in RECIPES.items():
        assert f"{name}: {recipe.title}" in words
    assert "published: training cost 0.0276, test cost 0.0802, precision 0.98, 30 s" in words


@pytest.mark.parametrize("name", RECIPES)
def test_list_of_one_recipe_tells_all_of_it(name, capsys):
    assert main(["recipe", name, "--list"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    for text in (RECIPES[name].title, *RECIPES[name].differences, *RECIPES[name].notes):
        assert text in words


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["jprk"], "did you mean 'jpark'?"),
        (["jprk", "--list"], "did you mean 'jpark'?"),
        ([], "NAME is missing: one of weisberg-part2"),
        (["jpark", "--data", "glyphs"], "recipes are run on MNIST, got glyphs"),
        (["jpark", "--seeds", "0"], "--seeds"),
        (["jpark", "--beta", "0.5"], "--beta is a setting of --optimizer momentum"),
        (["jpark", "--epoch", "1"], "did you mean --epochs?"),
        (["jpark", "--output", "identity"], "--output: recipes are classifications"),
        (["jpark", "--json", "/nowhere at all/file.json"], "--json: cannot write"),
    ],
)
def test_bad_command_line(argv, words, capsys):
    assert main(["recipe", *argv]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert err.count("\n") == 1
    assert out == ""


def test_without_mnist_it_says_where_to_put_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))

    def refuse(*args, **kwargs):
        raise OSError("no network here")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert main(["recipe", "weisberg-part2", "--backend", "reference"]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert str(tmp_path / "mnist") in err
    assert "synthetic" not in err + out


def test_a_diverged_recipe_ends_with_3(sets, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("fastnet.cli.recipe.load_mnist", lambda source: sets)
    argv = ["recipe", "weisberg-part2", "--epochs", "2", "--backend", "reference", "--json", str(tmp_path / "run.json")]
    assert main(argv) == 0
    assert capsys.readouterr().err == ""
    assert main([*argv, "--lr", "10000"]) == 3
    assert capsys.readouterr().err.startswith("fastnet: warning: ")
    assert json.loads((tmp_path / "run.json").read_text())["diverged"] is True


def test_only_mnist_will_do(tmp_path, rng):
    drawn = tmp_path / "drawn"
    assert main(["data", "make", "glyphs", "--n", "20", "--output", str(drawn)]) == 0
    with pytest.raises(UsageError, match="synthetic"):
        load_mnist(str(drawn))
    np.savez(tmp_path / "narrow.npz", x_train=np.ones((20, 3)), y_train=np.arange(20) % 10)
    with pytest.raises(UsageError, match=r"784 numbers in 10 classes, .* 3 in 10"):
        load_mnist(str(tmp_path / "narrow.npz"))
    np.savez(tmp_path / "half.npz", X=np.ones((20, 784)), y=np.arange(20) % 10)
    with pytest.raises(UsageError, match="holds none"):
        load_mnist(str(tmp_path / "half.npz"))


def test_on_mnist_from_the_command_line(mnist, tmp_path, capsys):
    path = tmp_path / "run.json"
    assert main(["recipe", "weisberg-part2", "--epochs", "3", "--json", str(path)]) == 0
    content = json.loads(path.read_text())
    assert {"config", "epochs", "test", "threads", "threading_layer", "versions", "data"} <= set(content)
    assert content["recipe"] == "weisberg-part2"
    assert content["config"]["epochs"] == 3
    assert content["data"]["synthetic"] is False
    assert content["test"]["accuracy"] > 0.955
    assert content["test"]["loss"] == pytest.approx(content["epochs"][-1]["val_loss"])
    assert "runs" not in content
    assert "Epoch 3: training cost = 0." in capsys.readouterr().out
