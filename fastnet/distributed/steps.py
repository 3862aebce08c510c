"""Steps that several processes take together, each on its own rows of every batch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from mpi4py import MPI

from fastnet.driver.batches import Batches
from fastnet.driver.team import Share
from fastnet.engine.workspace import NOTES
from fastnet.functions import SCALE

if TYPE_CHECKING:
    from fastnet.engine import Stepper

LOSS, ROWS = 0, 1  # the notes behind a gradient
EXACT = 2**24  # float32 counts rows up to this many


class JointSteps(ABC):
    """A stepper (see fastnet.engine.Stepper) for batches whose rows lie in several processes.

    stepper : takes the steps of this process, on its rows, which are those of ``share``. comm : of mpi4py.
    """

    def __init__(self, stepper: "Stepper", share: Share, batches: Batches, comm: Any):
        self.stepper, self.own, self.batches, self.comm = stepper, share, batches, comm
        self.rows_seen = 0

    @property
    def moments(self) -> tuple[np.ndarray, ...]:
        """Those of the rule, flat vectors laid out like the parameters."""
        return self.stepper.moments

    def load(self) -> None:
        """Take weights and moments from the flat vectors."""
        self.stepper.load()

    def store(self) -> None:
        """Write weights and moments into the flat vectors."""
        self.stepper.store()

    @abstractmethod
    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """As Stepper.run, for rows by their numbers among those of all processes; the losses are those of all."""

    def _own_rows(self, order: np.ndarray, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """For each batch (this process's rows of X, their numbers among all trained on, rows of the whole batch)."""
        size, own = self.batches.size, self.own
        places = np.flatnonzero((order >= own.start) & (order < own.stop))
        rows, numbers = order[places] - own.start, self.rows_seen + places
        ends = np.searchsorted(places, np.arange(1, steps + 1) * size)
        for step, (start, stop) in enumerate(pairwise([0, *ends])):
            yield rows[start:stop], numbers[start:stop], min(size, len(order) - step * size)
        self.rows_seen += min(len(order), steps * size)


class SummedSteps(JointSteps):
    """The gradient of a batch is the sum over all processes: they compute what one alone would, but for rounding."""

    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        losses = np.empty((len(coefficients), 2))
        for step, (rows, numbers, size) in enumerate(self._own_rows(order, len(coefficients))):
            row = coefficients[step : step + 1]
            losses[step, 0] = self._sum(rows, numbers, row, size)
            losses[step, 1] = self.stepper.move(row)
        return losses

    def _sum(self, rows: np.ndarray, numbers: np.ndarray, coefficients: np.ndarray, size: int) -> float:
        """Sum the gradients and losses of all processes over a batch of ``size`` rows; returns the loss."""
        loss = self.stepper.add_up(rows, numbers, coefficients) if len(rows) else 0.0
        gradient = self.stepper.kept_gradient
        if not len(rows):
            gradient[:] = 0
        notes = gradient[-NOTES:]
        notes[LOSS], notes[ROWS] = loss, len(rows)
        self.comm.Allreduce(MPI.IN_PLACE, gradient)
        if size < EXACT and notes[ROWS] != size:
            raise RuntimeError(f"the processes have {notes[ROWS]:.0f} rows of a batch of {size}: their order differs")
        return float(notes[LOSS])


class AveragedSteps(JointSteps):
    """Local SGD (Stich, 2019): each process takes steps of its own, and every so often weights are averaged.

    Another algorithm than training by one process, for networks between machines that are too slow for a sum each
    step. A process counts by the rows that it trained on since the last average. Moments are averaged as well.
    every : steps from one average to the next; an epoch ends with one.
    """

    def __init__(self, stepper: "Stepper", share: Share, batches: Batches, comm: Any, every: int):
        super().__init__(stepper, share, batches, comm)
        self.every, self.rows = every, 0

    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(coefficients), 3))  # loss and penalty times weight, weight
        for step, (rows, numbers, _) in enumerate(self._own_rows(order, len(coefficients))):
            self.rows += len(rows)
            if len(rows):
                weight = float(self.stepper.weight[rows].sum()) if self.stepper.weight.size else float(len(rows))
                sums[step] = self._step(rows, numbers, coefficients[step : step + 1], weight)
            if (step + 1) % self.every == 0 or step + 1 == len(coefficients):
                self._average()
        self.comm.Allreduce(MPI.IN_PLACE, sums)
        return sums[:, :2] / sums[:, 2:]

    def _step(
        self, rows: np.ndarray, numbers: np.ndarray, coefficients: np.ndarray, weight: float
    ) -> tuple[float, float, float]:
        """One step on this process's rows alone, which have that weight."""
        if weight == 0:
            return 0.0, 0.0, 0.0
        own = coefficients.copy()
        own[0, SCALE] = 1 / weight
        loss, penalty = self.stepper.step(rows, numbers, own)
        return loss * weight, penalty * weight, weight

    def _average(self) -> None:
        share, self.rows = self.rows / self.comm.allreduce(self.rows), 0
        self.stepper.store()
        for vector in (self.stepper.params, *self.stepper.moments):
            vector *= share
            self.comm.Allreduce(MPI.IN_PLACE, vector)
        self.stepper.load()
