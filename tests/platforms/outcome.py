"""What came of a leg."""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date

import fastnet
from platforms.legs import ROOT, Lab, Leg
from platforms.skipped import Skipped

HOURS = 2 * 3600  # seconds after which a leg is given up
HOST = f"{platform.system()} {platform.machine()}"


@dataclass
class Outcome:
    """Counts of tests of one leg.

    reason : why there are none. host : the system and processor that ran it. version : of fastnet.
    day : when it was run, as YYYY-MM-DD.
    """

    name: str
    kind: str
    passed: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    reason: str = ""
    is_emulated: bool = False
    host: str = HOST
    version: str = ""
    day: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether a test failed, or none could be run although the leg could."""
        return bool(self.failed)


def outcome_of(leg: Leg, lab: Lab) -> Outcome:
    """Run a leg, at low priority. What failed is printed."""
    made = {"version": fastnet.__version__, "day": date.today().isoformat()}
    outcome = Outcome(leg.name, leg.kind, is_emulated=leg.is_emulated, **made)
    try:
        run = leg.prepare(lab)
    except Skipped as skipped:
        outcome.reason = str(skipped)
        return outcome
    start = time.monotonic()
    env = {"NUMBA_CACHE_DIR": lab.cache(leg.name), **run.env}
    nice = ["nice"] if shutil.which("nice") else []
    text, code = _output([*nice, *run.command, *run.tests], {**os.environ, **env})
    outcome.seconds = round(time.monotonic() - start, 1)
    outcome.passed, outcome.skipped, outcome.failed = counts(text)
    if code and not outcome.failed:  # ended by a signal, or before any test
        outcome.failed, outcome.reason = 1, f"pytest ended with code {code}"
    if outcome.failed:
        print(text[-4000:], file=sys.stderr)
    return outcome


def _output(command: list[str], env: dict[str, str]) -> tuple[str, int]:
    """What a command printed, and its exit code."""
    settings = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "stdout": subprocess.PIPE, "cwd": ROOT}
    with subprocess.Popen(command, env=env, encoding="utf-8", errors="replace", **settings) as process:
        try:
            text, _ = process.communicate(timeout=HOURS)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
    return text, process.returncode


def counts(text: str) -> tuple[int, int, int]:
    """Tests passed, skipped and failed, as the last line of pytest has them."""
    last = (text.strip().splitlines() or [""])[-1]
    found = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", last)}
    failed = sum(found.get(word, 0) for word in ("failed", "error", "errors"))
    return found.get("passed", 0), found.get("skipped", 0) + found.get("deselected", 0), failed
