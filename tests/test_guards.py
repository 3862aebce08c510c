"""fastnet without the private parts of Numba that it uses: slower, one warning for each, and the same bits."""

import os
import subprocess
import sys

import pytest

START = """
import hashlib, sys, warnings
warnings.simplefilter("always")
"""
# What a future Numba may lack: its name here, and code that takes it away.
REMOVALS = {
    "the class of code": """
from numba.core import codegen
del codegen.JITCodeLibrary
""",
    "the hooks of a cache": """
from numba.core.dispatcher import Dispatcher
compile_ = Dispatcher.compile
def without_cache(self, *args):
    self._cache = type("NoCache", (), dict(load_overload=lambda *a: None, save_overload=lambda *a: None))()
    return compile_(self, *args)
Dispatcher.compile = without_cache
""",
    "the symbol": """
import llvmlite.binding as llvm
find = llvm.address_of_symbol
llvm.address_of_symbol = lambda name: None if name == "get_num_threads" else find(name)
""",
    "the name of the CPU": """
from numba.core.codegen import CPUCodegen
del CPUCodegen.magic_tuple
""",
    "the runtime": """
import numba
numba.get_num_threads()  # a loaded kernel calls it by name; named kernels see to that
from numba.core import registry, runtime
registry.cpu_target.target_context.refresh()  # Numba itself needs it to compile
del runtime.rtsys
""",
    "what makes kernels of files": """
from numba.core.compiler import CompileResult
del CompileResult._rebuild
""",
    "what makes files of kernels": """
from numba.core.compiler import CompileResult
del CompileResult._reduce
""",
}
KERNEL = """
with warnings.catch_warnings(record=True) as told:
    import numpy as np
    from fastnet.kernels.compile.jit import entry, serial
    from fastnet.kernels.named.decorator import current_threads
    from fastnet.kernels.vector import library

    @serial
    def add(x, y):
        return x + y

    @entry
    def kernel(x):
        return add(x[0], current_threads())

    library.load("float32")
    print(kernel(np.ones(1, np.float32)) > 1)
for warning in told:
    print(warning.category.__name__, str(warning.message))
"""
TRAIN = """
with warnings.catch_warnings(record=True) as told:
    import numpy as np
    import fastnet
    from fastnet import kernels

    rng = np.random.default_rng(138)
    X, y = rng.random((40, 5), np.float32), rng.integers(0, 3, 40)
    net = fastnet.Network([5, 4, 3], seed=1)
    fastnet.train(net, X, y, epochs=2, batch_size=8, threads=2, seed=1)
    net.evaluate(X, y)
    db = np.empty(3, np.float32)
    kernels.bias_gradient(db, np.ones((4, 3), np.float32))
    assert (db == 4).all()
print(hashlib.sha256(net.params.tobytes()).hexdigest())
for warning in told:
    print(warning.category.__name__, str(warning.message))
"""


def run(folder, *code: str) -> list[str]:
    env = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", "\n".join((START, *code))], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_kernel_compiles_and_one_warning_tells(removal, tmp_path):
    if removal in ("what makes kernels of files", "the runtime"):
        assert run(tmp_path, KERNEL) == ["True"]  # which leaves files
    first, *told = run(tmp_path, REMOVALS[removal], KERNEL)
    assert first == "True"
    assert len(told) == 1, told
    assert told[0].startswith("RuntimeWarning Numba")


@pytest.mark.slow
def test_training_goes_on_without_all_of_them(tmp_path):
    kept = os.environ["NUMBA_CACHE_DIR"]
    (weights,) = run(kept, TRAIN)
    others = [code for name, code in REMOVALS.items() if name != "what makes kernels of files"]
    found, *told = run(tmp_path, *others, TRAIN)
    assert found == weights
    assert len(told) == len(set(told)) >= 4, told
    assert all(line.startswith("RuntimeWarning Numba") for line in told)
    found, *told = run(kept, REMOVALS["what makes kernels of files"], TRAIN)
    assert found == weights
    assert len(told) == 1, told
