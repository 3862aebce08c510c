"""How much a file may become: one account for everything that is read in a load, whatever the formats are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

ALWAYS = 1 << 28  # bytes that the smallest file may become
GROWTH = 4  # times their size that larger files may become
# Decompressed bytes that are looked at, as a multiple of what may be kept. It bounds the time, not the memory.
UNPACKED = 2


class OverBudgetError(ValueError):
    """A file that would become more than its budget allows."""


class Budget:
    """The bytes that the content of some files may take in memory, arrays and objects together.

    max_bytes : the limit. None means ALWAYS, or GROWTH times the size of the files if that is more.

    Memory is taken before it is allocated. What is shared by reference counts each time that it is copied. What is
    mapped from a file does not count.
    """

    def __init__(self, max_bytes: int | None = None):
        if max_bytes is not None and not (isinstance(max_bytes, int) and max_bytes > 0):
            raise ValueError(f"max_bytes must be a number of bytes above 0 or None, got {max_bytes!r}")
        self._max_bytes = max_bytes
        self._files: dict[tuple[int, int], int] = {}
        self._taken = self._unpacked = 0
        self.limit = self._limit()

    def _limit(self) -> int:
        if self._max_bytes is not None:
            return self._max_bytes
        return max(ALWAYS, GROWTH * sum(self._files.values()))

    def opened(self, stat: os.stat_result) -> None:
        """Count the size of a file that is read, once however often it is opened."""
        self._files[stat.st_dev, stat.st_ino] = stat.st_size
        self.limit = self._limit()

    def take(self, n: int) -> None:
        """Account for n bytes that stay. Raises OverBudgetError if they are too many."""
        self._taken += n
        if self._taken > self.limit:
            self._refuse(self._taken, "takes at least")

    def give(self, n: int) -> None:
        """Account for n bytes that are free again."""
        self._taken -= n

    @contextmanager
    def lent(self, n: int) -> Iterator[None]:
        """Account for n bytes that are needed for as long as the block runs."""
        self.take(n)
        try:
            yield
        finally:
            self.give(n)

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """Account for a block that reads the files once more from the start, and keeps nothing of it."""
        before = self._taken, self._unpacked
        self._taken = self._unpacked = 0
        try:
            yield
        finally:
            self._taken, self._unpacked = before

    def unpack(self, n: int) -> None:
        """Account for n bytes that came out of compressed data, whether they stay or not."""
        self._unpacked += n
        if self._unpacked > UNPACKED * self.limit:
            self._refuse(self._unpacked // UNPACKED, "unpacks so much that it needs a limit of at least")

    def _refuse(self, needed: int, what: str) -> NoReturn:
        raise OverBudgetError(
            f"{what} {in_words(needed)}, and the limit is {in_words(self.limit)}; if you trust the file, raise it: "
            f"--max-bytes {-(-2 * needed // 10**9)}GB, or max_bytes= in Python"
        )


def in_words(n: int) -> str:
    """A number of bytes in the largest unit that it fills."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.3g} {unit}" if n < 1000 * size else f"{n // size} {unit}"
    return f"{n} bytes"
