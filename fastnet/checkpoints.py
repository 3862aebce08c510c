"""Checkpoints: files that hold all that a run depends on, so that a killed one goes on to the same bits."""

import contextlib
import errno
import hashlib
import json
import os
import re
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.data.npz import arrays_of
from fastnet.data.source import Source, data_error, shown
from fastnet.durations import seconds
from fastnet.errors import DataError, warn, whole
from fastnet.files import patiently, remove_tree, replacing, try_to_make

FORMAT = 1
_NAME = re.compile(r"step-(\d+)\.npz")


@dataclass
class Checkpoint:
    """Where a run keeps its state, how often, and how much of it.

    folder : of this run alone; it is made if there is none. every : a number of epochs, or a time like "30s", "5m" or
    "1h", which may fall within an epoch. keep : files that are kept; older ones are removed. about : further values
    for JSON that are kept with it.

    A run also keeps its state when it ends, by itself or by a signal. A checkpoint that cannot be written is told by a
    UserWarning, and training goes on; ``failed`` is True from then on.
    """

    folder: str | os.PathLike
    every: int | str = 1
    keep: int = 3
    about: Any = None
    failed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        whole("keep", self.keep)
        if isinstance(self.every, str):
            seconds_of(self.every)
        else:
            whole("every", self.every)


def seconds_of(every: str) -> float:
    """The seconds of ``every``, if it is a time."""
    try:
        return seconds(every)
    except ValueError as error:
        raise ValueError(f"every must be a number of epochs or a time: {error}") from None


class Keeper:
    """Writes the checkpoints of one run.

    run : values for JSON that all of them hold.
    """

    def __init__(self, checkpoint: Checkpoint, run: dict[str, Any]):
        self.checkpoint, self.run = checkpoint, {**run, "every": checkpoint.every, "keep": checkpoint.keep}
        try:
            json.dumps(self.run)
        except TypeError as error:
            raise TypeError(f"about of a Checkpoint must be what JSON can hold: {error}") from None
        self.folder = Path(checkpoint.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(".step-*"):  # of a write that was killed
            remove_tree(leftover)
        self._seconds = seconds_of(checkpoint.every) if isinstance(checkpoint.every, str) else None
        self._saved = time.monotonic()

    def is_due(self, epoch: int | None = None) -> bool:
        """Whether to save now: between steps, or at the end of an epoch."""
        if self._seconds is not None:
            return time.monotonic() - self._saved >= self._seconds
        return epoch is not None and epoch % int(self.checkpoint.every) == 0

    def save(self, step: int, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Write the state after so many steps of the run, and remove files that are too many."""
        try:
            written = self.folder / f"step-{step:012}.npz"
            write(written, {**self.run, "state": values}, arrays)
            self._remove_others(written)
        except (OSError, MemoryError, RuntimeError) as error:  # a RuntimeError where no thread can be started
            self.checkpoint.failed = True
            place = getattr(error, "filename", None) or self.folder
            why = getattr(error, "strerror", None) or str(error) or "not enough memory"
            warn(f"checkpoint of step {step} not written, training goes on: {place}: {why}")
        self._saved = time.monotonic()

    def _remove_others(self, written: Path) -> None:
        """Remove files that are too many, and newer ones, which were passed over as damaged."""
        with contextlib.suppress(OSError):  # they may stay, or be gone already
            newer = [path for path in checkpoints(self.folder) if path > written]
            older = [path for path in checkpoints(self.folder) if path < written]
            for path in newer + older[self.checkpoint.keep - 1 :]:
                patiently(Path.unlink, path)


def prepare(folder: str | os.PathLike) -> None:
    """Make a folder for the checkpoints of a new run.

    Raises ValueError where it holds those of another run, OSError where none could be written.
    """
    place = Path(folder)
    if checkpoints(place):
        raise ValueError(
            f"checkpoint: {place} holds checkpoints of a run already: go on with it by fastnet.resume, or choose "
            "another folder"
        )
    if place.exists() and not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "expected a folder for checkpoints, got a file", os.fspath(folder))
    place.mkdir(parents=True, exist_ok=True)
    try_to_make(place / "step-0.npz")


def checkpoints(folder: str | os.PathLike) -> list[Path]:
    """The checkpoints in a folder, the newest first; none where there is no folder. Raises OSError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted((p for p in Path(folder).iterdir() if _NAME.fullmatch(p.name)), reverse=True)
    return []


def write(path: Path, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a checkpoint, whole or not at all: a plain .npz file with a JSON text and SHA-256 sums of all arrays."""
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive, ThreadPoolExecutor(1) as pool:
        sums = {name: pool.submit(_sum, array) for name, array in arrays.items()}  # made while the arrays are written
        for name, array in arrays.items():
            _put(archive, name, array)
        text = json.dumps({"format": FORMAT, **values, "sha256": {name: sum.result() for name, sum in sums.items()}})
        about = np.frombuffer(text.encode(), np.uint8)
        _put(archive, "checkpoint", about)
        _put(archive, "sum", np.frombuffer(_sum(about).encode(), np.uint8))


def _put(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(values, arrays) of a checkpoint; DataError if it is damaged or newer than this fastnet."""
    try:
        values, arrays = _read(path)
    except DataError:
        raise
    except OSError as error:
        raise Unreadable(f"{shown(path)}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file may raise anything from zlib, zipfile, numpy or json
        raise data_error(path, f"damaged: {error or type(error).__name__}") from None
    return values, arrays


class NewerFormat(DataError):
    """A checkpoint of a later version of fastnet."""


class Unreadable(DataError):
    """A checkpoint that the system does not give out, and that may be fine."""


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with Source(path) as source, arrays_of(source) as stored:
        about = stored["checkpoint"].read(source.budget)
        if _sum(about) != stored["sum"].read(source.budget).tobytes().decode():
            raise data_error(path, "damaged: its description does not match its sum")
        text = about.tobytes()
        source.budget.take(_memory_of_json(text))
        values = json.loads(text)
        if not isinstance(values, dict) or not isinstance(values.get("format"), int):
            raise data_error(path, "damaged: expected a description with a format")
        if values["format"] > FORMAT:
            newer = f"format {values['format']} is newer than this fastnet, which reads up to {FORMAT}"
            raise NewerFormat(f"{shown(path)}: {newer}")
        with describing(path):
            _check_description(values)
        arrays = {name: stored[name].read(source.budget) for name in values["sha256"]}
    for name, expected in values["sha256"].items():
        if _sum(arrays[name]) != expected:
            raise data_error(path, f"damaged: {name} does not match its sum")
    return values, arrays


def _memory_of_json(text: bytes) -> int:
    """About the most bytes that the objects of a JSON text take, strings and numbers apart."""
    return 72 * text.count(b"[") + 300 * text.count(b"{") + 40 * (text.count(b",") + text.count(b":"))


# What a description holds beside its format and what Python adds to it.
DESCRIPTION = {
    "network": dict,
    "class_names": list | None,
    "settings": dict,
    "task_seed": int,
    "data": str,
    "every": int | str,
    "keep": int,
    "state": dict,
    "sha256": dict,
}


def _check_description(values: dict[str, Any]) -> None:
    for name, kind in DESCRIPTION.items():
        if not isinstance(values[name], kind):
            raise TypeError(f"{name} is {values[name]!r:.60}")


@contextlib.contextmanager
def describing(path: str | os.PathLike) -> Iterator[None]:
    """Turns what comes of a description that no run has written into a DataError."""
    try:
        yield
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise data_error(path, f"not the state of a run: {type(error).__name__}: {error}") from None


def read_newest(folder: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(values, arrays) of the newest checkpoint in a folder that is not damaged; warns of newer ones that are.

    Raises DataError if there is none, and where the newest cannot be read or is of a later version of fastnet.
    """
    found = checkpoints(folder)
    if not found:
        raise DataError(f"{os.fspath(folder)}: there are no checkpoints here")
    for path in found:
        try:
            return read(path)
        except (NewerFormat, Unreadable):
            raise
        except DataError as error:
            warn(f"{error}; trying the checkpoint before it")
    raise DataError(f"{os.fspath(folder)}: all {len(found)} checkpoints are damaged")


def _sum(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8)).hexdigest()
