"""What a run leaves behind: logs, the network, the JSON file, and a line on how it ended."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from fastnet import machine
from fastnet.cli import files, loading
from fastnet.cli.rows import Rows
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.driver.team import Team
    from fastnet.history import History
    from fastnet.network import Evaluation, Network, RegressionEvaluation

OUTPUTS = ("save", "json", "log", "tensorboard")  # options that name what a run writes
NOT_SETTINGS = (
    "run", "quiet", "given", "command", "source", "max_bytes", "checkpoint", "every", "keep", "resume", *OUTPUTS,
)  # fmt: skip


def open_logs(args: argparse.Namespace) -> dict[str, Any]:
    """The callbacks that write logs, by option."""
    from fastnet.callbacks import Log, TensorBoard

    logs: dict[str, Any] = {}
    if args.log:
        files.check_writable("--log", args.log)
        logs["--log"] = Log(args.log)
    if args.tensorboard:
        try:
            logs["--tensorboard"] = TensorBoard(args.tensorboard)
        except OSError as error:
            raise UsageError(f"--tensorboard: cannot write to {args.tensorboard}: {error.strerror or error}") from None
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


def write(
    args: argparse.Namespace,
    network: "Network",
    data: "Dataset",
    test_set: "Dataset | None",
    rows: Rows,
    history: "History",
    team: "Team",
    processes: int,
) -> bool:
    """Write what the options ask for; False if something could not be written.

    team : processes that have some of the held-out rows each; the options of all but the first ask for nothing.
    processes : how many trained.
    """
    from fastnet.backends import evaluate

    complete = True
    if args.save:
        complete &= files.written("--save", args.save, network.save)
    if team.same(bool(args.json)):
        test = None if test_set is None else network.evaluate(test_set.X, test_set.y, loss=args.loss)
        held_out = rows.held_out if rows.kind == "validation" else None
        about = content(args, data, history, test)
        if held_out is not None:
            about["validation"] = dataclasses.asdict(evaluate(network, held_out.X, held_out.y, args.loss, team))
        about["saved"], about["processes"] = args.save, processes
        if data.preprocess is not None:
            from fastnet.tables.loading import column_facts

            about["columns"] = column_facts(data.preprocess)
        parts = {"train": rows.train, "validation": held_out, "test": test_set}
        about["rows"] = {name: sum(team.gather(len(part or ()))) for name, part in parts.items()}
    if args.json:
        complete &= files.written("--json", args.json, lambda path: files.write_json(path, about))
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
