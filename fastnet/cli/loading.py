"""Data sets and saved networks for the verbs, and what is said about them."""

import contextlib
import math
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fastnet import terminal
from fastnet.cli.matching import listed, n_outputs, short
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.driver.team import Team
    from fastnet.network import Evaluation, Network, RegressionEvaluation
    from fastnet.tables import Preprocess


@contextlib.contextmanager
def warming_up(inputs: str = "uint8", dtype: str | None = None, threads: int | None = None) -> Iterator[None]:
    """A block in which data are read: meanwhile kernels are loaded, or on a new machine a second process begins to
    compile them, unless one thread is to do all.

    inputs, dtype : of the rows, and of the network (None: float32).
    """

    def load():
        try:
            from fastnet.engine.helper import share_compilation
            from fastnet.engine.warm import load_kept
        except Exception:  # the main thread meets it, too, and tells
            return
        with contextlib.suppress(RuntimeError):  # of Python 3.13 where the main thread ends meanwhile
            if threads != 1:
                share_compilation(inputs, dtype or "float32")
            load_kept(inputs, dtype or "float32")

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def may_download(source: str | None) -> bool:
    """Whether --data names a set that may have to be fetched."""
    from fastnet.data.known import KNOWN

    return source is None or source in KNOWN


def load_training(source: str | None, max_bytes: int | None, team: "Team") -> "tuple[Dataset, Dataset | None]":
    """Return (train, test) of --data; test is None where the source holds one set. Of many files, these are those of
    this process.

    Without --data it is MNIST, or the drawn digits where MNIST cannot be had, which a line on stderr says.
    """
    from fastnet.data import DataUnavailable, load_data

    if source is not None:
        if not team.shares_rows:
            return load_data(source, max_bytes=max_bytes)
        data, _ = load_data(source, max_bytes=max_bytes, part=(team.rank, team.size))
        return with_all_classes(data, team), None
    try:
        return load_data("mnist")
    except DataUnavailable as error:
        reason = " ".join(str(error).split())
        print(f"fastnet: training on synthetic digits (glyphs) instead of MNIST: {reason}", file=sys.stderr, flush=True)
        return load_data("glyphs")


def with_all_classes(data: "Dataset", team: "Team") -> "Dataset":
    """The rows of this process, with the classes of those of all; a DataError where those are of another kind."""
    from fastnet.data.dataset import as_values

    if any(team.gather(data.holds_values)):
        data = as_values(data)
    team.check_same("files", {"columns": data.X.shape[1], "names of classes": data.class_names})
    return replace(data, n_classes=max(team.gather(data.n_classes)))


def load_rows(source: str, network: "Network", model: str, max_bytes: int | None = None) -> "Dataset":
    """Return the test set of a data set, or its only set, after a check that its rows fit the network.

    model : the file that the network came from, for the UsageError.
    """
    if network.preprocess is not None:
        return table_rows(source, network.preprocess, max_bytes)
    dataset = test_rows(source, max_bytes)
    check_width(dataset, network, model)
    return dataset


def table_rows(source: str, preprocess: "Preprocess", max_bytes: int | None, *, labelled: bool = True) -> "Dataset":
    """Return the rows of a table for a network that learned one."""
    from fastnet.data.budget import Budget
    from fastnet.tables.loading import load_rows as load

    return load(source, preprocess, labelled=labelled, budget=Budget(max_bytes))


def test_rows(source: str, max_bytes: int | None) -> "Dataset":
    """Return the test set of a data set, or its only set."""
    from fastnet.data import load_data

    train, test = load_data(source, max_bytes=max_bytes)
    return train if test is None else test


def check_width(dataset: "Dataset", network: "Network", model: str) -> None:
    """Raise UsageError if the rows of a set do not fit the network of a file."""
    width = dataset.X.shape[1]
    if width != network.sizes[0]:
        raise UsageError(f"{model} takes rows of {network.sizes[0]} numbers, but those of {dataset.name} have {width}")


def load_model(path: str) -> "Network":
    """Return the Network in a file."""
    from fastnet.network import Network

    network = Network.load(path)
    if network.preprocess is not None:
        from fastnet.tables.loading import fold_target

        fold_target(network)  # of an unfinished run
    if network.unfinished:
        terminal.warning(f"the training of {path} was interrupted: it is what had been reached then")
    return network


def require_labels(dataset: "Dataset") -> None:
    """Raise UsageError if the data set has no labels and no values."""
    if dataset.y is None:
        beside = "; they may lie beside each file, as y_0.npy beside X_0.npy" if dataset.files else ""
        raise UsageError(f"{dataset.name} has no labels, which training and evaluation need{beside}")


def describe(train: "Dataset", test: "Dataset | None", n: int | None = None) -> str:
    """What is trained on, in a line or two; n : rows of all processes, None means those of the set."""
    n = len(train) if n is None else n
    label = " (synthetic)" if train.synthetic else ""
    rows = f"{n} rows" if test is None else f"{n} + {len(test)} rows"
    outputs = n_outputs(train)
    kind = f"{outputs} target{'s' * (outputs > 1)}" if train.holds_values else f"{outputs} classes"
    names = f"\nclasses: {listed(train.class_names)}" if train.class_names else ""
    return terminal.titled(f"data {train.name}{label}:", f"{rows}, {train.X.shape[1]} inputs, {kind}") + names


def facts(dataset: "Dataset") -> dict[str, object]:
    """What a JSON file says about a data set."""
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "synthetic": dataset.synthetic,
        "class_names": dataset.class_names,
    }


def figures(result: "Evaluation | RegressionEvaluation") -> str:
    """The figures of an evaluation as words for a line."""
    if hasattr(result, "accuracy"):
        return f"loss {result.loss:.4f}  accuracy {result.accuracy:.2%}"
    r2 = "R2 undefined, y is constant" if math.isnan(result.r2) else f"R2 {result.r2:.4f}"
    return f"loss {result.loss:.4g}  {r2}  RMSE {result.rmse:.4g}"


def print_report(network: "Network", dataset: "Dataset", kind: str, team: "Team") -> None:
    """Print how good a network is on a Dataset, whose rows are of that kind: R2 and RMSE, or a report by class.

    team : processes that have some of the rows each.
    """
    import numpy as np

    from fastnet.backends import evaluate
    from fastnet.metrics import classification_report, match_count
    from fastnet.network import RegressionEvaluation

    n = sum(team.gather(len(dataset)))
    if network.is_regression:
        found = evaluate(network, dataset.X, dataset.y, team=team)
        assert isinstance(found, RegressionEvaluation)
        other = "a smaller --lr" if network.preprocess is not None else "standardise y"
        hint = f"\nR2 below 0 is worse than the mean of y: try more --epochs, or {other}" if found.r2 < 0 else ""
        print(terminal.fold(f"\n{n} {kind} rows: {figures(found)}{hint}"), flush=True)
        return
    y, predicted = (np.concatenate(team.gather(some)) for some in (dataset.y, network.predict(dataset.X)))
    print(terminal.fold(f"\n{match_count(y, predicted)} of {n} {kind} rows are right\n"))
    names = network.class_names and [short(name) for name in network.class_names]
    print(classification_report(y, predicted, dataset.n_classes, class_names=names), end="", flush=True)
