"""The processes that train one network together: here one alone, which fastnet.distributed extends."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastnet.driver.batches import Batches
from fastnet.interrupts import Shield

Value = TypeVar("Value")


class Share(NamedTuple):
    """The rows from ``start`` to below ``stop``, out of ``total`` that all processes have together."""

    start: int
    stop: int
    total: int


class Team:
    """A process alone. All processes of a team call the same methods in the same order, and get the same answers.

    rank, size : number of this process, and how many there are. Rank 0 prints, writes and decides.
    sync_every : steps after which all have the same weights.
    shares_rows : whether each process has rows of its own, and not all of them.
    """

    rank, size, sync_every, shares_rows = 0, 1, 1, False

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """A block that all leave in the same way, or none."""
        yield

    @contextlib.contextmanager
    def in_turn(self) -> Iterator[None]:
        """A block that rank 0 leaves before the others enter it."""
        yield

    def same(self, value: Value) -> Value:
        """The value that rank 0 has."""
        return value

    def gather(self, value: Value) -> list[Value]:
        """The values of all, by rank."""
        return [value]

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum of float64 arrays of one shape, over all."""
        return values

    def share(self, n: int) -> Share:
        """Which rows are this process's: n is the number of its own where ``shares_rows``, else of all."""
        return Share(0, n, n)

    def syncing(self, every: int) -> "Team":
        """The same processes, which have the same weights every so many steps."""
        if every > 1:
            raise ValueError(f"this run is local SGD of several processes (sync_every={every}): pass distributed=")
        return self

    def shield(self) -> Shield:
        """What holds signals back during a change of state."""
        return Shield()

    def stepper(self, stepper: Any, share: Share, batches: Batches) -> Any:
        """One that takes the steps of all, around one that takes those of this process."""
        return stepper

    def check_same(self, what: str, value: Any) -> None:
        """Raise an error that names ``what`` and a rank where not all have an equal value."""


ALONE = Team()
