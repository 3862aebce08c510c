"""fastnet tune: a search for good settings, which can be stopped, gone on with and shared."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnet import machine, settings, terminal
from fastnet.cli import files, loading, processes, rows, signals, tables
from fastnet.cli.parser import Commands, add_max_bytes, duration, rows_or_fraction, whole
from fastnet.cli.settings import add_overrides
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.tuning.interface import Plan, Tuned
    from fastnet.tuning.parts import TableRows

OWN = (
    "run", "given", "data", "source", "max_bytes", "validation_split", "shuffle_split", "folds", "trials", "time",
    "target", *tables.OPTIONS, "jobs", "study", "save", "json", "picture", "quiet", "threads",
)  # fmt: skip
PICTURES = (".html", ".png", ".svg", ".pdf")
LONGEST = 60  # letters of a name within a file's name


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "tune",
        help="search for the settings that train best",
        description="Search for good settings: widths and depth, activation, optimizer, learning rate, batch size, "
        "dropout, decay. An option of fastnet train that is given is fixed, what is not given is searched. Each trial "
        "trains on one thread and is judged by training rows that it does not see: some that are held out, or folds "
        "that take turns where rows are few. The same command goes on with a search that was stopped; several at once "
        "share one.",
    )
    parser.add_argument("--data", metavar="NAME|PATH", help="data set: a name, a file or a folder (default: mnist)")
    add_max_bytes(parser)
    tables.add_options(parser)
    split_help = f"training rows to judge trials by, a number or a share, drawn by class (default: {rows.SHARE}, or "
    split_help += "--folds 5 below 1000 rows)"
    parser.add_argument("--validation-split", type=rows_or_fraction, metavar="N|SHARE", help=split_help)
    last_help = "hold out the last rows, as for time series"
    parser.add_argument("--no-shuffle-split", dest="shuffle_split", action="store_false", help=last_help)
    search = parser.add_argument_group("search")
    trials_help = "trials that the search is to have (default: 100, or any number within --time)"
    search.add_argument("--trials", type=whole(1), metavar="N", help=trials_help)
    time_help = "end the search so long after its first trial began: 90s, 5m, 1h; one trial always ends"
    search.add_argument("--time", type=duration, metavar="TIME", help=time_help)
    search.add_argument("--jobs", type=whole(1), metavar="N", help="trials at once (default: one for each core)")
    folds_help = "judge each trial by cross-validation, K trainings (default: 5 below 1000 rows)"
    search.add_argument("--folds", type=whole(2), metavar="K", help=folds_help)
    study_help = "where Optuna keeps the trials (default: DATA.tune.db, or DATA.TARGET.tune.db of a table, in the "
    study_help += "working directory)"
    search.add_argument("--study", metavar="FILE.db|URL", help=study_help)
    output = parser.add_argument_group("output")
    output.add_argument("--save", metavar="MODEL.npz", help="train the best again on all training rows and write it")
    output.add_argument("--json", metavar="FILE", help="write trials, best settings and result")
    picture_help = f"draw the search: {', '.join(PICTURES)}"
    output.add_argument("--picture", metavar="FILE", help=picture_help)
    output.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search as the options say."""
    from fastnet.tuning.optuna_package import optuna

    check(args)
    processes.warn_if_many("each of which searches and prints: start one alone, with --jobs for trials at once")
    optuna()
    args.source, args.output = args.data, getattr(args, "output", None)
    data, test_set, table = take(args)
    plan = make_plan(args, data, table)
    if not args.quiet:
        print(loading.describe(data, test_set), flush=True)
        print(terminal.fold(about(plan, by_default=args.folds is None)), flush=True)
    found = kept_when_interrupted(args, plan)
    if not found.ranking:
        return without_best(args, found, data)
    if not args.quiet:
        print(f"{summary(found)}\n\n{found}", flush=True)
    return finish(args, found, data, test_set)


def take(args: argparse.Namespace) -> "tuple[Dataset, Dataset | None, TableRows | None]":
    """(training rows, test rows or None, the rows of the table if it is one)."""
    if args.target is None:
        from fastnet.driver.team import ALONE

        return *rows.take(args, ALONE), None
    from fastnet.tuning.parts import TableRows

    table = tables.loader(args)
    args.output = args.output or ("identity" if table.holds_values else "softmax")
    split = {"test_split": args.test_split, "seed": getattr(args, "seed", settings.DEFAULTS["seed"])}
    found = table.split(**split)
    if not args.quiet:
        tables.print_columns(table, found.train)
    return found.train, found.test, TableRows(table, table.drawn(**split))


def without_best(args: argparse.Namespace, found: "Tuned", data: "Dataset") -> int:
    """Say why no trial came to its end, and write the trials where that was asked for; the exit code."""
    from fastnet.tuning.words import none_complete

    terminal.error(none_complete(found.trials))
    if args.json and not files.written("--json", args.json, lambda path: files.write_json(path, facts(found, data))):
        return 4
    return 3 if set(found.failures) == {"diverged"} else 2


def summary(found: "Tuned") -> str:
    """How many trials there are now, and how long it took."""
    from fastnet.tuning.words import counts

    return f"{counts(found.trials)} after {found.seconds:.1f} s"


def check(args: argparse.Namespace) -> None:
    """Raise UsageError on what can be told before the data is read."""
    tables.check_options(args)
    if args.folds is not None and args.validation_split is not None:
        raise UsageError("--folds and --validation-split: rows are held out in one way or the other, not both")
    if args.validation_split == 0:
        raise UsageError("--validation-split: trials are judged by rows that are held out, got 0")
    for option in ("save", "json", "picture"):
        files.check_writable(f"--{option}", getattr(args, option))
    if args.picture is not None and Path(args.picture).suffix.lower() not in PICTURES:
        raise UsageError(f"--picture: expected a name ending in {', '.join(PICTURES)}, got {args.picture!r}")
    if args.picture is not None:
        import fastnet.pictures  # noqa: F401 - a missing extra is told before the search


def make_plan(args: argparse.Namespace, data: "Dataset", table: "TableRows | None") -> "Plan":
    """What to search."""
    from fastnet.tuning import interface

    if args.folds is not None and args.folds > len(data):
        raise UsageError(f"--folds: expected 2 to {len(data)}, the number of training rows, got {args.folds}")
    fixed = {name: value for name, value in vars(args).items() if name not in OWN and value is not None}
    name = slug(Path(data.name).stem)
    study = args.study or default_study(name, data, table)
    if "://" not in study:
        files.check_writable("--study", study)
    return interface.make_plan(
        data, {"seed": settings.DEFAULTS["seed"], **fixed}, monitor=fixed.get("monitor"), trials=args.trials,
        seconds=args.time, jobs=args.jobs, amount=args.validation_split, shuffle=args.shuffle_split, folds=args.folds,
        study=study, name=name, table=table,
    )  # fmt: skip


def default_study(name: str, data: "Dataset", table: "TableRows | None") -> str:
    """The file of a search on data of that name. A table has one for each target, unless an older file is of it."""
    from fastnet.tuning.ledger import learns

    older = f"{name}.tune.db"
    if table is None:
        return older
    study = f"{name}.{slug(table.target)}.tune.db"
    goes_on = not Path(study).exists() and Path(older).exists() and learns(older, table.target, data.labels_sha256)
    return older if goes_on else study


def slug(name: str) -> str:
    """A name of a data set or of a column as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST] or "data"


def about(plan: "Plan", *, by_default: bool = False) -> str:
    """What is searched, and how. by_default : nobody asked for the folds, if there are some."""
    why = "cross-validation" + ", since rows are few" * by_default
    by = f"{plan.folds} folds ({why})" if plan.folds else f"{held_out_rows(plan)} rows held out"
    trials = f"up to {plan.trials} trials" if plan.trials is not None else "trials"
    jobs = f"{plan.jobs} at once" if plan.jobs > 1 else "one at a time"
    searched = list(dict.fromkeys(entry.rpartition(".")[2].partition("_1")[0] for entry in plan.space))
    names = ", ".join(n.replace("_", " ") for n in searched if not n.startswith("width_"))
    return f"search: {names}\n{trials} of up to {plan.fixed['epochs']} epochs, {jobs}, judged by {by}"


def held_out_rows(plan: "Plan") -> int:
    """How many rows judge a trial; UsageError if no row is left to train on."""
    from fastnet.data.splitting import held_out_rows as amount

    try:
        return amount(len(plan.data), plan.amount)
    except ValueError as error:
        raise UsageError(f"--validation-split: {error}") from None


def kept_when_interrupted(args: argparse.Namespace, plan: "Plan") -> "Tuned":
    """Search; a search that a signal ends says how to go on."""
    from fastnet.tuning.interface import search
    from fastnet.tuning.words import Course, Silent

    try:
        with signals.raising():
            return search(plan, Silent() if args.quiet else Course(sys.stdout, plan.monitor, plan.study, plan.trials))
    except (KeyboardInterrupt, SystemExit):
        terminal.last_words(f"trials that are over are in {plan.study}; the same command goes on")
        raise


def finish(args: argparse.Namespace, found: "Tuned", data: "Dataset", test_set: "Dataset | None") -> int:
    """Train the best again on all rows where that is of use, write what the options ask for; the exit code."""
    content, complete, diverged = facts(found, data), True, False
    if args.save or test_set is not None:
        network, history = found.fit_set(data, threads=getattr(args, "threads", None))
        diverged = history.diverged
        if data.preprocess is not None:
            from fastnet.tables.loading import fold_target, in_own_units

            fold_target(network)
            test_set = None if test_set is None else in_own_units(test_set)
        content |= {"saved": args.save, "test": None}
        if test_set is not None:
            result = network.evaluate(test_set.X, test_set.y, loss=found.settings["loss"])
            content["test"] = vars(result)
        if not args.quiet:
            print(terminal.fold(again(found, data)), flush=True)
            if test_set is not None:
                print(f"{len(test_set)} test rows: {loading.figures(result)}", flush=True)
        complete &= not args.save or files.written("--save", args.save, network.save)
    complete &= not args.json or files.written("--json", args.json, lambda path: files.write_json(path, content))
    complete &= not args.picture or files.written("--picture", args.picture, lambda path: draw(path, found))
    return 4 if not complete else 3 if diverged else 0


def again(found: "Tuned", data: "Dataset") -> str:
    """A line on the network that is trained again."""
    epochs = found.settings["epochs"]
    return f"\ntrial {found.best.number} again on all {len(data)} training rows, {epochs} epoch{'s' * (epochs > 1)}"


def facts(found: "Tuned", data: "Dataset") -> dict[str, Any]:
    """What the JSON file of a search holds."""
    plan, best = found.plan, None
    if found.ranking:
        best = {"number": found.best.number, "settings": found.settings, "outcome": vars(found.best.outcome)}
    return {
        "best": best,
        "monitor": plan.monitor,
        "fixed": plan.fixed,
        "searched": {name: vars(entry) for name, entry in plan.space.items()},
        "trials": found.records(),
        "failures": found.failures,
        "importance": found.importance,
        "study": plan.study,
        "seconds": found.seconds,
        "jobs": plan.jobs,
        "folds": plan.folds,
        "rows": {"train": len(data), "validation": None if plan.folds else held_out_rows(plan)},
        "versions": machine.versions() | {"optuna": machine.package_version("optuna")},
        "machine": machine.processor(),
        "data": loading.facts(data),
    }


def draw(path: str, found: "Tuned") -> None:
    """Write the pictures of a search, or a page with them."""
    from fastnet.files import replacing

    form = Path(path).suffix.lower()[1:]
    if form == "html":
        from fastnet.report.search import page

        content = page(found).encode()
    else:
        from fastnet.pictures.style import image

        content = image(found.plot(), form)
    with replacing(path) as file:
        file.write(content)
