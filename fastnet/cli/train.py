"""fastnet train: data, network, training, report."""

import argparse
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastnet import machine, settings, terminal
from fastnet.cli import files, loading, matching
from fastnet.cli.parser import Commands, rows_or_fraction
from fastnet.cli.settings import add_settings
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.history import History
    from fastnet.network import Evaluation, Network, RegressionEvaluation

NOT_SETTINGS = ("run", "save", "json", "quiet", "log", "tensorboard")
SHARE, FEWEST = 0.1, 20  # of the rows are held out where there is no test set and there are so many rows


@dataclass(frozen=True)
class Rows:
    """What a run trains on, what it is evaluated on after each epoch, and what its report is about.

    kind, report_kind : what those rows are called.
    """

    train: "Dataset"
    held_out: "Dataset | None"
    kind: str
    report: "Dataset"
    report_kind: str
    note: str = ""


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "train",
        help="train a network and report how good it is",
        description="Train a network. Without options: 784-64-10 on MNIST, 9 epochs.",
    )
    parser.add_argument("--data", metavar="NAME|PATH", help="data set: a name, a file or a folder (default: mnist)")
    split_help = (
        "training rows to hold out and evaluate after each epoch, a number or a share like 0.1: drawn from the seed by "
        "class, from large files in runs of neighbours; 0: none (default: 0.1 where the set has no labelled test part)"
    )
    parser.add_argument("--validation-split", type=rows_or_fraction, metavar="N|SHARE", help=split_help)
    last_help = "hold out the last rows, as for time series"
    parser.add_argument("--no-shuffle-split", dest="shuffle_split", action="store_false", help=last_help)
    add_settings(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--save", metavar="MODEL.npz", help="write the trained network")
    output.add_argument("--json", metavar="FILE", help="write settings, course and result")
    log_help = "append a row for each epoch as the run goes"
    output.add_argument("--log", metavar="FILE.csv|.jsonl", help=log_help)
    output.add_argument("--tensorboard", metavar="FOLDER", help="write the course for TensorBoard")
    output.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train as the options say."""
    data_decides = args.output is None and args.data is not None
    if not data_decides:
        settings.resolve(args)
    files.check_writable("--save", args.save)
    files.check_writable("--json", args.json)
    logs = open_logs(args)
    if args.backend == "numba":
        loading.warm_up()
    data, test_set = loading.load_training(args.data)
    loading.require_labels(data)
    if data_decides:
        args.output = choose_output(data, args.quiet)
        settings.resolve(args)
    fit = matching.for_regression if args.output == "identity" else matching.for_classification
    data, test_set = fit(data), None if test_set is None or test_set.y is None else fit(test_set)
    rows = divide(args, data, test_set)
    if not args.quiet:
        print(loading.describe(data, test_set) + rows.note, flush=True)

    network = settings.make_network(args, data.X.shape[1], matching.n_outputs(data), data.class_names)
    progress: Any = False
    if not args.quiet:
        progress = settings.make_progress(args, network, len(rows.train), rows.kind)
    history = settings.train(args, network, rows.train, rows.held_out, progress, logs.values())
    complete = write(args, network, data, test_set, rows, history)
    complete &= not any(log.failed for log in logs.values())
    if not args.quiet:
        print(terminal.fold(ending(args, history)), end="", flush=True)
        loading.print_report(network, rows.report, rows.report_kind)
    return 4 if not complete else 3 if history.diverged else 0


def open_logs(args: argparse.Namespace) -> dict[str, Any]:
    """The callbacks that write logs, by option."""
    from fastnet.callbacks import Log, TensorBoard

    logs: dict[str, Any] = {}
    if args.log:
        files.check_writable("--log", args.log)
        logs["--log"] = Log(args.log)
    if args.tensorboard:
        logs["--tensorboard"] = TensorBoard(args.tensorboard)
    return logs


def ending(args: argparse.Namespace, history: "History") -> str:
    """A line on why the run ended before its last epoch, and whose weights it kept; or nothing."""
    last, best = len(history), history.best_epoch
    reason = {
        "patience": f"no better {args.monitor or 'val_loss'} for {args.patience} epochs",
        "time_limit": "the time limit",
    }.get(history.stopped or "")
    parts = [f"ended in epoch {last}: {reason}"] if reason else []
    if best not in (None, last):
        parts.append(f"the weights are those of epoch {best}")
    return "; ".join(parts) + "\n" * bool(parts)


def choose_output(data: "Dataset", quiet: bool) -> str:
    """The output layer for the y of a set: softmax for labels, identity for values that are not all whole numbers."""
    import numpy as np

    assert data.y is not None
    if not data.holds_values:
        if data.class_names is not None or data.n_classes <= max(100, len(data) // 10):
            return "softmax"
        if not quiet:
            print(f"y holds numbers up to {data.n_classes - 1}, more than there could be classes of {len(data)} rows:")
            print("a regression (--output identity; --output softmax takes them for classes)")
        return "identity"
    if (data.y == np.floor(data.y)).all():
        raise UsageError(
            f"y of {data.name} holds whole numbers that are not labels, which count from 0 or are one-hot rows: "
            "number the classes so, or train a regression on the values by --output identity"
        )
    if not quiet:
        print("y holds values and no labels: a regression (--output identity)")
    return "identity"


def divide(args: argparse.Namespace, data: "Dataset", test_set: "Dataset | None") -> Rows:
    """Choose the rows to train on, to evaluate and to report on, by the options and by what there is."""
    waits = settings.waits(args)
    asked = args.validation_split is not None
    if not asked and len(data) >= FEWEST and (test_set is None or waits):
        args.validation_split = SHARE
    if waits and not args.validation_split:
        raise UsageError("--patience and --schedule plateau need rows to watch: --validation-split, or --monitor loss")
    if args.validation_split:
        train_set, held_out = settings.hold_out(data, args.validation_split, seed=args.seed, shuffle=args.shuffle_split)
        drawn = "drawn at random" if args.shuffle_split else "the last ones"
        if test_set is not None:
            note = "" if asked else f"\n{len(held_out)} training rows, {drawn}, are held out to decide on the course"
            return Rows(train_set, held_out, "validation", test_set, "test", note)
        note = f"\nno labelled test rows: {len(held_out)} rows, {drawn}, are held out for validation"
        return Rows(train_set, held_out, "validation", held_out, "validation", note)
    if test_set is None:
        return Rows(data, None, "", data, "training", "\nno labelled test rows: the report is on the training rows")
    return Rows(data, test_set, "test", test_set, "test")


def write(
    args: argparse.Namespace,
    network: "Network",
    data: "Dataset",
    test_set: "Dataset | None",
    rows: Rows,
    history: "History",
) -> bool:
    """Write what the options ask for; False if something could not be written."""
    complete = True
    if args.save:
        complete &= files.written("--save", lambda: network.save(args.save))
    if args.json:
        test = None if test_set is None else network.evaluate(test_set.X, test_set.y, loss=args.loss)
        held_out = rows.held_out if rows.kind == "validation" else None
        about = content(args, data, history, test)
        if held_out is not None:
            about["validation"] = dataclasses.asdict(network.evaluate(held_out.X, held_out.y, loss=args.loss))
        about["saved"] = args.save
        about["rows"] = {"train": len(rows.train), "validation": len(held_out or ()), "test": len(test_set or ())}
        complete &= files.written("--json", lambda: files.write_json(args.json, about))
    return complete


def content(
    args: argparse.Namespace, data: "Dataset", history: "History", test: "Evaluation | RegressionEvaluation | None"
) -> dict[str, Any]:
    """What the JSON file of a run holds."""
    return {
        "config": {name: value for name, value in vars(args).items() if name not in NOT_SETTINGS},
        "epochs": [dataclasses.asdict(record) for record in history.epochs],
        "test": None if test is None else dataclasses.asdict(test),
        "diverged": history.diverged,
        "stopped": history.stopped,
        "best_epoch": history.best_epoch,
        "threads": history.threads,
        "threading_layer": machine.threading()["threading_layer"] if args.backend == "numba" else None,
        "versions": machine.versions(),
        "machine": machine.processor(),
        "data": loading.facts(data),
    }
