"""Short versions of scripts/chaos."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import fastnet

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs fork and signals")


def chaos(*options):
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    command = [sys.executable, "-m", "chaos", *map(str, options)]
    env = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=600, check=False)


def test_runs_that_are_killed_told_to_end_and_damaged_end_in_the_same_bits():
    done = chaos("--runs", 2, "--only", "kill", "signals", "damage", "--seed", 3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 trainings" in done.stdout
    assert done.stdout.endswith("chaos: no difference\n")


def test_a_difference_is_told(monkeypatch, capsys, tmp_path):
    from chaos import __main__ as program
    from chaos.runs import Tally

    monkeypatch.setitem(program.KINDS, "kill", (lambda lab, runs: Tally(problems=["other weights"]), 1))
    monkeypatch.setattr(program, "import_all", lambda: None)
    assert program.main(["--only", "kill"]) == 1
    assert "other weights\nchaos: 1 difference" in capsys.readouterr().out


# An interrupt may come when a file is open and nobody holds it yet; the collector closes it, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread")
def test_interrupts_hold_nothing_and_the_next_call_is_right(tmp_path):
    from chaos.interrupts import Torture

    fastnet.warmup()  # what is compiled under fire takes long
    torture = Torture(tmp_path, np.random.default_rng(0))
    torture.run(60)
    assert torture.problems == []
    assert torture.counts.total() == 60
