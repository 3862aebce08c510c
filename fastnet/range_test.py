"""The learning-rate range test (L. Smith, 2017, arXiv 1506.01186): a short run with a rate that grows step by step."""

import contextlib
import copy
import dataclasses
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.data.arrays import check_rows
from fastnet.errors import DivergenceWarning, NonFiniteLossError, number, warn, whole
from fastnet.history import Epoch, Step
from fastnet.network import Network
from fastnet.optimizers import check_optimizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTHING = 0.9  # of the running mean of the losses
FEWEST = 20
WINDOW = 6  # steps over which a fall is measured
BLOWN_UP = 4.0  # times the smallest smoothed loss: the test ends
CHOSEN_HERE = (
    "epochs", "schedule", "warmup", "callbacks", "patience", "min_delta", "monitor", "time_limit", "validation",
    "progress", "checkpoint",
)  # fmt: skip


@dataclass(frozen=True)
class RangeTest:
    """The result of `find_lr`.

    lrs, losses : (steps,) the rate of each step, and the loss of its batch. smoothed : a running mean of the losses.
    suggestion : the rate at which the smoothed loss falls fastest; None where it never falls.
    """

    lrs: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None

    def plot(self) -> "Figure":
        """The losses over the rates, with the suggestion marked. Needs the extra ``plot``."""
        from fastnet.pictures import lr_finder

        return lr_finder(self.lrs.tolist(), self.smoothed.tolist(), self.suggestion)


def find_lr(
    net: Network, X: Any, y: Any, *, low: float = 1e-6, high: float = 10.0, steps: int = 100, **settings: Any
) -> RangeTest:
    """Train a copy of ``net`` for some steps, at rates that grow from ``low`` to ``high``; ``net`` stays as it is.

    settings : as for fastnet.train: batch_size, optimizer (whose lr does not matter), loss, l2, seed and others, but
        nothing that says how far to train. The test ends where the loss has grown to a multiple of its smallest value.

    Raises ValueError or TypeError as fastnet.train does.
    """
    from fastnet.training import train

    low, steps = number("low", low, 0, above=True), whole("steps", steps)
    if steps < FEWEST:
        raise ValueError(f"steps must be at least {FEWEST}, so that a course can be seen, got {steps}")
    high = number("high", high, low, above=True)
    for name in CHOSEN_HERE:
        if name in settings:
            raise TypeError(f"find_lr has no argument {name!r}: how far it trains, and at what rates, is its own")
    per_epoch = -(-len(check_rows(X, width=net.sizes[0])) // whole("batch_size", settings.get("batch_size", 128)))
    epochs = -(-steps // per_epoch)
    settings["optimizer"] = dataclasses.replace(check_optimizer(settings.get("optimizer")), lr=high)
    recorder = _Recorder(steps)
    with warnings.catch_warnings(), contextlib.suppress(NonFiniteLossError):
        warnings.simplefilter("ignore", DivergenceWarning)
        warnings.filterwarnings("ignore", "Training went nowhere")
        train(
            copy.deepcopy(net), X, y, epochs=epochs, callbacks=[recorder], **settings,
            schedule=lambda done: (low / high) ** (1 - min(1, round(done * epochs * per_epoch) / (steps - 1))),
        )  # fmt: skip
    found = recorder.result()
    if len(found.smoothed) == steps and np.argmin(found.smoothed) == steps - 1:
        warn(f"the loss still falls at high={high:g}: a larger high may give another suggestion")
    return found


class _Recorder:
    """A callback that notes every step, and ends the run where the loss has blown up."""

    every = 1

    def __init__(self, steps: int):
        self.steps = steps
        self.lrs: list[float] = []
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.mean = 0.0

    def __call__(self, net: Network, epoch: Epoch) -> None:
        """Nothing happens at the end of an epoch."""

    def step(self, net: Network, step: Step) -> bool:
        self.mean = SMOOTHING * self.mean + (1 - SMOOTHING) * step.loss
        self.lrs.append(step.lr)
        self.losses.append(step.loss)
        self.smoothed.append(self.mean / (1 - SMOOTHING**step.step))
        return step.step >= self.steps or self.smoothed[-1] > BLOWN_UP * min(self.smoothed)

    def result(self) -> RangeTest:
        lrs, losses, smoothed = (np.array(values) for values in (self.lrs, self.losses, self.smoothed))
        falls = smoothed[:-WINDOW] - smoothed[WINDOW:]  # the rates grow by the same factor from step to step
        found = len(falls) > 0 and falls.max() > 0
        return RangeTest(lrs, losses, smoothed, float(lrs[np.argmax(falls) + WINDOW // 2]) if found else None)
