"""What is called while a network trains: the protocol, a log in a file, and curves for TensorBoard."""

import csv
import io
import json
import os
import weakref
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastnet.errors import warn, whole
from fastnet.files import replacing
from fastnet.history import Epoch, Step, finite_only

if TYPE_CHECKING:
    from fastnet.network import Network

COLUMNS = tuple(field.name for field in fields(Epoch))
HEADER = ",".join(COLUMNS)


class Callback(Protocol):
    """What ``callbacks`` of `fastnet.train` holds: a function, or an object that can be called like one."""

    def __call__(self, net: "Network", epoch: Epoch, /) -> Any:
        """Called after every epoch. True ends the run. The weights of ``net`` may be changed."""


class StepCallback(Callback, Protocol):
    """A callback that is also called between the steps of an epoch.

    every : after how many steps, 1 or more; None is never.
    """

    every: int | None

    def step(self, net: "Network", step: Step, /) -> Any:
        """Called after every so many steps. True ends the run."""


class Log:
    """Appends one row per epoch to a file: FILE.csv, or FILE.jsonl with one JSON object per line.

    Rows have all fields of an Epoch; those that were not measured are empty in CSV and null in JSON, which has null for
    NaN and infinities too. Each row is in the file before the next epoch starts. Further runs are appended.

    Where a row cannot be written, say because the disk is full, the run goes on without the log: a UserWarning says so,
    and ``failed`` is True from then on.

    Raises ValueError for another suffix and for a CSV file with other columns, OSError if the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path, self.failed = Path(path), False
        suffix = self.path.suffix.lower()
        if suffix not in (".csv", ".jsonl"):
            raise ValueError(f"path of a log must end in .csv or .jsonl, got {os.fspath(path)!r}")
        self._is_csv = suffix == ".csv"
        self._prepare()

    def __call__(self, net: Any, epoch: Epoch, /) -> None:
        """Write the row of an epoch."""
        if self.failed:
            return
        try:
            with open(self.path, "ab") as file:
                header = f"{HEADER}\n" if self._is_csv and file.tell() == 0 else ""
                file.write((header + self._row(epoch)).encode())
        except OSError as failure:
            self.failed = True
            warn(f"{self.path} has no row of epoch {epoch.epoch} and later ones: {failure.strerror or failure}")

    def cut(self, epoch: int) -> None:
        """Drop the rows of the last run after that epoch, because it goes on from there."""
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        numbers = [self._number(line) for line in lines]
        start = max((i for i, number in enumerate(numbers) if number == 1), default=len(lines))
        kept = [line for i, line in enumerate(lines) if i < start or (numbers[i] or 0) <= epoch]
        if len(kept) < len(lines):
            with replacing(self.path) as file:
                file.write("".join(kept).encode())

    def _number(self, line: str) -> int | None:
        """The number of the epoch in a line; None if it is no whole row."""
        try:
            return int(line.partition(",")[0]) if self._is_csv else int(json.loads(line)["epoch"])
        except (ValueError, KeyError, TypeError):
            return None

    def _prepare(self) -> None:
        """Make sure that rows can be appended, on a line of their own."""
        with open(self.path, "a+b") as file:
            size = file.tell()
            file.seek(0)
            found = file.readline(1 << 16).decode("utf-8-sig", "replace").strip()
            if size and self._is_csv and found != HEADER:
                raise ValueError(
                    f"{self.path} has other columns than a log: expected {HEADER}, got {found[:80]}: choose a new file"
                )
            file.seek(max(0, size - 1))
            if file.read(1) not in (b"", b"\n"):  # a run was killed while it wrote
                file.write(b"\n")

    def _row(self, epoch: Epoch) -> str:
        record = asdict(epoch)
        if not self._is_csv:
            return json.dumps(finite_only(record)) + "\n"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(record.values())
        return text.getvalue()


class TensorBoard:
    """Writes curves that TensorBoard shows, through tensorboardX (``pip install "fastnet[tensorboard]"``).

    folder : where its event file goes; one for each run, as in "runs/wide". It is made at once.
    every : after how many steps ``steps/loss`` and ``steps/lr`` get a point; None is never.
    histograms : whether to write histograms of all weights and biases after every epoch, as W/0, b/0, ...

    After every epoch each of its fields that was measured gets a point: loss, val_accuracy, seconds, lr, ... The file
    is complete when `close` is called, a ``with`` block ends, or nothing refers to this object any more.

    Where a point cannot be written, the run goes on without them: a UserWarning says so, and ``failed`` is True then.

    Raises ImportError where tensorboardX is missing, ValueError for a bad ``every``, OSError where there can be no such
    folder.
    """

    def __init__(self, folder: str | os.PathLike, every: int | None = None, histograms: bool = False):
        every = None if every is None else whole("every", every)
        try:
            import tensorboardX
        except ImportError:
            missing = 'TensorBoard needs tensorboardX, which is not installed: pip install "fastnet[tensorboard]"'
            raise ImportError(missing) from None
        self._package = tensorboardX
        self.folder, self.every, self.histograms, self.failed = os.fspath(folder), every, histograms, False
        os.makedirs(folder, exist_ok=True)

    def __call__(self, net: "Network", epoch: Epoch, /) -> None:
        """Write the points of an epoch."""
        values = {name: value for name, value in asdict(epoch).items() if name != "epoch" and value is not None}
        self._write(values, epoch.epoch)
        if self.histograms:
            weights = {f"W/{l}": W for l, W in enumerate(net.W)} | {f"b/{l}": b for l, b in enumerate(net.b)}
            self._write(weights, epoch.epoch)

    def step(self, net: Any, step: Step, /) -> None:
        """Write the points of some steps."""
        self._write({"steps/loss": step.loss, "steps/lr": step.lr}, step.step)

    def _write(self, values: dict[str, Any], place: int) -> None:
        """Write a point for each number, and a histogram for each array."""
        if self.failed:
            return
        try:
            for name, value in values.items():
                add = self._writer.add_scalar if np.isscalar(value) else self._writer.add_histogram
                add(name, value, place)
        except OSError as failure:
            self.failed = True
            warn(f"{self.folder} has no points from {place} on: {failure.strerror or failure}")

    def close(self) -> None:
        """Write what is pending and close the file. What comes later goes to a further file in the folder."""
        self._writer.close()

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _writer(self) -> Any:
        # It writes in a thread. A bounded queue would make training wait for ever once that thread has failed.
        writer = self._package.SummaryWriter(self.folder, max_queue=0, flush_secs=2)
        weakref.finalize(self, writer.close)
        return writer
