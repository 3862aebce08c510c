"""Evaluator: outputs, classes and losses of a network; and predictions for a few rows."""

from functools import partial

import numpy as np

from fastnet.engine.inputs import Inputs, Targets, as_writable
from fastnet.engine.layout import round_up
from fastnet.engine.spare import Spare
from fastnet.engine.strategy import Strategy, way_through
from fastnet.engine.task import Task
from fastnet.engine.threads import choose_threads, run_parallel, usable
from fastnet.engine.workspace import Workspace
from fastnet.functions import CROSS_ENTROPY, SGD, SIGMOID
from fastnet.kernels.compile.target import VECTOR_BYTES
from fastnet.kernels.step.predict import predict_rows
from fastnet.kernels.step.predict_few import predict_few
from fastnet.kernels.step.records import Batch
from fastnet.kernels.vector import library
from fastnet.kernels.vector.transpose import SIDE

BLOCK_ROWS = 64  # that one thread takes through all layers at a time
FEW = 4  # rows that are predicted on the plain weights


class Evaluator:
    """Outputs, classes and losses of one network's shape on one X; see Stepper for the arguments.

    spare : where the workspace comes from, if possible, for outputs or classes; see `done`.
    """

    def __init__(
        self, sizes, activations, dtype, X, *, loss=CROSS_ENTROPY, threads=None, scale=1 / 255, spare=None
    ):  # fmt: skip
        library.want(dtype)
        self.sizes, self.activations, self.dtype = list(sizes), tuple(activations), np.dtype(dtype)
        self.inputs, self.spare = Inputs(X, dtype, scale), Spare() if spare is None else spare
        self.threads = threads or choose_threads(sizes, self.inputs.rows, has_region=True)
        rows = min(BLOCK_ROWS, round_up(-(-self.inputs.rows // self.threads), SIDE))
        way = way_through(self.inputs, self.sizes[1], self.dtype.itemsize)
        strategy = Strategy(way, chunk_rows=rows * self.threads)
        # All that a workspace depends on: predictions do not read how dense each input is.
        self.key = tuple(sizes), self.activations, self.dtype, strategy, self.threads, scale, loss
        self.workspace = self.spare.take(self.key, partial(self._workspace, strategy, loss))

    def _workspace(self, strategy, loss):
        task = Task(loss, SGD)
        return Workspace(self.sizes, self.activations, strategy, task, self.inputs, self.threads, trains=False)

    def done(self) -> None:
        """Leave the workspace to the next Evaluator of this shape that asks `spare`; this one is of no use then."""
        self.spare.give_back(self.key, self.workspace, self.workspace.memory.nbytes)

    def outputs(self, params: np.ndarray) -> np.ndarray:
        """(n, k) outputs."""
        out = np.empty((self.inputs.rows, self.sizes[-1]), self.dtype)
        self._run(params, outputs=out)
        return out

    def classes(self, params: np.ndarray) -> np.ndarray:
        """(n,) int64: index of the largest output; of a single one, whether its Z is above zero."""
        classes = np.empty(self.inputs.rows, np.int64)
        self._run(params, classes=classes)
        return classes

    def evaluate(self, params: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Mean loss, without penalty, and accuracy; nan where a single output that is no probability has no classes."""
        n = self.inputs.rows
        classes, losses = np.empty(n, np.int64), np.empty(n, self.dtype)
        self._run(params, classes=classes, row_loss=losses, targets=targets)
        accuracy = np.nan
        if self.sizes[-1] > 1 or self.activations[-1] == SIGMOID:
            truth = targets if targets.ndim == 1 else targets.argmax(1) if self.sizes[-1] > 1 else targets[:, 0] > 0.5
            accuracy = np.count_nonzero(classes == truth) / n
        return float(losses.sum(dtype=np.float64)) / n, float(accuracy)

    def _run(self, params, outputs=None, classes=None, row_loss=None, targets=None):
        w, threads = self.workspace, usable(self.threads)
        w.load(params, ())
        t = Targets(np.zeros(0, np.int64) if targets is None else targets, self.dtype)
        results = (
            np.empty((0, 0), self.dtype) if outputs is None else outputs,
            np.empty(0, np.int64) if classes is None else classes,
            np.empty(0, self.dtype) if row_loss is None else row_loss,
        )
        batch = tuple(Batch(*self.inputs.arrays, t.labels, t.values, w.memory[:0]))
        run_parallel(threads, predict_rows, results, w.buffers, batch, w.tables(threads), self.inputs.rows, threads)


_workspaces, _few = Spare(), Spare()


def _make_few(sizes, activations, dtype, unit):
    """Arguments of `predict_few` that do not change: (sizes, activations, scratch, chosen)."""
    scratch = np.zeros((4, round_up(max(sizes), VECTOR_BYTES)), dtype)
    scratch[3, 0] = unit
    return np.array(sizes), np.array(activations), scratch, np.array([-1])


def _predict_few(sizes, activations, params, X, scale):
    library.want(params.dtype)
    unit = scale if X.dtype == np.uint8 else 1.0
    key = tuple(sizes), tuple(activations), params.dtype, unit
    kept = widths, codes, scratch, chosen = _few.take(key, lambda: _make_few(*key))
    outputs = np.empty((len(X), sizes[-1]), params.dtype)
    predict_few(outputs, params, widths, codes, as_writable(X), scratch, chosen)
    _few.give_back(key, kept, scratch.nbytes)
    return outputs


def _is_few(X) -> bool:
    return X.shape[0] <= FEW and not hasattr(X, "indptr")


def classify(sizes, activations, params: np.ndarray, X, threads: int | None = None, *, scale=1 / 255) -> np.ndarray:
    """Classes (n,) int64 for X (n, d): the largest output; of a single one, whether its Z is above zero."""
    if not _is_few(X):
        return _once(Evaluator.classes, sizes, activations, params, X, threads, scale)
    outputs = _predict_few(sizes, activations, params, X, scale)
    if sizes[-1] > 1:
        return outputs.argmax(axis=1)
    return (outputs[:, 0] > (0.5 if activations[-1] == SIGMOID else 0)).astype(np.int64)


def predict(sizes, activations, params: np.ndarray, X, threads: int | None = None, *, scale=1 / 255) -> np.ndarray:
    """Outputs (n, k) of a network for X (n, d)."""
    if _is_few(X):
        return _predict_few(sizes, activations, params, X, scale)
    return _once(Evaluator.outputs, sizes, activations, params, X, threads, scale)


def _once(question, sizes, activations, params, X, threads, scale) -> np.ndarray:
    """A method of an Evaluator, asked once."""
    evaluator = Evaluator(sizes, activations, params.dtype, X, threads=threads, scale=scale, spare=_workspaces)
    answer = question(evaluator, params)
    evaluator.done()
    return answer
