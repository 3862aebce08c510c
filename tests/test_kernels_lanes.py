"""Vectors of every width: the micro-kernels and a few whole steps in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastnet.kernels.compile.target import VECTOR_BYTES

HERE = Path(__file__).parent
OTHERS = [lanes for lanes in (4, 8, 16) if 4 * lanes != VECTOR_BYTES]
STEPS = """
import sys
import engine_makers
from fastnet.functions import ADAM, MOMENTUM
from fastnet.kernels.compile.target import VECTOR_BYTES
assert VECTOR_BYTES == 4 * int(sys.argv[1])
base = engine_makers.Problem((130, 70, 33, 10), rule=MOMENTUM, n=40, batch_size=16)
for kind in ("pixels", "few pixels"):
    for batch_size in (1, 16):
        engine_makers.check_against_oracle(base.but(kind=kind, batch_size=batch_size, l2=0.01), threads=2)
for kind in ("floats", "few floats", "csr"):
    engine_makers.check_against_oracle(base.but(kind=kind, dtype="float64", rule=ADAM), threads=1)
print("steps agree")
"""


@pytest.fixture(scope="module")
def others():
    """By number of lanes, a process that runs the micro-kernels' tests and then some steps; they run at once."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "test_kernels_micro.py")]
    running = {}
    for lanes in OTHERS:
        for name, command in (("tests", tests), ("steps", [sys.executable, "-c", STEPS, str(lanes)])):
            running[lanes, name] = subprocess.Popen(
                command, env=environment | {"FASTNET_LANES": str(lanes)}, cwd=HERE.parent,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
    yield running
    for process in running.values():
        process.kill()  # only where a test was stopped; otherwise it has ended
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("lanes", OTHERS)
@pytest.mark.parametrize("part", ["tests", "steps"])
def test_other_widths(others, lanes, part):
    output, _ = others[lanes, part].communicate()
    assert others[lanes, part].returncode == 0, output
    assert ("passed" if part == "tests" else "steps agree") in output


def test_an_impossible_width_is_refused():
    done = subprocess.run(
        [sys.executable, "-c", "import fastnet.kernels.compile.target"], env=os.environ | {"FASTNET_LANES": "5"},
        capture_output=True, text=True, cwd=HERE.parent,
    )  # fmt: skip
    assert "FASTNET_LANES must be 4, 8 or 16" in done.stderr
