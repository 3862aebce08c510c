"""Checkpoints: files that hold all that a run depends on, so that a killed one goes on to the same bits."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.durations import seconds
from fastnet.errors import DataError, warn, whole
from fastnet.files import patiently, replacing, try_to_make

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
            shutil.rmtree(leftover, ignore_errors=True)
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
            found = checkpoints(self.folder)
            here = found.index(written)  # those before it in the list are newer, and were passed over as damaged
            for path in found[:here] + found[here + self.checkpoint.keep :]:
                patiently(_remove, path)
        except (OSError, MemoryError) as error:
            self.checkpoint.failed = True
            place = getattr(error, "filename", None) or self.folder
            why = getattr(error, "strerror", None) or str(error) or "not enough memory"
            warn(f"checkpoint of step {step} not written, training goes on: {place}: {why}")
        self._saved = time.monotonic()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def prepare(folder: str | os.PathLike) -> None:
    """Make a folder for the checkpoints of a new run. Raises OSError where they could not be written."""
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "expected a folder for checkpoints, got a file", os.fspath(folder))
    place.mkdir(parents=True, exist_ok=True)
    try_to_make(place / "step-0.npz")


def checkpoints(folder: str | os.PathLike) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    with contextlib.suppress(OSError):
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
    except Exception as error:  # a damaged file may raise anything from zlib, zipfile, numpy or json
        raise DataError(f"{path}: damaged: {error or type(error).__name__}") from None
    if values["format"] > FORMAT:
        raise NewerFormat(f"{path}: format {values['format']} is newer than this fastnet, which reads up to {FORMAT}")
    return values, arrays


class NewerFormat(DataError):
    """A checkpoint of a later version of fastnet."""


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if not path.is_file():
        raise DataError(f"{path}: expected a checkpoint, which is a regular file")
    with zipfile.ZipFile(path) as archive:
        stored = sum(info.file_size for info in archive.infolist())
        if any(info.compress_type for info in archive.infolist()) or stored > path.stat().st_size:
            raise DataError(f"{path}: damaged: checkpoints are not compressed")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    about = arrays.pop("checkpoint")
    if _sum(about) != arrays.pop("sum").tobytes().decode():
        raise DataError(f"{path}: damaged: its description does not match its sum")
    values = json.loads(about.tobytes())
    for name, expected in values["sha256"].items():
        if name not in arrays or _sum(arrays[name]) != expected:
            raise DataError(f"{path}: damaged: {name} does not match its sum")
    return values, arrays


def read_newest(folder: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(values, arrays) of the newest checkpoint in a folder that is not damaged; warns of newer ones that are.

    Raises DataError if there is none, or if the newest is of a later version of fastnet.
    """
    found = checkpoints(folder)
    if not found:
        raise DataError(f"{os.fspath(folder)}: there are no checkpoints here")
    for path in found:
        try:
            return read(path)
        except NewerFormat:
            raise
        except DataError as error:
            warn(f"{error}; trying the checkpoint before it")
    raise DataError(f"{os.fspath(folder)}: all {len(found)} checkpoints are damaged")


def _sum(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8)).hexdigest()
