"""How cost grows with rows, width, depth, batch and threads: one setting varied at a time, beside the ideal.

Each point is seconds per epoch of 60 000 rows (or of as many rows as there are), and the ideal in the same session.
"""

import mmap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.timing.cases import CASES, EPOCH, MNIST, Case, Digits, EpochWork
from fastnet.timing.measure import Peaks, measure
from fastnet.timing.race import race

WIDE = CASES["mnist-512"]
WIDTHS = {True: (16, 64, 256, 1024), False: (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)}  # by quick
DEPTHS = {True: (1, 4), False: (1, 2, 4, 8, 16)}
BATCHES = {True: (10, 128, 1024, 60_000), False: (1, 4, 10, 32, 128, 512, 2048, 8192, 60_000)}
WORK = 5e9  # dense FLOPs of one run: what takes a tenth of a second on a fast core
LINEAR = 10.5  # ten times the rows may cost this many times the seconds


def run(digits: Digits, peaks: Peaks, quick: bool) -> dict[str, Any]:
    """Curves over width, depth, batch and threads.

    A point holds x and the seconds of an epoch: fastnet's, those of dense arithmetic at peak, and NumPy's unless quick.
    """
    widths = [replace(MNIST, name=f"width-{n}", sizes=(784, n, 10)) for n in WIDTHS[quick]]
    depths = [replace(MNIST, name=f"depth-{n}", sizes=(784, *[128] * n, 10)) for n in DEPTHS[quick]]
    batches = [replace(MNIST, name=f"batch-{n}", batch_size=n) for n in BATCHES[quick]]
    curves = {
        "width": [_point(case, case.sizes[1], digits, peaks, quick) for case in widths],
        "depth": [_point(case, len(case.sizes) - 2, digits, peaks, quick) for case in depths],
        "batch": [_point(case, case.batch_size, digits, peaks, quick) for case in batches],
    }
    for name, case in (("threads", MNIST), ("threads-wide", WIDE)):
        curves[name] = [_point(case, n, digits, peaks, quick, threads=n) for n in _threads(peaks.threads)]
    return {"curves": curves}


def _threads(most: int) -> list[int]:
    return sorted({1, 2, 4, 8, 16, 32, most} & set(range(1, most + 1)))


def _point(case: Case, x: int, digits: Digits, peaks: Peaks, quick: bool, threads: int | None = None) -> dict[str, Any]:
    from fastnet import engine, reference

    rows = int(np.clip(WORK / case.flops(1), 2 * case.batch_size, EPOCH))
    steppers = {"fastnet": engine.Stepper} | ({} if quick else {"numpy": reference.Stepper})
    work = EpochWork(case, digits, max(rows, 2_000), threads=threads, steppers=steppers)
    row = measure(work, peaks, rounds=3 if quick else 5, patience=3.0 if quick else 8.0)
    seconds = {name: values["median"] for name, values in row["seconds"].items()}
    found = {"x": x, **seconds, "peak": row["flops"] / row["peak_flops"], "disturbed": row["disturbed"]}
    print(f"  {case.name}{'' if threads is None else f', {threads} threads'}: {seconds['fastnet']:.4g} s", flush=True)
    return found


class Rows:
    """The first n rows of a large set, in the place of Digits."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self.X, self.y = X, y

    def arrays(self, case: Case) -> tuple[np.ndarray, np.ndarray]:
        """X and labels for any case."""
        return self.X, self.y


def rows_curve(folder: Path, counts: list[int], threads: int, quick: bool) -> dict[str, Any]:
    """Seconds of an epoch over the first rows of the set in ``folder``, mapped, and the cost of ten times the rows.

    A larger set is raced against a tenth of it, one pass over each, when all pages of the file have been mapped. The
    number of threads is given: fastnet's own choice might be another one for few rows.
    """
    from fastnet import engine, load_data

    data, _ = load_data(folder)
    assert data.y is not None
    X, y = data.X, data.y
    np.max(X.reshape(-1)[:: mmap.PAGESIZE])  # one number of each page
    works = {
        n: EpochWork(MNIST, Rows(X[:n], y[:n]), n, threads=threads, steppers={"fastnet": engine.Stepper})  # type: ignore[arg-type]
        for n in counts
    }
    points = []
    for few, many in zip([None, *counts[:-1]], counts, strict=True):
        contestants = {str(n): works[n].contestants()["fastnet"] for n in (few, many) if n}
        budget = 4.0 if quick else 60.0

        def warm(name: str) -> None:
            works[int(name)].warm("fastnet")

        found = race(contestants, rounds=15, patience=budget, warm=warm)
        point = {"rows": many, "seconds": found.summary(str(many)), "disturbed": found.disturbed}
        if few:
            ratio = found.ratio(str(few), str(many))
            growth = ratio["median"] * 10 * few / many
            point |= {"tenfold": round(growth, 3), "linear": growth <= LINEAR, "noisy": ratio["noisy"]}
        points.append(point)
        print(f"  {many} rows: {point['seconds']['median']:.4g} s {point.get('tenfold', '')}", flush=True)
    return {"points": points, "limit": LINEAR}
