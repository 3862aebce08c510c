"""scripts/platforms: the tests on the platforms that one machine can offer. The exit code is the number of legs that
failed."""

import argparse
import json
import sys
from pathlib import Path

from fastnet.paths import cache_dir
from platforms.legs import KINDS, LEGS, Lab
from platforms.outcome import Outcome, outcome_of
from platforms.tables import HEADER, markdown, row


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/platforms", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", nargs="+", choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument(
        "--leg", nargs="+", choices=[leg.name for leg in LEGS], metavar="LEG", help="legs by their names"
    )
    parser.add_argument("--all", action="store_true", help="all tests in legs that would run those that concern them")
    parser.add_argument("--python", action="append", default=[], metavar="PATH", help="a further Python")
    parser.add_argument("--folder", type=Path, default=cache_dir() / "platforms", help="of environments and caches")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the results to those in a file")
    text = "print README's table of such files, or of folders of them; run nothing"
    parser.add_argument("--markdown", type=Path, nargs="+", metavar="PATH", help=text)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the legs one after the other; each gets its line when it is done."""
    args = parse(argv)
    if args.markdown:
        print(markdown(merged(args.markdown)))
        return 0
    lab = Lab(args.folder.absolute(), tuple(args.python), args.all)
    chosen = [leg for leg in LEGS if leg.kind in (args.only or KINDS) and (not args.leg or leg.name in args.leg)]
    print(HEADER, flush=True)
    failures = 0
    for leg in chosen:
        outcome = outcome_of(leg, lab)
        print(row(outcome), flush=True)
        failures += outcome.is_failure
        if args.json:
            keep(args.json, outcome)
    return failures


def keep(path: Path, outcome: Outcome) -> None:
    """Put an outcome into a file, in the place of an older one of the same leg."""
    legs = in_order([*(read(path) if path.exists() else []), outcome])
    path.write_text(json.dumps([vars(leg) for leg in legs], indent=1) + "\n", encoding="utf-8")


def merged(paths: list[Path]) -> list[Outcome]:
    """The outcomes in files and in the .json files of folders."""
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    return in_order([outcome for file in files for outcome in read(file)])


def read(path: Path) -> list[Outcome]:
    """The outcomes in a file."""
    return [Outcome(**found) for found in json.loads(path.read_text(encoding="utf-8"))]


def in_order(outcomes: list[Outcome]) -> list[Outcome]:
    """Outcomes as LEGS are ordered, and of each leg on each host the last."""
    order = [leg.name for leg in LEGS]
    last = {(outcome.name, outcome.host): outcome for outcome in outcomes}
    return sorted(last.values(), key=lambda outcome: order.index(outcome.name))


if __name__ == "__main__":
    sys.exit(main())
