"""fastnet train: data, network, training, report; or going on with a run that was kept."""

import argparse
import contextlib
import os
import shlex
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastnet import settings, terminal
from fastnet.cli import files, loading, matching, processes, results, signals, tables
from fastnet.cli.parser import Commands, add_max_bytes, every, rows_or_fraction, whole
from fastnet.cli.rows import Rows, divide, take
from fastnet.cli.settings import add_settings
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.checkpoints import Checkpoint
    from fastnet.data import Dataset
    from fastnet.driver.team import Team
    from fastnet.history import History
    from fastnet.network import Network

COMMAND = "fastnet train"  # notes in a checkpoint who made the run
LEFT_OUT = ("run", "given", "resume", "checkpoint", "distributed", "sync_every")  # of what a checkpoint tells
# Options that may come with --resume: all others belong to the run.
WITH_RESUME = (
    "resume", "data", "epochs", "time_limit", "threads", "every", "keep", "quiet", "max_bytes", "distributed",
    "sync_every", *results.OUTPUTS,
)  # fmt: skip


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "train",
        help="train a network and report how good it is",
        description="Train a network. Without options: 784-64-10 on MNIST, 9 epochs.",
    )
    parser.add_argument("--data", metavar="NAME|PATH", help="data set: a name, a file or a folder (default: mnist)")
    add_max_bytes(parser)
    split_help = (
        "training rows to hold out and evaluate after each epoch, a number or a share like 0.1: drawn from the seed by "
        "class, from large files in runs of neighbours; 0: none (default: 0.1 where the set has no labelled test part)"
    )
    parser.add_argument("--validation-split", type=rows_or_fraction, metavar="N|SHARE", help=split_help)
    last_help = "hold out the last rows, as for time series"
    parser.add_argument("--no-shuffle-split", dest="shuffle_split", action="store_false", help=last_help)
    tables.add_options(parser)
    add_settings(parser)
    processes.add_options(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--save", metavar="MODEL.npz", help="write the trained network")
    output.add_argument("--json", metavar="FILE", help="write settings, course and result")
    log_help = "append a row for each epoch as the run goes"
    output.add_argument("--log", metavar="FILE.csv|.jsonl", help=log_help)
    output.add_argument("--tensorboard", metavar="FOLDER", help="write the course for TensorBoard")
    output.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    keeping = parser.add_argument_group("never losing a run")
    checkpoint_help = "keep the state of the run in a folder, for --resume"
    keeping.add_argument("--checkpoint", metavar="FOLDER", help=checkpoint_help)
    every_help = "how often: a number of epochs, or a time, which may fall within an epoch (default: 1)"
    keeping.add_argument("--every", type=every, metavar="N|30s", help=every_help)
    keeping.add_argument("--keep", type=whole(1), metavar="N", help="how many checkpoints to keep (default: 3)")
    resume_help = "go on with the run of that folder; --epochs MORE adds epochs to it"
    keeping.add_argument("--resume", metavar="FOLDER", help=resume_help)
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class Task:
    """A run that can begin: its resolved settings, its data, and the rows that it takes of them.

    n_train : the rows that all processes train on.
    """

    args: argparse.Namespace
    data: "Dataset"
    test_set: "Dataset | None"
    rows: Rows
    n_train: int


def run(args: argparse.Namespace) -> int:
    """Train as the options say."""
    team = processes.team_of(args)
    with team.together():
        return go_on(args, team) if args.resume else begin(args, team)


def begin(args: argparse.Namespace, team: "Team") -> int:
    """Start a run."""
    if (args.every is not None or args.keep is not None) and not args.checkpoint:
        raise UsageError("--every and --keep say how often --checkpoint FOLDER writes, which is missing")
    if args.checkpoint and team.rank == 0:
        prepare_folder(args.checkpoint)
    args.source = args.data
    task, logs = prepare(args, team)
    network = settings.make_network(args, task.data.X.shape[1], matching.n_outputs(task.data), task.data.class_names)
    network.preprocess = task.data.preprocess
    progress: Any = False
    if not args.quiet:
        progress = settings.make_progress(args, network, task.n_train, task.rows.kind)
    checkpoint, rows = make_checkpoint(args), task.rows

    def train() -> "History":
        return settings.train(args, network, rows.train, rows.held_out, progress, logs.values(), checkpoint, team)

    history = kept_when_interrupted(args, network, checkpoint, train)
    return finish(task, network, history, logs, checkpoint, team)


def go_on(args: argparse.Namespace, team: "Team") -> int:
    """Go on with the run of --resume."""
    from fastnet.checkpoints import describing
    from fastnet.driver.recording import network_of
    from fastnet.training import resume

    values, arrays = team.same(kept_run(args) if team.rank == 0 else ({}, {}))
    more = args.epochs if "epochs" in args.given else 0
    with describing(args.resume):
        network, stored = network_of(values, arrays), options_of(args, values, more)
        done, so_far = len(values["state"]["history"]["epochs"]), progress_so_far(args, values, stored.epochs)
    if not args.quiet:
        print(so_far, flush=True)
    task, logs = prepare(stored, team)
    if "--log" in logs:
        logs["--log"].cut(done)
    rows = task.rows
    progress: Any = False
    if not args.quiet:
        progress = settings.make_progress(stored, network, task.n_train, rows.kind)
    checkpoint = make_checkpoint(stored)
    assert rows.train.y is not None

    def train() -> "tuple[Network, History]":
        return resume(
            args.resume, rows.train.X, rows.train.y, more_epochs=more, time_limit=args.time_limit,
            validation=None if rows.held_out is None else (rows.held_out.X, rows.held_out.y), threads=stored.threads,
            callbacks=logs.values(), progress=progress, checkpoint=checkpoint, distributed=team,
        )  # fmt: skip

    network, whole_run = kept_when_interrupted(stored, None, checkpoint, train)
    return finish(task, network, whole_run, logs, checkpoint, team)


def kept_run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """(values, arrays) of the newest checkpoint of --resume, after a check that this program can go on with it."""
    from fastnet.checkpoints import read_newest

    refused = sorted(set(args.given) - set(WITH_RESUME))
    if refused:
        raise UsageError(f"--{refused[0].replace('_', '-')} belongs to the run that --resume goes on with, and stays")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `fastnet.resume` reads it again, and warns
        values, arrays = read_newest(args.resume)
    if not isinstance(values["about"], dict) or values["about"].get("command") != COMMAND:
        raise UsageError(f"--resume: the run of {args.resume} was made in Python; fastnet.resume goes on with it")
    return values, arrays


def options_of(args: argparse.Namespace, values: dict[str, Any], more: int) -> argparse.Namespace:
    """The options of a kept run, with those that are given now; ``more`` epochs are added to its own."""
    given = {name: getattr(args, name) for name in args.given}
    stored = argparse.Namespace(**vars(args) | values["about"] | given)
    stored.quiet, stored.resume, stored.checkpoint = args.quiet, args.resume, args.resume
    stored.epochs = values["settings"]["epochs"] + more
    if "data" in given:
        stored.source = args.data
    return stored


def progress_so_far(args: argparse.Namespace, values: dict[str, Any], epochs: int) -> str:
    """A line on where a kept run is that is to have so many epochs now."""
    done, stopped = len(values["state"]["history"]["epochs"]), values["state"]["history"]["stopped"]
    if "epochs" not in args.given and (done == epochs or stopped in ("patience", "callback")):
        return f"the run in {args.resume} is finished, after {done} epochs; --epochs MORE adds some"
    so_far = f"going on with the run in {args.resume}, of which {done} of {epochs} epochs are done"
    unlimited = values["settings"]["time_limit"] is not None and args.time_limit is None
    return terminal.fold(f"{so_far}; it has no time limit any more") if unlimited else so_far


def prepare(args: argparse.Namespace, team: "Team") -> tuple[Task, dict[str, Any]]:
    """Check what the run will write, read its data and say what it trains on; (the task, its logs).

    args.source : args.data, or the same place seen from another folder.
    """
    processes.keep_to_itself(args, team)
    tables.check_options(args)
    processes.share_files(team, args.source)
    data_decides = args.output is None and args.data is not None
    if not data_decides and args.target is None:
        settings.resolve(args)
    for option in ("save", "json"):
        files.check_writable(f"--{option}", getattr(args, option))
    logs = results.open_logs(args)
    inputs = "uint8" if args.target is None else args.dtype or "float32"
    warming = loading.warming_up(inputs, args.dtype, args.threads)
    with warming if args.backend == "numba" and team.rank == 0 else contextlib.nullcontext():
        if args.target is not None:
            data, test_set, rows = tables.load(args)
        else:
            data, test_set = take(args, team)
            settings.resolve(args)
            rows = divide(args, data, test_set, team)
    data, n = replace(data, name=args.data or data.name), settings.team_rows(team, len(data))
    if not args.quiet:
        print(loading.describe(data, test_set, n) + rows.note, flush=True)
    return Task(args, data, test_set, rows, settings.team_rows(team, len(rows.train))), logs


def for_report(task: Task, network: "Network") -> Task:
    """The task, with the network and y in the units of the table where that is a regression."""
    if task.data.preprocess is None:
        return task
    from fastnet.tables.loading import fold_target, in_own_units

    fold_target(network)
    test_set = None if task.test_set is None else in_own_units(task.test_set)
    return replace(task, data=in_own_units(task.data), test_set=test_set, rows=task.rows.mapped(in_own_units))


def make_checkpoint(args: argparse.Namespace) -> "Checkpoint | None":
    """Where and how often to keep the state of the run, with the options for who goes on with it."""
    from fastnet.checkpoints import Checkpoint
    from fastnet.data.shards import is_pattern

    if not args.checkpoint:
        return None
    about = {name: value for name, value in vars(args).items() if name not in LEFT_OUT}
    about["command"] = COMMAND
    for name in ("source", "test", *results.OUTPUTS):  # who goes on may stand in another folder
        if about[name] and (name in results.OUTPUTS or os.path.exists(about[name]) or is_pattern(about[name])):
            about[name] = os.path.abspath(about[name])
    return Checkpoint(args.checkpoint, every=args.every or 1, keep=args.keep or 3, about=about)


def prepare_folder(folder: str) -> None:
    """Make a folder for checkpoints; raise UsageError if it holds those of another run, OSError if it is of no use."""
    from fastnet.checkpoints import checkpoints, prepare

    if checkpoints(folder):
        raise UsageError(
            f"--checkpoint: {folder} holds the checkpoints of a run: go on with --resume {folder}, or choose another"
        )
    prepare(folder)


def kept_when_interrupted(
    args: argparse.Namespace, network: "Network | None", checkpoint: "Checkpoint | None", train: Callable[[], Any]
) -> Any:
    """Train; a run that a signal or a lack of memory ends is kept where --checkpoint or --save say, and can go on."""
    import numpy as np

    from fastnet.checkpoints import checkpoints
    from fastnet.driver.loop import ENDS

    before = np.zeros(0) if network is None else network.params.copy()
    try:
        with signals.raising():
            return train()
    except (*ENDS, MemoryError):
        if checkpoint is not None and checkpoints(args.checkpoint):
            terminal.last_words(f"to go on: fastnet train --resume {shlex.quote(args.checkpoint)}")
        kept = checkpoint is not None and not checkpoint.failed
        if args.save and not kept and network is not None and not np.array_equal(before, network.params):
            network.unfinished = True
            if files.written("--save", args.save, network.save):
                terminal.last_words(f"the network reached is in {args.save}, marked as unfinished")
        raise


def finish(
    task: Task,
    network: "Network",
    history: "History",
    logs: dict[str, Any],
    checkpoint: "Checkpoint | None",
    team: "Team",
) -> int:
    """Write what the options ask for, print the report, and return the exit code."""
    from fastnet.driver.team import ALONE

    processes = team.size
    if not team.shares_rows:  # the first process has all rows
        if team.rank > 0:
            return 0
        team = ALONE
    task = for_report(task, network)
    complete = results.write(task.args, network, task.data, task.test_set, task.rows, history, team, processes)
    complete &= not any(log.failed for log in logs.values())
    complete &= checkpoint is None or not checkpoint.failed
    if team.same(not task.args.quiet):
        print(terminal.fold(results.ending(task.args, history)), end="", flush=True)
        loading.print_report(network, task.rows.report, task.rows.report_kind, team)
    return 4 if not complete else 3 if history.diverged else 0
