"""Contestants in processes of their own, which wait for a word and answer with seconds; see bench.contestants."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.results import ROOT

LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Contestant:
    """A process that trains one pass each time that it is told to, or what ``launcher`` makes many of.

    Attributes: about, what it told about itself; pids, of the processes that do the work.
    """

    def __init__(self, python: str, program: str, name: str, folder: Path, threads: int, launcher: Sequence[str] = ()):
        self.name, self.threads = name, threads
        environment = os.environ | dict.fromkeys(LIMITS, str(threads))
        environment |= {"BENCH_THREADS": str(threads), "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [*launcher, python, str(Path(__file__).with_name(program)), name, str(folder)]
        self._log = folder / f"{name}-{threads}.log"
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        self.about: dict[str, Any] = json.loads(self._line())
        self.pids = tuple(self.about.get("pids", [self._process.pid]))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise RuntimeError(f"{self.name}: {last[0]}")
        return line

    def run(self) -> float:
        """Seconds of one pass."""
        return float(self.ask("run"))

    def ask(self, word: str) -> Any:
        """What it answers to a word."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def best(python: str, program: str, name: str, folder: Path, threads: int) -> Contestant:
    """The quicker of the contestant on one thread and on all; the other is ended."""
    found = [Contestant(python, program, name, folder, n) for n in sorted({1, threads})]
    seconds = [min(contestant.run() for _ in range(2)) for contestant in found]
    chosen = seconds.index(min(seconds))
    for i, contestant in enumerate(found):
        if i != chosen:
            contestant.close()
    return found[chosen]
