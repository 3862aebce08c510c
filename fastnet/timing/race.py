"""Interleaved timing: contestants take turns, A B B A, so that drift and neighbours hit all of them alike.

What counts is the ratio of two contestants in one round: its median says how they compare, its quartiles how surely.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet.timing.machine import OTHERS_LIMIT, Others

# Seconds; threads of the last contestant spin for less before they sleep. OpenBLAS's do for 2^28 ticks of the clock,
# 0.1 to 0.15 s, and hold a core of the next one meanwhile: after 0.03 s 784-64-10 was 4.1 times as fast as NumPy, after
# 0.2 s 5.8 times.
PAUSE = 0.2
NOISY = 0.30  # spread of paired ratios above which nothing is concluded
FEWEST = 3  # quiet rounds without which nothing is concluded


@dataclass(frozen=True)
class Race:
    """Seconds of each contestant in each round, and whether each round was undisturbed.

    Where others disturbed most rounds, ``disturbed`` is True and all rounds are kept: better than none, but no result.
    """

    seconds: dict[str, np.ndarray]
    disturbed: bool
    others: float | None  # mean share of the cores that others used

    def summary(self, name: str) -> dict[str, float]:
        """median, min and spread (quartile distance over median) of a contestant's seconds."""
        return _summary(self.seconds[name])

    def ratio(self, name: str, to: str, factor: float = 1.0) -> dict[str, Any]:
        """How many times faster than ``to`` the contestant ``name`` is, times ``factor``, over the rounds."""
        pairs = factor * self.seconds[to] / self.seconds[name]
        found = _summary(pairs)
        noisy = bool(self.disturbed or found["spread"] > NOISY)
        return found | {"pairs": len(pairs), "disturbed": self.disturbed, "noisy": noisy}


def _summary(values: np.ndarray) -> dict[str, float]:
    low, median, high = np.percentile(values, [25, 50, 75])
    numbers = {"median": median, "min": values.min(), "spread": (high - low) / median}
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}


def race(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    patience: float,
    warm: Callable[[str], Any] | None = None,
    clock: Callable[[Callable[[], Any]], float] | None = None,
    pids: tuple[int, ...] = (),
) -> Race:
    """Run the contestants in turns until ``rounds`` rounds were quiet or ``patience`` seconds are over, pauses apart.

    A round runs each contestant twice, forth and back. It takes FEWEST rounds, but not twice the patience, at least.
    warm : called with a contestant's name before each of its turns. clock : runs a contestant and returns its
    seconds; None measures them here. pids : processes that do the work.
    """
    clock = _timed if clock is None else clock
    names = list(contestants)
    taken: list[dict[str, float]] = []
    shares: list[float | None] = []
    others = Others(pids)
    start, last, pauses = time.perf_counter(), None, 0
    while _quiet(shares) < rounds:
        elapsed = time.perf_counter() - start - pauses * PAUSE
        if taken and elapsed > patience and (len(taken) >= FEWEST or elapsed > 2 * patience):
            break
        seconds = dict.fromkeys(names, 0.0)
        others.restart()
        for name in names + names[::-1]:
            if name != last:  # its own threads may be awake
                time.sleep(PAUSE)
                last, pauses = name, pauses + 1
            if warm is not None:
                warm(name)
            seconds[name] += clock(contestants[name]) / 2
        taken.append(seconds)
        shares.append(others.share())
    enough = _quiet(shares) >= FEWEST
    kept = [s for s, share in zip(taken, shares, strict=True) if not enough or _is_quiet(share)]
    known = [share for share in shares if share is not None]
    mean = round(sum(known) / len(known), 3) if known else None
    return Race({name: np.array([s[name] for s in kept]) for name in names}, not enough, mean)


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _is_quiet(share: float | None) -> bool:
    return share is None or share <= OTHERS_LIMIT


def _quiet(shares: list[float | None]) -> int:
    return sum(map(_is_quiet, shares))
