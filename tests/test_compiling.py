"""Several processes that want the same kernel: one compiles it."""

import os
import subprocess
import sys
import time

import pytest

from fastnet.kernels.compile import lock
from fastnet.kernels.compile.lock import Lock, locked

PROGRAM = """
import numpy as np
from fastnet.kernels.compile import cache
cache.listeners.append(lambda what: print("compiled", what, flush=True))
from fastnet.kernels import bias_gradient
from fastnet.kernels.vector import library
library.load("float32")
out = np.zeros(3, np.float32)
bias_gradient(out, np.ones((2, 3), np.float32))
assert (out == 2).all()
"""


def test_processes_that_start_at_once_compile_once(tmp_path):
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=env) for _ in range(3)
    ]
    told = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert sorted("".join(told).splitlines()) == ["compiled bias_gradient", "compiled library float32"]
    assert not list(tmp_path.rglob("*.lock"))


RARE = """
import numpy as np
from fastnet.kernels.compile import cache
cache.listeners.append(lambda what: print("compiled", what))
from fastnet.kernels.compile.jit import entry, rare_piece, want_piece

@rare_piece
def add_ten(x):
    x[0] += 10

@entry
def kernel(x, is_rare):
    x[0] += 1
    if is_rare:
        add_ten(x)

x = np.zeros(1)
kernel(x, False)
print(x[0])
try:
    kernel(x, True)
except RuntimeError as error:
    print(error)
want_piece(add_ten)
kernel(x, True)
print(x[0])
"""


def test_a_rare_piece_is_compiled_once_it_is_wanted(tmp_path):
    def lines():
        env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", RARE], capture_output=True, text=True, env=env, check=True
        ).stdout.splitlines()

    told = ["1.0", "add_ten was called, but not wanted before", "13.0"]
    assert lines() == ["compiled kernel", *told[:2], "compiled add_ten", told[2]]
    assert lines() == told  # both are loaded


OWNED = """
import gc, sys, weakref
import numpy as np
from fastnet.kernels.compile.jit import entry, parallel, piece, serial
from numba import prange

@serial
def halves(x):
    return x[: x.size // 2], x[x.size // 2 :]

@parallel
def add_all(x, y):
    for t in prange(2):
        x[t] += y[t]

@piece
def add(pair):
    low, high = halves(pair[0])
    low += pair[1][0]
    add_all(high, pair[1])

@entry
def kernel(pair):
    add(pair)

class Array(np.ndarray):
    pass

x, y = np.zeros(4), np.ones(2)
counts = [sys.getrefcount(a) for a in (x, y)]
for _ in range(3):
    kernel((x, y))
for text in kernel.inspect_llvm().values() if sys.argv[1:] else ():
    assert "call void @NRT_incref" not in text
print(*x, [sys.getrefcount(a) for a in (x, y)] == counts)
z = np.zeros(4).view(Array)
gone = weakref.ref(z)
kernel((np.asarray(z), y))
del z
gc.collect()
print(gone())
"""


def test_kernels_borrow_their_arrays(tmp_path):
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for arguments in (["compiled"], []):  # or loaded
        command = [sys.executable, "-c", OWNED, *arguments]
        told = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout.splitlines()
        assert told == ["3.0 3.0 3.0 3.0 True", "None"]


OWNING = """
import numpy as np
from fastnet.kernels.compile.jit import entry, serial

@serial
def twice(x):
    return x * 2

@entry
def makes(x):
    x += twice(x)

@entry
def returns(x):
    return x[1:]

for kernel in (makes, returns):
    try:
        kernel(np.ones(3))
    except TypeError as error:
        print(error)
"""


def test_a_kernel_that_makes_or_returns_an_array_is_refused(tmp_path):
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OWNING], capture_output=True, text=True, env=env, check=True)
    makes, returns = done.stdout.splitlines()
    assert makes.startswith("a kernel makes an array")
    assert returns.startswith("a kernel returns array(float64, 1d")


KEPT = """
import numpy as np
from fastnet.kernels.compile import cache
from fastnet.kernels.compile.jit import entry

@entry
def kernel(x):
    x[0] += 1

x = np.zeros(1)
try:
    with cache.only_kept():
        kernel(x)
except cache.NotKeptError as error:
    print("not kept:", error)
kernel(x)
print(x[0])
"""


def test_a_kernel_may_be_loaded_only(tmp_path):
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def told() -> list[str]:
        command = [sys.executable, "-c", KEPT]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout.splitlines()

    assert told() == ["not kept: kernel", "1.0"]
    assert not list(tmp_path.rglob("*.lock"))
    assert told() == ["2.0"]


def test_one_waits_for_another(tmp_path, monkeypatch):
    path = tmp_path / "kernel.lock"
    holder = "import sys; from pathlib import Path; from fastnet.kernels.compile.lock import Lock\n"
    holder += "lock = Lock(Path(sys.argv[1])); lock.take(); print('taken', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as p:
        assert p.stdout.readline() == b"taken\n"
        monkeypatch.setattr(lock, "PATIENCE", 0.2)
        start = time.monotonic()
        with locked(path):  # a stopped process is not waited for for ever
            assert time.monotonic() - start >= 0.2
        assert path.exists()  # it is still that one's
        p.kill()
    monkeypatch.setattr(lock, "PATIENCE", 1e9)
    with locked(path):  # what a killed process held is free
        pass
    assert not path.exists()


def test_a_compilation_that_fails_lets_others_compile(tmp_path):
    program = """
import numpy as np, numba
from fastnet.kernels.compile.jit import entry
@entry
def broken(a):
    return a.nothing
try:
    broken(np.zeros(1))
except numba.TypingError:
    import os
    print(os.listdir(os.environ["NUMBA_CACHE_DIR"] + "/fastnet"))
"""
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, check=True)
    assert done.stdout == "[]\n"


def test_where_no_file_can_be_made_nobody_waits(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    mine = Lock(blocked / "kernel.lock")
    mine.take()
    mine.give_back()
    with locked(blocked / "kernel.lock"):
        pass


@pytest.mark.skipif(lock.fcntl is None, reason="a system without fcntl")
def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with locked(tmp_path / "kernel.lock"):
        pass
