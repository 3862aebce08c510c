"""Sweeps over joblib's workers: the same results as in turn, one compilation in all, the cores shared."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import joblib
import pytest

from fastnet import engine
from fastnet.engine import threads
from fastnet.machine import usable_cores

TESTS = Path(__file__).parent
WORKERS = 2
BACKENDS = {"loky": WORKERS, "dask": WORKERS, "threading": 1}  # processes


class Sweep:
    """What a search on one of joblib's backends found, and what its processes logged; several begin without kernels."""

    def __init__(self, backend: str, folder: Path):
        self.log = folder / "log"
        self.log.touch()
        env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")} | {
            "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
            "SWEEP_LOG": str(self.log),
            "SWEEP_PROCESSES": str(BACKENDS[backend]),
        }
        if backend != "threading":
            env["NUMBA_CACHE_DIR"] = str(folder / "kernels")
        command = [sys.executable, "-c", "import sweeping; sweeping.main()", backend, str(WORKERS)]
        done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        self.found, self.stderr = json.loads(done.stdout), done.stderr

    def of(self, kind: str) -> list[tuple[int, str]]:
        """(process, further words) of the lines of one kind."""
        lines = [line.split(" ", 2) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [(int(process), " ".join(rest)) for process, word, *rest in lines if word == kind]


# One test for each, since pytest-xdist would search again in every process that has a part of the tests.
@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sweep_finds_what_it_finds_in_turn(backend, tmp_path):
    if backend == "dask":
        pytest.importorskip("distributed")
    sweep = Sweep(backend, tmp_path)
    assert sweep.found["parallel"] == sweep.found["sequential"]
    assert len(set(sweep.found["parallel"]["mean_test_score"])) > 1
    assert "Warning" not in sweep.stderr
    check_that_a_fold_that_fails_tells_as_in_turn(sweep)
    if backend != "threading":
        check_that_each_kernel_is_compiled_once_in_all(sweep)
    check_that_workers_share_the_cores(sweep, backend)


def check_that_a_fold_that_fails_tells_as_in_turn(sweep):
    assert sweep.found["failed"] == sweep.found["failed_sequential"]
    scores, *warnings, error = sweep.found["failed"]
    assert scores.endswith("nan]")
    assert "FitFailedWarning" in warnings
    assert error.startswith("InvalidParameterError: The 'alpha' parameter")


def check_that_each_kernel_is_compiled_once_in_all(sweep):
    compiled = Counter(kernel for _, kernel in sweep.of("compiles"))
    assert {"library", "train_steps", "predict_rows"} <= {kernel.split()[0] for kernel in compiled}
    assert set(compiled.values()) == {1}, compiled
    workers = {process for process, _ in sweep.of("fits")} - {sweep.found["process"]}
    assert len(workers) == WORKERS


def check_that_workers_share_the_cores(sweep, backend):
    """Of threads, one at a time is in a kernel that runs on all cores; the others are on one core each."""
    most = {process: int(n) for process, n in sweep.of("threads")}
    own = most.pop(sweep.found["process"])
    if backend == "threading":
        assert own < usable_cores() + WORKERS
    else:
        assert len(most) == WORKERS
        assert max(most.values()) <= max(1, usable_cores() // WORKERS)


@pytest.mark.parametrize(("said", "most"), [("1", 1), (" 2,1", 2), ("64", 8), ("0", 8), ("many", 8), ("", 8)])
def test_openmp_limits_the_threads_that_are_chosen(monkeypatch, said, most):
    monkeypatch.setattr(threads, "available_threads", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.setattr(threads, "_process", threads._Process())
    assert engine.most_threads() == most


def test_a_later_openmp_limit_is_for_others(monkeypatch):
    """Dask sets the variable in the process that starts its workers, which may go on to train alone."""
    monkeypatch.setattr(threads, "available_threads", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_process", threads._Process())
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert engine.most_threads() == 8


def test_threads_that_joblib_is_asked_for():
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=3):
        assert joblib.Parallel()(joblib.delayed(engine.most_threads)() for _ in range(2)) == [3, 3]


PIECES = """
import resource
import sys

import dask
import dask.array as da

from fastnet.sklearn import MLPClassifier

def peak():  # MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)

X = da.random.default_rng(0).random((1_000_000, 100), chunks=(50_000, 100), dtype="float32") - 0.5
y = (X[:, 0] + X[:, 1] > 0).astype("int64")
model = MLPClassifier((8,), learning_rate_init=0.01, random_state=0)
model.partial_fit(*dask.compute(X[:1000], y[:1000]), classes=[0, 1])
before = peak()
for piece in zip(X.blocks.ravel(), y.blocks.ravel()):
    model.partial_fit(*dask.compute(*piece))
print(X.nbytes / 1e6, peak() - before, model.score(*dask.compute(X[-1000:], y[-1000:])))
"""


def test_an_array_of_dask_is_learned_in_little_memory():
    pytest.importorskip("dask.array")
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-W", "error", "-c", PIECES], capture_output=True, encoding="utf-8")
    assert done.stderr == ""
    whole, growth, accuracy = map(float, done.stdout.split())
    assert whole == 400
    assert growth < 150
    assert accuracy > 0.95
