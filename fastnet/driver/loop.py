"""The loop that all training goes through: epochs, and in them groups of steps."""

import sys
import time
from typing import Any, Protocol

import numpy as np

from fastnet.calls import SECONDS_PER_CALL
from fastnet.driver.batches import Batches


class Guide(Protocol):
    """Who says in which order, at which rates and for how long the loop trains."""

    def begin_epoch(self) -> np.ndarray:
        """The rows of the next epoch, in order."""

    def coefficients(self) -> np.ndarray:
        """The coefficients of the steps of the epoch that is planned."""

    def steps_ahead(self) -> int:
        """The most steps to take before `steps_taken` is called."""
        return sys.maxsize

    def steps_taken(self, losses: np.ndarray, first: int) -> bool:
        """Called after a group of steps. losses (steps, 2): those of the epoch so far, the new ones from ``first`` on.

        Returns whether to end the epoch, and with it the run.
        """
        return False

    def end_epoch(self, losses: np.ndarray, seconds: float) -> bool:
        """Called after an epoch with its losses and the seconds of its steps; returns whether to end the run."""


class Loop:
    """Epochs of steps. After Ctrl-C the weights reached are stored."""

    def __init__(self, stepper: Any, batches: Batches, guide: Guide):
        self.stepper, self.batches, self.guide = stepper, batches, guide
        self.group = 1

    def run(self, epochs: int) -> bool:
        """Train ``epochs`` epochs at most; returns whether the guide ended the run."""
        for _ in range(epochs):
            start = time.perf_counter()
            order = self.batches.plan(self.guide.begin_epoch())
            losses, stopped = self._steps(order, self.guide.coefficients())
            if self.guide.end_epoch(losses, time.perf_counter() - start) or stopped:
                return True
        return False

    def _steps(self, order: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, bool]:
        """The steps of one epoch; (their losses, whether the guide ended the run within it)."""
        losses, step, size = np.empty((len(coefficients), 2)), 0, self.batches.size
        while step < len(coefficients):
            end = min(len(coefficients), step + min(self.group, self.guide.steps_ahead()))
            start = time.perf_counter()
            try:
                losses[step:end] = self.stepper.run(order[step * size : end * size], coefficients[step:end])
            except KeyboardInterrupt:
                self.stepper.store()
                raise
            self._resize_group(end - step, time.perf_counter() - start)
            first, step = step, end
            if self.guide.steps_taken(losses[:step], first):
                return losses[:step], True
        return losses, False

    def _resize_group(self, steps: int, seconds: float) -> None:
        """Aim at SECONDS_PER_CALL, growing eightfold at most: the first call may include compilation."""
        wanted = steps * SECONDS_PER_CALL / max(seconds, 1e-9)
        self.group = max(1, min(8 * self.group, int(wanted)))
