"""Vectors of every width: the micro-kernels and a few whole steps in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastnet.kernels.compile import target
from fastnet.kernels.compile.target import VECTOR_BYTES

HERE = Path(__file__).parent
OTHERS = [lanes for lanes in (4, 8, 16) if 4 * lanes != VECTOR_BYTES]
# One process for both, which compiles the library once.
PROGRAM = """
import sys
import pytest
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
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", sys.argv[2]]))
"""


@pytest.mark.parametrize("lanes", OTHERS)
def test_other_widths(lanes):
    path = os.pathsep.join([str(HERE.parent), str(HERE)])
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTHONPATH": path, "FASTNET_LANES": str(lanes)}
    command = [sys.executable, "-c", PROGRAM, str(lanes), str(HERE / "test_kernels_micro.py")]
    done = subprocess.run(command, env=env, cwd=HERE.parent, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps agree" in done.stdout
    assert " passed" in done.stdout


def test_an_impossible_width_is_refused():
    done = subprocess.run(
        [sys.executable, "-c", "import fastnet.kernels.compile.target"], env=os.environ | {"FASTNET_LANES": "5"},
        capture_output=True, text=True, cwd=HERE.parent,
    )  # fmt: skip
    assert "FASTNET_LANES must be 4, 8 or 16" in done.stderr


# Processors: what LLVM calls them, and what they have

X86, X86_MAC, X86_WINDOWS = "x86_64-unknown-linux-gnu", "x86_64-apple-darwin22.6.0", "x86_64-pc-windows-msvc"
ARM, ARM_MAC, ARM_WINDOWS = "aarch64-unknown-linux-gnu", "arm64-apple-darwin23.1.0", "aarch64-pc-windows-msvc"
SSE2, SSE4 = ("sse2",), ("sse2", "sse4.2")
AVX, AVX2_ALONE, AVX2 = (*SSE4, "avx"), (*SSE4, "avx", "avx2"), (*SSE4, "avx", "avx2", "fma")
AVX512 = (*AVX2, "avx512f", "avx512bw", "avx512vl")
PROCESSORS = [
    # triple, features, bytes of a register, registers, presses bytes together
    (X86, SSE2, 16, 16, False),
    (X86, SSE4, 16, 16, False),
    (X86, AVX, 32, 16, False),
    (X86, AVX2_ALONE, 32, 16, False),
    (X86, AVX2, 32, 16, False),
    (X86, AVX512, 64, 32, False),
    (X86, (*AVX512, "avx512vbmi2"), 64, 32, True),
    (X86, (*AVX2, "avx512vbmi2"), 32, 16, False),
    (X86_MAC, AVX2, 32, 16, False),
    (X86_WINDOWS, SSE2, 16, 16, False),
    (X86_WINDOWS, AVX2, 32, 16, False),
    (X86_WINDOWS, AVX512, 64, 32, False),
    (ARM, ("neon", "fp-armv8"), 16, 32, False),
    (ARM, ("neon", "fullfp16", "sve", "sve2"), 16, 32, False),
    (ARM_MAC, ("neon", "fullfp16"), 16, 32, False),
    (ARM_MAC, (), 16, 32, False),
    (ARM_WINDOWS, ("neon",), 16, 32, False),
    ("armv7l-unknown-linux-gnueabihf", ("neon",), 16, 16, False),
    ("riscv64-unknown-linux-gnu", ("v",), 16, 16, False),
    ("ppc64le-unknown-linux-gnu", ("vsx",), 16, 16, False),
]


@pytest.mark.parametrize(("triple", "names", "width", "count", "presses"), PROCESSORS)
def test_registers_of_processors(triple, names, width, count, presses):
    features = dict.fromkeys(names, True)
    assert target.vector_bytes(features) == width
    assert target.registers(triple, width) == count
    assert target.compresses(features, width) == presses


@pytest.mark.parametrize(("lanes", "width", "x86", "arm"), [("4", 16, 16, 32), ("8", 32, 16, 32), ("16", 64, 32, 32)])
def test_a_width_for_tests_overrides_the_processors(lanes, width, x86, arm):
    assert target.vector_bytes(dict.fromkeys(AVX2, True), lanes) == width
    assert (target.registers(X86, width), target.registers(ARM_MAC, width)) == (x86, arm)
    assert not target.compresses({"avx512vbmi2": False}, width)


def test_features_are_those_that_numba_compiles_for():
    host = {"sse2": True, "avx": True, "avx512f": True, "fma": False}
    assert target.features_in_use(host, None) == host
    assert target.features_in_use(host, None, avx=False) == host | {"avx": False, "avx512f": False}
    assert target.features_in_use(host, "") == {}  # NUMBA_CPU_NAME=generic
    assert target.features_in_use(host, "+sse4.2, -avx") == {"sse4.2": True, "avx": False}
    assert target.vector_bytes(target.features_in_use(host, "+sse4.2,-avx")) == 16
