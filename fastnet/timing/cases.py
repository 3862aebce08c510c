"""The cases that speed is measured on: networks of the seed documents, one wide network, prediction.

A case is settings; `EpochWork` and `PredictWork` make contestants of it, checked against the oracle before anything is
timed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet import flops
from fastnet import functions as f
from fastnet.data import Dataset, load_data
from fastnet.data.known import KNOWN
from fastnet.network import Network
from fastnet.optimizers import SGD, Adam, Momentum, Optimizer

EPOCH = 60_000  # rows of an epoch
DENSE_ROWS = 15_360  # 120 batches of 128: 48 MB, more than fits a cache
SEED = 138
WARM = 0.01  # seconds: threads that slept need some milliseconds to find a core each
# Dense FLOPs and steps that a warm-up call has at least, some milliseconds: from calls of a few steps fastnet, which
# chooses its threads by what steps take, would learn how long threads need to wake up.
WARM_FLOPS, WARM_STEPS = 1e9, 32
CHECKED = 3  # steps after which contestants must agree


@dataclass(frozen=True)
class Case:
    """Settings of a training run. data : "pixels" (uint8 digits) or "dense" (uniform numbers without zeros).

    rule : the optimizer's name in tables, where it tells cases apart.
    """

    name: str
    sizes: tuple[int, ...]
    hidden: str
    batch_size: int
    optimizer: Optimizer
    data: str = "pixels"
    dtype: str = "float32"
    rule: str = ""

    @property
    def label(self) -> str:
        """What tables call it."""
        batch = "full batch" if self.batch_size >= EPOCH else f"batch {self.batch_size}"
        kind = ", dense floats" if self.data == "dense" else ""
        wide = ", float64" if self.dtype == "float64" else ""
        rule = f", {self.rule}" if self.rule else ""
        return f"{'-'.join(map(str, self.sizes))} {self.hidden}, {batch}{rule}{kind}{wide}"

    def flops(self, rows: int) -> float:
        """Floating-point operations of the dense products of one pass over ``rows`` rows."""
        return float(rows) * sum(flops.training(self.sizes))


MNIST = Case("mnist-64", (784, 64, 10), "sigmoid", 128, Momentum(4.0, 0.9, ema=True))
CASES = {
    case.name: case
    for case in (
        MNIST,
        Case("mnist-30-b50", (784, 30, 10), "sigmoid", 50, SGD(0.5)),
        Case("mnist-30-b10", (784, 30, 10), "sigmoid", 10, SGD(0.5)),
        Case("mnist-30-b10-momentum", (784, 30, 10), "sigmoid", 10, Momentum(0.5, 0.9), rule="momentum"),
        Case("mnist-30-b10-adam", (784, 30, 10), "sigmoid", 10, Adam(0.001), rule="Adam"),
        Case("mnist-10-full", (784, 10, 10), "relu", EPOCH, SGD(0.25)),
        Case("mnist-512", (784, 512, 512, 10), "relu", 128, Momentum(0.05, 0.9, ema=True)),
        Case("dense-512", (784, 512, 512, 10), "relu", 128, Momentum(0.05, 0.9, ema=True), data="dense"),
        Case("mnist-64-float64", (784, 64, 10), "sigmoid", 128, Momentum(4.0, 0.9, ema=True), dtype="float64"),
    )
}


class Digits:
    """What the cases train on: a named set; by default MNIST if it is on this machine, else the drawn digits."""

    def __init__(self, name: str | None = None):
        self.name = name or ("mnist" if KNOWN["mnist"].found else "glyphs")
        self.train, test = load_data(self.name)
        assert test is not None
        self.test: Dataset = test

    def arrays(self, case: Case) -> tuple[np.ndarray, np.ndarray]:
        """X and labels for a case."""
        y = self.train.y
        assert y is not None
        if case.data == "pixels":
            return self.train.X, y
        X = np.random.default_rng(SEED).random((DENSE_ROWS, case.sizes[0])).astype(case.dtype)
        return X, y[:DENSE_ROWS]

    def facts(self) -> dict[str, Any]:
        """What a result says about its data."""
        density = float(np.count_nonzero(self.train.X) / self.train.X.size)
        return {"name": self.name, "synthetic": self.train.synthetic, "density": round(density, 4)}


class EpochWork:
    """Contestants "fastnet" and "numpy" (the oracle, the same steps in float32 NumPy) for one case.

    rows : how many rows a run trains on, rounded to whole batches; ``scale`` makes an epoch's seconds of a run's.
    steppers : None is both; else classes by name, for other ways of doing the steps.
    """

    unit = "epoch"

    def __init__(
        self, case: Case, digits: Digits, rows: int = EPOCH, *, threads: int | None = None, steppers: Any = None
    ):
        X, y = digits.arrays(case)
        self.case, self.name, self.label = case, case.name, case.label
        batch = min(case.batch_size, len(X))
        steps = max(1, round(min(rows, len(X)) / batch))
        self.rows = min(steps * batch, len(X))
        self.scale, self.flops = EPOCH / self.rows, case.flops(self.rows)
        self.order = np.random.default_rng(SEED).permutation(len(X))[: self.rows]
        sizes = np.minimum(batch, self.rows - batch * np.arange(-(-self.rows // batch)))
        self.coefficients = np.zeros((len(sizes), f.N_COEFFICIENTS))
        self.coefficients[:, f.SCALE] = 1 / sizes
        case.optimizer.fill(self.coefficients, np.full(len(sizes), case.optimizer.lr), 0)
        self.warm_steps = min(len(sizes), max(WARM_STEPS, int(WARM_FLOPS / case.flops(batch))))
        net = Network(case.sizes, hidden=case.hidden, dtype=case.dtype, seed=SEED)
        settings: dict[str, Any] = {"loss": f.CROSS_ENTROPY, "rule": case.optimizer.rule, "batch_size": batch}
        settings["threads"] = threads
        self.steppers = {
            name: stepper(net.sizes, net.activations, net.params.copy(), X, y, **settings)
            for name, stepper in (_steppers() if steppers is None else steppers).items()
        }

    def contestants(self) -> dict[str, Callable[[], Any]]:
        """What to time: one pass over the rows each."""
        return {name: self._pass(stepper) for name, stepper in self.steppers.items()}

    def _pass(self, stepper: Any) -> Callable[[], Any]:
        return lambda: stepper.run(self.order, self.coefficients)

    def _steps(self, stepper: Any, steps: int) -> None:
        """The first steps of a pass."""
        stepper.run(self.order[: steps * min(self.case.batch_size, self.rows)], self.coefficients[:steps])

    def warm(self, name: str) -> None:
        """Bring a contestant's code and buffers in, then its initial weights back: every run does the same work."""
        if name in self.steppers:
            stepper, start = self.steppers[name], time.perf_counter()
            while time.perf_counter() - start < WARM:
                self._steps(stepper, self.warm_steps)
                stepper.load()

    def check(self) -> None:
        """Compare the weights after the first steps; raises AssertionError if the contestants disagree."""
        ends = {}
        for name, stepper in self.steppers.items():
            stepper.load()
            self._steps(stepper, CHECKED)
            before, moments = stepper.params.copy(), [m.copy() for m in stepper.moments]
            stepper.store()
            ends[name] = stepper.params.copy()
            assert not np.array_equal(ends[name], before), f"{name} has not learned on {self.name}"
            stepper.params[:] = before
            for moment, old in zip(stepper.moments, moments, strict=True):
                moment[:] = old
            stepper.load()
        oracle = ends.get("numpy", ends["fastnet"])
        for name, params in ends.items():
            tolerance = 1e-3 if params.dtype == np.float32 else 1e-9
            np.testing.assert_allclose(params, oracle, rtol=tolerance, atol=tolerance, err_msg=f"{name}, {self.name}")


def _steppers() -> dict[str, Any]:
    from fastnet import engine, reference

    return {"fastnet": engine.Stepper, "numpy": reference.Stepper}


class PredictWork:
    """Contestants "fastnet" and "numpy" for outputs of 784-64-10, through the public interface.

    rows : of the test set in one call. calls : in one run.
    """

    unit = "call"

    def __init__(self, name: str, digits: Digits, rows: int, calls: int):
        self.name, self.rows, self.calls = name, rows, calls
        self.label = f"{'-'.join(map(str, MNIST.sizes))} predict_proba, {rows} row{'s' * (rows > 1)}"
        self.X = digits.test.X[:rows]
        self.net = Network(MNIST.sizes, seed=SEED)
        self.scale = 1 / calls
        self.flops = float(rows) * calls * sum(flops.forward(MNIST.sizes))

    def contestants(self) -> dict[str, Callable[[], Any]]:
        """What to time: ``calls`` predictions each."""
        return {
            "fastnet": lambda: [self._fastnet() for _ in range(self.calls)],
            "numpy": lambda: [self._numpy() for _ in range(self.calls)],
        }

    def _fastnet(self) -> np.ndarray:
        return self.net.predict_proba(self.X)

    def _numpy(self) -> np.ndarray:
        from fastnet.reference import predict

        return predict(self.net.sizes, self.net.activations, self.net.params, self.X)

    def warm(self, name: str) -> None:
        """Some calls."""
        if name in ("fastnet", "numpy"):
            start = time.perf_counter()
            while time.perf_counter() - start < WARM:
                {"fastnet": self._fastnet, "numpy": self._numpy}[name]()

    def check(self) -> None:
        """Compare the outputs; raises AssertionError if they differ."""
        np.testing.assert_allclose(self._fastnet(), self._numpy(), rtol=1e-3, atol=1e-6)


Work = EpochWork | PredictWork
