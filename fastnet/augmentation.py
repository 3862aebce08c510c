"""Augment: images that are shifted and rotated a little, anew every time that they are trained on."""

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

LARGEST_SHIFT = 1e6  # pixels: more than any image has, and still far from what float32 cannot hold


@dataclass(frozen=True)
class Augment:
    """How rows that are images change every time they are trained on; evaluation and prediction see them as they are.

    shift : up to so many pixels in either direction, along both axes. rotate : up to so many degrees either way, about
        the centre. Both are drawn uniformly for each row. What comes from outside the image is zero.
    shape : (height, width) of the images, row by row in a row of X; None for square ones.

    Bytes stay bytes. Where a value lies near the middle of two, backend="reference" may round it the other way.
    """

    shift: float = 2.0
    rotate: float = 10.0
    shape: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _check("shift", self.shift, LARGEST_SHIFT, "pixels")
        _check("rotate", self.rotate, 180, "degrees")
        if self.shape is not None:
            object.__setattr__(self, "shape", _sides(self.shape))

    def for_width(self, width: int) -> "Augment":
        """This with the shape of rows that are so wide; ValueError if no shape or another one follows from it."""
        side = math.isqrt(width)
        shape = (side, side) if self.shape is None else self.shape
        if shape[0] * shape[1] != width:
            got = "" if self.shape is None else f" with shape={self.shape}"
            raise ValueError(
                f"augment needs rows of X that are square images or shape=(height, width), got {width} inputs{got}: "
                "pass Augment(shape=...) with height * width equal to the inputs, or leave augment out"
            )
        return replace(self, shape=shape)


def parse(text: str) -> Augment:
    """An Augment from words like "shift,rotate", "shift=3" or "shift=2,rotate=15"; what is not named is left out.

    A name without a number has the number of Augment().
    """
    usual = Augment()
    found = {"shift": 0.0, "rotate": 0.0}
    seen = set()
    for word in text.split(","):
        name, equals, number = (part.strip() for part in word.partition("="))
        if name not in found or name in seen:
            raise _unreadable(text)
        seen.add(name)
        try:
            found[name] = float(number) if equals else getattr(usual, name)
        except ValueError:
            raise _unreadable(text) from None
    return Augment(found["shift"], found["rotate"])


def _unreadable(text: str) -> ValueError:
    return ValueError(f'augment must be like "shift,rotate", "shift=3" or "shift=2,rotate=15", got {text!r}')


def _check(name: str, value: Any, most: float, unit: str) -> None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and 0 <= value <= most):
        raise ValueError(f"{name} of Augment must be a number of {unit} from 0 to {most:g}, got {value!r}")


def _sides(shape: Any) -> tuple[int, int]:
    try:
        height, width = shape
        fine = height == int(height) >= 1 and width == int(width) >= 1
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise ValueError(f"shape of Augment must be (height, width), whole numbers from 1 on, got {shape!r}")
    return int(height), int(width)
