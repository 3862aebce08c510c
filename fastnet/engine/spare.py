"""What a prediction needs and the next one like it can use again."""

from collections.abc import Callable, Hashable
from typing import Any

MOST_BYTES = 2**24  # of a workspace that is kept: a larger one takes little of the time of what it is for


class Spare:
    """Keeps the last thing that was given back. In use it is nobody else's, in whatever thread or signal handler."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def take(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was given back under ``key``, or a new one."""
        thing = self._kept.pop(key, None)
        return make() if thing is None else thing

    def give_back(self, key: Hashable, thing: Any, nbytes: int) -> None:
        """Keep a thing of so many bytes for the next who wants one under ``key``."""
        if nbytes <= MOST_BYTES:
            self._kept = {key: thing}
