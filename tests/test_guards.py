"""fastnet without one of the private parts of Numba that it uses: slower, with one warning, and with the same bits."""

import os
import subprocess
import sys

import pytest

TRAIN = """
import hashlib, sys, warnings
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as told:
    {removal}
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

REMOVALS = {
    "nothing": "pass",
    "the class of code": """
    from numba.core import codegen
    del codegen.JITCodeLibrary""",
    "a step of that class": """
    from numba.core import codegen
    class Without:
        pass
    codegen.JITCodeLibrary = Without""",
    "the hook for a cache": """
    from numba.core.dispatcher import Dispatcher
    compile_ = Dispatcher.compile
    def other(self, *args):
        self._cache = type("NoCache", (), dict(load_overload=lambda *a: None, save_overload=lambda *a: None))()
        return compile_(self, *args)
    Dispatcher.compile = other""",
    "the symbol": """
    import llvmlite.binding as llvm
    find = llvm.address_of_symbol
    llvm.address_of_symbol = lambda name: None if name == "get_num_threads" else find(name)""",
    "the name of the CPU": """
    from numba.core.codegen import CPUCodegen
    del CPUCodegen.magic_tuple""",
    "what makes kernels of files": """
    from numba.core.compiler import CompileResult
    del CompileResult._rebuild""",
    "what makes files of kernels": """
    from numba.core.compiler import CompileResult
    del CompileResult._reduce""",
}


def run(removal: str, folder) -> list[str]:
    code = TRAIN.format(removal=REMOVALS[removal].strip())
    env = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The hash of the weights where nothing is removed, and a cache of kernels."""
    folder = tmp_path_factory.mktemp("whole")
    (weights,) = run("nothing", folder)
    return weights, folder


@pytest.mark.slow
@pytest.mark.parametrize("removal", REMOVALS)
def test_training_goes_on(removal, whole, tmp_path):
    weights, kept = whole
    lines = run(removal, kept if removal in ("nothing", "what makes kernels of files") else tmp_path)
    assert lines[0] == weights
    assert len(lines) == (1 if removal == "nothing" else 2), lines
    assert all(line.startswith("RuntimeWarning Numba") for line in lines[1:])
