"""fastnet evaluate: how good a saved network is on a data set."""

import argparse
import dataclasses

from fastnet import machine, terminal
from fastnet.cli import files
from fastnet.cli.loading import facts, figures, load_model, load_rows, print_report, require_labels
from fastnet.cli.matching import for_network
from fastnet.cli.parser import Commands, add_max_bytes
from fastnet.errors import UsageError

MNIST_INPUTS = 784


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "evaluate",
        help="loss and accuracy (R2 of a regression) of a saved network",
        description="Print loss and accuracy of a saved network, or R2 and RMSE of a regression, on the test set, or "
        "on the only set there is.",
    )
    parser.add_argument("model", metavar="MODEL", help="file written by fastnet train --save")
    data_help = "data set: a name, a file or a folder (default: mnist)"
    parser.add_argument("file", metavar="FILE", nargs="?", help="the same as --data")
    parser.add_argument("--data", metavar="NAME|PATH", help=data_help)
    add_max_bytes(parser)
    parser.add_argument("--report", action="store_true", help="print the classification report, too")
    parser.add_argument("--json", metavar="FILE", help="write the result")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate as the options say."""
    files.check_writable("--json", args.json)
    if args.file is not None and args.data is not None:
        raise UsageError(f"evaluate takes one data set, got {args.file} and --data {args.data}")
    args.data = args.data or args.file
    network = load_model(args.model)
    if args.data is None and network.preprocess is not None:
        raise UsageError(f"{args.model} learned a table: name one, fastnet evaluate {args.model} FILE")
    if args.data is None and network.sizes[0] != MNIST_INPUTS:
        width = network.sizes[0]
        raise UsageError(f"{args.model} takes rows of {width} numbers, not of 784 as mnist: name the data by --data")
    dataset = load_rows(args.data or "mnist", network, args.model, args.max_bytes)
    require_labels(dataset)
    dataset = for_network(dataset, network)
    result = network.evaluate(dataset.X, dataset.y)
    print(terminal.titled(f"{dataset.name}:", f"{figures(result)}  {len(dataset.X)} rows"))
    if args.report and not network.is_regression:  # whose figures are all in that line
        from fastnet.driver.team import ALONE

        print_report(network, dataset, dataset.name, ALONE)
    if args.json:
        about = {"model": args.model, "data": facts(dataset), "rows": len(dataset.X)}
        content = about | dataclasses.asdict(result) | {"versions": machine.versions()}
        if not files.written("--json", args.json, lambda path: files.write_json(path, content)):
            return 4
    return 0
