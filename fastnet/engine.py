"""The Numba side of the driver: a Stepper over the compiled kernels, and prediction.

`fastnet.reference` has the same Stepper in plain NumPy.
"""

import threading
from collections.abc import Sequence

import numba
import numpy as np

from fastnet.functions import L2, MOMENTS, N_COEFFICIENTS, SCALE, SGD
from fastnet.kernels import plan as p
from fastnet.kernels.lanes import lanes_of
from fastnet.kernels.step import predict_rows, train_steps
from fastnet.workspace import CHUNK, Workspace, plain_views

# Two Python threads inside a parallel region abort the process under Numba's workqueue layer, and under any layer they
# would only take the cores from each other.
_parallel = threading.Lock()

STEP_PER_THREAD = 4e6  # FLOPs of a step that are worth a further thread; two regions cost about 4 us
SAMPLE = 2048  # rows looked at to measure density
NO_INDICES, NO_INDPTR = np.zeros(0, np.int32), np.zeros(0, np.int64)


def _dense_threshold(vectors: int) -> float:
    """Density below which zero skipping beats the dense tile.

    A constant rule, for a timing could choose differently the next time and change bits.
    """
    return 0.12 if vectors == 1 else 0.25 if vectors == 2 else 0.35


class _Inputs:
    """X as the kernels take it: (data, indices, indptr), its shape and its density."""

    def __init__(self, X, dtype):
        self.rows, self.width = X.shape
        self.is_csr = hasattr(X, "indptr")
        if self.is_csr:
            self.data = np.ascontiguousarray(X.data, dtype)
            self.indices, self.indptr = X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64, copy=False)
            self.density = len(self.data) / max(1, self.rows * self.width)
            return
        self.data = np.asarray(X).reshape(-1)
        self.indices, self.indptr = NO_INDICES, NO_INDPTR
        sample = np.asarray(X[:: max(1, self.rows // SAMPLE)])
        self.density = np.count_nonzero(sample) / max(1, sample.size)

    def mode(self, fan_out: int, itemsize: int) -> int:
        if self.is_csr:
            return p.LISTS
        vectors = -(-fan_out // lanes_of(itemsize))
        return p.SKIP if self.width >= 64 and self.density <= _dense_threshold(vectors) else p.DENSE

    def entries(self, chunk: int) -> int:
        """Most entries that ``chunk`` rows of a CSR matrix can hold."""
        if not self.is_csr:
            return 0
        return int(np.sort(np.diff(self.indptr))[-chunk:].sum())

    @property
    def arrays(self):
        return self.data, self.indices, self.indptr


def available_threads() -> int:
    """Threads that Numba may use here (NUMBA_NUM_THREADS, or the cores)."""
    return numba.config.NUMBA_NUM_THREADS


def choose_threads(sizes: Sequence[int], rows: int) -> int:
    """As many threads as the work of a step of ``rows`` rows keeps busy."""
    flops = 6.0 * rows * sum(a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    return int(max(1, min(available_threads(), flops // STEP_PER_THREAD)))


class _limited:
    """Enter the parallel kernels, one Python thread at a time, with at most as many threads as Numba has."""

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


class Stepper:
    """Optimisation steps on one network's parameters; see `fastnet.reference.Stepper` for the meaning of everything."""

    def __init__(
        self, sizes, activations, params, X, targets, *, loss, rule, batch_size, threads=None, weight=None
    ):
        self.sizes, self.activations, self.params = list(sizes), tuple(activations), params
        self.loss, self.rule = loss, rule
        self.inputs = _Inputs(X, params.dtype)
        self.batch_size = min(batch_size, self.inputs.rows)
        self.threads = threads or choose_threads(sizes, self.batch_size)
        labelled = targets.ndim == 1
        self.labels = targets if labelled else NO_INDPTR
        self.targets = np.zeros(0, params.dtype) if labelled else targets.reshape(-1)
        self.weight = np.zeros(0, params.dtype) if weight is None else weight
        self.moments = tuple(np.zeros_like(params) for _ in range(MOMENTS[rule]))
        self._allocate(keep_gradient=False)

    def _allocate(self, keep_gradient):
        mode = self.inputs.mode(self.sizes[1], self.params.dtype.itemsize)
        self.workspace = Workspace(
            self.sizes, self.activations, self.params.dtype, batch_size=self.batch_size, threads=self.threads,
            rule=self.rule, loss=self.loss, input=mode, density=self.inputs.density if mode != p.DENSE else 1.0,
            entries=self.inputs.entries(CHUNK), keep_gradient=keep_gradient,
        )  # fmt: skip
        self.load()

    def load(self) -> None:
        """Take weights and moments from `params` and `moments`."""
        self.workspace.load(self.params, self.moments)

    def store(self) -> None:
        """Write weights and moments into `params` and `moments`."""
        self.workspace.store(self.params, self.moments)

    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """One step for each row of coefficients; losses (steps, 2)."""
        return self._run(order, coefficients, self.batch_size, True)

    def gradient(self, order: np.ndarray, scale: float, l2: float) -> tuple[float, float, np.ndarray]:
        """(loss, penalty, gradient) of the rows of ``order`` as one batch; nothing is updated."""
        if not self.workspace.plan[p.GRADIENT]:
            self.store()
            self._allocate(keep_gradient=True)
        coefficients = np.zeros((1, N_COEFFICIENTS))
        coefficients[0, SCALE] = scale
        loss = self._run(order, coefficients, len(order), False)[0, 0]
        self.store()
        gradient, penalty = np.empty_like(self.params), 0.0
        self.workspace.store_gradient(gradient)
        if l2:
            for (dW, _), (W, _) in zip(
                plain_views(self.sizes, gradient), plain_views(self.sizes, self.params), strict=True
            ):
                dW += W.dtype.type(l2) * W
                penalty += 0.5 * l2 * float(np.vdot(W, W))
        return float(loss), penalty, gradient

    def _run(self, order, coefficients, batch_size, update):
        w = self.workspace
        losses = np.empty((len(coefficients), 2))
        # The bias has no L2 and no decay: its own coefficients follow those of the weights.
        both = np.concatenate([coefficients, coefficients], axis=1).astype(w.memory.dtype)
        both[:, N_COEFFICIENTS + L2 : N_COEFFICIENTS + L2 + 2] = 0
        with _limited(self.threads):
            train_steps(
                losses, w.memory, w.flags, w.samples, w.lists, *self.inputs.arrays, self.labels, self.targets,
                self.weight, order, batch_size, both, update, w.plan, w.layers, w.units, w.split,
            )  # fmt: skip
        return losses
