"""Running a recipe: one training after another, what they are measured by, and plain NumPy beside them."""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, TextIO

import numpy as np

from fastnet import settings as options
from fastnet.metrics import classification_report, confusion_matrix
from fastnet.network import Evaluation, Network
from fastnet.recipes.logs import Log
from fastnet.recipes.recipe import Recipe

if TYPE_CHECKING:
    from fastnet.callbacks import Callback
    from fastnet.data import Dataset
    from fastnet.history import History

PROBE_ROWS = 2_000  # to find out how long NumPy takes, and how many rows it takes for the next constant
NUMPY_SECONDS = 0.5
BLAS_SPINS = 1.0  # seconds: OpenBLAS's threads go on spinning after a product; kernels beside them took 40 % longer


@dataclass(frozen=True)
class Outcome:
    """One training: its course, seconds from the first batch to the last evaluation, and its predictions (n,)."""

    args: argparse.Namespace
    history: "History"
    seconds: float
    test: Evaluation
    truth: np.ndarray
    predicted: np.ndarray
    n_classes: int

    @property
    def measures(self) -> dict[str, float]:
        """All of MEASURES that this training has."""
        found = {name: measure(self) for name, measure in MEASURES.items()}
        return {name: value for name, value in found.items() if value is not None}

    def report(self) -> str:
        """The classification report on the test rows."""
        return classification_report(self.truth, self.predicted, self.n_classes)


MEASURES: dict[str, Callable[[Outcome], float | None]] = {
    "training cost": lambda run: run.history.epochs[-1].train_loss,
    "training accuracy": lambda run: run.history.epochs[-1].train_accuracy,
    "validation accuracy": lambda run: run.history.epochs[-1].val_accuracy if run.args.validation_split else None,
    "test cost": lambda run: run.test.loss,
    "test accuracy": lambda run: run.test.accuracy,
    "precision": lambda run: weighted_scores(run)[0],
    "recall": lambda run: weighted_scores(run)[1],
    "f1-score": lambda run: weighted_scores(run)[2],
}


def weighted_scores(run: Outcome) -> tuple[float, float, float]:
    """Precision, recall and f1-score on the test rows, averaged over the classes as weighted by their rows."""
    counts = confusion_matrix(run.truth, run.predicted, run.n_classes)
    right, support, claimed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    wholes = (claimed, support, (support + claimed) / 2)
    precision, recall, f1 = (float(right / np.maximum(whole, 1) @ support) / len(run.truth) for whole in wholes)
    return precision, recall, f1


def splits(recipe: Recipe, args: argparse.Namespace, train: "Dataset", test: "Dataset") -> "tuple[Dataset, Dataset]":
    """The rows to train on and those to evaluate after each epoch."""
    if not args.validation_split:
        return train, test
    kept, validation = options.hold_out(train, args.validation_split)
    return kept, validation if recipe.held_out == "validation" else test


def run(
    recipe: Recipe,
    args: argparse.Namespace,
    train: "Dataset",
    test: "Dataset",
    stream: TextIO | None = None,
    callbacks: "Iterable[Callback]" = (),
) -> Outcome:
    """Train once as the resolved settings say; the document's lines go to ``stream``."""
    train, held_out = splits(recipe, args, train, test)
    network = options.make_network(args, train.X.shape[1], train.n_classes)
    log = Log(stream, recipe.log, len(held_out))
    history = options.train(args, network, train, held_out, log, callbacks)
    assert test.y is not None
    predicted = network.predict(test.X)
    result = network.evaluate(test.X, test.y, loss=args.loss)
    return Outcome(args, history, log.seconds, result, test.y, predicted, train.n_classes)


def compile_kernels(args: argparse.Namespace, train: "Dataset", stream: TextIO | None) -> None:
    """Have everything compiled that the recipe needs, so that its seconds are those of the work."""
    few = _first(train, 64)
    short = argparse.Namespace(**vars(args) | {"epochs": 1, "validation_split": None})
    options.train(short, _network(short, few), few, few, Log(stream, "", 0))


@dataclass(frozen=True)
class Comparison:
    """Seconds of the best epoch of ``rows`` rows on either backend, and how far the losses of the first differ."""

    rows: int
    seconds: float
    numpy_seconds: float
    loss_difference: float

    @property
    def ratio(self) -> float:
        """How many times as long NumPy takes."""
        return self.numpy_seconds / self.seconds


def against_numpy(args: argparse.Namespace, train: "Dataset") -> Comparison:
    """Time the same training on both backends, from the same weights and on as many rows as NumPy does in a second."""
    rows = min(len(train), PROBE_ROWS)
    probe = _epochs(args, _first(train, rows), "reference", 1)[0].seconds
    rows = min(len(train), max(rows, int(rows * NUMPY_SECONDS / probe)))
    few = _first(train, rows)
    numpy = _epochs(args, few, "reference", 3)
    time.sleep(BLAS_SPINS)
    numba = _epochs(args, few, "numba", 3)
    difference = abs(numba[0].loss - numpy[0].loss) / abs(numpy[0].loss)  # rounding grows with every step
    return Comparison(rows, min(e.seconds for e in numba), min(e.seconds for e in numpy), difference)


def _epochs(args: argparse.Namespace, few: "Dataset", backend: str, epochs: int):
    changed = {"backend": backend, "epochs": epochs, "evaluate_train": False}
    short = argparse.Namespace(**vars(args) | changed)
    return options.train(short, _network(short, few), few, None, False).epochs


def _network(args: argparse.Namespace, rows: "Dataset") -> Network:
    return options.make_network(args, rows.X.shape[1], rows.n_classes)


def _first(rows: "Dataset", n: int) -> "Dataset":
    assert rows.y is not None
    return replace(rows, X=rows.X[:n], y=rows.y[:n])


@dataclass(frozen=True)
class Spread:
    """Mean, lowest and highest of a measure over several seeds."""

    mean: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        found = list(values)
        return cls(fmean(found), min(found), max(found))


def spreads(outcomes: Iterable[Outcome], names: Iterable[str]) -> dict[str, Spread]:
    """The spread of each named measure that the outcomes have."""
    found = [outcome.measures for outcome in outcomes]
    return {name: Spread.of(m[name] for m in found) for name in names if all(name in m for m in found)}
