"""Time to accuracy: seconds to the first evaluation at 97 % and at 98 % of the test set, evaluations included.

Closed: the network and settings of `fastnet train`, those of the seed document. Open: the recipe `mnist-fast`. The
clock starts when training is called, in a process that has its kernels; bench.startup has the same from a cold start.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.results import ROOT
from fastnet.bench.cases import Digits

LEVELS = (0.97, 0.98)
MOST_EPOCHS = 30


def run(digits: Digits, quick: bool) -> dict[str, Any]:
    """Both rows over 5 or 20 seeds."""
    seeds = 5 if quick else 20
    closed = [closed_run(digits, seed) for seed in range(seeds)]
    rows = [{"name": "closed", **summary(closed)}]
    if digits.name == "mnist":
        opened = open_runs(seeds)
        if opened:
            rows.append({"name": "open", **opened})
    return {"rows": rows, "levels": list(LEVELS)}


def closed_run(digits: Digits, seed: int) -> dict[str, Any]:
    """Train until the highest level is reached: seconds and epochs to each level (absent if not reached)."""
    from fastnet import Momentum, Network, train

    net = Network([784, 64, 10], seed=seed)
    reached: dict[str, list[float]] = {}
    start = time.perf_counter()

    def look(_, epoch) -> bool:
        seconds = time.perf_counter() - start
        for level in LEVELS:
            if epoch.val_accuracy >= level:
                reached.setdefault(str(level), [seconds, epoch.epoch])
        return len(reached) == len(LEVELS)

    validation = (digits.test.X, digits.test.y)
    optimizer = Momentum(lr=4.0, beta=0.9, ema=True)
    settings: dict[str, Any] = {"validation": validation, "callbacks": [look], "seed": seed}
    train(net, digits.train.X, digits.train.y, epochs=MOST_EPOCHS, optimizer=optimizer, **settings)
    return {"seed": seed, "reached": reached}


def summary(runs: list[dict[str, Any]], of: int | None = None) -> dict[str, Any]:
    """Median seconds and epochs to each level over the runs that got there, and how many did (``of`` how many runs)."""
    found: dict[str, Any] = {"runs": of or len(runs)}
    for level in map(str, LEVELS):
        there = np.array([run["reached"][level] for run in runs if level in run["reached"]])
        found[level] = {"reached": len(there)}
        if len(there):
            seconds, epochs = np.median(there, axis=0)
            each = [round(float(s), 4) for s in sorted(there[:, 0])]
            found[level] |= {"seconds": round(float(seconds), 4), "epochs": float(epochs), "each": each}
    return found


def open_runs(seeds: int) -> dict[str, Any] | None:
    """The recipe's own account of its time to 98 %; None while there is no such recipe."""
    from fastnet.recipes import RECIPES

    if "mnist-fast" not in RECIPES:
        return None
    with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder:
        path = Path(folder, "run.json")
        command = [sys.executable, "-m", "fastnet", "recipe", "mnist-fast", "--seeds", str(seeds), "--json", str(path)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        answer = json.loads(path.read_text(encoding="utf-8"))
    there = [(one["seconds_to_98"], len(one["epochs"])) for one in answer["runs"] if one["seconds_to_98"] is not None]
    return summary([{"reached": {"0.98": lap}} for lap in there], of=len(answer["runs"]))
