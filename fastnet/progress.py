"""The lines that a training run prints: one per epoch, plain text, the same in a terminal and in a log file."""

import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from fastnet.training import Epoch


class Progress:
    """Prints the course of one training run.

    stream : text file to print on, flushed after every line.
    total_epochs, rows : length of the run, training rows per epoch.
    held_out : what the rows that are evaluated after each epoch are called.
    """

    def __init__(self, stream: TextIO, total_epochs: int, rows: int, held_out: str = "validation"):
        self.stream, self.total_epochs, self.rows, self.held_out = stream, total_epochs, rows, held_out
        self.first_end = 0.0

    def begin(self) -> None:
        """Called before the first epoch."""
        self._print(f"training on {self.rows} rows, {self.total_epochs} epoch{'s' * (self.total_epochs > 1)}")

    def compiling(self) -> None:
        """Called when the kernels have to be compiled first."""
        self._print("compiling kernels (once for this machine)")

    def epoch(self, record: "Epoch") -> None:
        """Called after every epoch with its record in the History."""
        now = time.monotonic()
        if record.epoch == 1:
            self.first_end, each = now, record.seconds
        else:
            each = (now - self.first_end) / (record.epoch - 1)
        width = len(str(self.total_epochs))
        parts = [f"epoch {record.epoch:{width}}/{self.total_epochs}"]
        parts.append(f"{self.rows / max(record.seconds, 1e-9):9.0f} rows/s")
        parts.append(f"loss {record.loss:.4f}")
        train = ("train", record.train_loss, record.train_accuracy)
        held_out = (self.held_out, record.val_loss, record.val_accuracy)
        for name, loss, accuracy in (train, held_out):
            if loss is not None:
                parts.append(f"{name} loss {loss:.4f}")
            if accuracy is not None:
                parts.append(f"{name} accuracy {accuracy:7.2%}")
        left = each * (self.total_epochs - record.epoch)
        parts.append(f"{_duration(left)} left")
        self._print("  ".join(parts))

    def end(self) -> None:
        """Called after the last epoch, also when the run stops early."""

    def _print(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


def _duration(seconds: float) -> str:
    """Seconds as a short text: 4 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
