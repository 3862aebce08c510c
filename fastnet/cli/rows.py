"""Which rows a run trains on, which it is evaluated on, and whether their y holds classes or values."""

import argparse
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fastnet import settings
from fastnet.cli import loading, matching
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.driver.team import Team

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

    def mapped(self, change: "Callable[[Dataset], Dataset]") -> "Rows":
        """The same rows, each set changed."""
        held_out = None if self.held_out is None else change(self.held_out)
        return replace(self, train=change(self.train), held_out=held_out, report=change(self.report))


def take(args: argparse.Namespace, team: "Team") -> "tuple[Dataset, Dataset | None]":
    """Read --data, from args.source: (train, test), with y as --output wants it. An output that is open follows y."""
    with team.in_turn() if loading.may_download(args.source) else contextlib.nullcontext():
        data, test_set = loading.load_training(args.source, args.max_bytes, team)
    loading.require_labels(data)
    if args.output is None and args.data is not None:
        args.output = choose_output(data, settings.team_rows(team, len(data)), args.quiet)
    fit = matching.for_regression if args.output == "identity" else matching.for_classification
    return fit(data), None if test_set is None or test_set.y is None else fit(test_set)


def choose_output(data: "Dataset", n: int, quiet: bool) -> str:
    """The output layer for the y of a set of n rows, which may lie in several processes: softmax for labels, identity
    for values that are not all whole numbers.
    """
    import numpy as np

    assert data.y is not None
    if not data.holds_values:
        if data.class_names is not None or data.n_classes <= max(100, n // 10):
            return "softmax"
        if not quiet:
            print(f"y holds numbers up to {data.n_classes - 1}, more than there could be classes of {n} rows:")
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


def divide(args: argparse.Namespace, data: "Dataset", test_set: "Dataset | None", team: "Team") -> Rows:
    """Choose the rows to train on, to evaluate and to report on, by the options and by what there is."""
    asked, n = args.validation_split is not None, settings.team_rows(team, len(data))
    choose_share(args, n, test_set is not None)
    held_out = None
    if args.validation_split:
        if isinstance(args.validation_split, int) and data.files is not None:
            args.validation_split /= n
        data, held_out = settings.hold_out(data, args.validation_split, seed=args.seed, shuffle=args.shuffle_split)
    n_held = settings.team_rows(team, 0 if held_out is None else len(held_out))
    return named(args, data, held_out, test_set, asked, n_held)


def choose_share(args: argparse.Namespace, n: int, tested: bool) -> None:
    """Choose how many of n rows to hold out, where --validation-split does not say; tested : there are test rows."""
    waits = settings.waits(args)
    if args.validation_split is None and n >= FEWEST and (not tested or waits):
        args.validation_split = SHARE
    if waits and not args.validation_split:
        raise UsageError("--patience and --schedule plateau need rows to watch: --validation-split, or --monitor loss")


def named(
    args: argparse.Namespace,
    train: "Dataset",
    held_out: "Dataset | None",
    test_set: "Dataset | None",
    asked: bool,
    n_held: int | None = None,
) -> Rows:
    """Name the rows by what they are for; asked : whether the user asked for those that are held out, n_held in all."""
    n_held = len(held_out or ()) if n_held is None else n_held
    drawn = "drawn at random" if args.shuffle_split else "the last ones"
    if held_out is not None and test_set is not None:
        note = "" if asked else f"\n{n_held} training rows, {drawn}, are held out to decide on the course"
        return Rows(train, held_out, "validation", test_set, "test", note)
    if held_out is not None:
        note = f"\nno labelled test rows: {n_held} rows, {drawn}, are held out for validation"
        return Rows(train, held_out, "validation", held_out, "validation", note)
    if test_set is None:
        return Rows(train, None, "", train, "training", "\nno labelled test rows: the report is on the training rows")
    return Rows(train, test_set, "test", test_set, "test")
