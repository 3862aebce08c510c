"""The Numba side of the driver: a Stepper and an Evaluator over the compiled kernels.

`fastnet.reference` has the same Stepper in plain NumPy.
"""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import numba
import numpy as np

from fastnet.functions import BETA1, BETA2, CROSS_ENTROPY, DECAY, L2, MOMENTS, N_COEFFICIENTS, SCALE, SGD, SIGMOID
from fastnet.kernels import library
from fastnet.kernels import plan as p
from fastnet.kernels.dropout import drop_threshold
from fastnet.kernels.few import predict_few
from fastnet.kernels.flags import BITS, COMPRESS
from fastnet.kernels.lanes import VECTOR_BYTES, lanes_of
from fastnet.kernels.step import predict_rows, train_steps
from fastnet.kernels.transpose import SIDE
from fastnet.kernels.update import N_ROW, REST1, REST2
from fastnet.palette import WORTHWHILE, encoded, find_palette, is_mapped
from fastnet.workspace import Workspace, plain_views, round_up

# Rows of a batch in flight: 256 rows of 784 float32 are 800 kB, half of it for each of two L2 caches.
CHUNK = 256
PREDICT_ROWS = 64  # rows that one thread takes through all layers at a time when it predicts
# FLOPs of a step that are worth a further thread; its three parallel regions cost about 5 us.
WORK_PER_THREAD = 4e6
# Plain SGD on batches up to this many rows goes sample by sample where zeros are skipped (kernels.backward).
SCATTER_ROWS = 64
# Elements of X beyond which finding the page of a row costs more than its numbers: only one thread looks each row up
# (six million rows of 784 pixels: 44 ms for 60 000 of them; 49 in halves, whose rows both threads look up).
FAR = 2**31
FEW = 4  # rows that are predicted on the plain weights
SAMPLE = 512  # rows looked at to measure density

# Two Python threads inside a parallel region abort the process under Numba's workqueue layer, and under any layer they
# would only take the cores from each other.
_parallel = threading.Lock()


def skip_threshold(vectors: int) -> float:
    """Density of X below which zero skipping beats the dense tile, for a first layer ``vectors`` vectors wide.

    A constant rule: a timing could decide otherwise the next time, and the bits would change.
    """
    by_vectors = (0.2, 0.3, 0.35) if COMPRESS else (0.12, 0.25, 0.35)
    return by_vectors[min(vectors, 3) - 1]


class _Inputs:
    """X as the kernels take it: (data, indices, indptr), with its shape, its density and that of each input.

    X : (n, d) uint8 or floating; or CSR, any object with data, indices, indptr and shape.
    """

    def __init__(self, X, dtype, scale=1 / 255):
        self.rows, self.width = X.shape
        self.table = None  # what bytes are worth, where it is not a 255th part each
        self.is_csr = hasattr(X, "indptr")
        if self.is_csr:
            self.data = np.ascontiguousarray(X.data, dtype)
            self.indices, self.indptr = X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64, copy=False)
            self.densities = np.full(self.width, len(self.data) / max(1, self.rows * self.width))
        else:
            self.data = np.asarray(X).reshape(-1)
            if self.data.dtype == np.uint8 and scale != 1 / 255:
                self.table = np.arange(256).astype(dtype) * np.dtype(dtype).type(scale)
            self.indices, self.indptr = np.zeros(0, np.int32), np.zeros(0, np.int64)
            sample = np.asarray(X[:: max(1, self.rows // SAMPLE)])
            self.densities = np.count_nonzero(sample, axis=0) / max(1, len(sample))
        self.density = self.densities.mean()
        # Numba compiles read-only arrays as another type; the kernels only read X, so one type serves both.
        self.arrays = tuple(_as_writable(a) for a in (self.data, self.indices, self.indptr))

    def encode(self, threads: int) -> None:
        """Take bytes in place of floats that are worth no more than 256 values, where zeros are skipped."""
        X = self.data.reshape(self.rows, self.width)
        if X.dtype.kind != "f" or X.size < WORTHWHILE or is_mapped(X) or (palette := find_palette(X)) is None:
            return
        with _threads(threads):
            codes = encoded(self.arrays[0], palette, threads)
        if codes is not None:
            self.table, self.data, self.arrays = palette[1], codes, (codes, *self.arrays[1:])

    def mode(self, fan_out: int, itemsize: int) -> int:
        if self.is_csr:
            return p.LISTS
        vectors = -(-fan_out // lanes_of(itemsize))
        return p.SKIP if self.width >= BITS and self.density <= skip_threshold(vectors) else p.DENSE

    def entries(self, order: np.ndarray, batch_size: int) -> int:
        """Most entries of a CSR matrix that a chunk of the batches in ``order`` holds; a row may come up many times."""
        if not self.is_csr or not len(order):
            return 0
        starts = [
            chunk
            for batch in range(0, len(order), batch_size)
            for chunk in range(batch, min(batch + batch_size, len(order)), CHUNK)
        ]
        return int(np.add.reduceat(np.diff(self.indptr)[order], starts).max())


def _as_writable(a: np.ndarray) -> np.ndarray:
    """A view of the same memory that NumPy calls writable. Nothing writes to it."""
    if a.flags.writeable:
        return a
    interface = dict(a.__array_interface__, data=(a.ctypes.data, False))
    view = np.asarray(_Interface(interface, a))
    return view if view.dtype == a.dtype else view.view(a.dtype)


class _Interface:
    """Lends an array's memory under another description, and keeps it alive."""

    def __init__(self, interface, owner):
        self.__array_interface__, self.owner = interface, owner


def available_threads() -> int:
    """Threads that Numba may use here: NUMBA_NUM_THREADS, or the cores."""
    return numba.config.NUMBA_NUM_THREADS


def busy_threads(sizes: Sequence[int], rows: int) -> int:
    """As many threads as the work of a step of ``rows`` rows keeps busy."""
    return int(max(1, 6.0 * rows * sum(a * b for a, b in pairwise(sizes)) // WORK_PER_THREAD))


def choose_threads(sizes: Sequence[int], rows: int) -> int:
    """The same, and no more than there are."""
    return min(available_threads(), busy_threads(sizes, rows))


class _threads:
    """Run a parallel kernel, one Python thread at a time, with at most as many threads as Numba has."""

    def __init__(self, threads: int):
        self.threads = threads

    def __enter__(self):
        if self.threads > 1:
            _parallel.acquire()
            self.before = numba.get_num_threads()
            numba.set_num_threads(min(self.threads, available_threads()))

    def __exit__(self, *_):
        if self.threads > 1:
            numba.set_num_threads(self.before)
            _parallel.release()


class _Pace:
    """Chooses between all threads and one by the time that steps take.

    Two threads on a machine whose cores are busy wait for each other: a region of microseconds takes milliseconds. The
    bits do not depend on the threads, so a timing may decide; now and then the other choice gets a few steps to show
    what it can do.
    """

    AGAIN = 16  # runs after which the other choice is tried
    SHARE = 8  # of a run goes to that trial

    def __init__(self, threads: int):
        self.seconds = dict.fromkeys({threads, 1}, 0.0)  # a step's, as last seen; 0 if never
        self.best, self.runs = threads, 0

    def parts(self, steps: int) -> list[tuple[int, int]]:
        """(threads, steps) of the calls that make up a run."""
        other = next((t for t in self.seconds if t != self.best), self.best)
        trial = max(1, steps // self.SHARE)
        self.runs += 1
        if other == self.best or trial == steps or self.runs % self.AGAIN != 2:
            return [(self.best, steps)]
        return [(other, trial), (self.best, steps - trial)]

    def took(self, threads: int, steps: int, seconds: float) -> None:
        """Note what a call took, and choose."""
        self.seconds[threads] = seconds / steps
        if all(self.seconds.values()):
            best = min(self.seconds, key=self.seconds.__getitem__)
            if best != self.best:
                self.best, self.runs = best, 0  # and soon another trial, in case that something else disturbed this one


class _Targets:
    """Labels (n,) int64 or rows (n, k) as the kernels take them: one of two arrays is empty."""

    def __init__(self, targets, dtype):
        labelled = targets.ndim == 1
        self.labels = _as_writable(targets) if labelled else np.zeros(0, np.int64)
        self.rows = np.zeros(0, dtype) if labelled else _as_writable(np.ascontiguousarray(targets, dtype)).reshape(-1)


class Stepper:
    """Optimisation steps on one network's parameters.

    sizes, activations : widths of all layers, codes of all but the first.
    params : flat vector, W[0], b[0], W[1], ..., of float32 or float64; `load` reads it, `store` writes it.
    X : (n, d) uint8, worth ``scale`` each, or floating like params, or CSR. It must not change meanwhile: floats that
        bytes can stand for may have been copied.
    targets : int64 (n,) or like params (n, k).
    loss, rule : codes of fastnet.functions. weight : None or (n,) like params.
    threads : None chooses, by the work in a step and by what a second thread brings; the bits are the same.
    max_norm : None, or the largest norm that the gradient of a step, L2 included, is allowed; a longer one is scaled.
    dropout : chance of a hidden unit to be left out for a row, drawn from ``seed`` and the number of that row among all
        rows trained on; ``rows_seen`` counts those before the next step.
    clip_loss : report the losses of probabilities kept eps away from 0 and 1, as scikit-learn does.
    moments : the rule's moments, flat vectors laid out like params.
    """

    def __init__(
        self, sizes, activations, params, X, targets, *, loss, rule, batch_size, threads=None, weight=None,
        clip_loss=False, max_norm=None, dropout=0.0, seed=0, scale=1 / 255,
    ):  # fmt: skip
        library.load(params.dtype)
        self.sizes, self.activations, self.params = list(sizes), tuple(activations), params
        self.loss, self.rule, self.clip_loss = loss, rule, clip_loss
        self.max_norm, self.dropout, self.seed, self.rows_seen = max_norm, drop_threshold(dropout), seed, 0
        self.inputs = _Inputs(X, params.dtype, scale)
        self.targets = _Targets(targets, params.dtype)
        self.weight = np.zeros(0, params.dtype) if weight is None else _as_writable(np.ascontiguousarray(weight))
        self.batch_size = min(batch_size, self.inputs.rows)
        self.threads = threads or choose_threads(sizes, self.batch_size)
        self.pace = _Pace(self.threads) if threads is None else None
        if self.inputs.mode(self.sizes[1], params.dtype.itemsize) == p.SKIP:
            self.inputs.encode(self.threads)
        self.moments = tuple(np.zeros_like(params) for _ in range(MOMENTS[rule]))
        every = self.inputs.entries(np.arange(self.inputs.rows), self.batch_size)
        self._allocate(keep_gradient=self.batch_size > CHUNK or max_norm is not None, entries=every)

    def _allocate(self, keep_gradient, entries):
        self.entries = entries
        mode = self.inputs.mode(self.sizes[1], self.params.dtype.itemsize)
        # Halves pay where every chunk ends with an update, and the weights move. The rule knows nothing of the threads
        # of this machine: the order of the sums, and so the bits, hang on it.
        halves = mode != p.LISTS and self.inputs.width >= 2 * BITS and self.batch_size <= CHUNK
        halves = halves and busy_threads(self.sizes, self.batch_size) > 1
        halves = halves and self.inputs.rows * self.inputs.width <= FAR
        self.workspace = Workspace(
            self.sizes, self.activations, self.params.dtype, chunk=round_up(min(self.batch_size, CHUNK), SIDE),
            threads=self.threads, rule=self.rule, loss=self.loss, input=mode, entries=entries,
            densities=None if mode == p.DENSE else self.inputs.densities, keep_gradient=keep_gradient,
            clip_loss=self.clip_loss, halves=halves, max_norm=self.max_norm, table=self.inputs.table,
        )  # fmt: skip
        self.workspace.plan[p.DROPOUT], self.workspace.plan[p.SEED] = self.dropout, self.seed
        self.load()

    def load(self) -> None:
        """Take weights and moments from `params` and `moments`."""
        self.workspace.load(self.params, self.moments)

    def store(self) -> None:
        """Write weights and moments into `params` and `moments`."""
        self.workspace.store(self.params, self.moments)

    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """One optimisation step for each row of coefficients, on batch_size rows of ``order`` each (the last may be
        short).

        order : int64, numbers of rows of X. coefficients : float64 (steps, N_COEFFICIENTS).
        Returns float64 (steps, 2): scale * sum of the row losses, and the L2 penalty before the step.
        """
        losses = self._run(order, coefficients, self.batch_size, True)
        self.rows_seen += min(len(order), len(coefficients) * self.batch_size)
        return losses

    def gradient(self, order: np.ndarray, scale: float, l2: float) -> tuple[float, float, np.ndarray]:
        """(loss, penalty, gradient) of the rows of ``order`` as one batch; nothing is updated."""
        if not self.workspace.plan[p.GRADIENT]:
            self.store()
            self._allocate(keep_gradient=True, entries=self.entries)
        coefficients = np.zeros((1, N_COEFFICIENTS))
        coefficients[0, SCALE] = scale
        loss = self._run(order, coefficients, len(order), False)[0, 0]
        self.store()
        gradient, penalty = np.empty_like(self.params), 0.0
        self.workspace.store_gradient(gradient)
        if l2:
            pairs = zip(plain_views(self.sizes, gradient), plain_views(self.sizes, self.params), strict=True)
            for (dW, _), (W, _) in pairs:
                dW += W.dtype.type(l2) * W
                penalty += 0.5 * l2 * float(np.vdot(W, W))
        return float(loss), penalty, gradient

    def _run(self, order, coefficients, batch_size, update):
        entries = self.inputs.entries(order, batch_size)
        if entries > self.entries:
            self.store()
            self._allocate(keep_gradient=bool(self.workspace.plan[p.GRADIENT]), entries=entries * 5 // 4)
        w, t = self.workspace, self.targets
        losses = np.empty((len(coefficients), 2))
        rows = np.zeros((len(coefficients), 2 * N_ROW), w.memory.dtype)
        for first in (0, N_ROW):
            rows[:, first : first + N_COEFFICIENTS] = coefficients
            rows[:, first + REST1] = 1 - coefficients[:, BETA1]
            rows[:, first + REST2] = 1 - coefficients[:, BETA2]
        rows[:, N_ROW + L2] = rows[:, N_ROW + DECAY] = 0  # the second half is for the biases
        plain = self.rule == SGD and self.max_norm is None and not coefficients[:, [L2, DECAY]].any()
        small = w.plan[p.INPUT] == p.SKIP and self.batch_size <= SCATTER_ROWS
        w.plan[p.SCATTER] = update and plain and small
        first = 0
        for threads, steps in self.pace.parts(len(rows)) if self.pace else [(self.threads, len(rows))]:
            end, start = first + steps, time.perf_counter()
            w.plan[p.ROWS_SEEN] = self.rows_seen + first * batch_size
            with _threads(threads):
                train_steps(
                    losses[first:end], w.memory, w.flags, w.samples, w.lists, *self.inputs.arrays, t.labels, t.rows,
                    self.weight, order[first * batch_size : end * batch_size], batch_size, rows[first:end], update,
                    w.plan, w.layers, w.units, w.split[threads],
                )  # fmt: skip
            if self.pace and steps:
                self.pace.took(threads, steps, time.perf_counter() - start)
            first = end
        return losses


class Evaluator:
    """Outputs, classes and losses of one network's shape on one X; see Stepper for the arguments."""

    def __init__(self, sizes, activations, dtype, X, *, loss=CROSS_ENTROPY, threads=None, scale=1 / 255):
        library.load(dtype)
        self.sizes, self.activations, self.dtype = list(sizes), tuple(activations), np.dtype(dtype)
        self.inputs = _Inputs(X, dtype, scale)
        n = self.inputs.rows
        self.threads = threads or choose_threads(sizes, n)
        rows = min(PREDICT_ROWS, round_up(-(-n // self.threads), SIDE))
        mode = self.inputs.mode(self.sizes[1], self.dtype.itemsize)
        self.workspace = Workspace(
            self.sizes, self.activations, dtype, chunk=rows * self.threads, threads=self.threads, rule=SGD, loss=loss,
            input=mode, trains=False, table=self.inputs.table,
        )  # fmt: skip

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
        w = self.workspace
        w.load(params, ())
        t = _Targets(np.zeros(0, np.int64) if targets is None else targets, self.dtype)
        outputs = np.empty((0, 0), self.dtype) if outputs is None else outputs
        classes = np.empty(0, np.int64) if classes is None else classes
        row_loss = np.empty(0, self.dtype) if row_loss is None else row_loss
        with _threads(self.threads):
            predict_rows(
                outputs, classes, row_loss, w.memory, w.flags, w.samples, *self.inputs.arrays, t.labels, t.rows,
                w.plan, w.layers, self.threads, self.inputs.rows,
            )  # fmt: skip


def _predict_few(sizes, activations, params, X, scale):
    library.load(params.dtype)
    width = round_up(max(sizes), VECTOR_BYTES)
    scratch = np.zeros((4, width), params.dtype)
    scratch[3, 0] = scale if X.dtype == np.uint8 else 1
    outputs = np.empty((len(X), sizes[-1]), params.dtype)
    predict_few(outputs, params, np.array(sizes), np.array(activations), _as_writable(X), scratch, np.array([-1]))
    return outputs


def classify(sizes, activations, params: np.ndarray, X, threads: int | None = None, *, scale=1 / 255) -> np.ndarray:
    """Classes (n,) int64 for X (n, d): the largest output; of a single one, whether its Z is above zero."""
    if X.shape[0] <= FEW and not hasattr(X, "indptr"):
        outputs = _predict_few(sizes, activations, params, X, scale)
        return (
            outputs.argmax(axis=1)
            if sizes[-1] > 1
            else (outputs[:, 0] > (0.5 if activations[-1] == SIGMOID else 0)).astype(np.int64)
        )
    return Evaluator(sizes, activations, params.dtype, X, threads=threads, scale=scale).classes(params)


def predict(sizes, activations, params: np.ndarray, X, threads: int | None = None, *, scale=1 / 255) -> np.ndarray:
    """Outputs (n, k) of a network for X (n, d)."""
    if X.shape[0] <= FEW and not hasattr(X, "indptr"):
        return _predict_few(sizes, activations, params, X, scale)
    return Evaluator(sizes, activations, params.dtype, X, threads=threads, scale=scale).outputs(params)
