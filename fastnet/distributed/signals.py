"""A signal to one process ends all of them, between the same two steps."""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

from fastnet.interrupts import Shield

if TYPE_CHECKING:
    from fastnet.distributed.team import MPITeam


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


class SharedShield(Shield):
    """Holds signals back until `meet`, where all processes learn of them and act as the one that got it would.

    A second signal acts at once.
    """

    def __init__(self, team: "MPITeam"):
        super().__init__()
        self.team = team

    def _chosen(self, before: dict[int, Any]) -> dict[int, Any]:
        """SIGTERM, which schedulers send before they kill, leaves a checkpoint behind in any program."""
        chosen = super()._chosen(before)
        if before.get(signal.SIGTERM) is signal.SIG_DFL:
            chosen[signal.SIGTERM] = _terminate
        return chosen

    def __exit__(self, *_: object) -> None:
        """Signals wait for `meet`."""

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._pending.append((number, frame))
        if len(self._pending) > 1:
            self.torn = True
            self._deliver()

    def meet(self) -> None:
        """Let a signal that any process got act in all."""
        numbers = self.team.gather(self._pending[0][0] if self._pending else 0)
        if not any(numbers):
            return
        rank = next(rank for rank, number in enumerate(numbers) if number)
        if self.team.rank == 0:
            name = signal.Signals(numbers[rank]).name
            print(f"fastnet: {self.team.names[rank]} got {name}: all processes end", file=sys.stderr, flush=True)
        self.team.all_leave()
        if not self._pending:
            self._pending.append((numbers[rank], None))
        self._deliver()
        raise KeyboardInterrupt  # where this process handles that signal in another way
