"""The lines that a training run prints: one for each epoch, and in a terminal one that moves while an epoch runs.

What goes to a file or a pipe is plain text.
"""

import contextlib
import time
from typing import Any, TextIO

from fastnet import terminal
from fastnet.history import Epoch

WIDTH = 72  # columns of the line of an epoch where there is no terminal
INTERVAL = 0.12  # seconds between two pictures of the moving line
SHORT = {"validation": "val"}
# What a narrow terminal does without, the first ones first.
SPARE = ("peak", "rate", "left", "train", "loss")
PALE = ("peak", "rate", "left")


class Progress:
    """Prints the course of one training run.

    stream : text file to print on, flushed after every line; None prints nothing.
    total_epochs, rows : length of the run, training rows per epoch.
    held_out : what the rows that are evaluated after each epoch are called.
    flops_per_row : FLOPs of the dense products that training on one row takes. In a terminal, lines then have the speed
        as a multiple of the machine's FMA peak too, which is above 1 where zeros are skipped. None leaves it out.
    dtype, threads : of the run; the peak is that of so many threads, None are all.
    """

    def __init__(
        self,
        stream: TextIO | None,
        total_epochs: int,
        rows: int,
        held_out: str = "validation",
        flops_per_row: float | None = None,
        dtype: Any = "float32",
        threads: int | None = None,
    ):
        self.total_epochs, self.rows, self.held_out = total_epochs, rows, held_out
        self.flops_per_row, self.dtype, self.threads = flops_per_row, dtype, threads
        self.line = terminal.MovingLine(stream)
        self.peak: float | None = None  # FLOP/s
        self.first: tuple[int, float] | None = None  # number and end of the first epoch
        self.each: float | None = None  # seconds of an epoch, with what is done after it
        self.current, self.start = 0, (0.0, 0)  # epoch of the last steps; time and rows when it was first heard of
        self.drawn = 0.0

    def begin(self) -> None:
        """Called before the first epoch."""
        self.line.tell(f"training on {self.rows} rows, {self.total_epochs} epoch{'s' * (self.total_epochs > 1)}")
        if self.line.moves and self.flops_per_row is not None:
            self.peak = _peak(self.dtype, self.threads)
        self.drawn = time.monotonic()

    def compiling(self) -> None:
        """Called when the kernels have to be compiled first."""
        self.line.tell("compiling kernels (once for this machine)")

    def steps(self, epoch: int, done: int, total: int, loss: float) -> None:
        """Called every now and then while an epoch runs. Draws in a terminal only, and not more often than is seen.

        done, total : rows of the epoch. loss : its mean over those that are done.
        """
        if not self.line.moves:
            return
        now = time.monotonic()
        if epoch != self.current:
            self.current, self.start = epoch, (now, done)
        ends = done >= total and self.line.length > 0  # then an evaluation may follow, which can take a while
        if now - self.drawn >= INTERVAL or ends:
            self.drawn = now
            self._draw(now, done, total, loss)

    def epoch(self, record: Epoch) -> None:
        """Called after every epoch with its record in the History."""
        now = time.monotonic()
        if self.first is None:
            self.first, self.each = (record.epoch, now), record.seconds
        else:
            self.each = (now - self.first[1]) / (record.epoch - self.first[0])
        parts = {
            "epoch": self._count(record.epoch),
            **self._speed((record.rows or self.rows) / max(record.seconds, 1e-9)),
            "loss": f"loss {_loss(record.loss)}",
            **_figure("train", "train", record.train_accuracy, record.train_r2),
            **_figure("val", SHORT.get(self.held_out, self.held_out), record.val_accuracy, record.val_r2),
            "left": f"{_duration(self.each * (self.total_epochs - record.epoch))} left",
        }
        self.line.tell(self._joined(parts))
        self.drawn = time.monotonic()

    def end(self) -> None:
        """Called after the last epoch, also when the run stops early or fails: the moving line goes."""
        self.line.clear()

    def _draw(self, now: float, done: int, total: int, loss: float) -> None:
        since, before = self.start
        share, parts = done / total, {"epoch": self._count(self.current)}
        parts["done"] = f"{int(100 * share):3}%"
        rate = (done - before) / max(now - since, 1e-9)
        each = self.each
        if rate > 0:
            parts |= self._speed(rate)
            each = total / rate if each is None else each
        parts["loss"] = f"loss {_loss(loss)}"
        if each is not None:
            parts["left"] = f"{_duration(each * (self.total_epochs - self.current + 1 - share))} left"
        self.line.draw(self._joined(parts))

    def _count(self, epoch: int) -> str:
        return f"epoch {epoch:{len(str(self.total_epochs))}}/{self.total_epochs}"

    def _speed(self, rate: float) -> dict[str, str]:
        """Rows in a second, and how many times the peak that is, if it is known."""
        speed = {"rate": f"{_rate(rate)} rows/s"}
        if self.peak and self.flops_per_row:
            speed["peak"] = f"{rate * self.flops_per_row / self.peak:.2f}x peak"
        return speed

    def _joined(self, parts: dict[str, str]) -> str:
        """The parts as a line, without those for which there is no room."""
        room = self.line.room if self.line.moves else WIDTH
        for name in SPARE:
            if len("  ".join(parts.values())) > room:
                parts.pop(name, None)
        paler = PALE if self.line.has_styles else ()
        return "  ".join(terminal.dim(text) if name in paler else text for name, text in parts.items())


def _peak(dtype: Any, threads: int | None) -> float | None:
    """FLOP/s of this machine; None where they cannot be measured, which is no reason to end a run."""
    with contextlib.suppress(Exception):
        from fastnet.engine.peak import best_known
        from fastnet.engine.threads import available_threads

        return best_known(dtype, threads or available_threads())
    return None


def _figure(part: str, name: str, accuracy: float | None, r2: float | None) -> dict[str, str]:
    """The accuracy or the R2 of some rows, if there is one."""
    if accuracy is not None:
        return {part: f"{name} {accuracy:.2%}"}
    return {} if r2 is None else {part: f"{name} R2 {r2:.4f}" if r2 > -10 else f"{name} R2 {r2:.1e}"}


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
