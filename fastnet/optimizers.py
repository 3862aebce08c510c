"""The update rules as settings: what a user chooses, and the coefficients that a step takes from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet import functions as f
from fastnet.errors import number


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: w -= lr g."""

    lr: float
    rule = f.SGD

    def __post_init__(self):
        number("lr", self.lr, 0, above=True)

    def fill(self, coefficients: np.ndarray, lr: np.ndarray, first: int) -> None:
        """Write the rule's columns for steps number first + 1, ... (counted from 1) at learning rates ``lr``."""
        coefficients[:, f.SGD_LR] = lr


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with a velocity v.

    Classical: v = beta v + g, w -= lr v. ``ema`` weighs the gradient by 1 - beta, so that v is a mean of gradients.
    ``nesterov`` looks a step ahead on either: w -= lr (g' + beta v), with g' as it entered v.
    """

    lr: float
    beta: float = 0.9
    ema: bool = False
    nesterov: bool = False
    rule = f.MOMENTUM

    def __post_init__(self):
        number("lr", self.lr, 0, above=True)
        number("beta", self.beta, 0, 1)

    def fill(self, coefficients: np.ndarray, lr: np.ndarray, first: int) -> None:
        """As SGD.fill."""
        gain = 1 - self.beta if self.ema else 1.0
        coefficients[:, f.BETA], coefficients[:, f.GAIN] = self.beta, gain
        coefficients[:, f.STEP_VELOCITY] = lr * self.beta if self.nesterov else lr
        coefficients[:, f.STEP_GRADIENT] = lr * gain if self.nesterov else 0.0


@dataclass(frozen=True)
class Adam:
    """Adam, with the bias correction in the learning rate and eps outside of it (Kingma and Ba, 2015, section 2)."""

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    rule = f.ADAM

    def __post_init__(self):
        number("lr", self.lr, 0, above=True)
        number("beta1", self.beta1, 0, 1)
        number("beta2", self.beta2, 0, 1)
        number("eps", self.eps, 0, above=True)

    def fill(self, coefficients: np.ndarray, lr: np.ndarray, first: int) -> None:
        """As SGD.fill."""
        t = np.arange(first + 1, first + 1 + len(coefficients))
        coefficients[:, f.BETA1], coefficients[:, f.BETA2], coefficients[:, f.EPS] = self.beta1, self.beta2, self.eps
        coefficients[:, f.ADAM_LR] = lr * np.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)


Optimizer = SGD | Momentum | Adam

# What to write for an optimizer that is asked for by a name, or by its class alone.
_EXAMPLES = {"sgd": "fastnet.SGD(0.1)", "momentum": "fastnet.Momentum(0.1)", "adam": "fastnet.Adam(1e-3)"}


def check_optimizer(optimizer: Any) -> Optimizer:
    """The optimizer to train with, Adam(1e-3) for None; TypeError if it is none."""
    if optimizer is None:
        return Adam()
    if isinstance(optimizer, SGD | Momentum | Adam):
        return optimizer
    name = optimizer.__name__ if isinstance(optimizer, type) else str(optimizer)
    example = _EXAMPLES.get(name.lower(), "fastnet.Adam(1e-3)")
    raise TypeError(f"optimizer must be an SGD, Momentum or Adam of fastnet, got {optimizer!r}: pass {example}")
