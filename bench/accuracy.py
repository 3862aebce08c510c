"""Time to accuracy: seconds to the first evaluation at 97 % and at 98 % of the test set, evaluations included.

Closed: the network and settings of `fastnet train`, those of the seed document. Open: the recipe `mnist-fast`. Each is
timed three ways: from the first batch, in a process that has its data and kernels; from the start of the command, with
kernels that an earlier run kept (warm); and with none (cold).
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from bench.results import ROOT
from fastnet import settings
from fastnet.recipes import RECIPES
from fastnet.timing.cases import Digits

LEVELS = (0.97, 0.98)
OPEN = RECIPES["mnist-fast"]
MOST_EPOCHS = {True: 10, False: 30}  # of the closed settings, by quick
LINE = re.compile(r"epoch +(\d+)[/:].*?([\d.]+)%")
SEED = 138

Course = list[tuple[float, float]]  # seconds since the start, and test accuracy, after each epoch


def run(digits: Digits, quick: bool) -> dict[str, Any]:
    """Every row, and the seconds from the start of `fastnet train` to its first epoch."""
    most = MOST_EPOCHS[quick]
    closed = ["train", "--data", digits.name, "--epochs", str(most)]
    commands = {"closed": (closed, {"epochs": most})}
    if digits.name == "mnist":  # recipes run on nothing else
        commands["open"] = (["recipe", OPEN.name, "--seeds", "1"], dict(OPEN.settings))
    cold, seeds = (1, 3) if quick else (20, 20)
    rows, first_epoch = [], {}
    for name, (command, changed) in commands.items():
        ways = {
            "training": [training(digits, changed | {"seed": SEED + i}) for i in range(seeds)],
            "warm": [process(command, SEED + i) for i in range(seeds)],
            "cold": [cold_process(command, SEED + i) for i in range(cold)],
        }
        for way, courses in ways.items():
            rows.append({"name": name, "start": way, **summary(courses)})
            print(f"  {name}, {way}: {[rows[-1][str(level)].get('seconds') for level in LEVELS]}", flush=True)
        if name == "closed":
            firsts = {way: [course[0][0] for course in ways[way]] for way in ("cold", "warm")}
            first_epoch = {way: {"seconds": round(float(np.median(s)), 3), "runs": len(s)} for way, s in firsts.items()}
    return {"rows": rows, "levels": list(LEVELS), "most_epochs": most, "first_epoch": first_epoch}


def training(digits: Digits, changed: dict[str, Any]) -> Course:
    """The course of a training from its first batch, up to the highest level. changed : settings of `fastnet train`."""
    args = settings.combine(changed)
    net = settings.make_network(args, digits.train.X.shape[1], digits.train.n_classes)
    course: Course = []

    def look(_, epoch) -> bool:
        course.append((time.perf_counter() - start, epoch.val_accuracy))
        return epoch.val_accuracy >= max(LEVELS)

    start = time.perf_counter()
    settings.train(args, net, digits.train, digits.test, False, [look])
    return course


def process(command: list[str], seed: int, environment: dict[str, str] | None = None) -> Course:
    """The course of a command from the start of its process, up to the highest level, as its lines tell it."""
    start, course = time.perf_counter(), []
    command = [sys.executable, "-m", "fastnet", *command, "--seed", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as child:
        assert child.stdout is not None
        for line in child.stdout:
            found = LINE.match(line)
            if found:
                course.append((time.perf_counter() - start, float(found[2]) / 100))
                if course[-1][1] >= max(LEVELS):
                    child.kill()
                    break
    if not course:
        raise RuntimeError(f"{' '.join(command[1:])} printed no epoch; it ended with {child.returncode}")
    return course


def cold_process(command: list[str], seed: int) -> Course:
    """The course of a command that finds no kernels."""
    with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder:
        return process(command, seed, os.environ | {"NUMBA_CACHE_DIR": folder})


def summary(courses: list[Course]) -> dict[str, Any]:
    """Of each level: how many of the runs reached it, and the median seconds and epochs of those that did."""
    found: dict[str, Any] = {"runs": len(courses)}
    for level in LEVELS:
        ends = []
        for course in courses:
            there = [(s, i + 1) for i, (s, accuracy) in enumerate(course) if accuracy >= level]
            ends += there[:1]
        found[str(level)] = {"reached": len(ends)}
        if ends:
            seconds, epochs = np.median(ends, axis=0)
            each = [round(s, 4) for s, _ in sorted(ends)]
            found[str(level)] |= {"seconds": round(float(seconds), 4), "epochs": float(epochs), "each": each}
    return found
