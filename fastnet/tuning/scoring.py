"""One trial: a training for each round, and what its epochs were worth."""

import argparse
import contextlib
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastnet import settings
from fastnet.driver.stopping import rises
from fastnet.errors import NonFiniteLossError, UsageError
from fastnet.history import Epoch, History
from fastnet.network import Network
from fastnet.tuning.parts import Parts

WARM_ROWS = 64
DIVERGED = "diverged"  # how the failure of a training begins that did
# Of a training that no validation rows decide on.
UNWATCHED: dict[str, Any] = {"patience": None, "monitor": None, "min_delta": 0.0}


@dataclass(frozen=True)
class Task:
    """What all trials have in common.

    fixed : settings of every trial. first : those that the first one has besides. n_outputs : of the networks.
    monitor : the field of an Epoch that is searched for. rungs : epochs after which a trial may be pruned.
    """

    parts: Parts
    fixed: dict[str, Any]
    first: dict[str, Any]
    n_outputs: int
    monitor: str
    rungs: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    value : of the field that is searched for, the mean over the rounds; None of a trial that failed. loss : on the same
    rows. epochs : after which the value was reached. reports : the values that were known at each rung.
    """

    value: float | None = None
    loss: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    reports: dict[int, float] = field(default_factory=dict)
    pruned: bool = False
    failure: str | None = None

    @property
    def diverged(self) -> bool:
        """Whether that is why it failed."""
        return (self.failure or "").startswith(DIVERGED)


class Diverged(ArithmeticError):
    """A training that ended finite but diverged."""


class _Watcher:
    """The callback of a training: tells values at rungs, and ends a training that is pruned."""

    def __init__(self, task: Task, is_hopeless: Callable[[int, float], bool] | None, keeps_best: bool):
        self.task, self.is_hopeless = task, is_hopeless
        self.values: list[float] = []
        self.reports: dict[int, float] = {}
        self.pruned, self.keeps_best = False, keeps_best

    def __call__(self, net: Network, epoch: Epoch) -> bool:
        self.values.append(getattr(epoch, self.task.monitor))
        if self.is_hopeless is None or epoch.epoch not in self.task.rungs:
            return False
        value = self.values[_chosen(self.values, self.task.monitor) if self.keeps_best else -1]
        self.reports[epoch.epoch] = value
        self.pruned = self.is_hopeless(epoch.epoch, value)
        return self.pruned


def score(task: Task, drawn: dict[str, Any], is_hopeless: Callable[[int, float], bool]) -> Outcome:
    """Train as the settings say; a training that fails is an Outcome, too.

    is_hopeless : asked after each rung of the first round, with the epoch and its value, whether to give up.
    """
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _scored(task, drawn, is_hopeless, start)
        except (ArithmeticError, ValueError, TypeError, MemoryError, UsageError) as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            diverged = isinstance(error, NonFiniteLossError | Diverged)
            return Outcome(failure=f"{DIVERGED}: {error}" if diverged else text, seconds=time.perf_counter() - start)


def _scored(task: Task, drawn: dict[str, Any], is_hopeless: Callable[[int, float], bool], start: float) -> Outcome:
    args = settings.combine(task.fixed, drawn)
    histories: list[History] = []
    reports: dict[int, float] = {}
    for train_set, held_out in task.parts.sets():
        watcher = _Watcher(task, None if histories else is_hopeless, not has_course(args))
        network = settings.make_network(args, train_set.X.shape[1], task.n_outputs)
        histories.append(settings.train(args, network, train_set, held_out, False, [watcher]))
        reports = reports or watcher.reports
        if watcher.pruned:
            break
        if histories[-1].diverged:
            raise Diverged("the loss grew, and the network is no better than a constant")
    pruned = histories[-1].stopped == "callback"
    return _summed(task, args, histories, reports, pruned, time.perf_counter() - start)


def _summed(
    task: Task, args: argparse.Namespace, histories: list[History], reports: dict[int, float], pruned: bool,
    seconds: float,
) -> Outcome:  # fmt: skip
    """The outcome of the epoch that is best in the mean of the rounds; of the last one where a schedule ends there."""
    epochs = min(map(len, histories))
    values, losses = (
        np.mean([[getattr(epoch, name) for epoch in history[:epochs]] for history in histories], axis=0)
        for name in (task.monitor, "val_loss")
    )
    best = epochs - 1 if has_course(args) else _chosen(values.tolist(), task.monitor)
    if not math.isfinite(values[best]):
        raise Diverged(f"{task.monitor} is {values[best]:g}")
    return Outcome(float(values[best]), float(losses[best]), best + 1, seconds, reports, pruned)


def has_course(args: argparse.Namespace) -> bool:
    """Whether the rate follows a schedule, at whose end a network is meant to be good."""
    return args.schedule not in (None, "constant")


def _chosen(values: list[float], monitor: str) -> int:
    """The place of the best value; of equal ones the first."""
    signed = [v if rises(monitor) else -v for v in values]
    return max(range(len(signed)), key=lambda i: -math.inf if math.isnan(signed[i]) else signed[i])


def warm_up(task: Task) -> None:
    """Compile the kernels that the trials will want, or load them from the cache."""
    train_set, held_out = next(task.parts.sets())
    some = slice(0, WARM_ROWS)
    args = settings.combine(task.fixed, task.first, UNWATCHED, {"epochs": 1, "time_limit": None, "warmup": 0.0})
    network = settings.make_network(args, train_set.X.shape[1], task.n_outputs)
    with warnings.catch_warnings(), contextlib.suppress(NonFiniteLossError):
        warnings.simplefilter("ignore")
        settings.train(args, network, train_set.rows(some), held_out.rows(some), False)
