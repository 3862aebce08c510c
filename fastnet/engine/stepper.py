"""Stepper: optimisation steps on one network's parameters."""

import time

import numpy as np

from fastnet.engine.augmenting import Augmenter
from fastnet.engine.helper import share_compilation
from fastnet.engine.inputs import Inputs, Targets, as_writable
from fastnet.engine.layout import plain_views
from fastnet.engine.strategy import CHUNK, training_strategy
from fastnet.engine.task import Task
from fastnet.engine.threads import Pace, choose_threads, run_parallel, usable
from fastnet.engine.workspace import Workspace
from fastnet.functions import BETA1, BETA2, DECAY, L2, MOMENTS, N_COEFFICIENTS, SCALE
from fastnet.kernels.step.records import APPLY, SKIP, STORE, UPDATE, Batch
from fastnet.kernels.step.train import train_steps
from fastnet.kernels.vector import library
from fastnet.kernels.vector.optimizers import N_ROW, REST1, REST2, SHRINK


class Stepper:
    """Optimisation steps on one network's parameters.

    sizes, activations : widths of all layers, codes of all but the first.
    params : flat vector, W[0], b[0], W[1], ..., of float32 or float64; `load` reads it, `store` writes it.
    X : (n, d) uint8, each worth ``scale``, or floating like params, or CSR. It must not change meanwhile: floats that
        bytes can stand for may have been copied.
    targets : int64 (n,) or like params (n, k).
    weight : None or (n,) like params.
    threads : None chooses, by the work in a step and by what a second thread brings; the bits are the same.
    augment : None, or a fastnet.augmentation.Augment that moves the rows, images, drawn from the task's seed.
    task : the fields of fastnet.engine.task.Task; loss and rule are needed.

    Attributes: rows_seen, rows trained on before the next step, by whose numbers dropout and motions are drawn;
    moments, those of the rule, flat vectors laid out like params.
    """

    def __init__(
        self, sizes, activations, params, X, targets, *, batch_size, threads=None, weight=None, scale=1 / 255,
        augment=None, **task,
    ):  # fmt: skip
        library.want(params.dtype)
        self.sizes, self.activations, self.params = list(sizes), tuple(activations), params
        self.task = Task(**task)
        self.rows_seen = 0
        self.inputs, self.targets = Inputs(X, params.dtype, scale), Targets(targets, params.dtype)
        self.weight = np.zeros(0, params.dtype) if weight is None else as_writable(np.ascontiguousarray(weight))
        self.batch_size = min(batch_size, self.inputs.rows)
        self.threads = threads or choose_threads(sizes, self.batch_size)
        self.pace = Pace(self.threads) if threads is None else None
        self.strategy = training_strategy(self.sizes, params.dtype.itemsize, self.inputs, self.batch_size)
        moves = augment is not None
        self.augmenter = Augmenter(augment, self.inputs, self.task.seed, self.threads) if moves else None
        if self.strategy.input == SKIP and not moves:
            self.inputs.encode(usable(self.threads))
        if library.is_awaited(params.dtype) and threads != 1:
            share_compilation(self.inputs.data.dtype.name, params.dtype.name)
        self.moments = tuple(np.zeros_like(params) for _ in range(MOMENTS[self.task.rule]))
        every = self._entries(np.arange(self.inputs.rows), self.batch_size)
        keeps = self.batch_size > CHUNK or self.task.max_norm is not None
        self._allocate(keep_gradient=keeps, entries=every)

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
        action = self.strategy.action(self.task.rule, self.task.max_norm is not None, coefficients)
        losses = self._run(order, self._numbers(order), coefficients, self.batch_size, action)
        self.rows_seen += min(len(order), len(coefficients) * self.batch_size)
        return losses

    def gradient(self, order: np.ndarray, scale: float, l2: float) -> tuple[float, float, np.ndarray]:
        """(loss, penalty, gradient) of the rows of ``order`` as one batch. No step is taken; it stores, as `store`."""
        self._keep_gradient()
        coefficients = np.zeros((1, N_COEFFICIENTS))
        coefficients[0, SCALE] = scale
        loss = self._run(order, self._numbers(order), coefficients, len(order), STORE)[0, 0]
        self.store()
        gradient, penalty = np.empty_like(self.params), 0.0
        self.workspace.store_gradient(gradient)
        if l2:
            pairs = zip(plain_views(self.sizes, gradient), plain_views(self.sizes, self.params), strict=True)
            for (dW, _), (W, _) in pairs:
                dW += W.dtype.type(l2) * W
                penalty += 0.5 * l2 * float(np.vdot(W, W))
        return float(loss), penalty, gradient

    @property
    def kept_gradient(self) -> np.ndarray:
        """The gradient of `add_up`, which `move` reads, as kernels lay it out; behind it room for NOTES numbers."""
        self._keep_gradient()
        return self.workspace.kept_gradient

    def add_up(self, order: np.ndarray, numbers: np.ndarray, coefficients: np.ndarray) -> float:
        """The loss of some rows of a batch, at least one. Their gradient, without L2, goes to `kept_gradient`.

        numbers : int64, those of the rows among all trained on. coefficients : float64 (1, N_COEFFICIENTS).
        """
        self._keep_gradient()
        return float(self._run(order, numbers, coefficients, len(order), STORE)[0, 0])

    def move(self, coefficients: np.ndarray) -> float:
        """Take a step by `kept_gradient`; the L2 penalty before it."""
        nothing = np.zeros(0, np.int64)
        return float(self._run(nothing, nothing, coefficients, 1, APPLY)[0, 1])

    def step(self, order: np.ndarray, numbers: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """One step on these rows as a batch, at least one; its loss and penalty, float64 (2,). See `add_up`."""
        action = self.strategy.action(self.task.rule, self.task.max_norm is not None, coefficients)
        if len(order) > self.strategy.chunk_rows:  # the weights move once all chunks have been through
            self._keep_gradient()
            action = UPDATE
        return self._run(order, numbers, coefficients, len(order), action)[0]

    def _numbers(self, order: np.ndarray) -> np.ndarray:
        """Of the rows of ``order``, those that come next, among all rows trained on."""
        return np.arange(self.rows_seen, self.rows_seen + len(order))

    def _entries(self, order: np.ndarray, batch_size: int) -> int:
        return self.inputs.entries(order, batch_size, self.strategy.chunk_rows)

    @property
    def _keeps_gradient(self) -> bool:
        return bool(self.workspace.plan["gradient"])

    def _keep_gradient(self) -> None:
        if not self._keeps_gradient:
            self._allocate_again(keep_gradient=True, entries=self.entries)

    def _allocate(self, keep_gradient: bool, entries: int) -> None:
        self.entries = entries
        self.workspace = Workspace(
            self.sizes, self.activations, self.strategy, self.task, self.inputs, self.threads,
            keep_gradient=keep_gradient, entries=entries,
        )  # fmt: skip
        self.load()

    def _allocate_again(self, keep_gradient: bool, entries: int) -> None:
        self.store()
        self._allocate(keep_gradient, entries)

    def _run(
        self, order: np.ndarray, numbers: np.ndarray, coefficients: np.ndarray, batch_size: int, action: int
    ) -> np.ndarray:
        entries = self._entries(order, batch_size)
        if entries > self.entries:
            self._allocate_again(self._keeps_gradient, entries * 5 // 4)
        losses, rows = np.empty((len(coefficients), 2)), self._rows(coefficients)
        step = 0
        for threads, steps in self.pace.parts(len(rows)) if self.pace else [(self.threads, len(rows))]:
            start, part = time.perf_counter(), slice(step, step + steps)
            some = slice(step * batch_size, (step + steps) * batch_size)
            self._train(losses[part], order[some], numbers[some], rows[part], batch_size, action, usable(threads))
            if self.pace and steps and action != STORE:
                self.pace.took(threads, steps, time.perf_counter() - start)
            step += steps
        return losses

    def _rows(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients as kernels take them: for each step one row for the weights, then one for the biases."""
        rows = np.zeros((len(coefficients), 2 * N_ROW), self.params.dtype)
        for first in (0, N_ROW):
            with np.errstate(over="ignore"):  # a rate beyond float32 shows in the loss, and is told there
                rows[:, first : first + N_COEFFICIENTS] = coefficients
            rows[:, first + REST1] = 1 - coefficients[:, BETA1]
            rows[:, first + REST2] = 1 - coefficients[:, BETA2]
            rows[:, first + SHRINK] = 1
        rows[:, N_ROW + L2] = rows[:, N_ROW + DECAY] = 0
        return rows

    @property
    def batch(self) -> Batch:
        """What kernels learn from."""
        return Batch(*self.inputs.arrays, self.targets.labels, self.targets.values, self.weight)

    def _train(self, losses, order, numbers, rows, batch_size, action, threads) -> None:
        """Steps on ``threads`` threads."""
        batch = self.batch
        if self.augmenter is None:
            self._take_steps(losses, batch, order, numbers, rows, batch_size, action, threads)
            return
        steps = self.augmenter.steps(batch_size)
        for step in range(0, max(1, len(rows)), steps):  # once without any step, which compiles
            part, first = slice(step, step + steps), step * batch_size
            some = slice(first, first + steps * batch_size)
            chosen, theirs = order[some], numbers[some]
            moved = self.augmenter.batch(batch, chosen, theirs, threads)
            self._take_steps(
                losses[part], moved, np.arange(len(chosen)), theirs, rows[part], batch_size, action, threads
            )

    def _take_steps(self, losses, batch, order, numbers, rows, batch_size, action, threads) -> None:
        w = self.workspace
        run_parallel(
            threads, train_steps, losses, w.buffers, tuple(batch), w.tables(threads),
            (order, numbers, rows, batch_size, action),
        )  # fmt: skip
