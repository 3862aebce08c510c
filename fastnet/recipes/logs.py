"""What a recipe prints while it runs: the lines of its document."""

import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from fastnet.history import Epoch


def fields(record: "Epoch", rows: int) -> dict[str, Any]:
    """What a document's line may tell of an epoch that was evaluated on ``rows`` held-out rows.

    Epochs are counted from 1 in ``epoch`` and from 0 in ``index``; ``matches`` are held-out rows that were right.
    """
    accuracy, train_accuracy = record.val_accuracy or 0.0, record.train_accuracy or 0.0
    return {
        "epoch": record.epoch,
        "index": record.epoch - 1,
        "train_loss": record.train_loss,
        "train_percent": 100 * train_accuracy,
        "test_loss": record.val_loss,
        "matches": round(accuracy * rows),
        "rows": rows,
        "percent": 100 * accuracy,
    }


class Log:
    """Prints a document's line after each epoch and takes the time from the first batch to the last evaluation.

    stream : text file, or None for no lines. template : of the lines, empty for none. rows : held-out rows.
    """

    def __init__(self, stream: TextIO | None, template: str, rows: int):
        self.stream, self.template, self.rows = stream, template, rows
        self.started = self.seconds = 0.0

    def begin(self) -> None:
        """Called before the first batch."""
        self.started = time.perf_counter()

    def compiling(self) -> None:
        """Called when kernels have to be compiled."""
        if self.stream:
            print("compiling kernels (once for this machine)", file=self.stream, flush=True)

    def epoch(self, record: "Epoch") -> None:
        """Called after every epoch and its evaluations."""
        self.seconds = time.perf_counter() - self.started
        if self.stream and self.template:
            print(self.template.format(**fields(record, self.rows)), file=self.stream, flush=True)

    def end(self) -> None:
        """Called after the last epoch."""
