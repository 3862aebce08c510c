"""Training on a table: its options, and the rows and columns that a run takes of it."""

import argparse
import os
from typing import TYPE_CHECKING

from fastnet import settings, terminal
from fastnet.cli import loading
from fastnet.cli.parser import rows_or_fraction, whole
from fastnet.cli.rows import Rows, choose_share, named
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.tables.loading import TableLoader

# Options that have a meaning with --target alone.
OPTIONS = ("test", "test_split", "ignore", "categorical", "numeric", "max_categories")
FEW = 10  # rows: a figure on fewer is chance
REGRESSION = {"identity": True, "softmax": False, "sigmoid": False}  # by --output


def columns(text: str) -> list[str]:
    """Argument type: names of columns, separated by commas."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names of columns separated by commas, got {text!r}")
    return names


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of tables."""
    group = parser.add_argument_group("tables", "CSV, Parquet and Feather files with a header")
    target_help = "the column to learn: text and few whole numbers are classes, other numbers a regression"
    group.add_argument("--target", metavar="COLUMN", help=target_help)
    group.add_argument("--test", metavar="PATH", help="test rows, a table with the same columns")
    split_help = "or rows to hold out for the test, a number or a share, drawn from the seed by class"
    group.add_argument("--test-split", type=rows_or_fraction, metavar="N|SHARE", help=split_help)
    group.add_argument("--ignore", type=columns, metavar="COLUMN[,...]", help="columns to leave out")
    categorical_help = "columns whose numbers are names, such as postal codes"
    group.add_argument("--categorical", type=columns, metavar="COLUMN[,...]", help=categorical_help)
    numeric_help = "columns of numbers that stay, though they count the rows or have leading zeros"
    group.add_argument("--numeric", type=columns, metavar="COLUMN[,...]", help=numeric_help)
    most_help = "most categories of a column that are told apart, the rest is one (default: by the rows, 32 to 256)"
    group.add_argument("--max-categories", type=whole(1), metavar="N", help=most_help)


def check_options(args: argparse.Namespace) -> None:
    """Raise UsageError for options of tables without a target, and for a target without a table."""
    given = [name for name in OPTIONS if getattr(args, name) is not None]
    if args.target is None and given:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} is for tables: name the column to learn by --target COLUMN")
    if args.target is not None and args.data and loading.may_download(args.data) and not os.path.exists(args.data):
        raise UsageError(
            f"{args.data} is no table: leave --target out, or name a CSV, Parquet or Feather file by --data"
        )
    if args.target is not None and args.data is None:
        raise UsageError("--target is a column of a table, which is missing: --data PATH")
    if args.test is not None and args.test_split is not None:
        raise UsageError("--test and --test-split both name test rows; choose one of them")
    if args.target is not None and getattr(args, "augment", None):
        raise UsageError("--augment changes images, and --target reads a table")


def load(args: argparse.Namespace) -> "tuple[Dataset, Dataset | None, Rows]":
    """Read the table and complete the settings by its size; (training rows, test rows or None, the rows of the run)."""
    table = loader(args)
    if not args.resume:  # whose settings are complete
        complete(args, table)
    asked = args.validation_split is not None
    tested = bool(args.test or args.test_split)
    choose_share(args, table.n_rows, tested)
    parts = table.split(
        test_split=args.test_split, validation_split=args.validation_split, seed=args.seed, shuffle=args.shuffle_split
    )
    require_precision(parts.train, args.dtype)
    if not args.quiet:
        print_columns(table, parts.train)
        warn_of_few(parts.validation if parts.test is None else parts.test)
    return parts.train, parts.test, named(args, parts.train, parts.validation, parts.test, asked)


def loader(args: argparse.Namespace) -> "TableLoader":
    """The table of the options, whose rows can be split."""
    from fastnet.tables.loading import TableLoader

    return TableLoader(
        args.source, args.target, test=args.test, ignore=args.ignore or (), categorical=args.categorical or (),
        numeric=args.numeric or (), max_categories=args.max_categories, regression=REGRESSION.get(args.output),
        max_bytes=args.max_bytes,
    )  # fmt: skip


def warn_of_few(held_out: "Dataset | None") -> None:
    """Say that the figures are about very few rows, if they are."""
    if held_out is not None and len(held_out) < FEW:
        rows = f"{len(held_out)} row{'s' * (len(held_out) > 1)}"
        terminal.warning(
            f"figures on {rows} say little of other rows: hold out more, by --test-split or --validation-split"
        )


def require_precision(train: "Dataset", dtype: str) -> None:
    """Raise UsageError if a network of that type could not tell the values of the target apart."""
    target = train.preprocess.target if train.preprocess is not None else None
    if target is not None and target.is_fine and dtype == "float32":
        raise UsageError(
            f"the values of {target.name!r} lie around {target.mean:g} and deviate by {target.scale:g}, which a "
            "float32 network cannot give: subtract a constant from the column, or use --dtype float64"
        )


def complete(args: argparse.Namespace, table: "TableLoader") -> None:
    """Set what the user left open to the defaults of tables."""
    from fastnet.tables.defaults import beside

    args.output = args.output or ("identity" if table.holds_values else "softmax")
    for name, value in beside(args.given, table.n_rows).items():
        setattr(args, name, value)
    settings.resolve(args)


def print_columns(table: "TableLoader", train: "Dataset") -> None:
    """Say what was chosen for the columns."""
    from fastnet.tables.loading import column_lines

    assert train.preprocess is not None
    target = train.preprocess.target
    print(f"columns of {table.table.name}:")
    print(terminal.fold("\n".join(column_lines(train.preprocess))))
    if table.left_out:
        print(f"rows without a value in {table.target.name!r}, left out: {table.left_out}")
    if target is not None and target.holds_values:
        centre = f"{target.name} {'+' if target.mean < 0 else '-'} {abs(target.mean):.4g}"
        losses = f"the loss of an epoch is that of ({centre}) / {target.scale:.4g}, which the network learns"
        print(terminal.fold(f"{losses}; the figures at the end are in the unit of {target.name}"))
