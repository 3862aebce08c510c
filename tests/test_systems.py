"""Systems that the tests do not run on: Windows, simulated, and machines without OpenMP."""

import ast
import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fastnet import files, machine, paths
from fastnet.cli import main as program
from fastnet.cli import signals
from fastnet.engine import strategy, threads

ROOT = Path(__file__).resolve().parents[1]


# Windows: files that are open elsewhere


@pytest.fixture
def windows(monkeypatch):
    """A name of the system, and a clock on which a pause takes no time."""
    now = [0.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(files.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(files, "os", Windows())
    return now


class Windows:
    """The module os, on a Windows where ``refusals`` calls of replace meet a file that is open."""

    name = "nt"

    def __init__(self):
        self.refusals = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def replace(self, *paths):
        if self.refusals > 0:
            self.refusals -= 1
            raise PermissionError(errno.EACCES, "Access is denied", os.fspath(paths[0]))
        os.replace(*paths)


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_file_that_is_open_for_a_moment_is_replaced(windows, tmp_path, is_folder):
    files.os.refusals = 3
    with files.staged(tmp_path / "a") as made:
        made.mkdir() if is_folder else made.write_bytes(b"new")
    assert files.os.refusals == 0
    assert windows[0] == pytest.approx(3 * files.PAUSE)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_stays_open_is_told_in_a_line(windows, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    files.os.refusals = 10**6
    told = "a program has it open, or it must not be changed"
    with pytest.raises(PermissionError, match=told) as caught, files.replacing(path) as file:
        file.write(b"new")
    assert caught.value.filename == str(path)
    assert files.PATIENCE <= windows[0] < 2 * files.PATIENCE
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_elsewhere_a_refusal_is_final(windows, tmp_path, monkeypatch):
    monkeypatch.setattr(Windows, "name", "posix")
    files.os.refusals = 1
    with pytest.raises(PermissionError, match="Access is denied"), files.replacing(tmp_path / "a") as file:
        file.write(b"new")
    assert windows[0] == 0


def test_an_old_checkpoint_that_is_open_for_a_moment_is_removed(windows, tmp_path, monkeypatch):
    path, refused = tmp_path / "step-000000000001.npz", [True, True, False]
    path.touch()

    def unlink(self):
        if refused.pop(0):
            raise PermissionError(errno.EACCES, "Access is denied", str(self))
        os.unlink(self)

    monkeypatch.setattr(Path, "unlink", unlink)
    files.patiently(Path.unlink, path)
    assert not path.exists()


def test_without_a_home_windows_has_a_folder(monkeypatch):
    monkeypatch.setattr(paths.sys, "platform", "win32")
    monkeypatch.setattr(paths.os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.delattr(paths.os, "getuid", raising=False)
    assert paths.cache_dir().is_absolute()


# Windows: pipes and signals


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("nt", OSError(errno.EINVAL, "Invalid argument"), 141),
        ("nt", OSError(errno.EINVAL, "Invalid argument", "a?b.npz"), 2),
        ("posix", OSError(errno.EINVAL, "Invalid argument"), 2),
        ("posix", BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
    ],
)
def test_a_closed_pipe(monkeypatch, capsys, name, error, code):
    def broken(argv):
        raise error

    dropped = []
    monkeypatch.setattr(program.os, "name", name)
    monkeypatch.setattr(program, "_run", broken)
    monkeypatch.setattr(program, "_drop_output", lambda: dropped.append(True))
    assert program._exit_code([]) == code
    assert bool(dropped) == (code == 141)
    assert bool(capsys.readouterr().err) == (code == 2)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal in its place is sent")
def test_ctrl_break_ends_as_sigterm_does(monkeypatch):
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(signals.Terminated) as end, signals.ended_by_signals(is_process=False):
        signal.raise_signal(signal.SIGUSR1)
    assert end.value.code == 143
    assert signal.getsignal(signal.SIGUSR1) == before


def test_signals_that_a_system_lacks_are_left_out(monkeypatch):
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    with pytest.raises(KeyboardInterrupt), signals.ended_by_signals(is_process=False):
        signal.raise_signal(signal.SIGINT)


# Windows: the encoding of texts


def unencoded(source: str) -> list[int]:
    """Lines of calls that read or write text in the encoding of the system."""
    return [
        call.lineno
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and _is_text(call) and "encoding" not in {word.arg for word in call.keywords}
    ]


def _is_text(call: ast.Call) -> bool:
    """Whether a call is one of open, read_text, write_text, TextIOWrapper or of a process with text=True."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    words = {word.arg: word.value for word in call.keywords}
    if name == "open" and isinstance(call.func, ast.Name):
        mode = words.get("mode", call.args[1] if len(call.args) > 1 else ast.Constant("r"))
        return not (isinstance(mode, ast.Constant) and "b" in mode.value)
    return name in ("read_text", "write_text", "TextIOWrapper") or "text" in words or "universal_newlines" in words


@pytest.mark.parametrize("part", ["fastnet"])
def test_texts_are_read_and_written_in_utf_8(part):
    found = {path.name: unencoded(path.read_text(encoding="utf-8")) for path in sorted((ROOT / part).rglob("*.py"))}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_text_without_encoding_is_seen():
    calls = 'open("a")\nopen("a", "w")\nopen("a", "rb")\np.read_text()\nrun([], text=True)\nopen("a", encoding="utf-8")'
    assert unencoded(calls) == [1, 2, 4, 5]


# Threading layers


def test_what_to_install_is_said_where_there_is_no_openmp():
    assert machine.threading_advice("omp", "Linux") is machine.threading_advice("tbb", "Darwin") is None
    for system, word in (("Linux", "libgomp1"), ("Darwin", "llvm-openmp"), ("Windows", "tbb"), ("FreeBSD", "OpenMP")):
        assert word in machine.threading_advice("workqueue", system)
    assert "choose another NUMBA_THREADING_LAYER" in machine.threading_advice("workqueue", "Linux", is_chosen=True)


def test_info_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(machine, "threading_layer", lambda: "workqueue")
    monkeypatch.setattr("numba.config.THREADING_LAYER", "default")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert program.main(["info"]) == 0
    out = capsys.readouterr().out
    assert "libgomp1" in out
    assert all(len(line) <= 80 for line in out.splitlines() if line.startswith("advice") or "libgomp1" in line)


SMALL, MIDDLE, LARGE = ([20, 10, 3], 16), ([784, 30, 10], 100), ([784, 512, 512, 10], 128)


@pytest.mark.parametrize(
    ("layer", "chosen"), [("omp", (1, 4, 64)), ("tbb", (1, 4, 64)), ("workqueue", (1, 2, 64)), ("new", (1, 4, 64))]
)
def test_threads_of_predictions_are_chosen_by_what_a_region_costs(monkeypatch, layer, chosen):
    monkeypatch.setattr(threads, "threading_layer", lambda: layer)
    monkeypatch.setattr(threads, "available_threads", lambda: 64)
    monkeypatch.setattr(threads, "_is_alone", lambda: True)
    assert tuple(threads.choose_threads(*work, has_region=True) for work in (SMALL, MIDDLE, LARGE)) == chosen
    # Steps share a region: no layer makes a further thread dearer for them.
    assert tuple(threads.choose_threads(*work) for work in (SMALL, MIDDLE, LARGE)) == (1, 4, 64)
    # The layer decides on threads alone, never on the order of sums.
    assert strategy.busy_threads(*MIDDLE) == 4


def test_under_workqueue_other_python_threads_are_avoided(monkeypatch):
    monkeypatch.setattr(threads, "available_threads", lambda: 4)
    over, enumerate_all = threading.Event(), threading.enumerate
    before = set(enumerate_all()) - {threading.current_thread()}  # of who runs the tests
    monkeypatch.setattr(threading, "enumerate", lambda: [t for t in enumerate_all() if t not in before])
    for layer, daemon, chosen in (("workqueue", False, 1), ("workqueue", True, 4), ("omp", False, 4)):
        monkeypatch.setattr(threads, "threading_layer", lambda layer=layer: layer)
        over.clear()
        other = threading.Thread(target=over.wait, daemon=daemon)
        other.start()
        try:
            assert threads.choose_threads(*LARGE) == chosen
        finally:
            over.set()
            other.join()


OWN = """
import threading
import numpy as np
from numba import njit, prange, threading_layer
import fastnet
@njit(parallel=True, nogil=True)
def own(x):
    for i in prange(len(x)):
        x[i] += 1
x, over = np.zeros(1000), threading.Event()
own(x)
def work():
    while not over.is_set():
        own(x)
X, y = np.random.default_rng(1).random((512, 400), np.float32), np.arange(512) % 3
net = fastnet.Network([400, 300, 3], seed=1)
other = threading.Thread(target=work)
other.start()
fastnet.train(net, X, y, epochs=3, batch_size=256, validation=(X, y))
over.set()
other.join()
print("done", threading_layer())
"""


def test_a_parallel_function_of_the_users_may_run_under_workqueue():
    env = os.environ | {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", OWN], env=env, capture_output=True, encoding="utf-8", cwd=ROOT)
    assert done.stdout == "done workqueue\n", done.stderr
