"""fastnet train --checkpoint and --resume, signals, and files that cannot be written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fastnet import Network, checkpoints, files
from fastnet.cli.main import main
from fastnet.driver.loop import Loop

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture(autouse=True)
def place(tmp_path, rng, monkeypatch):
    """A working folder with set.npz, 90 rows in three classes."""
    monkeypatch.chdir(tmp_path)
    y = np.arange(90) % 3
    X = rng.integers(0, 60, (90, 9)).astype(np.uint8)
    X[np.arange(90), y] += 190
    np.savez("set.npz", X=X, y=y)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Runs the program in this process; returns (exit code, stdout, stderr)."""

    def call(*argv):
        code = main([str(word) for word in argv])
        return code, *capsys.readouterr()

    return call


BASE = ("train", "--data", "set.npz", "--backend", "reference", "--hidden", "5", "--batch-size", "20", "--seed", "1")
OUTPUTS = ("--save", "net.npz", "--json", "run.json")


def result():
    """The JSON file of a run, without times and names; and the weights that it saved."""
    about = json.loads(Path("run.json").read_text())
    del about["saved"]  # as seen from where the run ended
    for epoch in about["epochs"]:
        del epoch["seconds"]
    return about, Network.load("net.npz").params.tobytes()


@pytest.fixture
def interrupt(monkeypatch):
    """Calls something after so many steps; each is a group of its own."""

    def after(steps, happens):
        left = [steps]

        def one_step(loop, *_):
            left[0] -= 1
            if left[0] == 0:
                happens()

        monkeypatch.setattr(Loop, "_resize_group", one_step)

    return after


def send(number):
    return lambda: os.kill(os.getpid(), number)


OPTIMIZERS = [
    (),
    ("--optimizer", "adam"),
    ("--optimizer", "sgd", "--lr", "0.1"),
    ("--optimizer", "momentum", "--no-ema", "--nesterov", "--lr", "0.1"),
    ("--patience", "50", "--schedule", "step:every=2", "--dropout", "0.1"),
]


@posix
@pytest.mark.parametrize("options", OPTIMIZERS, ids=" ".join)
def test_an_interrupted_run_that_is_resumed_is_the_whole_run(run, interrupt, monkeypatch, options):
    assert run(*BASE, "--epochs", 6, *options, *OUTPUTS)[0] == 0
    expected = result()
    os.unlink("net.npz")
    os.unlink("run.json")
    interrupt(4, send(signal.SIGTERM))
    code, _, err = run(*BASE, "--epochs", 6, *options, *OUTPUTS, "--checkpoint", "a folder", "--every", "50s")
    assert (code, err) == (143, "fastnet: to go on: fastnet train --resume 'a folder'\nfastnet: terminated\n")
    assert os.listdir("a folder") == [checkpoints.checkpoints("a folder")[0].name]
    assert not Path("net.npz").exists()
    monkeypatch.chdir(Path("a folder"))
    code, out, err = run("train", "--resume", ".")
    assert (code, err) == (0, "")
    assert out.startswith("going on with the run in ., of which ")
    monkeypatch.chdir("..")
    assert result() == expected


def test_a_finished_run_says_so_and_can_get_more_epochs(run):
    assert run(*BASE, "--epochs", 6, *OUTPUTS)[0] == 0
    expected = result()
    assert run(*BASE, "--epochs", 4, *OUTPUTS, "--checkpoint", "kept", "--keep", 2)[0] == 0
    assert len(checkpoints.checkpoints("kept")) == 2
    os.unlink("net.npz")
    code, out, err = run("train", "--resume", "kept")
    assert (code, err) == (0, "")
    assert out.startswith("the run in kept is finished, after 4 epochs; --epochs MORE adds some\n")
    assert "weighted avg" in out
    assert Path("net.npz").exists()
    code, out, _ = run("train", "--resume", "kept", "--epochs", 2)
    assert code == 0
    assert out.startswith("going on with the run in kept, of which 4 of 6 epochs are done\n")
    assert result() == expected


def test_another_file_may_be_asked_for(run):
    assert run(*BASE, "--epochs", 2, "--checkpoint", "kept")[0] == 0
    assert run("train", "--resume", "kept", "--save", "other.npz", "--quiet") == (0, "", "")
    assert Path("other.npz").exists()


def test_data_that_lie_elsewhere_now(run, place):
    assert run(*BASE, "--epochs", 2, "--checkpoint", "kept")[0] == 0
    (place / "set.npz").rename(place / "moved.npz")
    assert run("train", "--resume", "kept", "--epochs", 1)[0] == 2
    assert run("train", "--resume", "kept", "--epochs", 1, "--data", "moved.npz", "--json", "run.json")[0] == 0
    about = json.loads(Path("run.json").read_text())
    assert (len(about["epochs"]), about["data"]["name"]) == (3, "moved.npz")


def test_a_run_that_goes_on_without_its_time_limit_says_so(run):
    assert run(*BASE, "--epochs", 30, "--time-limit", "1e-9s", "--checkpoint", "kept")[0] == 0
    out = run("train", "--resume", "kept")[1]
    assert " of 30 epochs are done; it has no time\n    limit any more\n" in out


@pytest.mark.parametrize("option", ["--save", "--json", "--log", "--checkpoint", "--resume", "--data"])
def test_a_name_that_is_empty(run, option):
    """As of a variable that is not set."""
    expected = f"fastnet: error: {option}: expected a name or a value, got an empty one\n"
    assert run("train", option, "") == (2, "", expected)


@posix
@pytest.mark.parametrize("keeping", ["--checkpoint", "--save"])
def test_a_reader_that_ends_ends_the_run_and_it_is_kept(keeping):
    command = [*BASE, "--epochs", "100000", keeping, "kept"]
    program = subprocess.Popen(
        [sys.executable, "-m", "fastnet", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="."
    )
    for _ in range(6):  # three of them before the first epoch
        program.stdout.readline()
    program.stdout.close()
    _, err = program.communicate(timeout=60)
    assert program.returncode == 141
    if keeping == "--checkpoint":
        assert err == "fastnet: to go on: fastnet train --resume kept\n"
        assert checkpoints.read_newest("kept")[0]["state"]["history"]["epochs"]
    else:
        assert err == "fastnet: the network reached is in kept, marked as unfinished\n"
        assert Network.load("kept").unfinished


def test_every_and_keep(run):
    assert run(*BASE, "--epochs", 7, "--checkpoint", "kept", "--every", 3)[0] == 0
    assert [int(path.stem[5:]) // 5 for path in checkpoints.checkpoints("kept")] == [7, 6, 3]


def refused(run, words, *argv):
    code, out, err = run(*argv)
    assert code == 2
    assert err.startswith("fastnet: error: ")
    assert err.count("\n") == 1
    assert words in err
    return out


def test_what_is_refused(run, rng):
    refused(run, "--every and --keep say how often --checkpoint FOLDER writes", *BASE, "--every", 2)
    refused(run, "there are no checkpoints", "train", "--resume", "nowhere")
    refused(run, "expected a folder for checkpoints, got a file", *BASE, "--checkpoint", "set.npz")
    assert run(*BASE, "--epochs", 2, "--checkpoint", "kept")[0] == 0
    refused(run, "go on with --resume kept", *BASE, "--checkpoint", "kept")
    for option in (("--lr", "1"), ("--seed", "3"), ("--checkpoint", "other")):
        words = f"{option[0]} belongs to the run that --resume goes on with"
        assert refused(run, words, "train", "--resume", "kept", *option) == ""
    newest = checkpoints.checkpoints("kept")[0]
    values, arrays = checkpoints.read(newest)
    X, y = rng.integers(0, 256, (90, 9)).astype(np.uint8), np.arange(90) % 3
    np.savez("set.npz", X=X, y=y)
    refused(run, "these are other data than the run was trained on", "train", "--resume", "kept")
    checkpoints.write(newest, {**values, "format": 2}, arrays)
    refused(run, "format 2 is newer than this fastnet, which reads up to 1", "train", "--resume", "kept")


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_with_save_alone_the_network_is_marked_unfinished(run, interrupt, name, code):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    interrupt(7, send(getattr(signal, name)))
    found, _, err = run(*BASE, "--epochs", 6, "--save", "net.npz")
    assert found == code
    last = "error: interrupted" if name == "SIGINT" else "terminated"
    assert err == f"fastnet: the network reached is in net.npz, marked as unfinished\nfastnet: {last}\n"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert sorted(os.listdir()) == ["net.npz", "set.npz"]
    warning = "fastnet: warning: the training of net.npz was interrupted: it is what had been reached then\n"
    for verb in (("evaluate", "net.npz", "--data", "set.npz"), ("predict", "net.npz", "set.npz")):
        code, out, err = run(*verb)
        assert (code, err) == (0, warning)
        assert out


@posix
def test_before_the_first_step_there_is_nothing_to_save(run, monkeypatch):
    from fastnet.driver import course

    monkeypatch.setattr(course.Course, "begin_epoch", lambda self: os.kill(os.getpid(), signal.SIGINT))
    assert run(*BASE, *OUTPUTS)[0] == 130
    assert os.listdir() == ["set.npz"]


TWICE = """
import os, signal, sys, time
from fastnet import checkpoints
from fastnet.cli.main import main
def slow(archive, name, array):
    os.kill(os.getpid(), signal.SIGTERM)
    print("ready", flush=True)
    time.sleep(60)
checkpoints._put = slow
sys.exit(main())
"""


@posix
def test_a_second_signal_ends_at_once_and_leaves_nothing(place):
    """The first one waits for a checkpoint, which takes long here."""
    argv = [*BASE, "--epochs", "9", "--checkpoint", "kept"]
    command, env = [sys.executable, "-c", TWICE, *argv], os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        assert any(path.name.startswith(".step-") for path in Path("kept").iterdir())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert os.listdir("kept") == []


def test_a_checkpoint_that_fails_is_told_each_time_and_in_the_end(run, monkeypatch):
    assert run(*BASE, "--epochs", 6, *OUTPUTS)[0] == 0
    expected = result()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "_put", full)
    code, _, err = run(*BASE, "--epochs", 6, *OUTPUTS, "--checkpoint", "kept", "--every", 2)
    assert code == 4
    lines = [f"checkpoint of step {step} not written, training goes on: kept: No space left" for step in (10, 20, 30)]
    assert [line.removeprefix("fastnet: warning: ") for line in err.splitlines()] == [
        f"{line} on device" for line in lines
    ]
    assert result() == expected
    assert os.listdir("kept") == []


def test_a_folder_that_is_removed_meanwhile(run, interrupt):
    interrupt(13, lambda: os.rename("kept", "moved"))
    code, out, err = run(*BASE, "--epochs", 6, "--checkpoint", "kept")
    assert code == 4
    assert err.splitlines()[0].endswith("/kept: there is no such folder")
    assert "weighted avg" in out
    good = checkpoints.checkpoints("moved")
    assert good
    for path in good:
        checkpoints.read(path)


def test_a_folder_that_cannot_be_written_is_told_first(run, monkeypatch):
    def refuses(path):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(checkpoints, "try_to_make", refuses)
    refused(run, "Read-only file system", *BASE, "--checkpoint", "kept")


def test_out_of_memory_in_the_middle(run, interrupt):
    def nothing_left():
        raise MemoryError

    interrupt(12, nothing_left)
    code, _, err = run(*BASE, "--epochs", 6, *OUTPUTS, "--checkpoint", "kept")
    assert code == 2
    assert err == "fastnet: to go on: fastnet train --resume kept\nfastnet: error: not enough memory\n"
    assert run("train", "--resume", "kept")[0] == 0
    resumed = result()
    assert run(*BASE, "--epochs", 6, *OUTPUTS)[0] == 0
    assert result() == resumed


def test_no_memory_for_a_checkpoint(run, monkeypatch):
    def big(*_):
        raise MemoryError

    monkeypatch.setattr(checkpoints, "_put", big)
    code, _, err = run(*BASE, "--epochs", 1, "--checkpoint", "kept")
    assert code == 4
    assert err == "fastnet: warning: checkpoint of step 5 not written, training goes on: kept: not enough memory\n"


# Files that cannot be written


@pytest.mark.parametrize("option", ["--save", "--json"])
def test_a_name_that_is_too_long_is_told_before_the_work(run, option):
    assert refused(run, f"{option}: cannot write ", *BASE, option, "x" * 300 + ".npz") == ""
    assert refused(run, "File name too long", *BASE, option, "x" * 300 + ".npz") == ""


@pytest.mark.parametrize("option", ["--save", "--json"])
def test_what_fails_in_the_end_is_saved_beside(run, monkeypatch, option):
    replacing = files.os.replace

    def fails(made, target):
        if Path(target).name == "wanted.npz":
            raise OSError(5, "Input/output error")
        replacing(made, target)

    monkeypatch.setattr(files.os, "replace", fails)
    code, out, err = run(*BASE, "--epochs", 1, option, "wanted.npz")
    assert code == 4
    assert "weighted avg" in out
    [place] = [name for name in os.listdir() if name.startswith("fastnet-")]
    assert err.startswith(f"fastnet: error: {option}: not written: ")
    assert err.endswith(f"; it is in {Path(place).resolve()} instead\n")
    if option == "--save":
        assert Network.load(place).sizes == [9, 5, 3]


def test_a_folder_that_went_meanwhile(run, interrupt, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    for name in ("temporary", "results"):
        os.mkdir(name)
    interrupt(2, lambda: os.rmdir("results"))
    code, _, err = run(*BASE, "--epochs", 2, "--save", "results/net.npz")
    assert code == 4
    [place] = [name for name in os.listdir() if name.startswith("fastnet-")]
    assert f"it is in {Path(place).resolve()} instead" in err


def test_nothing_is_left_of_what_is_tried(run):
    assert run(*BASE, "--epochs", 1, *OUTPUTS)[0] == 0
    assert sorted(os.listdir()) == ["net.npz", "run.json", "set.npz"]


@posix
def test_what_a_signal_finds_half_made_does_not_complain(run, interrupt):
    class Half:
        def __init__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            self.whole = True

        def __del__(self):
            assert self.whole

    hook = sys.unraisablehook
    interrupt(3, Half)
    assert run(*BASE)[0::2] == (143, "fastnet: terminated\n")
    assert sys.unraisablehook is hook


@posix
def test_a_signal_that_raises_within_a_callback_is_not_lost(run, interrupt):
    """Python drops what a handler raises while an object goes, or within a callback of the import system."""

    class Goes:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    def happens():
        Goes()
        time.sleep(10)

    interrupt(3, happens)
    assert run(*BASE)[0::2] == (143, "fastnet: terminated\n")
