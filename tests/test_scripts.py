"""scripts/setup, train and test, run with an interpreter that only pretends: no network, no packages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for a POSIX shell")

# Stands in for Python: notes how it is called in $CALLS, makes a .venv of copies of itself, and "installs".
PRETENDER = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in
    -V) echo Python 3.11.99 ;;
    "-m venv --clear "*)
        mkdir -p "$4/bin"
        for name in python fastnet ruff mypy; do cp "$0" "$4/bin/$name"; done ;;
    "-m venv venv")
        mkdir -p venv/bin
        for name in python fastnet pytest; do cp "$0" "venv/bin/$name"; done ;;
    "-m build --quiet --outdir "*)
        mkdir -p "$5" unpacked/fastnet-1
        echo "${DIFFERENT:+$5}" >"$5/fastnet-1.whl"
        tar -cf - --mtime=@0 unpacked/fastnet-1 | gzip -n >"$5/fastnet-1.tar.gz" ;;
    "-m pip install"*)
        if [ -n "${PIP_KILLED:-}" ]; then kill -9 $PPID; fi
        exit "${PIP_EXIT:-0}" ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """A copy of the scripts and a pretending python, in a folder with a space in its name."""
    root = tmp_path / "a clone"
    (root / ".ci").mkdir(parents=True)
    scripts = [f"scripts/{name}" for name in ("bench", "package", "setup", "test", "train")]
    for name in (*scripts, ".ci/run", "pyproject.toml"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    python = tmp_path / "python"
    python.write_text(PRETENDER)
    python.chmod(0o755)
    return root


@pytest.fixture
def run(clone, tmp_path):
    """Runs a script of the clone; returns its exit code, what it printed and the calls of python that it made."""

    def call(script, *args, cwd=None, **variables):
        calls = tmp_path / "calls"
        calls.write_text("")
        environment = {"PATH": os.environ["PATH"], "PYTHON": str(tmp_path / "python"), "CALLS": str(calls), **variables}
        done = subprocess.run(
            ["sh", str(clone / script), *args],
            cwd=cwd or tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout + done.stderr, calls.read_text()

    return call


def test_first_run_sets_up_and_later_runs_only_train(run):
    code, output, calls = run("scripts/train", "--epochs", "1")
    assert code == 0, output
    assert "venv --clear" in calls
    assert "pip install" in calls
    assert calls.splitlines()[-1] == "train --epochs 1"

    code, output, calls = run("scripts/train", "--json", "a file.json")
    assert code == 0, output
    assert "pip" not in calls
    assert "venv" not in calls
    assert calls.splitlines()[-1] == "train --json a file.json"


def test_test_installs_its_extra_once_and_runs_three_tools_in_order(run, clone):
    assert run("scripts/train")[0] == 0
    code, output, calls = run("scripts/test", "-k", "one or two")
    assert code == 0, output
    assert f"--editable {clone}[test]" in calls
    assert "venv" not in calls
    assert calls.splitlines()[-3:] == ["check .", "", "-m pytest -k one or two"]
    assert "pip" not in run("scripts/test")[2]
    assert "pip" not in run("scripts/train")[2]


@pytest.mark.parametrize("spoil", ["pyproject changed", "python broken", "stamp cut", "moved"])
def test_outdated_or_broken_set_up_is_repaired(run, clone, spoil):
    assert run("scripts/train")[0] == 0
    venv = clone / ".venv"
    if spoil == "pyproject changed":
        with open(clone / "pyproject.toml", "a") as file:
            file.write("# changed\n")
    elif spoil == "python broken":
        (venv / "bin/python").write_text("#!/nowhere/python\n")
    elif spoil == "stamp cut":
        (venv / "setup-.stamp").write_text("")
    else:
        text = (venv / "setup-.stamp").read_text()
        (venv / "setup-.stamp").write_text(text.replace(str(clone), "/another/place"))
    code, output, calls = run("scripts/train")
    assert code == 0, output
    assert "pip install" in calls
    assert ("venv --clear" in calls) == (spoil == "python broken")
    assert "pip" not in run("scripts/train")[2]


def test_interrupted_installation_is_made_again_from_the_start(run):
    assert run("scripts/train", PIP_KILLED="1")[0] != 0
    code, output, calls = run("scripts/train")
    assert code == 0, output
    assert "venv --clear" in calls


def test_failed_installation_is_one_clear_line_and_keeps_what_was_there(run):
    assert run("scripts/train")[0] == 0
    code, output, _ = run("scripts/test", PIP_EXIT="1")
    assert code == 1
    assert "setup: pip could not install fastnet" in output
    code, _, calls = run("scripts/train")
    assert code == 0
    assert "pip" not in calls


def test_python_that_will_not_do_is_named(run):
    code, output, _ = run("scripts/train", PYTHON="/nowhere/python")
    assert code == 1
    assert "PYTHON=/nowhere/python is not a Python 3.11 or newer" in output


def test_ci_gives_the_tests_the_data_beside_the_clone(run, clone):
    beside = re.search(r"\[ -d (\S+) \]", (ROOT / ".ci/run").read_text())[1]
    data = (clone / beside).resolve()
    data.mkdir(parents=True)
    assert run(".ci/run")[0] == 0  # sets up
    pytest_stub = clone / ".venv/bin/python"
    pytest_stub.write_text(PRETENDER + 'if [ "$2" = pytest ]; then echo "data: $FASTNET_DATA in $PWD"; fi\n')
    code, output, _ = run(".ci/run", cwd="/")
    assert code == 0
    assert f"data: {data} in {clone}" in output


def test_relative_data_folder_is_meant_from_where_the_caller_stands(run, clone, tmp_path):
    (tmp_path / "data").mkdir()
    assert run("scripts/test")[0] == 0
    stub = clone / ".venv/bin/python"
    stub.write_text(PRETENDER + 'if [ "$2" = pytest ]; then echo "data: $FASTNET_DATA"; fi\n')
    _, output, _ = run("scripts/test", FASTNET_DATA="data")
    assert f"data: {tmp_path / 'data'}" in output


def test_ci_ends_with_the_gate_unless_the_tests_fail(run, clone):
    code, output, calls = run(".ci/run", "-x")
    assert code == 0, output
    assert [call for call in calls.splitlines() if call.startswith("-m")][-2:] == [
        "-m pytest -x",
        "-m bench --check --quick",
    ]
    stub = clone / ".venv/bin/python"
    stub.write_text(PRETENDER + 'if [ "$2" = pytest ]; then exit 1; fi\n')
    code, _, calls = run(".ci/run")
    assert code == 1
    assert "bench" not in calls
    stub.write_text(PRETENDER + 'if [ "$2" = bench ]; then exit 1; fi\n')
    assert run(".ci/run")[0] == 1


def test_bench_sets_up_what_tests_need_and_goes_to_the_program(run, clone):
    code, output, calls = run("scripts/bench", "--rebase", "two words")
    assert code == 0, output
    assert f"--editable {clone}[test]" in calls
    assert calls.splitlines()[-1] == "-m bench --rebase two words"


def test_package_checks_what_it_builds_and_tries_it(run, clone):
    code, output, calls = run("scripts/package", "-k", "one or two")
    assert code == 0, output
    assert f"--editable {clone}[release]" in calls
    marks = [
        "-m build",
        "-m twine check --strict dist/fastnet-1.tar.gz dist/fastnet-1.whl",
        "-m venv venv",
        "train --data",
    ]
    places = [calls.index(mark) for mark in marks]
    assert places == sorted(places)
    assert calls.splitlines()[-2:] == ["tests/test_readme.py tests/test_typing.py", "-m pytest -k one or two"]


def test_package_refuses_builds_that_differ(run):
    code, _, calls = run("scripts/package", DIFFERENT="1")
    assert code != 0
    assert "build" in calls
    assert "twine" not in calls
