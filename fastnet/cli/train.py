"""fastnet train: data, network, training, report."""

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from fastnet.cli import files, machine, settings
from fastnet.cli.loading import describe, facts, hold_out, load_training, print_report, require_labels, warm_up
from fastnet.cli.parser import Commands, whole
from fastnet.progress import Progress

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.network import Evaluation
    from fastnet.training import History

NOT_SETTINGS = ("run", "save", "json", "quiet")


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "train",
        help="train a network and report how good it is",
        description="Train a network. Without options: 784-64-10 on MNIST, 9 epochs.",
    )
    parser.add_argument("--data", metavar="NAME|PATH", help="data set: a name, a file or a folder (default: mnist)")
    split_help = "train without the last N training rows and evaluate on them after each epoch"
    parser.add_argument("--validation-split", type=whole(1), metavar="N", help=split_help)
    settings.add_settings(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--save", metavar="MODEL.npz", help="write the trained network")
    output.add_argument("--json", metavar="FILE", help="write settings, course and result")
    output.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train as the options say."""
    settings.resolve(args)
    files.check_writable("--save", args.save)
    files.check_writable("--json", args.json)
    if args.backend == "numba":
        warm_up()
    data, test_set = load_training(args.data)
    require_labels(data)
    if test_set is not None and test_set.y is None:
        test_set = None
    train_set, held_out, held_out_name = data, test_set, "test"
    if args.validation_split:
        train_set, held_out = hold_out(data, args.validation_split)
        held_out_name = "validation"
    if not args.quiet:
        print(describe(data, test_set), flush=True)

    network = settings.make_network(args, data.X.shape[1], data.n_classes)
    progress = False if args.quiet else Progress(sys.stdout, args.epochs, len(train_set), held_out_name)
    history = settings.train(args, network, train_set, held_out, progress)
    if args.save:
        network.save(args.save)
    if args.json:
        test = None if test_set is None else network.evaluate(test_set.X, test_set.y, loss=args.loss)
        files.write_json(args.json, content(args, data, history, test))
    shown, shown_name = (held_out, held_out_name) if test_set is None else (test_set, "test")
    if not args.quiet and shown is not None:
        print_report(network, shown, shown_name)
    return 0


def content(
    args: argparse.Namespace, data: "Dataset", history: "History", test: "Evaluation | None"
) -> dict[str, Any]:
    """What the JSON file of a run holds."""
    return {
        "config": {name: value for name, value in vars(args).items() if name not in NOT_SETTINGS},
        "epochs": [dataclasses.asdict(record) for record in history.epochs],
        "test": None if test is None else dataclasses.asdict(test),
        "threads": history.threads,
        "threading_layer": machine.threading()["threading_layer"] if args.backend == "numba" else None,
        "versions": machine.versions(),
        "data": facts(data),
    }
