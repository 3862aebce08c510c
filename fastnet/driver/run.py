"""A run of `fastnet.train`: its settings and data, checked, and the objects that it is made of."""

import contextlib
import reprlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastnet import flops
from fastnet import functions as f
from fastnet.augmentation import Augment, parse
from fastnet.backends import Backend
from fastnet.checkpoints import Checkpoint, Keeper, describing
from fastnet.data.arrays import check_rows
from fastnet.driver.batches import Batches
from fastnet.driver.course import Course
from fastnet.driver.fingerprint import fingerprint
from fastnet.driver.recording import encoded
from fastnet.driver.state import Arrays, restore
from fastnet.driver.steering import Steering, dropout_rates, measures, norm_limit, smoothing_for
from fastnet.driver.weights import class_weights, row_weights
from fastnet.errors import DataError, DivergenceWarning, one_of, warn, whole
from fastnet.history import History
from fastnet.network import Network, check_pair
from fastnet.progress import Progress


def settled(
    net: Network, settings: dict[str, Any], shape: tuple[int, ...], is_validated: bool, callbacks: Any = ()
) -> tuple[str, Steering, dict[str, Any]]:
    """(loss, what steers the course, the settings of the stepper) of a run on rows of X of this shape, checked."""
    loss = check_pair(net, settings["loss"])
    steering = Steering(
        measured=measures(net, is_validated, settings["evaluate_train"]), callbacks=callbacks,
        **{name: settings[name] for name in STEERING},
    )  # fmt: skip
    one_of("backend", settings["backend"], ("numba", "reference"))
    whole("batch_size", settings["batch_size"])
    if settings["class_weight"] is not None:
        class_weights(np.arange(max(2, net.sizes[-1])), max(2, net.sizes[-1]), settings["class_weight"])
    task = {
        "rule": steering.optimizer.rule,
        "dropout": dropout_rates(settings["dropout"], len(net.sizes) - 2),
        "max_norm": norm_limit(settings["clip_norm"]),
        "smoothing": smoothing_for(loss, settings["label_smoothing"]),
        "augment": _augment(settings["augment"], shape, net.sizes[0]),
    }
    return loss, steering, task


class Run:
    """One run, new or gone on with.

    settings : those of `fastnet.train` that decide on the result, by its names. The other arguments are its arguments.
    """

    def __init__(
        self, net: Network, X: Any, y: Any, settings: dict[str, Any], *, validation: Any, sample_weight: Any,
        threads: Any, callbacks: Any, progress: Any,
    ):  # fmt: skip
        self.net, self.progress = net, progress
        self.loss, self.steering, self.task = settled(net, settings, np.shape(X)[1:], validation is not None, callbacks)
        self.threads = None if threads is None else whole("threads", threads)
        self.settings = settings | {name: self.task[name] for name in ("dropout", "augment")}
        self._take(X, y, validation, sample_weight)
        self.batches = Batches(len(self.X), int(settings["batch_size"]), self.weight)
        if progress is True:
            epochs, rows = self.steering.epochs, len(self.X)
            self.progress = progress_of(net, epochs, rows, backend=settings["backend"], threads=threads)

    def _take(self, X: Any, y: Any, validation: Any, sample_weight: Any) -> None:
        """Check the data."""
        net = self.net
        given = check_rows(X, width=net.sizes[0])
        self.X = net.check_inputs(given)
        self.y = net.check_targets(y, len(self.X), self.loss)
        self.weight = row_weights(self.y, net.sizes[-1], self.settings["class_weight"], sample_weight, net.dtype)
        net.note_training_inputs(given)
        self.held_out = None if validation is None else _held_out(net, validation, self.loss)

    def train(
        self,
        seed: Any,
        checkpoint: Checkpoint | None = None,
        state: tuple[dict[str, Any], Arrays] | None = None,
        is_longer: bool = False,
    ) -> History:
        """Train from ``seed``; or from ``state``, what a checkpoint of the same run holds: (values, arrays).

        is_longer : the run has more epochs now than that checkpoint says.
        """
        values = None if state is None else state[0]
        with _reported_compilation(self.progress, self.settings["backend"]):
            compute = Backend(self.settings["backend"], self.net, f.LOSSES[self.loss], self.threads)
            if values is not None:
                with describing("the checkpoint"):
                    rng, self.task["seed"] = _generator(values["state"]["random"]), values["task_seed"]
            else:
                rng = np.random.default_rng(seed)
            if values is None and (self.task["augment"] or np.any(self.task["dropout"])):
                self.task["seed"] = int(rng.integers(2**31))
            keeper = self._keeper(checkpoint, values)
            course = self._course(compute, rng, keeper)
            if state is not None:
                with describing("the checkpoint"):
                    restore(course, state[0]["state"], state[1])
            try:
                history = course.run(keeps_first=is_longer)
            finally:
                if self.progress:
                    self.progress.end()
        history.threads, self.net.unfinished = compute.threads, False
        self._judge(course)
        return history

    def _keeper(self, checkpoint: Checkpoint | None, values: dict[str, Any] | None) -> Keeper | None:
        """What writes checkpoints; ``values`` are those of the checkpoint that the run goes on from."""
        if checkpoint is None and values is None:
            return None
        data = fingerprint(self.X, self.y, self.weight, *(self.held_out or (None, None)))
        if values is not None and values["data"] != data:
            raise DataError("these are other data than the run was trained on: pass the same X, y and validation")
        if checkpoint is None:
            return None
        run = {
            "network": self.net.description(),
            "class_names": self.net.class_names,
            "settings": encoded(self.settings),
            "task_seed": self.task.get("seed", 0),
            "data": data,
            "about": checkpoint.about,
        }
        return Keeper(checkpoint, run)

    def _course(self, compute: Backend, rng: np.random.Generator, keeper: Keeper | None) -> Course:
        stepper = compute.stepper(self.X, self.y, batch_size=self.batches.size, weight=self.weight, **self.task)
        evaluators = {} if self.held_out is None else {"val": compute.evaluator(*self.held_out)}
        if self.settings["evaluate_train"]:
            evaluators["train"] = compute.evaluator(self.X, self.y)
        if self.progress:
            self.progress.begin()
        stepper.run(np.arange(0), np.zeros((0, f.N_COEFFICIENTS)))  # compiles, before the clock starts
        return Course(self.net, stepper, self.batches, self.steering, rng, evaluators, self.progress, keeper)

    def _judge(self, course: Course) -> None:
        """Tell of a run that diverged or went nowhere."""
        classes, smoothing = self.net.sizes[-1], self.task["smoothing"]
        verdict = course.watch.verdict(self.y, f.LOSSES[self.loss], classes, self.weight, smoothing)
        if verdict:
            text, course.history.diverged = verdict
            warn(text, DivergenceWarning if course.history.diverged else UserWarning)


STEERING = (
    "epochs", "optimizer", "schedule", "warmup", "l2", "weight_decay", "patience", "min_delta", "monitor", "time_limit",
    "shuffle",
)  # fmt: skip
# Those that decide on the result, but for the data.
SETTINGS = (
    *STEERING, "batch_size", "loss", "backend", "evaluate_train", "dropout", "clip_norm", "label_smoothing",
    "class_weight", "augment",
)  # fmt: skip


def progress_of(
    net: Network, epochs: int, rows: int, held_out: str = "validation", *, backend: str, threads: int | None
) -> Progress:
    """What prints the course of a run on ``rows`` rows to stdout. held_out : what the validation rows are called."""
    work = sum(flops.training(net.sizes)) if backend == "numba" else None
    return Progress(sys.stdout, epochs, rows, held_out, work, net.dtype, threads)


def _generator(state: dict[str, Any]) -> np.random.Generator:
    """A generator with a bit generator of that state's kind, which numpy.random must have."""
    kind = getattr(np.random, str(state["bit_generator"]), None)
    if not (isinstance(kind, type) and issubclass(kind, np.random.BitGenerator)):
        raise DataError(f"expected the state of a bit generator of numpy.random, got one of {kind!r}")
    return np.random.Generator(kind())


def _augment(augment: Any, shape: tuple[int, ...], width: int) -> Augment | None:
    """``augment`` with the shape of the images: its own, or that of X (n, height, width)."""
    if augment is None:
        return None
    found = parse(augment) if isinstance(augment, str) else augment
    if not isinstance(found, Augment):
        raise TypeError(f'augment must be a fastnet.Augment or a text like "shift=2,rotate=10", got {augment!r}')
    if found.shape is None and len(shape) == 2 and min(shape) > 1:
        found = replace(found, shape=(shape[0], shape[1]))
    found = found.for_width(width)
    assert found.shape is not None
    if found.shift >= max(found.shape):
        sides = " x ".join(map(str, found.shape))
        raise ValueError(f"shift of augment must be smaller than the images, {sides} pixels, got {found.shift:g}")
    return found


def _held_out(net: Network, validation: Any, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """The validation rows and their targets."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        got = f"{len(validation)} items" if isinstance(validation, tuple | list) else reprlib.repr(validation)
        got = " ".join(got.split())
        raise TypeError(f"validation must be a pair (X, y) of rows to evaluate on, got {got}: split the rows first")
    X = net.check_inputs(validation[0], "validation[0]")
    return X, net.check_targets(validation[1], len(X), loss, "validation[1]")


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

    try:
        listeners.append(once)
        yield
    finally:
        with contextlib.suppress(ValueError):
            listeners.remove(once)
