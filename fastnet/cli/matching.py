"""The y of a data set and the outputs of a network: values or labels, how many, and classes of the same names."""

from collections.abc import Sequence
from dataclasses import replace
from textwrap import shorten
from typing import TYPE_CHECKING

from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.network import Network


def n_outputs(dataset: "Dataset") -> int:
    """The outputs that a network needs for the y of a Dataset: one for each class or column of values."""
    assert dataset.y is not None
    return dataset.n_classes or (1 if dataset.y.ndim == 1 else dataset.y.shape[1])


def for_regression(dataset: "Dataset") -> "Dataset":
    """The set with its labels taken as values. Raises UsageError if they have names."""
    from fastnet.data.dataset import as_values

    if dataset.class_names is not None:
        names = listed(dataset.class_names)
        raise UsageError(f"a regression needs values, but the labels of {dataset.name} are the names {names}")
    return as_values(dataset)


def for_classification(dataset: "Dataset") -> "Dataset":
    """The set itself. Raises UsageError if it holds values and no labels."""
    if not dataset.holds_values:
        return dataset
    raise UsageError(
        f"y of {dataset.name} holds values where labels are needed: whole numbers from 0 on, or one-hot rows; "
        "a regression is trained by fastnet train --output identity"
    )


def for_network(dataset: "Dataset", network: "Network") -> "Dataset":
    """The set with its y as a trained network takes it: values, or labels numbered as the network's classes are.

    Classes are matched by name; labels without names are named by their numbers. Where only one side has names, and
    the other has none of them, classes are matched by their order. Raises UsageError if the network learned labels and
    the set holds values or the other way round, or if the network does not know one of the classes.
    """
    if network.is_regression:
        return for_regression(dataset)
    dataset = for_classification(dataset)
    known = network.class_names or _numbers(max(2, network.sizes[-1]))
    names = dataset.class_names or _numbers(dataset.n_classes)
    strangers = [name for name in names if name not in known]
    if not strangers:
        return _renumbered(dataset, names, known)
    nameless = (dataset.class_names is None) + (network.class_names is None)
    if nameless == 2 or (nameless and len(strangers) == len(names)):
        return dataset
    raise UsageError(f"{dataset.name} has a class {strangers[0]}, which the network does not know: {listed(known)}")


def listed(names: Sequence[str]) -> str:
    """Names in a few words."""
    return shorten(", ".join(names), 60)


def short(name: str) -> str:
    """A name that leaves a table room for four columns of figures."""
    return name if len(name) <= 36 else f"{name[:33]}..."


def _numbers(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))


def _renumbered(dataset: "Dataset", names: tuple[str, ...], known: tuple[str, ...]) -> "Dataset":
    import numpy as np

    labels = np.array([known.index(name) for name in names], np.int64)
    return replace(dataset, y=labels[dataset.y], n_classes=len(known))
