"""A grid search in a process of its own: ``python -c "import sweeping; sweeping.main()" BACKEND WORKERS``.

It prints, as JSON, what the search found and what the same one found in turn. All processes that fit write a line to
the file $SWEEP_LOG for each process, each compiled kernel and each new number of threads.
"""

import functools
import json
import os
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import joblib
import numba
import numpy as np
from numba.core import event
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV

from fastnet.engine import evaluator, stepper
from fastnet.kernels.compile.cache import KernelCache, listeners
from fastnet.sklearn import MLPClassifier

X, y = make_classification(600, 100, n_informative=20, random_state=0)
GRID = {"alpha": [1e-4, 1.0], "learning_rate_init": [1e-3, 1e-2]}
PATIENCE = 120  # seconds for the other processes to come
_one_at_a_time = threading.Lock()


def log(*words) -> None:
    with open(os.environ["SWEEP_LOG"], "a", encoding="utf-8") as file:
        file.write(" ".join(map(str, (os.getpid(), *words))) + "\n")


class Threads:
    """Logs how many threads are in the kernels of this process, when they are more than before."""

    def __init__(self, run_parallel):
        self.run_parallel, self.lock = run_parallel, threading.Lock()
        self.now = self.most = 0

    def __call__(self, threads, kernel, *arguments):
        def counted(*arguments):
            own = 1 if threads == 1 else numba.get_num_threads()
            self._add(own)
            try:
                kernel(*arguments)
            finally:
                self._add(-own)

        self.run_parallel(threads, counted, *arguments)

    def _add(self, threads):
        with self.lock:
            self.now += threads
            if self.now > self.most:
                self.most = self.now
                log("threads", self.most)


class Compilations(event.Listener):
    """Logs the kernels that Numba compiles, but not their helpers, which belong to each of them."""

    def on_start(self, event):
        if isinstance(event.data["dispatcher"]._cache, KernelCache):
            log("compiles", event.data["dispatcher"].__name__, event.data["args"])

    def on_end(self, event):
        pass


def watch() -> None:
    """Log what this process does from now on, and wait until all processes are here: all want the same kernels."""
    with _one_at_a_time:
        _watch()


@functools.cache
def _watch() -> None:
    event.register("numba:compile", Compilations())
    listeners.append(lambda name: name.startswith("library") and log("compiles", name))
    stepper.run_parallel = evaluator.run_parallel = Threads(stepper.run_parallel)
    log("fits")
    end = time.monotonic() + PATIENCE
    while len(words_of("fits")) < int(os.environ["SWEEP_PROCESSES"]) and time.monotonic() < end:
        time.sleep(0.05)


def words_of(kind: str) -> list[tuple[int, str]]:
    """(process, further words) of the lines of one kind."""
    lines = [line.split(" ", 2) for line in Path(os.environ["SWEEP_LOG"]).read_text(encoding="utf-8").splitlines()]
    return [(int(line[0]), " ".join(line[2:])) for line in lines if line[1] == kind]


class Watched(MLPClassifier):
    def fit(self, X, y):
        watch()
        return super().fit(X, y)


@contextmanager
def workers(backend: str, n: int):
    """Let joblib work on so many processes or threads."""
    if backend != "dask":
        with joblib.parallel_config(backend, n_jobs=n):
            yield
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=n, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


def outcome(search: GridSearchCV) -> dict:
    search.fit(X, y)
    kept = ("mean_test_score", "std_test_score", "rank_test_score")
    return {"best": search.best_params_} | {name: search.cv_results_[name].tolist() for name in kept}


def failures(model: MLPClassifier) -> list[str]:
    """What a search says of a fold that fails: as a score that is missing, and as an error."""
    said = []
    for error_score in (np.nan, "raise"):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                search = GridSearchCV(model, {"alpha": [1e-4, -1.0]}, cv=3, error_score=error_score, refit=False)
                said += [str(search.fit(X, y).cv_results_["mean_test_score"])]
            except Exception as error:
                said += [f"{type(error).__name__}: {error}"]
        said += [warning.category.__name__ for warning in told]
    return said


def main() -> None:
    backend, n = sys.argv[1], int(sys.argv[2])
    model = Watched((256,), batch_size=100, random_state=0, max_iter=20, tol=10.0, n_iter_no_change=1)
    search = GridSearchCV(model, GRID, cv=3)
    with workers(backend, n):
        parallel, failed = outcome(clone(search)), failures(model)
    print(
        json.dumps(
            {
                "parallel": parallel,
                "sequential": outcome(search),
                "failed": failed,
                "failed_sequential": failures(model),
                "process": os.getpid(),
            }
        )
    )
