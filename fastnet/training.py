"""The public face of training: checks, and the objects that a run is made of."""

import contextlib
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastnet import flops
from fastnet import functions as f
from fastnet.augmentation import Augment, parse
from fastnet.backends import Backend
from fastnet.callbacks import Callback
from fastnet.data.arrays import check_rows
from fastnet.driver.batches import Batches
from fastnet.driver.course import Course
from fastnet.driver.steering import Steering, dropout_rates, measures, norm_limit, smoothing_for
from fastnet.driver.weights import row_weights
from fastnet.errors import DivergenceWarning, one_of, warn, whole
from fastnet.hints import hinted
from fastnet.history import Epoch, History
from fastnet.network import Network, check_pair
from fastnet.optimizers import Optimizer
from fastnet.progress import Progress
from fastnet.schedules import Schedule


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
    schedule: str | Schedule | Callable[[float], float] | None = None,
    validation: tuple[Any, Any] | None = None,
    shuffle: bool = True,
    seed: Any = None,
    threads: int | None = None,
    backend: str = "numba",
    evaluate_train: bool = False,
    callbacks: Callback | Callable[[Network, Epoch], Any] | Iterable[Any] = (),
    progress: Any = False,
    warmup: float = 0.0,
    patience: int | None = None,
    min_delta: float = 0.0,
    monitor: str | None = None,
    time_limit: float | None = None,
    dropout: float | Iterable[float] = 0.0,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    label_smoothing: float = 0.0,
    class_weight: Any = None,
    sample_weight: Any = None,
    augment: Augment | str | None = None,
) -> History:
    """Train ``net`` in place on X (n, d) and y, labels (n,) or targets (n, k); of a regression with one output (n,).

    optimizer : SGD, Momentum or Adam; None is Adam(1e-3). loss : None follows the output layer. l2 adds l2/2 ||W||^2.
    schedule : of the learning rate: None, one of fastnet.schedules or its name, or a function from the share of the run
        that is done to a factor of lr. warmup : epochs, fractions too, of a linear rise before it.
    validation : (X, y), evaluated after each epoch. evaluate_train : evaluate on X, y as well.
    seed : of the order of rows, of dropout and augment. threads : None chooses by the work in a step; the bits are the
        same for any number.
    backend : "numba", or "reference" for plain NumPy. callbacks : each called as callback(net, epoch) after every
        epoch; one that returns True ends the run; it may change the weights (see fastnet.callbacks.Callback).
    progress : True prints the course; or an object with the methods of fastnet.progress.Progress.
    patience : epochs without a better ``monitor`` (by more than ``min_delta``) after which the run ends. The network
        then has the weights of its best epoch, also if the run comes to its last epoch. monitor : a field of Epoch;
        None is "val_loss", and without validation the "loss" for a schedule that waits.
    time_limit : seconds of the whole run but for compilation; it may end within an epoch.
    dropout : chance of each hidden unit to be left out, from 0 to below 1, or one for each hidden layer.
    weight_decay : weights (not biases) are multiplied by 1 - lr * weight_decay before every step (AdamW: Loshchilov
        and Hutter, 2019). clip_norm : largest Euclidean norm of a step's gradient, l2 included.
    label_smoothing : s makes targets (1 - s) t + s / k (Szegedy et al., 2016); of sigmoid outputs (1 - s) t + s / 2.
    class_weight : "balanced", one number per class, or a dict. sample_weight : (n,). The loss of a batch is the mean by
        these weights.
    augment : images are shifted and rotated at random each time that they are trained on: a fastnet.Augment, or
        a text like "shift=2,rotate=10".

    Raises ValueError or TypeError on bad arguments, NonFiniteLossError when the run diverges; the network is then as it
    was after its last finite epoch. After Ctrl-C it holds the weights reached. Warns with DivergenceWarning of a run
    that ended finite but diverged, and with UserWarning of an X in units that look wrong.
    """
    name = check_pair(net, loss)
    measured = measures(net, validation is not None, evaluate_train)
    steering = Steering(
        epochs, optimizer, schedule, warmup, l2, weight_decay, patience, min_delta, monitor, time_limit, shuffle,
        callbacks, measured,
    )  # fmt: skip
    batch_size, threads = whole("batch_size", batch_size), None if threads is None else whole("threads", threads)
    one_of("backend", backend, ("numba", "reference"))
    smoothing = smoothing_for(name, label_smoothing)
    task = {"dropout": dropout_rates(dropout, len(net.sizes) - 2), "max_norm": norm_limit(clip_norm)}
    augment = _augment(augment, np.shape(X)[1:], net.sizes[0])
    given = check_rows(X, width=net.sizes[0])
    X = net.check_inputs(given)
    y = net.check_targets(y, len(X), name)
    weight = row_weights(y, net.sizes[-1], class_weight, sample_weight, net.dtype)
    net.note_training_inputs(given)
    held_out = None if validation is None else _held_out(net, validation, name)
    if progress is True:
        progress = progress_of(net, steering.epochs, len(X), backend=backend, threads=threads)

    with _reported_compilation(progress, backend):
        compute, rng = Backend(backend, net, f.LOSSES[name], threads), np.random.default_rng(seed)
        seed = int(rng.integers(2**31)) if augment or np.any(task["dropout"]) else 0
        batches = Batches(len(X), batch_size, weight)
        stepper = compute.stepper(
            X, y, rule=steering.optimizer.rule, batch_size=batches.size, weight=weight, smoothing=smoothing,
            augment=augment, seed=seed, **task,
        )  # fmt: skip
        evaluators = {} if held_out is None else {"val": compute.evaluator(*held_out)}
        if evaluate_train:
            evaluators["train"] = compute.evaluator(X, y)
        if progress:
            progress.begin()
        stepper.run(np.arange(0), np.zeros((0, f.N_COEFFICIENTS)))  # compiles, before the clock starts
        course = Course(net, stepper, batches, steering, rng, evaluators, progress)
        try:
            history = course.run()
        finally:
            if progress:
                progress.end()
    history.threads = compute.threads
    if verdict := course.watch.verdict(y, f.LOSSES[name], net.sizes[-1], weight, smoothing):
        text, history.diverged = verdict
        warn(text, DivergenceWarning if history.diverged else UserWarning)
    return history


def _augment(augment: Any, shape: tuple[int, ...], width: int) -> Augment | None:
    """``augment`` with the shape of the images: its own, or that of X (n, height, width)."""
    if augment is None:
        return None
    found = parse(augment) if isinstance(augment, str) else augment
    if not isinstance(found, Augment):
        raise TypeError(f'augment must be a fastnet.Augment or a text like "shift=2,rotate=10", got {augment!r}')
    if found.shape is None and len(shape) == 2 and min(shape) > 1:
        found = replace(found, shape=shape)
    return found.for_width(width)


def _held_out(net: Network, validation: Any, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """The validation rows and their targets."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        got = f"{len(validation)} items" if isinstance(validation, tuple | list) else reprlib.repr(validation)
        got = " ".join(got.split())
        raise TypeError(f"validation must be a pair (X, y) of rows to evaluate on, got {got}: split the rows first")
    X = net.check_inputs(validation[0], "validation[0]")
    return X, net.check_targets(validation[1], len(X), loss, "validation[1]")


def progress_of(
    net: Network, epochs: int, rows: int, held_out: str = "validation", *, backend: str, threads: int | None
) -> Progress:
    """What prints the course of a run on ``rows`` rows to stdout. held_out : what the validation rows are called."""
    work = sum(flops.training(net.sizes)) if backend == "numba" else None
    return Progress(sys.stdout, epochs, rows, held_out, work, net.dtype, threads)


@contextlib.contextmanager
def _reported_compilation(progress: Any, backend: str) -> Iterator[None]:
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
