"""The driver: shuffle, batch, call the kernels, keep the History."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastnet import functions as f
from fastnet.errors import NonFiniteLossError, one_of
from fastnet.network import Network, check_pair
from fastnet.optimizers import SGD, Adam, Momentum, Optimizer

GROUP_SECONDS = 0.05  # steps that go to the kernels in one call: Ctrl-C and progress wait for as long


@dataclass(frozen=True)
class Epoch:
    """What one epoch did. ``seconds`` is training alone; ``loss`` the mean over its batches, with the L2 penalty.

    val_*: on the validation rows; train_*: a full pass over the training rows; None where not asked for. Accuracies are
    shares of 1.
    """

    epoch: int
    seconds: float
    loss: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None


@dataclass
class History:
    """The course of a training run: one Epoch after another, and the threads that it ran on."""

    epochs: list[Epoch] = field(default_factory=list)
    threads: int = 1


Schedule = str | Callable[[float], float] | None
Callback = Callable[[Network, Epoch], Any]


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
    """Train ``net`` in place on X (n, d) and y, labels (n,) or targets (n, k).

    optimizer : SGD, Momentum or Adam; None is Adam(1e-3). loss : None follows the output layer. l2 adds l2/2 ||W||^2.
    schedule : "one_cycle", "cosine", or a function from the share of the run that is done to a factor of lr.
    validation : (X, y), evaluated after each epoch. evaluate_train : evaluate on X, y as well.
    seed : of the order of rows. threads : None chooses by the work in a step; the bits are the same for any number.
    backend : "numba", or "reference" for plain NumPy. callbacks : each called as callback(net, epoch) after every
        epoch; one that returns True ends the run; it may change the weights.
    progress : True prints a line per epoch; or an object with the methods of fastnet.progress.Progress.

    Raises ValueError or TypeError on bad arguments, NonFiniteLossError when the run diverges; the network is then as it
    was after its last finite epoch. After Ctrl-C it holds the weights reached.
    """
    name = check_pair(net, loss)
    optimizer = Adam() if optimizer is None else optimizer
    if not isinstance(optimizer, SGD | Momentum | Adam):
        raise TypeError(f"optimizer must be SGD, Momentum or Adam of fastnet, got {optimizer!r}")
    epochs, batch_size = _whole("epochs", epochs), _whole("batch_size", batch_size)
    threads = None if threads is None else _whole("threads", threads)
    if isinstance(l2, bool) or not (isinstance(l2, int | float | np.number) and 0 <= l2 < math.inf):
        raise ValueError(f"l2 must be a finite number, at least 0, got {l2!r}")
    factor, callbacks = _schedule(schedule), _callables(callbacks)
    one_of("backend", backend, ("numba", "reference"))
    X, y = _arrays(net, X, y, name, "X", "y")
    held_out = None if validation is None else _held_out(net, validation, name)
    progress = _progress(progress, epochs, len(X))

    with _reported_compilation(progress, backend):
        compute = _Backend(backend, net, f.LOSSES[name], threads)
        stepper = compute.stepper(X, y, optimizer.rule, min(batch_size, len(X)))
        run = _Run(net, stepper, optimizer, factor, float(l2), len(X), min(batch_size, len(X)), epochs)
        evaluate = None if held_out is None else compute.evaluator(*held_out)
        evaluate_again = compute.evaluator(X, y) if evaluate_train else None
        history, rng = History(threads=compute.threads), np.random.default_rng(seed)
        if progress:
            progress.begin()
        stepper.run(np.arange(0), np.zeros((0, f.N_COEFFICIENTS)))  # compiles, before the clock starts
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            # One batch of all rows is the same in any order, and read faster in their own.
            order = rng.permutation(len(X)) if shuffle and run.steps > 1 else np.arange(len(X))
            mean_loss = run.epoch(epoch, order)
            seconds = time.perf_counter() - start
            values = (
                *(evaluate() if evaluate else (None, None)),
                *(evaluate_again() if evaluate_again else (None, None)),
            )
            history.epochs.append(Epoch(epoch, seconds, mean_loss, *values))
            if progress:
                progress.epoch(history.epochs[-1])
            if _called(callbacks, net, history.epochs[-1], run):
                break
        if progress:
            progress.end()
    return history


class _Run:
    """The steps of one run: coefficients, groups, losses, and what is kept in case it diverges."""

    def __init__(self, net, stepper, optimizer, factor, l2, rows, batch_size, epochs):
        self.net, self.stepper, self.optimizer, self.factor, self.l2 = net, stepper, optimizer, factor, l2
        self.rows, self.batch_size = rows, batch_size
        self.steps = -(-rows // batch_size)
        self.total, self.done = self.steps * epochs, 0
        self.sizes = np.minimum(batch_size, rows - batch_size * np.arange(self.steps))
        self.group = 1
        self.finite = net.params.copy()

    def epoch(self, epoch: int, order: np.ndarray) -> float:
        """One pass over the rows in ``order``; the mean loss of its batches, weighted by their rows."""
        coefficients, lr = self._coefficients()
        losses, step = np.empty(self.steps), 0
        try:
            while step < self.steps:
                end, start = min(self.steps, step + self.group), time.perf_counter()
                rows = order[step * self.batch_size : end * self.batch_size]
                losses[step:end] = self.stepper.run(rows, coefficients[step:end]).sum(axis=1)
                self._resize_group(end - step, time.perf_counter() - start)
                if not np.isfinite(losses[step:end]).all():
                    bad = step + int(np.argmin(np.isfinite(losses[step:end])))
                    self._fail(epoch, bad, lr)
                step = end
        except KeyboardInterrupt:
            self.stepper.store()
            raise
        self.done += self.steps
        self.stepper.store()
        if not np.isfinite(self.net.params).all():
            self._fail(epoch, self.steps - 1, lr)
        self.finite[:] = self.net.params
        return float(losses @ self.sizes) / self.rows

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
        """Aim at GROUP_SECONDS, growing eightfold at most: the first call may include compilation."""
        wanted = steps * GROUP_SECONDS / max(seconds, 1e-9)
        self.group = max(1, min(8 * self.group, int(wanted)))

    def _fail(self, epoch: int, step: int, lr: np.ndarray) -> None:
        self.net.params[:] = self.finite
        raise NonFiniteLossError(epoch, step + 1, float(lr[step]))


class _Backend:
    """Steppers and evaluators of one backend for one network."""

    def __init__(self, name, net, loss, threads):
        self.net, self.loss, self.wanted = net, loss, threads
        self.threads = 1
        self.numba = name == "numba"
        if self.numba:
            from fastnet import engine as module
        else:
            from fastnet import reference as module  # type: ignore[no-redef]
        self.module: Any = module

    def stepper(self, X, y, rule, batch_size):
        net = self.net
        stepper = self.module.Stepper(
            net.sizes, net.activations, net.params, X, y, loss=self.loss, rule=rule, batch_size=batch_size,
            threads=self.wanted,
        )  # fmt: skip
        self.threads = stepper.threads if self.numba else 1
        return stepper

    def evaluator(self, X, y) -> Callable[[], tuple[float, float]]:
        """A function that evaluates the network, as it then is, on (X, y)."""
        net = self.net
        if self.numba:
            kept = self.module.Evaluator(net.sizes, net.activations, net.dtype, X, loss=self.loss, threads=self.wanted)
            return lambda: kept.evaluate(net.params, y)
        return lambda: self.module.evaluate(net.sizes, net.activations, net.params, X, y, self.loss)


def _arrays(net: Network, X: Any, y: Any, loss: str, X_name: str, y_name: str) -> tuple[np.ndarray, np.ndarray]:
    """X and y as the kernels take them."""
    X = net.check_inputs(X, X_name)
    return X, net.check_targets(y, len(X), loss, y_name)


def _held_out(net: Network, validation: Any, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """The validation rows and their targets."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(f"validation must be a pair (X, y), got {type(validation).__name__}")
    X, y = validation
    return _arrays(net, X, y, loss, "validation[0]", "validation[1]")


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
    from fastnet.progress import Progress

    return Progress(sys.stdout, epochs, rows)


@contextlib.contextmanager
def _reported_compilation(progress: Any, backend: str):
    """Tell ``progress`` once when a kernel has to be compiled."""
    if not progress or backend != "numba":
        yield
        return
    from fastnet.kernels.compile.cache import listeners

    def once(kernel):
        listeners.remove(once)
        progress.compiling()

    listeners.append(once)
    try:
        yield
    finally:
        if once in listeners:
            listeners.remove(once)
