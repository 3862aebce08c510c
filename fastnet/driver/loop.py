"""The loop that all training goes through: epochs, and in them groups of steps."""

import sys
import time
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fastnet.calls import SECONDS_PER_CALL
from fastnet.driver.batches import Batches
from fastnet.driver.team import ALONE, Team


class Guide(ABC):
    """Who says in which order, at which rates and for how long the loop trains."""

    @abstractmethod
    def begin_epoch(self) -> np.ndarray:
        """The rows of the next epoch, in order."""

    @abstractmethod
    def coefficients(self) -> np.ndarray:
        """The coefficients of all steps of the epoch that is planned."""

    def steps_ahead(self) -> int:
        """The most steps to take before `steps_taken` is called."""
        return sys.maxsize

    def advance(self, steps: int) -> None:  # noqa: B027 - a guide need not count
        """Count steps that were taken. No signal comes between the steps and this."""

    def owes(self) -> bool:
        """Whether `steps_taken` is still to be called for steps that a signal, or the end of the process, followed."""
        return False

    def steps_taken(self, losses: np.ndarray, first: int) -> bool:
        """Called after a group of steps. losses (steps, 2): those of the epoch so far, the new ones from ``first`` on.

        Returns whether to end the epoch, and with it the run.
        """
        return False

    @abstractmethod
    def end_epoch(self, losses: np.ndarray, seconds: float) -> bool:
        """Called after an epoch with its losses and the seconds of its steps; returns whether to end the run."""


# What ends a run from outside: signals, and a terminal or pipe for its progress that is gone.
ENDS = (KeyboardInterrupt, SystemExit, OSError)


class Loop:
    """Epochs of steps. All processes of a team go through them side by side.

    Attributes: step, how many of the epoch's steps are taken; losses (steps, 2), theirs first; seconds they took. Who
    goes on with an epoch sets them before `run`. shield holds back signals while they change.
    """

    def __init__(self, stepper: Any, batches: Batches, guide: Guide, team: Team = ALONE):
        self.stepper, self.batches, self.guide, self.team = stepper, batches, guide, team
        self.losses, self.step, self.seconds = np.empty((batches.steps, 2)), 0, 0.0
        self.group, self.shield = 1, team.shield()

    def run(self, epochs: int) -> bool:
        """Train ``epochs`` epochs at most; returns whether the guide ended the run.

        When one of ENDS ends it, the weights and moments reached are stored; else that is up to the guide.
        """
        try:
            with self.shield.installed():
                return any(self._epoch() for _ in range(epochs))
        except ENDS:
            self.stepper.store()
            raise

    def _epoch(self) -> bool:
        """One epoch, or what is left of it; returns whether the guide ended the run."""
        start = time.perf_counter()
        order = self.batches.plan(self.guide.begin_epoch())
        coefficients = self.guide.coefficients()
        self.seconds += time.perf_counter() - start
        stopped = self._steps(order, coefficients)
        ended = self.guide.end_epoch(self.losses[: self.step], self.seconds)
        self.step, self.seconds = 0, 0.0
        return ended or stopped

    def _steps(self, order: np.ndarray, coefficients: np.ndarray) -> bool:
        """The steps of one epoch; returns whether the guide ended the run within it."""
        size = self.batches.size
        if self.guide.owes() and self.guide.steps_taken(self.losses[: self.step], self.step):
            return True
        while self.step < len(coefficients):
            first, start = self.step, time.perf_counter()
            end = min(len(coefficients), first + self._steps_at_once())
            with self.shield:
                self.losses[first:end] = self.stepper.run(order[first * size : end * size], coefficients[first:end])
                seconds = self.team.same(time.perf_counter() - start)
                self.step, self.seconds = end, self.seconds + seconds
                self.guide.advance(end - first)
            self.shield.meet()
            self._resize_group(end - first, seconds)
            if self.guide.steps_taken(self.losses[:end], first):
                return True
        return False

    def _steps_at_once(self) -> int:
        """How many steps to take before anybody looks: all processes must have the same weights then."""
        together = self.team.sync_every
        return max(together, min(self.group, self.guide.steps_ahead()) // together * together)

    def _resize_group(self, steps: int, seconds: float) -> None:
        """Aim at SECONDS_PER_CALL, growing eightfold at most: the first call may include compilation."""
        wanted = steps * SECONDS_PER_CALL / max(seconds, 1e-9)
        self.group = max(1, min(8 * self.group, int(wanted)))
