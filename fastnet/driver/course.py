"""The Guide of `fastnet.train`: rates, records, steering, callbacks, and what is kept in case the run diverges."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet import functions as f
from fastnet.checkpoints import Keeper
from fastnet.divergence import Watch
from fastnet.driver.batches import Batches
from fastnet.driver.loop import ENDS, Guide, Loop
from fastnet.driver.state import state_of
from fastnet.driver.steering import Steering
from fastnet.driver.team import ALONE, Team
from fastnet.errors import NonFiniteLossError
from fastnet.history import Epoch, History, Step
from fastnet.network import Evaluation, Network, RegressionEvaluation
from fastnet.schedules import Length

Evaluate = Callable[[], Evaluation | RegressionEvaluation]


class Course(Guide):
    """One run of `fastnet.train`.

    evaluators : by "val" and "train", functions that evaluate the network. progress : False, or a Progress.
    """

    def __init__(
        self,
        net: Network,
        stepper: Any,
        batches: Batches,
        steering: Steering,
        rng: np.random.Generator,
        evaluators: dict[str, Evaluate],
        progress: Any,
        keeper: Keeper | None = None,
        team: Team = ALONE,
    ):
        self.net, self.stepper, self.batches, self.steering = net, stepper, batches, steering
        self.rng, self.evaluators, self.progress, self.keeper, self.team = rng, evaluators, progress, keeper, team
        self.loop = Loop(stepper, batches, self, team)
        self.history, self.watch = History(), Watch()
        self.before, self.rng_state = 0, rng.bit_generator.state  # steps and state at the beginning of the epoch
        self.length = Length(batches.steps, batches.steps * steering.epochs)
        self.stopper, self.dropper, self.drops = steering.stopper(), steering.dropper(), 0
        self.deadline = math.inf
        self.finite = net.params.copy()
        self.best: np.ndarray | None = None
        self.owed: str | None = None  # callbacks are to be called for "steps" or an "epoch" that are done
        self.step_callbacks = [call for call in steering.callbacks if getattr(call, "every", None) is not None]
        self.is_called = team.same(bool(steering.callbacks))
        self.turns = team.same([call.every for call in self.step_callbacks])
        self.shows_steps = hasattr(progress, "steps")

    def run(self, keeps_first: bool = False) -> History:
        """Train, and leave the network with its last weights, or with its best where somebody waits for better ones.

        keeps_first : keep the state before, because the settings are others than those of the last checkpoint.
        """
        if keeps_first:
            self._save()
        if self.steering.time_limit is not None:
            self.deadline = time.monotonic() + self.steering.time_limit
        try:
            if self.owed == "epoch":
                self._end_with(self.history[-1])
            if self.history.stopped is None:
                self.loop.run(self.steering.epochs - len(self.history))
        except ENDS:
            if not self.loop.shield.torn:
                self._save_within()
            raise
        if self.best is not None:
            self.net.params[:] = self.best
        return self.history

    @property
    def epoch(self) -> int:
        """The number of the epoch that is trained."""
        return len(self.history) + 1

    @property
    def done(self) -> int:
        """Steps taken in all epochs."""
        return self.before + self.loop.step

    def begin_epoch(self) -> np.ndarray:
        # One batch of all rows is the same in any order, and read faster in their own.
        if not self.steering.shuffle or self.batches.steps == 1:
            return np.arange(self.batches.n)
        return self.rng.permutation(self.batches.n)

    def coefficients(self) -> np.ndarray:
        table, optimizer = self.batches.coefficients(), self.steering.optimizer
        steps = self.before + np.arange(len(table))
        self.lr = optimizer.lr * self.steering.schedule.factors(steps, self.length, self.drops)
        fine = np.isfinite(self.lr) & (self.lr >= 0)
        if not fine.all():
            wrong = self.lr[np.argmin(fine)]
            raise ValueError(f"schedule must give finite factors from 0 on, got a learning rate of {wrong:g}")
        table[:, f.L2], table[:, f.DECAY] = self.steering.l2, self.lr * self.steering.weight_decay
        optimizer.fill(table, self.lr, self.before)
        return table

    def advance(self, steps: int) -> None:
        self.owed = "steps"

    def owes(self) -> bool:
        return self.owed == "steps"

    def steps_ahead(self) -> int:
        return min((every - self.done % every for every in self.turns), default=len(self.lr))

    def steps_taken(self, losses: np.ndarray, first: int) -> bool:
        finite = np.isfinite(losses[first:].sum(axis=1))
        if not finite.all():
            self._fail(first + int(np.argmin(finite)))
        if self.shows_steps:
            rows = int(self.batches.counts[: len(losses)].sum())
            self.progress.steps(self.epoch, rows, self.batches.n, self.batches.mean(losses.sum(axis=1)))
        if self.turns:
            self._call_within(losses)
        self.owed = None
        if self.history.stopped is None and self.team.same(time.monotonic() >= self.deadline):
            self._save_within()  # as it would be without a limit: who goes on with the run goes on within this epoch
            self.history.stopped = "time_limit"
        elif self.team.same(self.keeper is not None and self.keeper.is_due()):
            self._save_within()
        return self.history.stopped is not None

    def end_epoch(self, losses: np.ndarray, seconds: float) -> bool:
        self.stepper.store()
        if not np.isfinite(self.net.params).all():
            self._fail(len(losses) - 1)
        self.team.check_same("weights", self.net.params)
        figures = {name: value for rows in self.evaluators for name, value in self._figures(rows).items()}
        mean, lr = self.batches.mean(losses.sum(axis=1)), float(self.lr[len(losses) - 1])
        rows = int(self.batches.counts[: len(losses)].sum())
        record = Epoch(self.epoch, seconds, mean, **figures, lr=lr, rows=rows)
        with self.loop.shield:
            self._record(record, losses[:, 0])
        return self._end_with(record)

    def _end_with(self, record: Epoch) -> bool:
        """Tell of an epoch that is recorded, and keep the state; returns whether the run ends with it."""
        if self.progress:
            self.progress.epoch(record)
        self._call(lambda callback: callback(self.net, record), self.steering.callbacks)
        self.owed = None
        ended = self.history.stopped is not None
        if self._is_due(record.epoch, ended):
            self._save()
        return ended

    def _is_due(self, epoch: int, ended: bool) -> bool:
        """Whether to keep the state at the end of this epoch."""
        last = ended or epoch == self.steering.epochs
        return self.keeper is not None and (last or self.keeper.is_due(epoch))

    def _record(self, record: Epoch, losses: np.ndarray) -> None:
        """All that an epoch changes, so that the next one can begin."""
        is_whole = record.epoch == self.steering.epochs and len(losses) == len(self.lr)
        if self.history.stopped == "time_limit" and is_whole:
            self.history.stopped = None
        self.finite[:] = self.net.params
        self.watch.epoch(record.epoch, losses, self.batches.counts[: len(losses)])
        self._steer(record)
        self.history.epochs.append(record)
        self.before, self.rng_state = self.done, self.rng.bit_generator.state
        self.loop.step, self.loop.seconds, self.owed = 0, 0.0, "epoch"

    def _figures(self, rows: str) -> dict[str, float]:
        """The fields of an Epoch that an evaluation on these rows, "val" or "train", fills."""
        found = self.evaluators[rows]()
        name, value = ("r2", found.r2) if isinstance(found, RegressionEvaluation) else ("accuracy", found.accuracy)
        return {f"{rows}_loss": found.loss, f"{rows}_{name}": value}

    def _steer(self, record: Epoch) -> None:
        """Lower the rate, keep the best weights or stop, by the figure that is monitored."""
        value = getattr(record, self.steering.monitor)
        if self.dropper and not self.dropper.improves(value) and self.dropper.is_over:
            self.drops, self.dropper.waited = self.drops + 1, 0
        if self.stopper and self.stopper.improves(value):
            self.best, self.history.best_epoch = self.net.params.copy(), record.epoch
        elif self.stopper and self.stopper.is_over:
            self.history.stopped = self.history.stopped or "patience"

    def _call_within(self, losses: np.ndarray) -> None:
        """Call the callbacks whose turn it is between steps."""
        due = [callback for callback in self.step_callbacks if self.done % callback.every == 0]
        if not any(self.done % every == 0 for every in self.turns):
            return
        self.stepper.store()
        lr, sums = float(self.lr[len(losses) - 1]), losses.sum(axis=1)

        def call(callback: Any) -> Any:
            return callback.step(self.net, Step(self.done, self.epoch, float(sums[-callback.every :].mean()), lr))

        self._call(call, due)

    def _call(self, call: Callable[[Any], Any], callbacks: Any) -> None:
        """Call them all, let the kernels see changed weights, and stop the run if one wants that."""
        if not self.is_called:
            return
        before = self.net.params.copy()
        answers = [call(callback) for callback in callbacks]
        with self.loop.shield:  # weights that changed are not taken while the callbacks are still owed
            if self.team.same(not np.array_equal(before, self.net.params)):
                self.net.params[:] = self.team.same(self.net.params)
                self.stepper.load()
                if np.isfinite(self.net.params).all():
                    self.finite[:] = self.net.params
            self.owed = None
            if self.team.same(any(isinstance(answer, bool | np.bool_) and bool(answer) for answer in answers)):
                self.history.stopped = self.history.stopped or "callback"

    def _save_within(self) -> None:
        """Keep the state between two steps. At the end of an epoch, network and moments are stored already."""
        if self.keeper is not None:
            self.stepper.store()
            self._save()

    def _save(self) -> None:
        # A time limit cuts an epoch short for this call alone: its state was kept before that.
        if self.keeper is not None and self.history.stopped != "time_limit":
            with self.loop.shield:  # a signal waits until the file is whole
                self.keeper.save(self.done, *state_of(self))

    def _fail(self, step: int) -> None:
        self.net.params[:] = self.finite
        raise NonFiniteLossError(self.epoch, step + 1, float(self.lr[step]))
