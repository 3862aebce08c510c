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
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="print README's table of such a file, run nothing"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the legs one after the other; each gets its line when it is done."""
    args = parse(argv)
    if args.markdown:
        print(markdown([Outcome(**found) for found in json.loads(args.markdown.read_text(encoding="utf-8"))]))
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
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    by_name = {leg["name"]: leg for leg in kept} | {outcome.name: vars(outcome)}
    order = [leg.name for leg in LEGS]
    merged = sorted(by_name.values(), key=lambda leg: order.index(leg["name"]))
    path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
