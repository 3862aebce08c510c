"""Trainings of several processes over MPI, to one of which something happens."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from chaos.runs import Lab, Tally

SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGSTOP": signal.SIGSTOP, "SIGINT": signal.SIGINT}
FAULTS = (*SIGNALS, "raise", "other-data", "no-data")
MOST = 10.0  # seconds from a fault to the end of the job
STARTS = 60.0  # seconds that processes have to begin
SAYS = {
    "kill -9": r"RANK {rank} |rank {rank} of|signal 9|SIGKILL|Killed",
    "SIGTERM": r"rank {rank} of .* got SIGTERM",
    "SIGINT": r"rank {rank} of .* got SIGINT|rank {rank} of .*KeyboardInterrupt",
    "SIGSTOP": r"rank {rank} of .* has not answered for \d+ seconds",
    "raise": r"rank {rank} of .*MemoryError: no room for a delta",
    "other-data": r"must be the same in all processes: rank \d of",
    "no-data": r"rank {rank} of .*nowhere\.npy",
}


def struck(lab: Lab, runs: int) -> Tally:
    """One process is killed, stopped or told to end, fails, or has other data; the job ends, and goes on later."""
    tally, expected = Tally(), {}
    for number in range(runs):
        fault, size = FAULTS[number % len(FAULTS)], int(lab.rng.integers(2, 5))
        rank, seconds = int(lab.rng.integers(size)), float(lab.rng.uniform(0.1, 1.5))
        if size not in expected:
            expected[size] = _whole(lab.folder / f"whole-{size}", size)
        folder = lab.folder / f"ranks-{number}"
        folder.mkdir()
        name = f"run {number}, {fault} at rank {rank} of {size} after {seconds:.2f} s"
        tally.problems += [f"{name}: {problem}" for problem in _strike(folder, fault, rank, size, seconds, tally)]
        tally.problems += [f"{name}: {problem}" for problem in _gone_on(folder, size, expected[size])]
        tally.counts[fault] += 1
        shutil.rmtree(folder)
    return tally


def start(folder: Path, size: int, fault: str = "none", rank: int = 0, seconds: float = 0.0) -> subprocess.Popen:
    """A job of so many processes."""
    launcher = Path(sys.executable).with_name("mpiexec")
    command = [str(launcher), "-n", str(size), sys.executable, "-m", "chaos.rank", str(folder)]
    out = open(folder / "out.txt", "w", encoding="utf-8")  # noqa: SIM115 - the process has it
    env = os.environ | {"NUMBA_NUM_THREADS": "1"}
    return subprocess.Popen([*command, fault, str(rank), str(seconds)], stdout=out, stderr=out, env=env)


def _whole(folder: Path, size: int) -> np.ndarray:
    """The weights of a run to which nothing happens."""
    folder.mkdir()
    code = start(folder, size).wait(10 * STARTS)
    assert code == 0, (folder / "out.txt").read_text()
    return np.load(folder / "params.npy")


def _strike(folder: Path, fault: str, rank: int, size: int, seconds: float, tally: Tally) -> list[str]:
    """What is wrong with how the job ends."""
    inner = fault if fault not in SIGNALS else "none"
    job = start(folder, size, inner, rank, seconds)
    if not _wait(lambda: len(list(folder.glob("process-*"))) == size or job.poll() is not None):
        job.kill()
        return ["it did not begin"]
    time.sleep(seconds)
    if fault in SIGNALS and job.poll() is None:
        os.kill(int((folder / f"process-{rank}").read_text()), SIGNALS[fault])
    begin = time.monotonic()
    try:
        code = job.wait(3 * MOST)
    except subprocess.TimeoutExpired:
        job.kill()
        return [f"it hangs: {_said(folder)}"]
    finally:
        for path in folder.glob("process-*"):
            path.unlink()
    took = time.monotonic() - begin
    tally.seconds.append(took)
    if code == 0:  # it was done before
        return [] if fault in SIGNALS or fault == "raise" else ["it went on with other data"]
    found = [f"it took {took:.1f} s to end: {_said(folder)}"] if took > MOST else []
    if not re.search(SAYS[fault].format(rank=rank), _said(folder)):
        found.append(f"it does not say so: {_said(folder)}")
    return found


def _gone_on(folder: Path, size: int, expected: np.ndarray) -> list[str]:
    """What is wrong with the weights of the run when it goes on with as many processes."""
    code = start(folder, size).wait(10 * STARTS)
    if code != 0:
        return [f"it does not go on: exit code {code}: {_said(folder)}"]
    same = np.array_equal(np.load(folder / "params.npy"), expected)
    return [] if same else ["other weights than without the fault"]


def _said(folder: Path) -> str:
    return " | ".join((folder / "out.txt").read_text().split("\n"))[:2000]


def _wait(condition) -> bool:
    end = time.monotonic() + STARTS
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())
