"""scripts/platforms: the tests on the platforms that one machine can offer. The exit code is the number of legs that
failed."""

import argparse
import json
import sys
from pathlib import Path

from fastnet.paths import cache_dir
from platforms.legs import KINDS, LEGS, Lab
from platforms.outcome import Outcome, outcome_of
from platforms.tables import markdown, text


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
    """Run the legs one after the other and print the table."""
    args = parse(argv)
    if args.markdown:
        print(markdown([Outcome(**found) for found in json.loads(args.markdown.read_text(encoding="utf-8"))]))
        return 0
    lab = Lab(args.folder.absolute(), tuple(args.python), args.all)
    chosen = [leg for leg in LEGS if leg.kind in (args.only or KINDS) and (not args.leg or leg.name in args.leg)]
    found = []
    for leg in chosen:
        print(f"platforms: {leg.name} ...", file=sys.stderr, flush=True)
        found.append(outcome_of(leg, lab))
    print(text(found))
    if args.json:
        keep(args.json, found)
    return sum(outcome.is_failure for outcome in found)


def keep(path: Path, found: list[Outcome]) -> None:
    """Put outcomes into a file, in the place of older ones of the same legs."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    by_name = {outcome["name"]: outcome for outcome in kept} | {outcome.name: vars(outcome) for outcome in found}
    order = [leg.name for leg in LEGS]
    merged = sorted(by_name.values(), key=lambda outcome: order.index(outcome["name"]))
    path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
