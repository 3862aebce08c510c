"""fastnet bench: this machine against plain NumPy and its own FMA peak, in half a minute."""

import argparse
import time
from functools import partial
from typing import Any

from fastnet.cli.files import check_writable, write_json
from fastnet.cli.loading import warming_up
from fastnet.cli.parser import Commands
from fastnet.terminal import fold

CASES = (("mnist-64", 60_000), ("mnist-30-b10", 12_000), ("dense-512", 7_680))  # names, and rows of a run
ROUNDS, PATIENCE = 4, 2.0  # of each case; PATIENCE in seconds, without pauses
DEADLINE = 22.0  # seconds after which no further case is begun
WIDTH = 40  # of the longest bar


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "bench",
        help="speed on this machine, beside plain NumPy and the FMA peak",
        description="Time training and prediction here, in turns with the same steps in plain NumPy and with bursts of "
        "fused multiply-adds that show the machine's peak: on MNIST if it is on this machine, else on drawn digits.",
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, printing each case as it is done."""
    check_writable("--json", args.json)
    start = time.perf_counter()
    from fastnet.timing import machine  # before NumPy

    print("loading data and kernels", flush=True)
    from fastnet.timing.cases import CASES as ALL
    from fastnet.timing.cases import Digits, EpochWork, PredictWork
    from fastnet.timing.measure import Peaks, measure

    with warming_up():
        facts, digits = machine.facts(), Digits()
    label = " (synthetic)" if digits.train.synthetic else ""
    about = (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['threads']} threads ({facts['threading_layer']})\n"
        f"data {digits.name}{label}; paired medians of interleaved runs; longer bars are faster\n"
        f"FMA peak: dense arithmetic alone at the peak of all threads and {facts['vector_bits']}-bit vectors; "
        "fastnet may take less, since it skips zeros"
    )
    print(fold(about), flush=True)
    peaks, rows = Peaks(facts["threads"]), []
    works: list[partial] = [partial(EpochWork, ALL[name], digits, trained) for name, trained in CASES]
    works.append(partial(PredictWork, "predict-10000", digits, 10_000, 2))
    for i, work in enumerate(works):
        if time.perf_counter() - start > DEADLINE:
            print(f"\n{len(works) - i} of {len(works)} cases left out: half a minute is over")
            break
        rows.append(measure(work(), peaks, rounds=ROUNDS, patience=PATIENCE))
        print("\n" + describe(rows[-1]), flush=True)
    disturbed = any(row["disturbed"] for row in rows)
    if disturbed:
        print("\nother processes kept the cores busy: too noisy to conclude anything")
    if args.json:
        content = {"machine": facts, "taken": machine.now(), "load_average": machine.load_average(), "rows": rows}
        write_json(args.json, content | {"data": digits.facts()})
    return 0


def describe(row: dict[str, Any]) -> str:
    """A row of the result as lines with bars: longer is faster. The peak's stands for dense arithmetic alone.

    Times that are too noisy to be compared are shown without ratios.
    """
    seconds = {name: values["median"] for name, values in row["seconds"].items()}
    seconds["FMA peak"] = row["flops"] / row["peak_flops"]
    fastest = min(seconds.values())
    what = "epoch of 60000 rows" if row["unit"] == "epoch" else "call"
    lines = [f"{row['label']}; seconds per {what}"]
    for name, value in seconds.items():
        bar = "#" * max(1, round(WIDTH * fastest / value))
        lines.append(f"  {name:8} {bar:{WIDTH}} {value:.3g}")
    ratios = row["ratios"]
    if any(ratio["noisy"] for ratio in ratios.values()):
        lines.append("  too noisy to compare")
    else:
        text = f"{ratios['numpy']['median']:.2f} times as fast as NumPy, {ratios['peak']['median']:.2f} of the FMA peak"
        lines.append(f"  {text} (spread {100 * max(ratio['spread'] for ratio in ratios.values()):.0f} %)")
    return fold("\n".join(lines))
