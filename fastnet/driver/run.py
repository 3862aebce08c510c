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
from fastnet.divergence import MOST_TARGETS
from fastnet.driver.batches import Batches
from fastnet.driver.course import Course
from fastnet.driver.fingerprint import fingerprint
from fastnet.driver.recording import encoded
from fastnet.driver.shares import own_rows, sampled
from fastnet.driver.state import Arrays, restore
from fastnet.driver.steering import Steering, dropout_rates, measures, norm_limit, smoothing_for
from fastnet.driver.team import ALONE, Share, Team
from fastnet.driver.weights import check_sample_weight, class_weights, row_weights
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
    team : the processes that take part. Rank 0 alone prints, calls callbacks and keeps checkpoints.
    """

    def __init__(
        self, net: Network, X: Any, y: Any, settings: dict[str, Any], *, validation: Any, sample_weight: Any,
        threads: Any, callbacks: Any, progress: Any, team: Team = ALONE,
    ):  # fmt: skip
        self.net, self.team = net, team
        self.progress: Any = progress if team.rank == 0 else False
        callbacks = callbacks if team.rank == 0 else ()
        self.loss, self.steering, self.task = settled(net, settings, np.shape(X)[1:], validation is not None, callbacks)
        self.threads = None if threads is None else whole("threads", threads)
        self.settings = settings | {name: self.task[name] for name in ("dropout", "augment")}
        self._agree()
        self._take(X, y, validation, sample_weight)
        self.batches = Batches(self.share.total, int(settings["batch_size"]), self.weight)
        if self.progress is True:
            epochs, rows = self.steering.epochs, self.share.total
            self.progress = progress_of(net, epochs, rows, backend=settings["backend"], threads=threads)

    def _take(self, X: Any, y: Any, validation: Any, sample_weight: Any) -> None:
        """Check the data, and of them take the rows of this process."""
        net = self.net
        X, y, self.share = own_rows(self.team, check_rows(X, width=net.sizes[0]), y)
        if self.share.total < self.team.size:
            raise ValueError(f"X must have a row for each of {self.team.size} processes, got {self.share.total}")
        self.X = net.check_inputs(X)
        self.y = net.check_targets(y, len(self.X), self.loss)
        self.weight = self._weights(sample_weight)
        inputs = max(self.team.gather(net.units_of(X)), key=lambda units: units.largest)
        net.note_training_inputs(inputs, warns=self.team.rank == 0)
        self.held_out, self.held_out_share = None, Share(0, 0, 0)
        if validation is not None:
            *self.held_out, self.held_out_share = _held_out(net, validation, self.loss, self.team)

    def _agree(self) -> None:
        """See to it that all processes begin the same run, with the weights of rank 0."""
        if self.team is not ALONE and self.settings["backend"] != "numba":
            raise ValueError(f"distributed needs backend='numba', got {self.settings['backend']!r}")
        if self.team.size == 1:
            return
        if self.team.sync_every > 1 and self.team.same(
            any(getattr(call, "every", None) for call in self.steering.callbacks)
        ):
            raise ValueError("callbacks with every= see weights between steps, which sync_every keeps apart")
        self.team.check_same("network", self.net.description())
        self.team.check_same("settings", encoded(self.settings))
        self.net.params[:] = self.team.same(self.net.params)

    def _weights(self, sample_weight: Any) -> np.ndarray | None:
        """What the rows of all processes count, (n,), or None."""
        class_weight, team = self.settings["class_weight"], self.team
        if class_weight is None and sample_weight is None:
            return None
        if sample_weight is not None and team.shares_rows:
            sample_weight = np.concatenate(team.gather(check_sample_weight(sample_weight, len(self.y))))
        y = np.concatenate(team.gather(self.y))
        weight = row_weights(y, self.net.sizes[-1], class_weight, sample_weight, self.net.dtype)
        team.check_same("sample_weight", weight)
        return weight

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
            compute = Backend(self.settings["backend"], self.net, f.LOSSES[self.loss], self.threads, self.team)
            if values is not None:
                with describing("the checkpoint"):
                    rng, self.task["seed"] = _generator(values["state"]["random"]), values["task_seed"]
            else:
                rng = self.team.same(np.random.default_rng(seed))
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
        if not self.team.same(checkpoint is not None) and values is None:
            return None
        data, rows = self._fingerprints()
        if values is not None and not data and "rows" not in values:
            raise DataError("this checkpoint is of an earlier version: let one process go on with it first")
        if values is not None and not _are_same(values, data, rows):
            raise DataError(
                "these are other data than the run was trained on: it goes on with the same rows alone (X, y and "
                "validation; on the command line, an unchanged --data)"
            )
        if checkpoint is None or self.team.rank > 0:
            return None
        run = {
            "network": self.net.description(),
            "class_names": self.net.class_names,
            "settings": encoded(self.settings),
            "task_seed": self.task.get("seed", 0),
            "data": data,
            "rows": rows,
            "ranks": self.team.size,
            "sync_every": self.team.sync_every,
            "about": checkpoint.about,
        }
        return Keeper(checkpoint, run)

    @property
    def _own_weight(self) -> np.ndarray | None:
        """What the rows of this process count."""
        return None if self.weight is None else self.weight[self.share.start : self.share.stop]

    def _fingerprints(self) -> tuple[str, str]:
        """Of all the data, which a process has that trains alone, else ""; and of some rows, whoever has them."""
        X, y, rows = self.X, self.y, [str(self.weight is not None and fingerprint(self.weight))]
        rows += [sampled(self.team, self.share, X, y)]
        if self.held_out is not None:
            rows += [sampled(self.team, self.held_out_share, *self.held_out)]
        alone = self.team.size == 1 and not self.team.shares_rows
        data = fingerprint(X, y, self.weight, *(self.held_out or (None, None))) if alone else ""
        return data, " ".join(rows)

    def _course(self, compute: Backend, rng: np.random.Generator, keeper: Keeper | None) -> Course:
        size = -(-self.batches.size // self.team.size)
        stepper = compute.stepper(self.X, self.y, batch_size=size, weight=self._own_weight, **self.task)
        evaluators = {} if self.held_out is None else {"val": compute.evaluator(*self.held_out)}
        if self.settings["evaluate_train"]:
            evaluators["train"] = compute.evaluator(self.X, self.y)
        if self.progress:
            self.progress.begin()
        stepper.run(np.arange(0), np.zeros((0, f.N_COEFFICIENTS)))  # compiles, before the clock starts
        stepper = self.team.stepper(stepper, self.share, self.batches)
        return Course(self.net, stepper, self.batches, self.steering, rng, evaluators, self.progress, keeper, self.team)

    def _some_targets(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Targets from all over the data, and what their rows count."""
        some = slice(None, None, max(1, self.share.total // MOST_TARGETS))
        y, weight = np.concatenate(self.team.gather(self.y[some])), self._own_weight
        return y, None if weight is None else np.concatenate(self.team.gather(weight[some]))

    def _judge(self, course: Course) -> None:
        """Tell of a run that diverged or went nowhere."""
        classes, smoothing = self.net.sizes[-1], self.task["smoothing"]
        y, weight = self._some_targets()
        verdict = course.watch.verdict(
            y, f.LOSSES[self.loss], classes, weight, smoothing, standardised=self.net.preprocess is not None,
        )  # fmt: skip
        verdict = self.team.same(verdict)
        if verdict:
            text, course.history.diverged = verdict
            if self.team.rank == 0:
                warn(text, DivergenceWarning if course.history.diverged else UserWarning)


def _are_same(values: dict[str, Any], data: str, rows: str) -> bool:
    """Whether a checkpoint's data have these fingerprints: the first one, where both runs are of one process."""
    return values["data"] == data if data and values["data"] else values.get("rows") == rows


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


def _held_out(net: Network, validation: Any, loss: str, team: Team) -> tuple[np.ndarray, np.ndarray, Share]:
    """The validation rows of this process, their targets, and which of all they are."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        got = f"{len(validation)} items" if isinstance(validation, tuple | list) else reprlib.repr(validation)
        got = " ".join(got.split())
        raise TypeError(f"validation must be a pair (X, y) of rows to evaluate on, got {got}: split the rows first")
    X = validation[0]
    if not team.shares_rows or len(X):
        X = check_rows(X, width=net.sizes[0], name="validation[0]")
    X, y, share = own_rows(team, X, validation[1], "validation[0]")
    if len(X) == 0 and share.total > 0:  # others have them
        return np.zeros((0, net.sizes[0]), net.dtype), np.zeros(0, np.int64), share
    X = net.check_inputs(X, "validation[0]")
    return X, net.check_targets(y, len(X), loss, "validation[1]"), share


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
