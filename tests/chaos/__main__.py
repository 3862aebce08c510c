"""scripts/chaos: trainings that are killed, starved and interrupted at random must end as if nothing had happened."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from chaos import disks, endings, interrupts, kills, ranks
from chaos.programs import import_all
from chaos.runs import Lab, Tally

# Who does it, and how many runs of it there are by default.
KINDS = {
    "kill": (kills.killed, 100),
    "signals": (kills.told_to_end, 60),
    "disk": (disks.full, 20),
    "damage": (disks.damaged, 40),
    "interrupts": (interrupts.interrupted, 2000),
    "endings": (endings.timed, 30),
    "ranks": (ranks.struck, 30),
}


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, metavar="N", help="of each kind (default: by kind)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random but the clock (default: 0)")
    parser.add_argument("--only", nargs="+", choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    args = parser.parse_args(argv)
    args.only = args.only or list(KINDS)
    return args


def main(argv: list[str] | None = None) -> int:
    """Do what was asked for, print the counts, and return 1 if there was any difference."""
    args = parse(argv)
    if not hasattr(os, "fork"):
        print("chaos: it needs fork and signals, which this system has not")
        return 2
    import_all()
    problems = 0
    for kind in args.only:
        rng, (work, runs), start = np.random.default_rng(args.seed), KINDS[kind], time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fastnet-chaos-", ignore_cleanup_errors=True) as folder:
            tally = work(Lab(Path(folder), rng), args.runs or runs)
        problems += len(tally.problems)
        print(report(kind, tally, time.monotonic() - start), flush=True)
    print("chaos: no difference" if not problems else f"chaos: {problems} differences")
    return 1 if problems else 0


def report(kind: str, tally: Tally, seconds: float) -> str:
    """What a kind found, a line for its counts and one for each problem."""
    counts = ", ".join(f"{count} {what}" for what, count in sorted(tally.counts.items()))
    lines = [f"{kind}: {counts or 'nothing'} in {seconds:.0f} s"]
    if tally.seconds:
        lines[0] += f"; from signal to end {np.median(tally.seconds):.2f} s, at most {max(tally.seconds):.2f} s"
    return "\n".join(lines + [f"  {problem}" for problem in tally.problems])


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "3")
    sys.exit(main())
