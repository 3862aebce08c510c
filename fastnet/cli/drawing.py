"""One drawing given to fastnet predict: when a picture is one, and what is shown of it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from fastnet import terminal
from fastnet.cli.matching import short
from fastnet.errors import UsageError, warn

if TYPE_CHECKING:
    import numpy as np

    from fastnet.data import Dataset
    from fastnet.network import Network

MOST = 10  # classes in the table


def as_drawing(dataset: "Dataset", network: "Network", asked: bool) -> "tuple[Dataset, str | None]":
    """(the set with its picture prepared as a drawing, what was done), or (the set, None) if it holds none.

    A drawing is one picture without a label, of another size than the square images of the network, or of any size if
    it is ``asked`` for. Warns of a picture of the network's size whose light background suggests one.
    """
    from fastnet.data.dataset import square
    from fastnet.data.drawings import is_light, prepare
    from fastnet.data.source import told_as_data_errors

    shape = square(network.sizes[0])
    fits = dataset.X.shape[1] == network.sizes[0]
    picture = _picture(dataset)
    if picture is None or shape is None or network.is_regression:
        if asked:
            raise UsageError(f"--drawing: expected one picture for a network of square images, got {dataset.name}")
        return dataset, None
    if fits and not asked:
        if is_light(picture):
            warn(
                f"the background of {dataset.name} is light: if the network was trained on light ink on a dark one, as "
                "in MNIST, add --drawing"
            )
        return dataset, None
    with told_as_data_errors(dataset.name):
        image, steps = prepare(picture, shape[0])
    return replace(dataset, X=image.reshape(1, -1), image_shape=shape), steps


def _picture(dataset: "Dataset") -> "np.ndarray | None":
    """The picture, uint8 (h, w), of a set that is one picture and nothing else."""
    alone = len(dataset) == 1 and dataset.y is None and dataset.file_names is None
    if not alone or dataset.image_shape is None or dataset.X.dtype != "uint8":
        return None
    return dataset.X[0].reshape(dataset.image_shape)


def print_drawing(network: "Network", dataset: "Dataset", steps: str) -> None:
    """Print what was done to a drawing, the image that the network sees, and its classes, the likeliest first."""
    from fastnet.data.describe import drawn

    assert dataset.image_shape is not None
    print(terminal.titled(f"{dataset.name}:", steps))
    print(drawn(dataset.X[0].reshape(dataset.image_shape)))
    shares = network.predict_proba(dataset.X)[0].tolist()
    if len(shares) == 1:
        shares = [1 - shares[0], shares[0]]
    names = network.class_names or tuple(map(str, range(len(shares))))
    label = int(network.predict(dataset.X)[0])
    order = sorted(range(len(shares)), key=lambda j: (j != label, -shares[j]))[:MOST]
    width = max(len(short(names[j])) for j in order)
    print(f"\npredicted: {names[label]}\n")
    for j in order:
        print(f"  {short(names[j]):>{width}}  {shares[j]:7.2%}")
