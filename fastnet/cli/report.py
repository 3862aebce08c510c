"""fastnet report: a run or a network as one page of HTML."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fastnet import machine, settings
from fastnet.cli import files, matching
from fastnet.cli.loading import load_model, require_labels, table_rows
from fastnet.cli.parser import Commands, add_max_bytes
from fastnet.errors import DataError, UsageError
from fastnet.files import replacing

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.network import Network
    from fastnet.report import Judged, Run

HOW = "fastnet train --save MODEL.npz saves it, and fastnet report MODEL.npz --data NAME|PATH shows it"


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "report",
        help="a page with the curves, errors and weights of a run or a network",
        description="Write one page of HTML, with all its pictures in it, about a run (the file of fastnet train "
        "--json, with the network that it saved) or about a network: settings, curves, confusion matrix, worst errors "
        "and classes, or values and residuals of a regression, importance of the columns, weights, speed, environment.",
    )
    parser.add_argument("source", metavar="RUN.json|MODEL", help="file written by fastnet train --json or --save")
    data_help = "rows to judge the network on: a name, a file or a folder (default: the data of the run)"
    parser.add_argument("--data", metavar="NAME|PATH", help=data_help)
    add_max_bytes(parser)
    parser.add_argument("--output", metavar="FILE", default="report.html", help="the page to write")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    files.check_writable("--output", args.output)
    from fastnet import report

    missing: dict[str, str] = {}
    found = None if is_model(args.source) else report.read_run(args.source)
    if found is None:
        missing["run"] = "Not in the file of a network: fastnet train --json RUN.json writes the course of a run."
        network: Network | None = load_model(args.source)
    else:
        network = network_of(found, args.source, missing)
    if network is None and args.data is not None:
        raise UsageError(f"--data: there is no network to judge. {missing['network']}")
    judged = None if network is None else judge(args, network, found, missing)
    missing.setdefault("rows", f"Left out without the network: {HOW}.")
    peak = None if found is None else measured_peak(found, network, missing)
    here = machine.processor(), machine.versions()
    page = report.page(report.Material(args.source, *here, found, network, judged, peak, missing))
    if not files.written("--output", args.output, lambda path: write(path, page)):
        return 4
    print(f"report: {args.output}")
    return 0


def write(path: str, page: str) -> None:
    """Write the page in one go."""
    with replacing(path) as file:
        file.write(page.encode())


def is_model(path: str) -> bool:
    """Whether a file is a zip archive, as saved networks are, and no text. DataError if it cannot be read."""
    from fastnet.data.source import require_file

    try:
        require_file(path)
        with open(path, "rb") as file:
            return file.read(2) == b"PK"
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; expected a file of fastnet train --json or --save") from None


def network_of(run: "Run", source: str, missing: dict[str, str]) -> "Network | None":
    """The network that a run saved, if it is there and of the run's shape; else ``missing`` says why it is not."""
    if run.saved is None:
        missing["network"] = f"The file names no saved network: {HOW}."
        return None
    places = [Path(run.saved), Path(source).parent / Path(run.saved).name]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        missing["network"] = f"{run.saved}, which the run saved, is not there: {HOW}."
        return None
    network = load_model(str(path))
    if run.config.get("hidden") not in (None, network.sizes[1:-1]):
        missing["network"] = f"{path} holds another network than the run trained: {HOW}."
        return None
    return network


def judge(args: argparse.Namespace, network: "Network", run: "Run | None", missing: dict[str, str]) -> "Judged | None":
    """The network's predictions: of the data that was asked for, or of the run's, if they can be had."""
    from fastnet.report import Judged

    source = args.data or (None if run is None else run.config.get("data") or run.data.get("name"))
    if source is None:
        missing["rows"] = f"Left out without data: fastnet report {args.source} --data NAME|PATH shows them."
        return None
    try:
        rows, kind = choose_rows(str(source), network, run, args.max_bytes)
        return Judged.of(network, rows, kind, None if run is None else run.config.get("loss"))
    except (DataError, UsageError) as error:
        if args.data is not None:
            raise
        missing["rows"] = f"Left out, for the run's data cannot be had ({error}): name others by --data NAME|PATH."
        return None


def choose_rows(source: str, network: "Network", run: "Run | None", max_bytes: int | None) -> "tuple[Dataset, str]":
    """The test rows; else those that the run held out; else all. And what they are called."""
    from fastnet.data import load_data

    if network.preprocess is not None:
        return table_rows(source, network.preprocess, max_bytes), "given"
    train, test = load_data(source, max_bytes=max_bytes)
    width = train.X.shape[1]
    if width != network.sizes[0]:
        raise UsageError(f"the network takes rows of {network.sizes[0]} numbers, but those of {source} have {width}")
    if test is not None and test.y is not None:
        return matching.for_network(test, network), "test"
    require_labels(train)
    held_out = None if run is None else held_out_rows(train, network, run)
    if held_out is not None:
        return matching.for_network(held_out, network), "validation"
    return matching.for_network(train, network), "given"


def held_out_rows(train: "Dataset", network: "Network", run: "Run") -> "Dataset | None":
    """The rows that the run held out of this set, drawn once more; None if it held out none or had another set."""
    amount, seed, shuffle = (run.config.get(name) for name in ("validation_split", "seed", "shuffle_split"))
    if not isinstance(amount, int | float) or not amount or not isinstance(seed, int):
        return None
    if run.data.get("sha256") != train.sha256:
        return None
    fit = matching.for_regression if network.is_regression else matching.for_classification
    return settings.hold_out(fit(train), amount, seed=seed, shuffle=bool(shuffle))[1]


def measured_peak(run: "Run", network: "Network | None", missing: dict[str, str]) -> float | None:
    """FLOP/s of this machine on the run's threads, if the run was on a machine of this kind and has something to
    compare; else ``missing`` says why it is not measured.
    """
    if network is None:
        missing["peak"] = "the network is needed for it"
    elif not run.rows.get("train"):
        missing["peak"] = "the file does not say how many rows were trained on"
    elif not run.machine:
        missing["peak"] = "the file does not say on what processor the run was"
    elif run.machine != machine.processor():
        missing["peak"] = "the run was on another kind of machine than this one"
    else:
        from fastnet.engine.peak import best_known

        return best_known(network.dtype, run.history.threads)
    return None
