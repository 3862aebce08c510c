"""Surroundings that are not what a program expects: no streams, no home, strange settings, files of strangers."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fastnet import paths
from fastnet.cli.main import _unloaded, main
from fastnet.kernels.compile import cache, numba

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")


@pytest.fixture
def data(tmp_path, rng):
    """A file with 40 rows in two classes."""
    path = tmp_path / "set.npz"
    np.savez(path, X=rng.random((40, 5), np.float32), y=np.arange(40) % 2)
    return path


def program(*argv, redirection="", **env):
    """The program in a process of its own, begun by a shell."""
    words = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "fastnet", *map(str, argv)]
    settings = {"cwd": ROOT, "env": os.environ | env, "timeout": 300, "check": False}
    return subprocess.run(words, capture_output=True, text=True, **settings)


@posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_streams_that_are_closed(closed, data, tmp_path):
    model = tmp_path / "m.npz"
    train = ["train", "--data", data, "--backend", "reference", "--epochs", "1", "--save", model]
    for argv in (["data", "list"], train):
        done = program(*argv, redirection=closed)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert bool(done.stdout) == (closed != ">&-")
    with np.load(model) as file:
        assert "W0" in file.files


@posix
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set, but kernels run compiled only: unset it, or choose"),
        ({"NUMBA_NUM_THREADS": "0"}, "NUMBA_NUM_THREADS must be at least 1, got 0"),
        ({"NUMBA_NUM_THREADS": "-2"}, "NUMBA_NUM_THREADS must be at least 1, got -2"),
    ],
    ids=str,
)
def test_settings_that_kernels_cannot_run_with(data, setting, words):
    for argv in (["info"], ["train", "--quiet", "--data", data, "--epochs", 1]):
        done = program(*argv, **setting)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"fastnet: error: {words}")
        assert done.stderr.count("\n") == 1


def test_a_page_of_advice_becomes_a_line():
    assert _unloaded(ImportError("no such extra")) == "no such extra"
    page = "\nPLEASE READ THIS\n\nwhat to do ...\n  lib.so: failed to map segment\n"
    assert _unloaded(ImportError(page, name="numpy")) == "cannot load numpy: lib.so: failed to map segment"


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_a_rate_that_no_float32_holds_is_one_line(capsys, data, backend):
    options = ["--data", str(data), "--backend", backend, "--lr", "1e308", "--epochs", "1", "--quiet"]
    assert main(["train", *options]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "the loss is not finite" in err


@posix
def test_without_a_home_no_folder_appears(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(paths.os.path, "expanduser", lambda path: path)
    assert paths.cache_dir().is_absolute()
    assert str(os.getuid()) in str(paths.cache_dir())


# Kept kernels


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A folder that NUMBA_CACHE_DIR names."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_kept_kernels_follow_the_umask(shared, mask, mode):
    before = os.umask(mask)
    try:
        cache.write("a.bin", b"code")
        cache.write("a.bin", b"code")
    finally:
        os.umask(before)
    assert stat.S_IMODE((shared / "fastnet" / "a.bin").stat().st_mode) == mode
    assert stat.S_IMODE((shared / "fastnet").stat().st_mode) == 0o777 & ~mask


@posix
def test_a_strangers_kernels_are_not_run(shared, monkeypatch):
    cache.write("a.bin", b"code")
    me, fstat, folder = os.geteuid(), os.fstat, os.stat(cache.folder())
    owner = SimpleNamespace(file=me, folder=me)
    monkeypatch.setattr(cache.os, "fstat", lambda file: _with(fstat(file), owner.file))
    monkeypatch.setattr(cache.os, "stat", lambda path: _with(folder, owner.folder))
    assert cache.read("a.bin") == b"code"
    owner.file = me + 1
    assert cache.read("a.bin") is None
    owner.folder = me + 1  # this user chose that folder
    assert cache.read("a.bin") == b"code"
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache, "folder", lambda: shared / "fastnet")
    assert cache.read("a.bin") is None
    owner.file = 0
    assert cache.read("a.bin") == b"code"


def _with(status, uid):
    fields = list(status)
    fields[stat.ST_UID] = uid
    return os.stat_result(fields)


# Ends

IMPORT = """
import signal, sys, threading
import numpy as np
import fastnet
net, X = fastnet.Network([3, 2], seed=1), np.zeros((4, 3), np.float32)
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
try:
    net.predict(X)
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(net.predict(X))
"""


@posix
@pytest.mark.parametrize("module", ["numba.core.config", "numba.core.types", "numba.core.codegen"])
def test_ctrl_c_while_numba_is_imported_leaves_it_whole(module):
    done = subprocess.run([sys.executable, "-c", IMPORT, module], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout == "interrupted True\n[0 0 0 0]\n", done.stderr


PARENT = """
import os, subprocess, sys
code = "from fastnet.engine.helper import _end_with_parent; _end_with_parent()"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
"""


@posix
def test_the_compiling_process_ends_with_its_parent():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PARENT], text=True, cwd=ROOT, **pipes) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        # The child holds the other end of this pipe, too: it is at its end when both are gone.
        assert parent.stdout.read() == ""


LEAVE = """
import os, subprocess, sys
from fastnet.cli import signals
from fastnet.engine import helper
started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
helper._helpers[os.getpid()] = started
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        helper.end_helper()
        os._exit(0)
    os.waitpid(child, 0)
print(started.poll())
exit_at_once = os._exit
os._exit = lambda code: (print(code, started.poll() is not None, flush=True), exit_at_once(code))
signals.leave(130)
"""


def test_the_compiling_process_ends_on_leaving():
    done = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.splitlines(), done.returncode) == (["None", "130 True"], 130), done.stderr
