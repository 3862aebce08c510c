"""The lines that a training run prints: one per epoch, plain text, the same in a terminal and in a log file."""

import time
from typing import TextIO

from fastnet.history import Epoch

WIDTH = 72  # columns of the line of an epoch
SHORT = {"validation": "val"}


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

    def epoch(self, record: Epoch) -> None:
        """Called after every epoch with its record in the History."""
        now = time.monotonic()
        if record.epoch == 1:
            self.first_end, each = now, record.seconds
        else:
            each = (now - self.first_end) / (record.epoch - 1)
        count = f"{record.epoch:{len(str(self.total_epochs))}}/{self.total_epochs}"
        left = each * (self.total_epochs - record.epoch)
        parts = [
            f"epoch {count}",
            f"{_rate(self.rows / max(record.seconds, 1e-9))} rows/s",
            f"loss {_loss(record.loss)}",
            *_figure("train", record.train_accuracy, record.train_r2),
            *_figure(SHORT.get(self.held_out, self.held_out), record.val_accuracy, record.val_r2),
            f"{_duration(left)} left",
        ]
        # A narrow terminal does without the speed, and then without the time left.
        for spare in (1, -1):
            if len("  ".join(parts)) > WIDTH:
                del parts[spare]
        self._print("  ".join(parts))

    def end(self) -> None:
        """Called after the last epoch, also when the run stops early."""

    def _print(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


def _figure(name: str, accuracy: float | None, r2: float | None) -> list[str]:
    """The accuracy or the R2 of some rows as one word or none."""
    if accuracy is not None:
        return [f"{name} {accuracy:.2%}"]
    return [] if r2 is None else [f"{name} R2 {r2:.4f}" if r2 > -10 else f"{name} R2 {r2:.1e}"]


def _loss(loss: float) -> str:
    return f"{loss:.4f}" if abs(loss) < 1000 else f"{loss:.3e}"


def _rate(rate: float) -> str:
    """Rows in a second in five characters: 1.62M, 94.2k."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= 0.9995 * unit:
            return f"{f'{rate / unit:.2f}'[:4].rstrip('.') + letter:>5}"
    return f"{rate:5.0f}"


def _duration(seconds: float) -> str:
    """Seconds as a short text: 4 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
