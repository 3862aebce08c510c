"""fastnet.sklearn beside scikit-learn: the same `fit`, in processes of their own.

As a program, `estimators.py NAME FOLDER`, it is one contestant: "fastnet" or "scikit-learn" on FOLDER's job.json.
"""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

MNIST_SGD = {"hidden_layer_sizes": [64], "solver": "sgd", "activation": "logistic", "batch_size": 128,
             "learning_rate_init": 0.4, "momentum": 0.9, "nesterovs_momentum": False, "alpha": 0.0}  # fmt: skip
# Name: label, kind of data, dtype, settings, epochs (or iterations) of one fit.
FITS: dict[str, tuple[str, str, str, dict[str, Any], int]] = {
    "sgd": ("MNIST float32, (64,), sgd, logistic, batch 128, 5 epochs", "mnist", "float32", MNIST_SGD, 5),
    "adam-wide": ("MNIST float32, (100, 100), adam, relu, batch 200, 5 epochs", "mnist", "float32",
                  {"hidden_layer_sizes": [100, 100], "batch_size": 200}, 5),
    "adam-float64": ("MNIST float64, (100,), adam, relu, defaults, 5 epochs", "mnist", "float64", {}, 5),
    "small": ("2 000 x 20 float64, (100,), adam, batch 200, 200 epochs", "small", "float64", {"batch_size": 200}, 200),
    "sparse": ("CSR 10 000 x 50 000, density 0.2 %, (100,), adam, 1 epoch", "sparse", "float64", {}, 1),
    "lbfgs": ("2 000 x 50, (100,), lbfgs, 50 iterations", "medium", "float64", {"solver": "lbfgs"}, 50),
}  # fmt: skip


def run(data: str, threads: int, quick: bool) -> dict[str, Any]:
    """Race every fit. data : the named set to train on. Says so if scikit-learn is not installed here."""
    from bench.peers import race_processes
    from bench.processes import Contestant, best

    rows: list[dict[str, Any]] = []
    for name, (label, *_) in FITS.items():
        with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder:
            Path(folder, "job.json").write_text(json.dumps({"fit": name, "data": data}), encoding="utf-8")
            entered: list[Contestant] = []
            try:
                entered.append(Contestant(sys.executable, "estimators.py", "fastnet", Path(folder), threads))
                entered.append(best(sys.executable, "estimators.py", "scikit-learn", Path(folder), threads))
            except RuntimeError as error:
                for contestant in entered:
                    contestant.close()
                print(f"  scikit-learn is absent: {error}", flush=True)
                return {"rows": rows, "absent": {"scikit-learn": str(error)}}
            ours, theirs = (c.about["loss"] for c in entered)
            assert abs(ours / theirs - 1) < 0.02, f"{label}: loss {ours} with fastnet, {theirs} with scikit-learn"
            row = race_processes(entered, rounds=3 if quick else 8, patience=15.0 if quick else 30.0)
            rows.append({"name": name, "label": label.replace("MNIST", "MNIST" if data == "mnist" else data), **row})
        print(f"  {rows[-1]['label']}: {rows[-1]['ratios']['scikit-learn']['median']:.2f}", flush=True)
    return {"rows": rows, "absent": {}}


def arrays(kind: str, dtype: str, data: str) -> tuple[Any, np.ndarray]:
    """(X, y) of one kind of data."""
    rng = np.random.default_rng(0)
    if kind == "mnist":
        from fastnet import load_data

        train, _ = load_data(data)
        assert train.y is not None
        return train.X.astype(dtype) / train.X.dtype.type(255), train.y
    if kind == "sparse":
        import scipy.sparse

        X = scipy.sparse.random(10_000, 50_000, 0.002, "csr", dtype, rng)
        return X, rng.integers(0, 20, 10_000)
    X = rng.standard_normal((2_000, 20 if kind == "small" else 50)).astype(dtype)
    return X, (X[:, :3].sum(axis=1) > 0).astype(int)


class Fit:
    """One contestant: an estimator that is fitted anew each time."""

    def __init__(self, name: str, folder: Path):
        import sklearn

        import fastnet

        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        _, kind, dtype, self.settings, self.epochs = FITS[job["fit"]]
        self.X, self.y = arrays(kind, dtype, job["data"])
        if name == "fastnet":
            from fastnet.sklearn import MLPClassifier

            self.version = fastnet.__version__
        else:
            from sklearn.neural_network import MLPClassifier

            self.version = sklearn.__version__
        self.make = MLPClassifier

    def reset(self) -> None:
        """A new estimator; "no progress for 10 epochs" must not end a run early."""
        most = {"max_fun": 10**6} if self.settings.get("solver") == "lbfgs" else {"n_iter_no_change": 10**6}
        self.model = self.make(**self.settings, **most, tol=0.0, max_iter=self.epochs, random_state=0)

    def run(self) -> float:
        """Fit; the loss in the end."""
        self.model.fit(self.X, self.y)
        return float(self.model.loss_)


if __name__ == "__main__":
    from contestants import serve

    warnings.simplefilter("ignore")  # that a few epochs do not converge
    if os.environ["BENCH_THREADS"] == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    serve(Fit(sys.argv[1], Path(sys.argv[2])), warm=False)
