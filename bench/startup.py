"""Start-up: seconds from the start of `fastnet train` to the line of its first epoch, with and without kept kernels."""

import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from bench.results import ROOT


def run(data: str, quick: bool) -> dict[str, Any]:
    """Seconds to the first epoch: "cold" compiles the kernels, "warm" finds them on disk."""
    with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        cold = [first_epoch(data, environment)]
        warm = [first_epoch(data, environment) for _ in range(3 if quick else 9)]
    return {"cold": _summary(cold), "warm": _summary(warm)}


def _summary(seconds: list[float]) -> dict[str, Any]:
    return {"median": round(float(np.median(seconds)), 3), "min": round(min(seconds), 3), "runs": len(seconds)}


def first_epoch(data: str, environment: dict[str, str]) -> float:
    """Seconds from the start of the process to its first epoch's line."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "fastnet", "train", "--data", data, "--epochs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                seconds = time.perf_counter() - start
                break
        else:
            raise RuntimeError("fastnet train printed no epoch")
        for _ in process.stdout:
            pass
    if process.returncode:
        raise RuntimeError(f"fastnet train ended with {process.returncode}")
    return seconds
