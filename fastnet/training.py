"""The driver: shuffle, batch, call the kernels, keep the History."""

import contextlib
import math
import reprlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastnet import functions as f
from fastnet.backends import Backend
from fastnet.calls import SECONDS_PER_CALL
from fastnet.data.arrays import check_rows
from fastnet.divergence import Watch
from fastnet.errors import DivergenceWarning, NonFiniteLossError, one_of, warn
from fastnet.hints import hinted
from fastnet.history import Epoch, History
from fastnet.network import Evaluation, Network, RegressionEvaluation, check_pair
from fastnet.optimizers import Optimizer, check_optimizer
from fastnet.progress import Progress

Schedule = str | Callable[[float], float] | None
Callback = Callable[[Network, Epoch], Any]


@hinted("train")
def train(
    net: Network,
    X: Any,
    y: Any,
    *,
    epochs: int = 9,
    batch_size: int = 128,
    optimizer: Optimizer | None = None,
    loss: str | None = None,
    l2: float = 0.0,
    schedule: Schedule = None,
    validation: tuple[Any, Any] | None = None,
    shuffle: bool = True,
    seed: Any = None,
    threads: int | None = None,
    backend: str = "numba",
    evaluate_train: bool = False,
    callbacks: Iterable[Callback] = (),
    progress: Any = False,
) -> History:
    """Train ``net`` in place on X (n, d) and y, labels (n,) or targets (n, k); of a regression with one output (n,).

    optimizer : SGD, Momentum or Adam; None is Adam(1e-3). loss : None follows the output layer. l2 adds l2/2 ||W||^2.
    schedule : "one_cycle", "cosine", or a function from the share of the run that is done to a factor of lr.
    validation : (X, y), evaluated after each epoch. evaluate_train : evaluate on X, y as well.
    seed : of the order of rows. threads : None chooses by the work in a step; the bits are the same for any number.
    backend : "numba", or "reference" for plain NumPy. callbacks : each called as callback(net, epoch) after every
        epoch; one that returns True ends the run; it may change the weights.
    progress : True prints a line per epoch; or an object with the methods of fastnet.progress.Progress.

    Raises ValueError or TypeError on bad arguments, NonFiniteLossError when the run diverges; the network is then as it
    was after its last finite epoch. After Ctrl-C it holds the weights reached. Warns with DivergenceWarning of a run
    that ended finite but diverged, and with UserWarning of an X in units that look wrong.
    """
    name = check_pair(net, loss)
    optimizer = check_optimizer(optimizer)
    epochs, batch_size = _whole("epochs", epochs), _whole("batch_size", batch_size)
    threads = None if threads is None else _whole("threads", threads)
    l2, factor, callbacks = _penalty(l2), _schedule(schedule), _callables(callbacks)
    one_of("backend", backend, ("numba", "reference"))
    given = check_rows(X, width=net.sizes[0])
    X = net.check_inputs(given)
    y = net.check_targets(y, len(X), name)
    net.note_training_inputs(given)
    held_out = None if validation is None else _held_out(net, validation, name)
    progress, batch_size = _progress(progress, epochs, len(X)), min(batch_size, len(X))

    with _reported_compilation(progress, backend):
        compute = Backend(backend, net, f.LOSSES[name], threads)
        stepper = compute.stepper(X, y, optimizer.rule, batch_size)
        run = _Run(net, stepper, optimizer, factor, l2, len(X), batch_size, epochs)
        evaluate = None if held_out is None else compute.evaluator(*held_out)
        evaluate_again = compute.evaluator(X, y) if evaluate_train else None
        history, rng = History(threads=compute.threads), np.random.default_rng(seed)
        if progress:
            progress.begin()
        stepper.run(np.arange(0), np.zeros((0, f.N_COEFFICIENTS)))  # compiles, before the clock starts
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            mean_loss = run.epoch(epoch, rng if shuffle else None)
            seconds = time.perf_counter() - start
            values = _named("val", evaluate) | _named("train", evaluate_again)
            history.epochs.append(Epoch(epoch, seconds, mean_loss, **values))
            if progress:
                progress.epoch(history.epochs[-1])
            if _called(callbacks, net, history.epochs[-1], run):
                break
        if progress:
            progress.end()
    if verdict := run.watch.verdict(y, f.LOSSES[name], net.sizes[-1]):
        text, history.diverged = verdict
        warn(text, DivergenceWarning if history.diverged else UserWarning)
    return history


def _named(rows: str, evaluate: Callable[[], Evaluation | RegressionEvaluation] | None) -> dict[str, float]:
    """The fields of an Epoch that an evaluation, if it was asked for, fills: val_* or train_*."""
    if evaluate is None:
        return {}
    found = evaluate()
    name, value = ("r2", found.r2) if isinstance(found, RegressionEvaluation) else ("accuracy", found.accuracy)
    return {f"{rows}_loss": found.loss, f"{rows}_{name}": value}


class _Run:
    """The steps of one run: coefficients, groups, losses, and what is kept in case it diverges."""

    def __init__(self, net, stepper, optimizer, factor, l2, rows, batch_size, epochs):
        self.net, self.stepper, self.optimizer, self.factor, self.l2 = net, stepper, optimizer, factor, l2
        self.rows, self.batch_size = rows, batch_size
        self.steps = -(-rows // batch_size)
        self.total, self.done = self.steps * epochs, 0
        self.sizes = np.minimum(batch_size, rows - batch_size * np.arange(self.steps))
        self.group = 1
        self.watch = Watch(self.sizes)
        self.finite = net.params.copy()

    def epoch(self, epoch: int, rng: np.random.Generator | None) -> float:
        """One pass over the rows, in an order drawn from ``rng``; the mean loss of its batches, weighted by their rows.

        None leaves the order as it is.
        """
        # One batch of all rows is the same in any order, and read faster in their own.
        order = np.arange(self.rows) if rng is None or self.steps == 1 else rng.permutation(self.rows)
        coefficients, lr = self._coefficients()
        losses, step = np.empty((self.steps, 2)), 0
        try:
            while step < self.steps:
                end, start = min(self.steps, step + self.group), time.perf_counter()
                rows = order[step * self.batch_size : end * self.batch_size]
                losses[step:end] = self.stepper.run(rows, coefficients[step:end])
                self._resize_group(end - step, time.perf_counter() - start)
                finite = np.isfinite(losses[step:end].sum(axis=1))
                if not finite.all():
                    self._fail(epoch, step + int(np.argmin(finite)), lr)
                step = end
        except KeyboardInterrupt:
            self.stepper.store()
            raise
        self.done += self.steps
        self.stepper.store()
        if not np.isfinite(self.net.params).all():
            self._fail(epoch, self.steps - 1, lr)
        self.finite[:] = self.net.params
        self.watch.epoch(epoch, losses[:, 0])
        return float(losses.sum(axis=1) @ self.sizes) / self.rows

    def load(self) -> None:
        """Go on from the network's weights, which somebody has changed."""
        self.stepper.load()
        if np.isfinite(self.net.params).all():
            self.finite[:] = self.net.params

    def _coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """(coefficients of the epoch's steps, their learning rates)."""
        share = (self.done + np.arange(self.steps)) / self.total
        lr = self.optimizer.lr * np.array([self.factor(s) for s in share.tolist()]) if self.factor else None
        lr = np.full(self.steps, float(self.optimizer.lr)) if lr is None else lr
        coefficients = np.zeros((self.steps, f.N_COEFFICIENTS))
        coefficients[:, f.SCALE], coefficients[:, f.L2] = 1 / self.sizes, self.l2
        self.optimizer.fill(coefficients, lr, self.done)
        return coefficients, lr

    def _resize_group(self, steps: int, seconds: float) -> None:
        """Aim at SECONDS_PER_CALL, growing eightfold at most: the first call may include compilation."""
        wanted = steps * SECONDS_PER_CALL / max(seconds, 1e-9)
        self.group = max(1, min(8 * self.group, int(wanted)))

    def _fail(self, epoch: int, step: int, lr: np.ndarray) -> None:
        self.net.params[:] = self.finite
        raise NonFiniteLossError(epoch, step + 1, float(lr[step]))


def _held_out(net: Network, validation: Any, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """The validation rows and their targets."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        got = f"{len(validation)} items" if isinstance(validation, tuple | list) else reprlib.repr(validation)
        got = " ".join(got.split())
        raise TypeError(f"validation must be a pair (X, y) of rows to evaluate on, got {got}: split the rows first")
    X = net.check_inputs(validation[0], "validation[0]")
    return X, net.check_targets(validation[1], len(X), loss, "validation[1]")


def _callables(callbacks: Any) -> tuple[Callback, ...]:
    found = tuple(callbacks) if isinstance(callbacks, Iterable) else (callbacks,)
    for callback in found:
        if not callable(callback):
            raise TypeError(f"callbacks must be functions of (net, epoch), got {callback!r}")
    return found


def _called(callbacks: tuple[Callback, ...], net: Network, epoch: Epoch, run: _Run) -> bool:
    """Call all callbacks, let the kernels see changed weights, and say whether one wants to stop."""
    if not callbacks:
        return False
    before = net.params.copy()
    answers = [callback(net, epoch) for callback in callbacks]
    if not np.array_equal(before, net.params):
        run.load()
    return any(isinstance(answer, bool | np.bool_) and bool(answer) for answer in answers)


def _whole(argument: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{argument} must be a whole number, at least 1, got {value!r}")
    return int(value)


def _penalty(l2: Any) -> float:
    if isinstance(l2, bool) or not (isinstance(l2, int | float | np.number) and 0 <= l2 < math.inf):
        raise ValueError(f"l2 must be a finite number, at least 0, got {l2!r}")
    return float(l2)


def _schedule(schedule: Schedule) -> Callable[[float], float] | None:
    if schedule is None:
        return None
    if callable(schedule):
        return schedule
    return {"one_cycle": one_cycle, "cosine": cosine}[one_of("schedule", schedule, ("one_cycle", "cosine"))]


def cosine(done: float) -> float:
    """Half a cosine, from 1 to 0."""
    return 0.5 + 0.5 * math.cos(math.pi * done)


def one_cycle(done: float) -> float:
    """Linear from 0.04 to 1 over the first 30 % of the run, then half a cosine to 0 (Smith and Topin, 2017)."""
    rise = 0.3
    return 0.04 + 0.96 * done / rise if done < rise else cosine((done - rise) / (1 - rise))


def _progress(progress: Any, epochs: int, rows: int) -> Any:
    if progress is not True:
        return progress
    return Progress(sys.stdout, epochs, rows)


@contextlib.contextmanager
def _reported_compilation(progress: Any, backend: str):
    """Tell ``progress`` once when a kernel has to be compiled."""
    if not progress or backend != "numba":
        yield
        return
    from fastnet.kernels.compile.cache import listeners

    def once(kernel):
        with contextlib.suppress(ValueError):  # another thread was first
            listeners.remove(once)
            progress.compiling()

    listeners.append(once)
    try:
        yield
    finally:
        if once in listeners:
            listeners.remove(once)
