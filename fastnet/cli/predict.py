"""fastnet predict: what a saved network says about rows, or about one drawing."""

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from fastnet.cli import files
from fastnet.cli.drawing import as_drawing, print_drawing
from fastnet.cli.loading import check_width, load_model, table_rows, test_rows
from fastnet.cli.parser import Commands, add_max_bytes
from fastnet.errors import UsageError
from fastnet.files import replacing

if TYPE_CHECKING:
    import numpy as np

    from fastnet.data import Dataset
    from fastnet.network import Network


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "predict",
        help="labels, probabilities or values of the rows of a file, or of a drawing",
        description="Write one line for each row of FILE (of its test set, where it holds two sets): the label, the "
        "name of the class where the network knows names, or the values of a regression. For a folder of pictures each "
        "line begins with the name of the picture. One picture of another size than the network's square images is "
        "taken for a drawing: it is made like MNIST's digits (light on dark, cropped, scaled, centred by mass), and "
        "shown with its probabilities. A network that learned a table (fastnet train --target) takes a table with the "
        "same columns, in any order.",
    )
    parser.add_argument("model", metavar="MODEL", help="file written by fastnet train --save")
    parser.add_argument("file", metavar="FILE", help="data file, folder or picture; labels in it are not looked at")
    add_max_bytes(parser)
    parser.add_argument("--proba", action="store_true", help="the network's outputs, one column a class, not the label")
    parser.add_argument("--header", action="store_true", help="write the names of the columns first")
    parser.add_argument("--drawing", action="store_true", help="take a picture of the network's size for a drawing too")
    parser.add_argument("--output", metavar="FILE.csv|.npy", help="write to a file instead of the terminal")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict as the options say."""
    if args.output is not None and Path(args.output).suffix not in (".csv", ".npy"):
        raise UsageError(f"--output: expected a name ending in .csv or .npy, got {args.output!r}")
    if args.header and (args.output or "").endswith(".npy"):
        raise UsageError("--header: a .npy file has no names of columns; --output FILE.csv has")
    files.check_writable("--output", args.output)
    network = load_model(args.model)
    if args.proba and network.is_regression:
        raise UsageError(f"--proba: {args.model} is a regression, which has values and no probabilities")
    if network.preprocess is not None:
        dataset, steps = table_rows(args.file, network.preprocess, args.max_bytes, labelled=False), None
    else:
        dataset, steps = as_drawing(test_rows(args.file, args.max_bytes), network, args.drawing)
    check_width(dataset, network, args.model)
    if steps is not None and not (args.proba or args.header or args.output):
        print_drawing(network, dataset, steps)
        return 0
    if steps is not None:
        print(f"fastnet: {dataset.name}: {steps}", file=sys.stderr, flush=True)
    write(args.output, predictions(network, dataset, args.proba), dataset, header(network, args) if args.header else [])
    return 0


def predictions(network: "Network", dataset: "Dataset", proba: bool) -> "np.ndarray":
    """Labels or names (n,), outputs (n, k), or the values of a regression, (n,) or (n, k)."""
    import numpy as np

    if proba:
        return network.predict_proba(dataset.X)
    predicted = network.predict(dataset.X)
    return predicted if network.class_names is None else np.array(network.class_names)[predicted]


def header(network: "Network", args: argparse.Namespace) -> list[str]:
    """The names of the columns: label, one for each class, or value, value_0, value_1, ... of a regression."""
    k = network.sizes[-1]
    if args.proba:
        names = network.class_names or tuple(map(str, range(max(2, k))))
        return list(names[-k:])  # a single output is the probability of the second class
    if network.is_regression:
        return ["value"] if k == 1 else [f"value_{j}" for j in range(k)]
    return ["label"]


def write(path: str | None, predicted: "np.ndarray", dataset: "Dataset", columns: list[str]) -> None:
    """Write predictions to a .csv or .npy file, or to stdout if there is no path."""
    if path is None:
        write_lines(sys.stdout, predicted, dataset.file_names, columns)
        return
    with replacing(path) as file:
        if path.endswith(".npy"):
            import numpy as np

            np.save(file, predicted)
        else:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
            write_lines(text, predicted, dataset.file_names, columns)
            text.detach()


def write_lines(stream: TextIO, predicted: "np.ndarray", names: tuple[str, ...] | None, columns: list[str]) -> None:
    """Write comma-separated lines: the names of the columns if there are any, then one for each row.

    A row begins with its own name, that of its file, where rows have names.
    """
    import csv

    import numpy as np

    writer = csv.writer(stream, lineterminator="\n")
    if columns:
        writer.writerow(columns if names is None else ["file", *columns])
    # as many digits as it takes to read the same number back
    form = {"f4": "%.9g", "f8": "%.17g"}.get(predicted.dtype.str[1:], "%s")
    if names is None and form != "%s":
        np.savetxt(stream, predicted, form, delimiter=",")
        return
    rows = predicted.reshape(len(predicted), -1).tolist()
    before = [[]] * len(rows) if names is None else [[name] for name in names]
    writer.writerows([*name, *(form % value for value in row)] for name, row in zip(before, rows, strict=True))
