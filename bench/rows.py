"""The main table: whole epochs and predictions, fastnet beside NumPy and the machine's peak, in one process.

As a program, `python -m bench.rows NAME...`, it measures cases by name and prints the rows as JSON: how a process with
narrower vectors is asked.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.results import ROOT
from fastnet.timing import machine
from fastnet.timing.cases import CASES, EPOCH, Digits, EpochWork, PredictWork, Work
from fastnet.timing.measure import Peaks, measure

# Rows of one run: all of them, unless a run would take seconds.
TRAINED = {
    "mnist-30-b10": 20_000, "mnist-30-b10-momentum": 20_000, "mnist-30-b10-adam": 20_000, "mnist-512": 15_360,
    "dense-512": 15_360, "mnist-64-float64": 30_000,
}  # fmt: skip
# Also in 256-bit vectors where the machine has wider ones.
NARROW = ("mnist-64", "mnist-30-b10-momentum", "mnist-30-b10-adam", "mnist-10-full", "dense-512")
ROUNDS, PATIENCE = 15, 60.0


def works(digits: Digits) -> list[Callable[[], Work]]:
    """What makes each row's work; made one at a time, since some hold much memory."""
    epochs = [partial(EpochWork, case, digits, TRAINED.get(name, EPOCH)) for name, case in CASES.items()]
    many, one = (partial(PredictWork, f"predict-{n}", digits, n, calls) for n, calls in ((10_000, 2), (1, 300)))
    return [*epochs, many, one]


def run(digits: Digits, peaks: Peaks, quick: bool) -> dict[str, Any]:
    """Measure all rows."""
    rounds, patience = (5, 2.0) if quick else (ROUNDS, PATIENCE)
    rows = []
    for make in works(digits):
        rows.append(measure(make(), peaks, rounds=rounds, patience=patience))
        _say(rows[-1])
    if rows[0]["vector_bits"] > 256 and not quick:
        for row in narrow():
            rows.append(row | {"label": f"{row['label']}, {row['vector_bits']}-bit vectors"})
            _say(rows[-1])
    return {"rows": rows}


def narrow() -> list[dict[str, Any]]:
    """Rows of NARROW from a process whose kernels and peak use vectors of 256 bits, as do NumPy's products."""
    environment = os.environ | {"FASTNET_LANES": "8", "OPENBLAS_CORETYPE": "Haswell"}
    command = [sys.executable, "-m", "bench.rows", *NARROW]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment)
    return json.loads(done.stdout)


def _say(row: dict[str, Any]) -> None:
    ratios = {name: f"{ratio['median']:.3g}" for name, ratio in row["ratios"].items()}
    print(f"  {row['label']}: {ratios}{' (too noisy)' if row['disturbed'] else ''}", flush=True)


def main() -> None:
    """Measure the cases named on the command line."""
    digits, peaks = Digits(), Peaks(machine.facts()["threads"])
    works = [EpochWork(CASES[name], digits, TRAINED.get(name, EPOCH)) for name in sys.argv[1:]]
    print(json.dumps([measure(work, peaks, rounds=ROUNDS, patience=PATIENCE) for work in works]))


if __name__ == "__main__":
    main()
