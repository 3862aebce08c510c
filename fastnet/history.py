"""What a training run did."""

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Epoch:
    """What one epoch did. ``seconds`` is training alone; ``loss`` the mean over its batches, with the L2 penalty.

    val_*: on the validation rows; train_*: a full pass over the training rows; None where not asked for. Accuracies,
    shares of 1, are None for a regression, and R squared is None for all others. lr : that of the last step. rows :
    trained on, fewer than all where a run ended within the epoch.
    """

    epoch: int
    seconds: float
    loss: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_r2: float | None = None
    train_r2: float | None = None
    lr: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Step:
    """Where a run is between two steps. ``step`` counts from 1 over the whole run, ``epoch`` from 1.

    loss : mean, with the L2 penalty, over the steps of the epoch since the last such report. lr : of the last step.
    """

    step: int
    epoch: int
    loss: float
    lr: float


@dataclass
class History:
    """The course of a training run: a sequence of Epochs.

    threads : those that it ran on. diverged : whether it diverged; a DivergenceWarning then said how.
    stopped : what ended it before its last epoch: "patience", "time_limit" or "callback"; None of a whole run.
    best_epoch : the number of the epoch whose weights ``patience`` restored.
    """

    epochs: list[Epoch] = field(default_factory=list)
    threads: int = 1
    diverged: bool = False
    stopped: str | None = None
    best_epoch: int | None = None

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def __getitem__(self, index: Any) -> Any:
        return self.epochs[index]

    def records(self) -> list[dict[str, Any]]:
        """One dict per epoch, without what no epoch of the run has."""
        names = [f.name for f in fields(Epoch) if any(getattr(e, f.name) is not None for e in self.epochs)]
        return [{name: getattr(epoch, name) for name in names} for epoch in self.epochs]

    def to_csv(self, path: str | os.PathLike | None = None) -> str:
        """The records as CSV with a header; also written to ``path``, if there is one."""
        text, records = io.StringIO(), self.records()
        writer = csv.DictWriter(text, list(records[0]) if records else ["epoch"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        return _written(text.getvalue(), path)

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """The records as a JSON array, NaN and infinities as null; also written to ``path``, if there is one."""
        return _written(json.dumps([finite_only(record) for record in self.records()], indent=1) + "\n", path)

    def plot(self) -> "Figure":
        """The course as a Matplotlib figure (extra plot): see `fastnet.pictures.curves`."""
        from fastnet.pictures import curves

        return curves(self)


def finite_only(record: dict[str, Any]) -> dict[str, Any]:
    """The record with None for numbers that JSON does not have."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}


def _written(text: str, path: str | os.PathLike | None) -> str:
    if path is not None:
        from fastnet.files import replacing

        with replacing(path) as file:
            file.write(text.encode())
    return text
