"""A signal to one process ends all of them, between the same two steps."""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

from fastnet.distributed.ends import Ends
from fastnet.interrupts import Shield

if TYPE_CHECKING:
    from fastnet.distributed.team import MPITeam


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


class SharedShield(Shield):
    """Holds signals back until `meet`, where the process that got one acts, and all end if it ends.

    A second signal acts at once.
    """

    def __init__(self, team: "MPITeam"):
        super().__init__()
        self.team = team

    def _chosen(self, before: dict[int, Any]) -> dict[int, Any]:
        """SIGTERM, which schedulers send before they kill, leaves a checkpoint behind in any program."""
        chosen = super()._chosen(before)
        if getattr(before.get(signal.SIGTERM), "__func__", None) is Ends.terminated:
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
        """Let a signal that any process got act in it; if its handler raises, raise in all."""
        number = self._pending[0][0] if self._pending else 0
        numbers = self.team.gather(number)
        if not any(numbers):
            return
        ended = self._acted()
        ends = self.team.gather(ended is not None)
        if not any(ends):
            return
        self.team.all_leave()
        rank = ends.index(True)
        if self.team.rank == 0:
            name = signal.Signals(numbers[rank]).name
            print(f"fastnet: {self.team.names[rank]} got {name}: all processes end", file=sys.stderr, flush=True)
        if ended is None:
            self._act_as_others(numbers[rank])
        raise ended or KeyboardInterrupt

    def _acted(self) -> BaseException | None:
        """What the handler of a signal that came here raises."""
        try:
            self._deliver()
        except BaseException as error:
            return error
        return None

    def _act_as_others(self, number: int) -> None:
        """Do what this process does on a signal that another one got."""
        if number in self._handlers:
            self._handlers[number](number, None)
