"""Data sets and saved networks for the verbs, and what is said about them."""

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

from fastnet.cli.parser import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.network import Network


def warm_up() -> None:
    """Start to import the compiled kernels in the background: reading the data takes about as long. On a new machine,
    a second process begins to compile.
    """

    def load():
        with contextlib.suppress(ImportError):  # which the main thread meets, too, and tells
            from fastnet.engine.warm import share_compilation

            share_compilation()

    threading.Thread(target=load).start()


def load_training(source: str | None) -> "tuple[Dataset, Dataset | None]":
    """Return (train, test) of --data; test is None where the source holds one set.

    Without --data it is MNIST, or the drawn digits where MNIST cannot be had, which a line on stderr says.
    """
    from fastnet.data import DataUnavailable, load_data

    if source is not None:
        return load_data(source)
    try:
        return load_data("mnist")
    except DataUnavailable as error:
        reason = " ".join(str(error).split())
        print(f"fastnet: training on synthetic digits (glyphs) instead of MNIST: {reason}", file=sys.stderr, flush=True)
        return load_data("glyphs")


def load_rows(source: str, network: "Network", model: str) -> "Dataset":
    """Return the test set of a data set, or its only set, after a check that its rows fit the network.

    model : the file that the network came from, for the UsageError.
    """
    from fastnet.data import load_data

    train, test = load_data(source)
    dataset = train if test is None else test
    width = dataset.X.shape[1]
    if width != network.sizes[0]:
        raise UsageError(f"{model} takes rows of {network.sizes[0]} numbers, but those of {source} have {width}")
    return dataset


def load_model(path: str) -> "Network":
    """Return the Network in a file."""
    from fastnet.network import Network

    return Network.load(path)


def hold_out(dataset: "Dataset", n: int) -> "tuple[Dataset, Dataset]":
    """Split a labelled Dataset in its first rows and its last n. Raises UsageError if no row is left to train on."""
    from dataclasses import replace

    if n >= len(dataset):
        raise UsageError(f"--validation-split: {dataset.name} has {len(dataset)} training rows, got {n}")
    X, y = dataset.X, dataset.y
    assert y is not None
    return replace(dataset, X=X[:-n], y=y[:-n]), replace(dataset, X=X[-n:], y=y[-n:])


def require_labels(dataset: "Dataset") -> None:
    """Raise UsageError if the data set has no labels."""
    if dataset.y is None:
        raise UsageError(f"{dataset.name} has no labels, which training and evaluation need")


def describe(train: "Dataset", test: "Dataset | None") -> str:
    """One line on what is trained on."""
    label = " (synthetic)" if train.synthetic else ""
    rows = f"{len(train)} rows" if test is None else f"{len(train)} + {len(test)} rows"
    return f"data {train.name}{label}: {rows}, {train.X.shape[1]} inputs, {train.n_classes} classes"


def facts(dataset: "Dataset") -> dict[str, object]:
    """What a JSON file says about a data set."""
    return {"name": dataset.name, "sha256": dataset.sha256, "synthetic": dataset.synthetic}


def print_report(network: "Network", dataset: "Dataset", kind: str) -> None:
    """Print how many rows of a Dataset, which are of that kind, are right, and the classification report."""
    from fastnet.metrics import classification_report, match_count

    predicted = network.predict(dataset.X)
    print(f"\n{match_count(dataset.y, predicted)} of {len(dataset)} {kind} rows are right\n")
    print(classification_report(dataset.y, predicted, dataset.n_classes), end="", flush=True)
