"""fastnet predict: what a saved network says about rows."""

import argparse
import sys
from pathlib import Path

from fastnet.cli import files
from fastnet.cli.loading import load_model, load_rows
from fastnet.cli.parser import Commands, UsageError
from fastnet.files import replacing


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "predict",
        help="labels or probabilities of the rows of a file",
        description="Write one line for each row of FILE (of its test set, where it holds two sets): the label.",
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
    dataset = load_rows(args.file, network, args.model)
    predicted = network.predict_proba(dataset.X) if args.proba else network.predict(dataset.X)

    import numpy as np

    # as many digits as it takes to read the same number back
    form = "%d" if not args.proba else "%.9g" if predicted.dtype == np.float32 else "%.17g"
    if args.output is None:
        np.savetxt(sys.stdout, predicted, form, delimiter=",")
        return 0
    with replacing(args.output) as file:
        if args.output.endswith(".npy"):
            np.save(file, predicted)
        else:
            np.savetxt(file, predicted, form, delimiter=",")
    return 0
