"""Ctrl-C and other signals come between two states of a run, never within a change of state."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


class Shield:
    """Holds signals back: ``with shield:`` lets them act when its block is done. Blocks may not be nested.

    Only signals whose handlers are Python functions are held back, and only while `installed`, in the main thread;
    elsewhere no signal ever interrupts. A second signal lets both act at once; ``torn`` is True if a block was left so.
    """

    def __init__(self) -> None:
        self._holds = False
        self.torn = False
        self._pending: list[tuple[int, FrameType | None]] = []
        self._handlers: dict[int, Any] = {}

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Take the signals for a run, and give them back after it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.getsignal(s) for s in SIGNALS}
        self._handlers = self._chosen(before)
        try:
            for number in self._handlers:
                signal.signal(number, self._arrived)
            yield
        finally:
            self._holds = True  # a signal that comes now waits until all handlers are back
            for number in self._handlers:
                signal.signal(number, before[number])
            self._holds = False
            self._deliver()

    def _chosen(self, before: dict[int, Any]) -> dict[int, Any]:
        """What signals to hold back, and what they do then, by what they did before."""
        return {number: handler for number, handler in before.items() if callable(handler)}

    def meet(self) -> None:
        """Called between blocks: where several processes train together, the signal of one acts on all here."""

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._pending.append((number, frame))
        if len(self._pending) > 1 or not self._holds:
            self.torn = self._holds
            self._deliver()

    def __enter__(self) -> None:
        self._holds = True

    def __exit__(self, *_: object) -> None:
        self._holds = False
        self._deliver()

    def _deliver(self) -> None:
        """Let the signals that came act, a second one too: it may want the end at once."""
        if self._pending:
            (number, frame), *self._pending = self._pending
            try:
                self._handlers[number](number, frame)
            finally:
                self._deliver()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals act when the block is done, which should be short; a second one acts at once."""
    shield = Shield()
    with shield.installed(), shield:
        yield
