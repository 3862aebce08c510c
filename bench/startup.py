"""Start-up: seconds from the start of `fastnet train` to its first epoch, with and without kernels that were kept.

The cold run goes on to the accuracies of bench.accuracy: time to accuracy on a machine that has never run fastnet.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from bench.accuracy import LEVELS, MOST_EPOCHS
from bench.results import ROOT

LINE = re.compile(r"epoch +(\d+)/.* accuracy +([\d.]+)%")


def run(data: str, quick: bool) -> dict[str, Any]:
    """Seconds to the first epoch: "cold" compiles the kernels, "warm" finds them on disk."""
    with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        course = train(data, environment, MOST_EPOCHS)
        warm = [train(data, environment, 1)[0][0] for _ in range(3 if quick else 9)]
    reached = {}
    for level in LEVELS:
        there = [seconds for seconds, accuracy in course if accuracy >= level]
        reached[str(level)] = round(there[0], 3) if there else None
    cold = {"first_epoch": round(course[0][0], 3), "reached": reached}
    return {"cold": cold, "warm": {"first_epoch": round(float(np.median(warm)), 3), "runs": len(warm)}}


def train(data: str, environment: dict[str, str], epochs: int) -> list[tuple[float, float]]:
    """(seconds since the process was started, test accuracy) at each epoch's line, up to the highest level."""
    start, course = time.perf_counter(), []
    command = [sys.executable, "-m", "fastnet", "train", "--data", data, "--epochs", str(epochs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = LINE.match(line)
            if found:
                course.append((time.perf_counter() - start, float(found[2]) / 100))
                if course[-1][1] >= max(LEVELS):
                    process.terminate()
                    break
    if not course:
        raise RuntimeError(f"{' '.join(command[1:])} printed no epoch; it ended with {process.returncode}")
    return course
