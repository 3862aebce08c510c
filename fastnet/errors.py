"""The exceptions that fastnet raises, and the wording of the commonest one."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """A data or model file that is missing, damaged, hostile or not what it was taken for. Names the file."""


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


def one_of(argument: str, value: object, options: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``options``; otherwise raise a ValueError that suggests the nearest one."""
    options = tuple(options)
    if isinstance(value, str) and value in options:
        return value
    near = difflib.get_close_matches(str(value), options, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{argument} must be one of {', '.join(options)}, got {value!r}{hint}")
