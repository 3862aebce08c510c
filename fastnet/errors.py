"""The exceptions and warnings of fastnet, and the wording of the commonest ones."""

import difflib
import math
import sys
import warnings
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


class DataError(ValueError):
    """A data or model file that is missing, damaged, hostile or not what it was taken for. Names the file."""


class UsageError(Exception):
    """A command line that cannot be run; the message is for the user."""


class NonFiniteLossError(ArithmeticError):
    """Training diverged: the loss or a weight became NaN or infinite.

    Attributes: ``epoch`` and ``batch`` (counted from 1), ``lr`` (float). The network is left as it was after its
    last finite epoch.
    """

    def __init__(self, epoch: int, batch: int, lr: float):
        super().__init__(
            f"the loss is not finite in epoch {epoch}, batch {batch}, at learning rate {lr:g}: "
            "try a smaller learning rate, another init or standardised inputs"
        )
        self.epoch, self.batch, self.lr = epoch, batch, lr

    def __reduce__(self):
        return type(self), (self.epoch, self.batch, self.lr)


class DivergenceWarning(UserWarning):
    """Training ended with finite weights, but its loss grew, and in the end the network was no better than a constant.

    `fastnet.train` issues it once, at its end; History.diverged is then True.
    """


def diverged(first: float, later: float, epoch: int, remedies: str, *, standardised: bool = False) -> str:
    """The text of a warning: the loss of the first batch, the one that it came to in an epoch, and what to change.

    standardised : whether the data are, as those of tables.
    """
    return (
        f"Training diverged: the loss went from {first:g} in the first batch to {later:g} in epoch {epoch}. "
        f"{_choose(standardised)} {remedies}."
    )


def no_better_than(constant: float, last: float, *, standardised: bool = False) -> str:
    """The text of a warning: the loss of the best constant prediction, and that of the last epoch."""
    return (
        f"Training went nowhere: the loss of the last epoch is {last:.3g}, but {constant:.3g} is that of always giving "
        f"the same answer. {_choose(standardised)} a smaller lr or more epochs."
    )


def _choose(standardised: bool) -> str:
    return "Choose" if standardised else "Standardise X (and a regression's y), or choose"


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning for the line that called fastnet, however deep inside of it this is."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fastnet":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def one_of(argument: str, value: object, options: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``options``; otherwise raise a ValueError that suggests the nearest one."""
    options = tuple(options)
    if isinstance(value, str) and value in options:
        return value
    raise ValueError(f"{argument} must be one of {', '.join(options)}, got {value!r}{did_you_mean(value, options)}")


def did_you_mean(value: object, options: Iterable[str]) -> str:
    """'; did you mean ...?' with the nearest of the options, or nothing."""
    near = difflib.get_close_matches(str(value), list(options), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def number(argument: str, value: Any, low: float, high: float = math.inf, *, above: bool = False) -> float:
    """Return ``value`` if it is a finite number from ``low`` (``above``: not ``low`` itself) to below ``high``."""
    fine = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    if not (fine and value < high and (value > low if above else value >= low)):
        bounds = f"{'above' if above else 'at least'} {low:g}" + (f" and below {high:g}" if high < math.inf else "")
        raise ValueError(f"{argument} must be a finite number {bounds}, got {value!r}")
    return float(value)


def whole(argument: str, value: Any) -> int:
    """Return ``value`` if it is a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{argument} must be a whole number, at least 1, got {value!r}")
    return int(value)
