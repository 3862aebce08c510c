"""fastnet predict: what a saved network says about rows."""

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from fastnet.cli import files
from fastnet.cli.loading import load_model, load_rows
from fastnet.cli.parser import Commands
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
        help="labels, probabilities or values of the rows of a file",
        description="Write one line for each row of FILE (of its test set, where it holds two sets): the label, the "
        "name of the class where the network knows names, or the values of a regression. For a folder of pictures "
        "without classes each line begins with the name of the picture.",
    )
    parser.add_argument("model", metavar="MODEL", help="file written by fastnet train --save")
    parser.add_argument("file", metavar="FILE", help="data file or folder; labels in it are not looked at")
    parser.add_argument("--proba", action="store_true", help="the network's outputs, one column a class, not the label")
    parser.add_argument("--output", metavar="FILE.csv|.npy", help="write to a file instead of the terminal")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict as the options say."""
    if args.output is not None and Path(args.output).suffix not in (".csv", ".npy"):
        raise UsageError(f"--output: expected a name ending in .csv or .npy, got {args.output!r}")
    files.check_writable("--output", args.output)
    network = load_model(args.model)
    if args.proba and network.is_regression:
        raise UsageError(f"--proba: {args.model} is a regression, which has values and no probabilities")
    dataset = load_rows(args.file, network, args.model)
    predicted = predictions(network, dataset, args.proba)
    if args.output is None:
        write_lines(sys.stdout, predicted, dataset.file_names)
        return 0
    with replacing(args.output) as file:
        if args.output.endswith(".npy"):
            import numpy as np

            np.save(file, predicted)
        else:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
            write_lines(text, predicted, dataset.file_names)
            text.detach()
    return 0


def predictions(network: "Network", dataset: "Dataset", proba: bool) -> "np.ndarray":
    """Labels or names (n,), outputs (n, k), or the values of a regression, (n,) or (n, k)."""
    import numpy as np

    if proba:
        return network.predict_proba(dataset.X)
    predicted = network.predict(dataset.X)
    return predicted if network.class_names is None else np.array(network.class_names)[predicted]


def write_lines(stream: TextIO, predicted: "np.ndarray", names: tuple[str, ...] | None) -> None:
    """Write comma-separated lines, one a row, after the names of the rows where they have any."""
    import numpy as np

    # as many digits as it takes to read the same number back
    form = {"f4": "%.9g", "f8": "%.17g"}.get(predicted.dtype.str[1:], "%s")
    if names is None and form != "%s":
        np.savetxt(stream, predicted, form, delimiter=",")
        return
    import csv

    columns = predicted.reshape(len(predicted), -1).tolist()
    before = [[]] * len(columns) if names is None else [[name] for name in names]
    rows = ([*name, *(form % value for value in row)] for name, row in zip(before, columns, strict=True))
    csv.writer(stream, lineterminator="\n").writerows(rows)
