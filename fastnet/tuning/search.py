"""The loop of a search: hands out trials, answers reports, and writes down what came of them."""

import contextlib
import math
import queue
import time
from collections.abc import Iterator
from typing import Any, Protocol

from fastnet.errors import DataError
from fastnet.interrupts import uninterrupted
from fastnet.tuning.board import Board, Trial
from fastnet.tuning.crew import Crew, Worker
from fastnet.tuning.scoring import Outcome

TICK = 0.25  # seconds that the loop waits at most, so that Ctrl-C acts where waiting cannot be interrupted


class Listener(Protocol):
    """Who is told of the course of a search."""

    def over(self, trial: Trial, board: Board) -> None:
        """A trial of this process is over."""

    def tick(self, board: Board) -> None:
        """Some time went by."""


class Search:
    """One call's share of a search.

    most : trials that the study is to have, None for any number. seconds : from when the first worker is ready, None
    for any time. ended : trials that came to an end here.
    """

    def __init__(self, board: Board, crew: Crew, *, most: int | None, seconds: float | None, listener: Listener):
        self.board, self.crew, self.listener = board, crew, listener
        self.most, self.seconds = most, seconds
        self.deadline, self.ended = math.inf, 0

    def run(self) -> None:
        """Search until there are enough trials, or time is up and a trial has ended; those that then run are lost."""
        with self._nothing_left_running():
            self.crew.start()
            while not (self._is_late() and (self.ended or self._is_complete())):
                with uninterrupted():
                    is_over = not self._hand_out()
                    self._beat()
                if is_over:
                    return
                self._listen()

    @contextlib.contextmanager
    def _nothing_left_running(self) -> Iterator[None]:
        try:
            yield
        finally:
            with uninterrupted():
                self.crew.end()
                for worker in self.crew.workers:
                    if worker.trial is not None:
                        self.board.lose(worker.trial)

    def _is_late(self) -> bool:
        return time.monotonic() > self.deadline

    def _is_busy(self) -> bool:
        return any(worker.trial is not None for worker in self.crew.workers)

    def _is_complete(self) -> bool:
        """Whether there are enough trials, and none of them runs here."""
        return self.most is not None and self.board.counted() >= self.most and not self._is_busy()

    def _hand_out(self) -> bool:
        """Give workers that are free something to do; False if there is nothing more to do or to wait for."""
        for worker in self.crew.free():
            if self._is_late() and self._is_busy():
                break
            trial = self.board.claim(self.most)
            if trial is None:
                break
            worker.trial = trial
            worker.send(trial.settings)
        return not self._is_complete() or self._awaits_others()

    def _awaits_others(self) -> bool:
        """Whether trials of other processes run: they belong to the result, and if they are lost, others are needed."""
        if not self.board.waits_for_others():
            return False
        self.board.look()
        return True

    def _beat(self) -> None:
        if self.board.ledger is not None:
            self.board.ledger.beat()

    def _listen(self) -> None:
        """Take what workers say, for a moment."""
        left = self.deadline - time.monotonic()
        try:
            worker, message = self.crew.events.get(timeout=min(TICK, left) if left > 0 else TICK)
        except queue.Empty:
            self.listener.tick(self.board)
            return
        with uninterrupted():
            self._act(worker, message)

    def _act(self, worker: Worker, message: Any) -> None:
        if message is None:
            if worker in self.crew.workers:
                self._replace(worker)
        elif message[0] == "unfit":
            raise DataError(f"no trial can be trained: {message[1]}")
        elif message[0] == "ready":
            worker.is_ready = True
            if self.seconds is not None:
                self.deadline = min(self.deadline, time.monotonic() + self.seconds)
        elif message[0] == "rung":
            assert worker.trial is not None
            worker.send(self.board.is_hopeless(worker.trial, *message[1:]))
        else:
            self._take(worker, message[1])

    def _take(self, worker: Worker, outcome: Outcome) -> None:
        trial, worker.trial = worker.trial, None
        assert trial is not None
        self.board.finish(trial, outcome)
        self.ended += 1
        self.listener.over(trial, self.board)

    def _replace(self, worker: Worker) -> None:
        code = self.crew.replace(worker)
        if worker.trial is not None:
            self._take(worker, Outcome(failure=f"its process ended with exit code {code}"))
