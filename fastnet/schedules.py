"""Courses of the learning rate: factors of the optimizer's ``lr``.

``fastnet.train`` takes one of these, its name, its name with settings ("step:every=5,factor=0.5"), or a function from
the share of the run that is done to a factor.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from fastnet.errors import number, one_of, whole


class Length(NamedTuple):
    """The length of a run: steps of an epoch, and of all epochs."""

    epoch: int
    run: float


@dataclass(frozen=True)
class Constant:
    """The same rate throughout."""

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """Factors (n,) of the learning rate for steps (n,), counted from 0; ``drops``: how often Plateau lowered it."""
        return np.ones(len(steps))


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to ``end`` (Loshchilov and Hutter, 2017, without restarts)."""

    end: float = 0.0

    def __post_init__(self):
        number("end", self.end, 0)

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """As of Constant."""
        return np.array([self.end + (1 - self.end) * cosine(step / length.run) for step in steps.tolist()])


@dataclass(frozen=True)
class OneCycle:
    """Linear from ``start`` to 1 in the share ``rise`` of the run, then half a cosine to 0 (Smith and Topin, 2017)."""

    start: float = 0.04
    rise: float = 0.3

    def __post_init__(self):
        number("start", self.start, 0)
        number("rise", self.rise, 0, 1)

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """As of Constant."""
        return np.array([self._factor(step / length.run) for step in steps.tolist()])

    def _factor(self, done: float) -> float:
        if done < self.rise:
            return self.start + (1 - self.start) * done / self.rise
        return cosine((done - self.rise) / (1 - self.rise))


@dataclass(frozen=True)
class StepDecay:
    """Times ``factor`` after every ``every`` epochs."""

    every: float = 10
    factor: float = 0.1

    def __post_init__(self):
        number("every", self.every, 0, above=True)
        number("factor", self.factor, 0, above=True)

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """As of Constant."""
        return self.factor ** (steps // (self.every * length.epoch))


@dataclass(frozen=True)
class Inverse:
    """1 / (1 + epochs done) ** power, from step to step.

    scikit-learn's "invscaling" divides by the rows seen and not by epochs, and changes the rate once an epoch.
    """

    power: float = 0.5

    def __post_init__(self):
        number("power", self.power, 0)

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """As of Constant."""
        return (1 + steps / length.epoch) ** -self.power


@dataclass(frozen=True)
class Plateau:
    """Times ``factor`` whenever the monitored figure was not better, by ``min_delta``, for ``patience`` epochs."""

    factor: float = 0.5
    patience: int = 3
    min_delta: float = 0.0

    def __post_init__(self):
        number("factor", self.factor, 0, 1, above=True)
        whole("patience", self.patience)
        number("min_delta", self.min_delta, 0)

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """As of Constant."""
        return np.full(len(steps), self.factor**drops)


@dataclass(frozen=True)
class Function:
    """A function from the share of the run that is done, from 0 to below 1, to a factor."""

    function: Callable[[float], float]

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """As of Constant."""
        try:
            return np.array([float(self.function(step / length.run)) for step in steps.tolist()])
        except (TypeError, ValueError) as error:
            raise TypeError(f"schedule must be a function that returns a number: {error}") from None


@dataclass(frozen=True)
class Warmup:
    """A linear rise over the first ``epochs`` epochs (fractions too), up to where the schedule ``then`` begins."""

    epochs: float
    then: Any = Constant()

    def __post_init__(self):
        number("epochs", self.epochs, 0)
        object.__setattr__(self, "then", check_schedule(self.then))
        if isinstance(self.then, Warmup):
            raise ValueError("then of a Warmup must be another schedule: warm up once")

    def factors(self, steps: np.ndarray, length: Length, drops: int = 0) -> np.ndarray:
        """As of Constant. The schedule begins after the rise, and has the rest of the run."""
        rise = min(self.epochs * length.epoch, length.run - 1)
        later = self.then.factors(np.maximum(steps - rise, 0), Length(length.epoch, length.run - rise), drops)
        return np.where(steps < rise, later * (steps + 1) / (rise + 1), later)


Schedule = Constant | Cosine | OneCycle | StepDecay | Inverse | Plateau | Function | Warmup

NAMES: dict[str, Any] = {
    "constant": Constant,
    "step": StepDecay,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "plateau": Plateau,
    "inverse": Inverse,
}


def cosine(done: float) -> float:
    """Half a cosine, from 1 at 0 to 0 at 1."""
    return 0.5 + 0.5 * math.cos(math.pi * done)


def check_schedule(schedule: Any, warmup: Any = 0.0) -> Schedule:
    """The Schedule that is meant, with ``warmup`` epochs before it; ValueError or TypeError if there is none such."""
    if isinstance(schedule, str):
        found = parse(schedule)
    elif schedule is None:
        found = Constant()
    elif isinstance(schedule, Schedule):
        found = schedule
    elif callable(schedule) and not isinstance(schedule, type):
        found = Function(schedule)
    else:
        raise TypeError(
            f"schedule must be None, one of {', '.join(NAMES)}, one of fastnet.schedules, or a function from the share "
            f"of the run that is done to a factor of lr, got {schedule!r}"
        )
    number("warmup", warmup, 0)
    if warmup and isinstance(found, Warmup):
        raise ValueError("warmup must be 0 with a schedule that is a Warmup: warm up once")
    return Warmup(float(warmup), found) if warmup else found


def parse(text: str) -> Schedule:
    """The schedule of a text: its name, and after a colon settings that differ from the default, "step:every=5"."""
    name, _, settings = text.partition(":")
    kind = NAMES[one_of("schedule", name.strip(), NAMES)]
    known = {f.name: f.type for f in fields(kind)}
    given: dict[str, Any] = {}
    for setting in filter(None, settings.split(",")):
        key, _, value = setting.partition("=")
        if not known:
            raise ValueError(f"schedule {name} has no settings, got {settings!r}")
        one_of(f"setting of schedule {name}", key.strip(), known)
        try:
            given[key.strip()] = int(value) if known[key.strip()] is int else float(value)
        except ValueError:
            raise ValueError(f"{key.strip()} of schedule {name} must be a number, got {value!r}") from None
    return kind(**given)
