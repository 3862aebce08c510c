"""The settings of a run that are not the engine's: how far, at which rates, watched by whom."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastnet.driver.stopping import MONITORS, Patience, rises
from fastnet.durations import seconds
from fastnet.errors import number, one_of, whole
from fastnet.optimizers import Optimizer, check_optimizer
from fastnet.schedules import Plateau, Schedule, Warmup, check_schedule


@dataclass
class Steering:
    """Settings of `fastnet.train` by its names for them, checked: see there for what they mean.

    measured : the fields of an Epoch that the run fills.
    """

    epochs: int
    optimizer: Any
    schedule: Any
    warmup: float
    l2: float
    weight_decay: float
    patience: int | None
    min_delta: float
    monitor: Any
    time_limit: Any
    shuffle: bool
    callbacks: Any
    measured: tuple[str, ...]

    def __post_init__(self):
        self.epochs = whole("epochs", self.epochs)
        self.optimizer: Optimizer = check_optimizer(self.optimizer)
        self.schedule: Schedule = check_schedule(self.schedule, self.warmup)
        self.l2, self.weight_decay = number("l2", self.l2, 0), number("weight_decay", self.weight_decay, 0)
        self.patience = None if self.patience is None else whole("patience", self.patience)
        self.min_delta = number("min_delta", self.min_delta, 0)
        self.time_limit = _time_limit(self.time_limit)
        self.callbacks = _callables(self.callbacks)
        if self.warmup and self.warmup >= self.epochs:
            raise ValueError(f"warmup must be shorter than the run of {self.epochs} epochs, got {self.warmup!r}")
        if not self.watches and (self.monitor is not None or self.min_delta):
            given = "monitor" if self.monitor is not None else "min_delta"
            raise ValueError(f"{given} is for patience or a schedule 'plateau', and the run has neither")
        if self.monitor is not None:
            one_of("monitor", self.monitor, MONITORS)
        elif "val_loss" in self.measured or self.patience is not None:
            self.monitor = "val_loss"
        else:
            self.monitor = "loss"
        if self.watches and self.monitor not in self.measured:
            raise ValueError(
                f"monitor {self.monitor!r} is not measured in this run, which has {', '.join(self.measured)}: val_* "
                "needs validation rows (in Python validation=(X, y)), train_* needs evaluate_train"
            )

    @property
    def plateau(self) -> Plateau | None:
        """The schedule, if it waits for the monitored figure."""
        schedule = self.schedule.then if isinstance(self.schedule, Warmup) else self.schedule
        return schedule if isinstance(schedule, Plateau) else None

    @property
    def watches(self) -> bool:
        """Whether the monitored figure decides on anything."""
        return self.patience is not None or self.plateau is not None

    def stopper(self) -> Patience | None:
        """What counts the epochs for early stopping."""
        return None if self.patience is None else self._counter(self.patience, self.min_delta)

    def dropper(self) -> Patience | None:
        """What counts the epochs for a schedule that waits."""
        return None if self.plateau is None else self._counter(self.plateau.patience, self.plateau.min_delta)

    def _counter(self, epochs: int, min_delta: float) -> Patience:
        return Patience(epochs, min_delta, rises(self.monitor))


def measures(net: Any, validated: bool, evaluates_train: bool) -> tuple[str, ...]:
    """The fields of an Epoch that a run fills."""
    score = "r2" if net.is_regression else "accuracy"
    rows = ["val"] * validated + ["train"] * evaluates_train
    return ("loss", *(f"{part}_{figure}" for part in rows for figure in ("loss", score)))


def dropout_rates(dropout: Any, hidden_layers: int) -> float | tuple[float, ...]:
    """``dropout`` as one rate or one per hidden layer, each from 0 to below 1."""
    if not isinstance(dropout, Iterable) or isinstance(dropout, str):
        rate = number("dropout", dropout, 0, 1)
        if rate and not hidden_layers:
            raise ValueError(f"dropout is for hidden layers, and the network has none, got {dropout!r}")
        return rate
    rates = tuple(number(f"dropout[{i}]", rate, 0, 1) for i, rate in enumerate(dropout))
    if len(rates) != hidden_layers:
        raise ValueError(f"dropout must be a number, or {hidden_layers}, one per hidden layer, got {len(rates)}")
    return rates


def smoothing_for(loss: str, label_smoothing: Any) -> float:
    """``label_smoothing``, if that loss has classes to smooth."""
    smoothing = number("label_smoothing", label_smoothing, 0, 1)
    if smoothing and loss not in ("cross_entropy", "binary_cross_entropy"):
        raise ValueError(f"label_smoothing needs loss cross_entropy or binary_cross_entropy, got {loss!r}")
    return smoothing


def norm_limit(clip_norm: Any) -> float | None:
    """``clip_norm`` as the engine takes it."""
    return None if clip_norm is None or clip_norm == math.inf else number("clip_norm", clip_norm, 0, above=True)


def _time_limit(limit: Any) -> float | None:
    """Seconds, given as such or as a text like "90s"."""
    if isinstance(limit, str):
        try:
            return seconds(limit)
        except ValueError as error:
            raise ValueError(f"time_limit: {error}") from None
    return None if limit is None else number("time_limit", limit, 0, above=True)


def _callables(callbacks: Any) -> tuple[Any, ...]:
    found = (callbacks,) if callable(callbacks) or not isinstance(callbacks, Iterable) else tuple(callbacks)
    for callback in found:
        if not callable(callback):
            raise TypeError(f"callbacks must be functions of (net, epoch), got {callback!r}")
        if getattr(callback, "every", None) is not None:
            whole(f"every of the callback {type(callback).__name__}", callback.every)
            if not callable(getattr(callback, "step", None)):
                raise TypeError(f"the callback {type(callback).__name__} has every= and needs a method step(net, step)")
    return found
