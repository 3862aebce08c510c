"""scripts/bench: measure, write the file of results, and from it the pictures and the tables of both READMEs."""

import argparse
import gc
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import gate, plots, results, tables
from fastnet.timing import machine
from fastnet.timing.cases import Digits
from fastnet.timing.measure import Peaks

ROWS = {True: (6_000, 60_000), False: (6_000, 60_000, 600_000, 6_000_000)}  # of large sets, by quick
MEMORY_ROWS = {True: (6_000, 60_000), False: (6_000, 60_000, 600_000, 4_000_000)}
SECTIONS = ("rows", "accuracy", "scaling", "large", "peers", "sklearn")
PEERS = ("peers", "sklearn")  # sections that want --peers
SPACE = 6e9  # bytes of disk that the full run wants for its largest set


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="few rounds and small sets")
    peers = "race scikit-learn, PyTorch, JAX and Keras, too; PYTHON is an interpreter that has them (default: this one)"
    parser.add_argument("--peers", metavar="PYTHON", nargs="?", const=sys.executable, help=peers)
    only = f"measure these sections alone ({', '.join(SECTIONS)}) and keep what the file holds of the others"
    parser.add_argument("--only", metavar="SECTION", nargs="+", choices=SECTIONS, help=only)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="compare with the baseline; exit code 1 after a fall")
    what.add_argument("--rebase", metavar="REASON", help="replace this machine's baseline; it keeps the reason")
    what.add_argument("--tables", action="store_true", help="measure nothing; write tables and pictures anew")
    args = parser.parse_args(argv)
    args.only = args.only or [name for name in SECTIONS if args.peers or name not in PEERS]
    if not args.peers and set(args.only) & set(PEERS):
        parser.error(f"--only {' '.join(args.only)}: other libraries are raced with --peers alone")
    return args


def main(argv: list[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    args = parse(argv)
    if args.tables:
        content = results.load()
        if content is None:
            print(f"bench: there is no {results.FILE} to write tables from", file=sys.stderr)
            return 2
        return _publish(results.with_others(content))
    digits, facts = Digits(), machine.facts()
    if args.check or args.rebase is not None:
        measure_case = gate.measurer(digits, facts["threads"], fast=args.quick)
        if args.check:
            return 0 if gate.check(facts, digits.facts(), measure_case) else 1
        return 0 if gate.rebase(facts, digits.facts(), args.rebase, measure_case) else 1
    content = results.of_kind(facts)
    for section in measure_all(digits, facts["threads"], args):
        content = results.merged(content, facts, section)
        results.save(content)  # what is measured is kept, whatever comes
    assert content is not None
    results.save(content)
    results.aside(facts).unlink(missing_ok=True)
    return _publish(results.with_others(content))


def _publish(content: dict[str, Any]) -> int:
    pictures = plots.draw(content)
    tables.update_pages(content)
    print("\n" + tables.render(content))
    written = (path.relative_to(results.ROOT).as_posix() for path in (*tables.PAGES, *pictures))
    print(f"\nwritten from {results.FILE.name} and {results.OTHERS.name}/: {', '.join(written)}")
    return 0


def measure_all(digits: Digits, threads: int, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield {name: section} for every section asked for, each with the session that anchors it."""
    from bench import accuracy, estimators, peers, rows, scaling

    peaks, quick = Peaks(threads), args.quick
    session = results.session(digits, peaks, quick)
    if session["disturbed"]:
        print("bench: other processes keep the cores busy: the results will be marked as too noisy", flush=True)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "rows": lambda: rows.run(digits, peaks, quick),
        "accuracy": lambda: accuracy.run(digits, quick),
        "scaling": lambda: scaling.run(digits, peaks, quick),
        "large": lambda: large(threads, quick),
        "peers": lambda: peers.run(digits, threads, sys.executable, args.peers, quick),
        "sklearn": lambda: estimators.run(digits.name, threads, quick),
    }
    for name in args.only:
        start = time.perf_counter()
        print(f"{name}:", flush=True)
        section = parts[name]() | {"session": session}
        print(f"  {time.perf_counter() - start:.0f} s", flush=True)
        if section.get("rows", True):  # scikit-learn may be absent
            yield {name: section}
        gc.collect()  # buffers of the last section


def large(threads: int, quick: bool) -> dict[str, Any]:
    """Rows and memory on sets of drawn digits in a temporary folder, mapped."""
    from bench import memory, scaling
    from fastnet.data.glyphs import make_glyphs

    with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder:
        counts, memory_counts = list(ROWS[quick]), list(MEMORY_ROWS[quick])
        if not quick and shutil.disk_usage(folder).free < SPACE:
            print(f"  less than {SPACE / 1e9:.0f} GB are free in {folder}: the largest sets are left out", flush=True)
            counts, memory_counts = counts[:-1], memory_counts[:-1]
        data = make_glyphs(max(counts + memory_counts), 0, Path(folder, "glyphs"))
        return {"rows": scaling.rows_curve(data, counts, threads, quick), "memory": memory.curve(data, memory_counts)}


if __name__ == "__main__":
    sys.exit(main())
