"""The main table: whole epochs and predictions, fastnet beside NumPy and the machine's peak, in one process."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastnet.bench.cases import CASES, Digits, EpochWork, PredictWork, Work
from fastnet.bench.measure import Peaks, measure

# Rows of one run: all of them, unless a run would take seconds.
TRAINED = {"mnist-30-b10": 20_000, "mnist-512": 15_360, "dense-512": 15_360, "mnist-64-float64": 30_000}


def works(digits: Digits) -> list[Callable[[], Work]]:
    """What makes each row's work; made one at a time, since some hold much memory."""
    epochs = [partial(EpochWork, case, digits, TRAINED.get(name, 60_000)) for name, case in CASES.items()]
    many, one = (partial(PredictWork, f"predict-{n}", digits, n, calls) for n, calls in ((10_000, 2), (1, 300)))
    return [*epochs, many, one]


def run(digits: Digits, peaks: Peaks, quick: bool) -> dict[str, Any]:
    """Measure all rows."""
    rounds, patience = (5, 5.0) if quick else (15, 60.0)
    rows = []
    for make in works(digits):
        rows.append(measure(make(), peaks, rounds=rounds, patience=patience))
        ratios = {name: f"{ratio['median']:.3g}" for name, ratio in rows[-1]["ratios"].items()}
        print(f"  {rows[-1]['label']}: {ratios}{' (too noisy)' if rows[-1]['disturbed'] else ''}", flush=True)
    return {"rows": rows}
