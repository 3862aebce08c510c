"""Tables beside scikit-learn, from a CSV file to a test score: `python -m bench.tabular [--quick]`.

fastnet.load_table and a network with the settings of `fastnet train --target` race pandas.read_csv and
Pipeline(ColumnTransformer, MLP) with the same layers, batches, epochs, rates and penalty. Both get the same files of
training and test rows. Seconds are the median of the runs, from reading the files to the score, in one process that has
imported everything and compiled its kernels. Writes results/tabular.json, prints the table and puts it
into README.md.
"""

import argparse
import csv
import json
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bench.results import FOLDER
from bench.tables import origin, publish, table
from fastnet import __version__, settings
from fastnet.files import replacing
from fastnet.tables.defaults import defaults
from fastnet.timing import machine

FILE = FOLDER / "tabular.json"
TARGET, TEST_SHARE, MOST_CATEGORIES = "target", 0.25, 33
Table = dict[str, np.ndarray]


def known(name: str) -> Table:
    """A table inside scikit-learn."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    y = loaded.target if name == "diabetes" else loaded.target_names[loaded.target]
    columns = {str(column): loaded.data[:, j] for j, column in enumerate(loaded.feature_names)}
    return columns | {TARGET: y}


def made(n_rows: int) -> Table:
    """30 columns: 22 of numbers, of which four have gaps, and 8 of text; three classes that some of them decide."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 22)) * np.logspace(-2, 4, 22)
    words = {f"text{j}": rng.integers(0, 4 + 10 * j, n_rows) for j in range(8)}
    Z = X / np.logspace(-2, 4, 22)
    effect = rng.normal(size=100)
    score = np.sin(2 * Z[:, 0]) * Z[:, 1] + Z[:, 2] + effect[words["text3"]] + 0.5 * rng.normal(size=n_rows)
    columns: Table = {f"number{j}": X[:, j].round(6).astype(str) for j in range(22)}
    for j in range(2, 6):
        columns[f"number{j}"][rng.random(n_rows) < 0.05] = ""
    columns |= {name: np.char.add("word ", codes.astype(str)) for name, codes in words.items()}
    return columns | {TARGET: np.array(["low", "middle", "high"])[np.digitize(score, [-0.8, 0.8])]}


def write(columns: Table, folder: Path) -> None:
    """train.csv and test.csv."""
    rows = np.random.default_rng(1).permutation(len(columns[TARGET]))
    cut = round(TEST_SHARE * len(rows))
    for name, chosen in (("test", rows[:cut]), ("train", rows[cut:])):
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*(values[chosen].tolist() for values in columns.values()), strict=True))


def ours(folder: Path, seed: int, chosen: dict[str, Any], regression: bool) -> float:
    """Accuracy or R2 of fastnet."""
    import fastnet

    train, test = fastnet.load_table(
        folder / "train.csv", TARGET, test=folder / "test.csv", regression=regression,
        max_categories=MOST_CATEGORIES - 1,
    )  # fmt: skip
    assert test is not None
    output = {"output": "identity"} if regression else {}
    args = settings.combine(chosen | output | {"seed": seed})
    network = settings.make_network(args, train.X.shape[1], train.n_classes or 1)
    settings.train(args, network, train, None, False)
    found = network.evaluate(test.X, test.y)
    return float(found.r2 if regression else found.accuracy)


def theirs(folder: Path, seed: int, chosen: dict[str, Any], regression: bool) -> float:
    """Accuracy or R2 of scikit-learn."""
    import pandas
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, test = (pandas.read_csv(folder / f"{name}.csv") for name in ("train", "test"))
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(max_categories=MOST_CATEGORIES, handle_unknown="infrequent_if_exist", sparse_output=False)
    is_number = make_column_selector(dtype_include="number")
    columns = ColumnTransformer([("numbers", numbers, is_number),
                                 ("text", one_hot, make_column_selector(dtype_exclude="number"))])  # fmt: skip
    batch = min(chosen["batch_size"], len(train))
    mlp = (MLPRegressor if regression else MLPClassifier)(
        hidden_layer_sizes=chosen["hidden"], batch_size=batch, alpha=chosen["l2"] * batch, max_iter=chosen["epochs"],
        tol=0.0, learning_rate_init=chosen["lr"] / 2, n_iter_no_change=10**6, random_state=seed,
    )  # fmt: skip
    model = make_pipeline(columns, mlp)
    if regression:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    X, y = (part.drop(columns=TARGET) for part in (train, test)), (train[TARGET], test[TARGET])
    train_X, test_X = X
    return float(model.fit(train_X, y[0]).score(test_X, y[1]))


def race(columns: Table, regression: bool, seeds: int) -> dict[str, Any]:
    """Median score and seconds of both, in turns."""
    found: dict[str, Any] = {name: {"scores": [], "seconds": []} for name in ("fastnet", "scikit-learn")}
    with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as name:
        folder = Path(name)
        write(columns, folder)
        chosen = defaults(round((1 - TEST_SHARE) * len(columns[TARGET])))
        for run in (ours, theirs):  # imports and compiles
            run(folder, 0, chosen | {"epochs": 1}, regression)
        for seed in range(seeds):
            for library, run in (("fastnet", ours), ("scikit-learn", theirs)):
                start = time.perf_counter()
                found[library]["scores"].append(round(run(folder, seed, chosen, regression), 4))
                found[library]["seconds"].append(round(time.perf_counter() - start, 4))
    return found


def render(content: dict[str, Any]) -> str:
    """The results as a table in Markdown."""
    body = []
    for name, row in content["rows"].items():
        medians = [[statistics.median(row[library][what]) for library in ("fastnet", "scikit-learn")]
                   for what in ("scores", "seconds")]  # fmt: skip
        (score, other), (seconds, longer) = medians
        cells = [f"{score:.3f}", f"{other:.3f}", f"{seconds:.3g} s", f"{longer:.3g} s", f"{longer / seconds:.1f}x"]
        body.append([name, *cells])
    heads = ["table", "score", "scikit-learn's", "fastnet", "scikit-learn", "faster"]
    return f"{table(heads, body)}\n\n{origin(content)}"


def main(argv: list[str] | None = None) -> int:
    """Race all tables, write the file and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.tabular", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="one run each, and a made table of 20 000 rows")
    quick = parser.parse_args(argv).quick
    n_rows = 20_000 if quick else 200_000
    names = ("iris", "wine", "breast_cancer", "diabetes")
    tables = {name: known(name) for name in names} | {f"made, {n_rows} x 30": made(n_rows)}
    rows: dict[str, Any] = {}
    content = {"taken": machine.now(), "machine": machine.facts(), "fastnet": __version__, "quick": quick, "rows": rows}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the epochs are over
        for name, columns in tables.items():
            rows[name] = race(columns, name == "diabetes", seeds=1 if quick else 3)
            print(f"  {name}: {rows[name]}", file=sys.stderr, flush=True)
    FOLDER.mkdir(exist_ok=True)
    with replacing(FILE) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")
    publish("tabular", render(content))
    print(render(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
