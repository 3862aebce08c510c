"""The units of X: what a network was trained on, and warnings where X looks as if it were in others.

`fastnet.data.arrays.in_units` has the rule. Nothing here changes a number.
"""

from dataclasses import dataclass

import numpy as np

from fastnet.errors import warn

PIXEL = 1 / 255  # what integers are worth, unless a network says otherwise
SMALL = 0.1  # pixels that are worth no more than this are hardly pixels
FAR = 2.0  # times what a network was trained on (but at least 1): no rows of the same kind are so large
TRAINING_ELEMENTS = 2**22  # looked at before training: 2 ms
ELEMENTS = 2**16  # looked at by every prediction: 0.02 ms


@dataclass(frozen=True)
class Inputs:
    """What some rows of X are: whether integers (bool are none), and the largest magnitude as the network sees it."""

    integers: bool
    largest: float

    def after(self, earlier: "Inputs | None") -> "Inputs":
        """These and the earlier ones together; those of the other kind are forgotten."""
        if earlier is None or earlier.integers != self.integers:
            return self
        return Inputs(self.integers, max(self.largest, earlier.largest))


def look_at(X: np.ndarray, scale: float, elements: int) -> Inputs:
    """The Inputs that X (n, d) of bool, integers or floats is, by about so many elements from rows all over it."""
    sample = X[:: max(1, X.size // elements)]
    integers = X.dtype.kind in "iu"
    largest = max(float(sample.max()), -float(sample.min()))
    return Inputs(integers, largest * scale if integers else largest)


def warn_of_small_integers(inputs: Inputs, scale: float, name: str) -> None:
    """Warn if integers are taken for pixels but are too small for that: they are probably numbers.

    Only the default scale can be an oversight.
    """
    if inputs.integers and scale == PIXEL and 0 < inputs.largest <= SMALL:
        warn(
            f"{name} holds integers up to {inputs.largest / scale:.0f}, which as pixels are worth at most "
            f"{inputs.largest:.2g} each: if they are numbers, pass {name}.astype('float32'), or make the network with "
            "input_scale=1"
        )


def warn_of_other_units(inputs: Inputs, trained: Inputs | None, scale: float, name: str) -> None:
    """Warn if X looks like the same numbers as those that the network was trained on, in the other kind of units.

    That is told from floats far beyond integers trained on, and from integers that lie among floats trained on only
    before they are scaled. With a scale of 1 there is but one unit.
    """
    if trained is None or scale == 1 or inputs.integers == trained.integers:
        return
    if trained.integers and inputs.largest > FAR * max(trained.largest, 1.0):
        warn(
            f"{name} holds floats far beyond what the network was trained on, integers worth up to "
            f"{trained.largest:.3g} once scaled: pass them as integers (uint8), or {_scaled(name, scale)}"
        )
    elif inputs.integers and trained.largest > FAR and 0 < inputs.largest / scale <= FAR * trained.largest:
        warn(
            f"{name} holds integers, which count as {_scaled(name, scale)}, but the network was trained on floats "
            f"up to {trained.largest:.3g}: pass {name}.astype('float32') if they are the same numbers"
        )


def _scaled(name: str, scale: float) -> str:
    """The product as a user would write it: X / 255."""
    divisor = round(1 / scale)
    return f"{name} / {divisor}" if divisor and scale == 1 / divisor else f"{name} * {scale:g}"
