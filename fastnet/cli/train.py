"""fastnet train: data, network, training, report."""

import argparse
import dataclasses
from typing import Any

from fastnet.cli import files, machine, settings
from fastnet.cli.loading import describe, facts, hold_out, load_training, print_report, require_labels, warm_up
from fastnet.cli.parser import whole

NOT_SETTINGS = ("run", "save", "json", "quiet")


def add_parser(subparsers) -> None:
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
    train_set, test_set = load_training(args.data)
    require_labels(train_set)
    if not args.quiet:
        print(describe(train_set, test_set), flush=True)
    held_out, held_out_name = test_set, "test"
    if args.validation_split:
        train_set, held_out = hold_out(train_set, args.validation_split)
        held_out_name = "validation"

    network = settings.make_network(args, train_set.X.shape[1], train_set.n_classes)
    history = settings.train(args, network, train_set, held_out, held_out_name)
    test = None if test_set is None else network.evaluate(test_set.X, test_set.y)
    shown, shown_name = (held_out, held_out_name) if test_set is None else (test_set, "test")
    if shown is not None and not args.quiet:
        print(f"\n{shown_name}: {len(shown.X)} rows")
        print_report(network, shown)
    if args.save:
        network.save(args.save)
    if args.json:
        files.write_json(args.json, content(args, train_set, history, test))
    return 0


def content(args: argparse.Namespace, train_set, history, test) -> dict[str, Any]:
    """What the JSON file of a run holds."""
    return {
        "config": {name: value for name, value in vars(args).items() if name not in NOT_SETTINGS},
        "epochs": [dataclasses.asdict(record) for record in history.epochs],
        "test": None if test is None else {"loss": test.loss, "accuracy": test.accuracy},
        **machine.threading_facts(history, args.backend),
        "versions": machine.versions(),
        "data": facts(train_set),
    }
