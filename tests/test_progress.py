"""The lines of a training run, and the one that moves in a terminal."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from fastnet import progress, terminal
from fastnet.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
needs_pty = pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")


def record(epoch, seconds=0.5, loss=0.25, **measured):
    fields = dict.fromkeys(("val_loss", "val_accuracy", "val_r2", "train_loss", "train_accuracy", "train_r2"))
    return SimpleNamespace(rows=None, epoch=epoch, seconds=seconds, loss=loss, **(fields | measured))


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.time)
    return now


def test_line_of_an_epoch(clock):
    stream = io.StringIO()
    lines = Progress(stream, 10, 60000, "test")
    lines.begin()
    lines.compiling()
    lines.epoch(record(1, val_loss=0.08, val_accuracy=0.9712))
    clock.time += 7
    lines.epoch(record(2))
    lines.end()
    begin, compiling, first, second = stream.getvalue().splitlines()
    assert "60000 rows, 10 epochs" in begin
    assert "compiling" in compiling
    assert first == "epoch  1/10   120k rows/s  loss 0.2500  test 97.12%  4 s left"
    assert second == "epoch  2/10   120k rows/s  loss 0.2500  56 s left"


def line(rows=10, total=1, held_out="validation", **measured):
    stream = io.StringIO()
    Progress(stream, total, rows, held_out).epoch(record(1, **measured))
    return stream.getvalue().rstrip("\n")


def test_training_rows_are_told_apart(clock):
    text = line(train_loss=0.5, train_accuracy=0.125, val_loss=1.0, val_accuracy=0.5)
    assert text == "epoch 1/1     20 rows/s  loss 0.2500  train 12.50%  val 50.00%  0 s left"


def test_a_regression_has_r2_and_no_accuracy(clock):
    text = line(train_loss=0.5, train_r2=0.25, val_loss=1.0, val_r2=-0.5, held_out="test")
    assert text == "epoch 1/1  loss 0.2500  train R2 0.2500  test R2 -0.5000  0 s left"


@pytest.mark.parametrize("left", [0.1, 61 * 60, 10**6])
@pytest.mark.parametrize("total", [9, 10_000])
@pytest.mark.parametrize("loss", [0.5, 123456.0, 1e-30, 1e300])
@pytest.mark.parametrize("figures", [{}, {"val": 0.5}, {"train": 0.123, "val": 1.0}, {"train": -1e9, "val": -5e200}])
def test_a_line_has_72_columns_at_most(clock, left, total, loss, figures):
    kind = "r2" if min(figures.values(), default=0) < 0 else "accuracy"
    measured = {f"{part}_{kind}": value for part, value in figures.items()}
    text = line(rows=10**6, total=total, seconds=left / total, loss=loss, **measured)
    assert len(text) <= 72
    assert text.startswith("epoch ")
    assert all(f" {part} " in text for part in figures)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (1, "    2"),
        (499, "  998"),
        (500, "1.00k"),
        (47_100, "94.2k"),
        (499_700, " 999k"),
        (810_000, "1.62M"),
        (5 * 10**8, "1.00G"),
    ],
)  # fmt: skip
def test_speed_has_five_characters(clock, rows, text):
    assert f"  {text} rows/s" in line(rows=rows)


@pytest.mark.parametrize(("epochs", "text"), [(3, "1 s left"), (121, "1 min 00 s left"), (7321, "1 h 01 min left")])
def test_time_left_is_readable(clock, epochs, text):
    stream = io.StringIO()
    Progress(stream, epochs, 10).epoch(record(1))
    assert text in stream.getvalue()


# Terminals


class Screen:
    """A terminal of so many columns: a stream to print on, and what a person sees of it."""

    def __init__(self, columns: int):
        import fcntl
        import struct
        import termios

        self.columns, self.received = columns, b""
        self.keyboard, self.inside = os.openpty()
        fcntl.ioctl(self.inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = os.fdopen(self.inside, "w", encoding="utf-8", closefd=False)

    def close(self):
        self.stream.close()
        os.close(self.keyboard)
        with contextlib.suppress(OSError):  # closed by `read_all`
            os.close(self.inside)

    def read(self):
        """Take in what was printed by now."""
        os.set_blocking(self.keyboard, False)
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.keyboard, 1 << 16):
                self.received += piece

    def read_all(self):
        """Take in what others print, until the last of them has ended."""
        os.close(self.inside)
        with contextlib.suppress(OSError):  # Linux's word for the end
            while piece := os.read(self.keyboard, 1 << 16):
                self.received += piece

    @property
    def frames(self) -> list[str]:
        """What was drawn, one after the other, without blanks and styles."""
        text = re.sub(r"\x1b\[\d*m", "", self.received.decode())
        return [frame.rstrip(" ") for frame in re.split(r"[\r\n]+", text) if frame.strip()]

    @property
    def lines(self) -> list[str]:
        """What is on the screen. A line that is too long is broken, as terminals do."""
        lines, column = [""], 0
        for sign in re.sub(r"\x1b\[\d*m", "", self.received.decode()):
            if sign == "\r":
                column = 0
                continue
            if sign == "\n" or column == self.columns:
                lines, column = [*lines, ""], 0
            if sign != "\n":
                lines[-1] = lines[-1][:column] + sign + lines[-1][column + 1 :]
                column += 1
        return [line.rstrip(" ") for line in lines]


@pytest.fixture
def screen(monkeypatch):
    """Makes terminals."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = []

    def make(columns=80):
        made.append(Screen(columns))
        return made[-1]

    yield make
    for each in made:
        each.close()


def run_epoch(lines, clock, epoch=1, seconds=2.0, rows=1000, parts=40, **measured):
    """An epoch whose steps are told ``parts`` times."""
    for part in range(1, parts + 1):
        clock.time += seconds / parts
        lines.steps(epoch, rows * part // parts, rows, 0.5)
    lines.epoch(record(epoch, seconds, **measured))


@needs_pty
def test_a_long_epoch_moves_and_leaves_its_line(clock, screen):
    seen = screen()
    lines = Progress(seen.stream, 2, 1000)
    lines.begin()
    run_epoch(lines, clock)
    run_epoch(lines, clock, 2, val_accuracy=0.5)
    lines.end()
    seen.read()
    begin, *frames = seen.frames
    assert begin == "training on 1000 rows, 2 epochs"
    assert frames[1] == "epoch 1/2   15%    500 rows/s  loss 0.5000  4 s left"
    assert len([frame for frame in frames if frame.startswith("epoch 2/2 ")]) in range(12, 18)
    assert "epoch 2/2  100%    500 rows/s  loss 0.5000  0 s left" in frames
    assert seen.lines == [
        begin,
        "epoch 1/2    500 rows/s  loss 0.2500  2 s left",
        "epoch 2/2    500 rows/s  loss 0.2500  val 50.00%  0 s left",
        "",
    ]


@needs_pty
def test_short_epochs_do_not_move(clock, screen):
    seen = screen()
    lines = Progress(seen.stream, 2, 1000)
    lines.begin()
    run_epoch(lines, clock, 1, 0.1)
    run_epoch(lines, clock, 2, 0.1)
    lines.end()
    seen.read()
    assert len(seen.frames) == 3
    assert seen.received.count(b"\r") == 3  # of the line ends


@needs_pty
def test_the_first_steps_may_take_long(clock, screen):
    seen = screen()
    lines = Progress(seen.stream, 2, 1000)
    lines.begin()
    clock.time += 5
    lines.steps(1, 10, 1000, 2.5)
    seen.read()
    assert seen.frames[-1] == "epoch 1/2    1%  loss 2.5000"


@needs_pty
@pytest.mark.parametrize("columns", [5, 12, 20, 34, 50, 62, 73, 80, 132])
def test_no_line_wraps_in_any_terminal(clock, screen, columns):
    seen = screen(columns)
    lines = Progress(seen.stream, 10, 1000, flops_per_row=1e6)
    lines.peak = 1e9
    for epoch in (1, 2):
        run_epoch(lines, clock, epoch, 5.0, train_accuracy=0.5, val_accuracy=0.9)
    clock.time += 1
    lines.steps(3, 500, 1000, 0.5)
    lines.end()
    seen.read()
    assert seen.lines[-1] == ""
    moving = [frame for frame in seen.frames if "val" not in frame]
    assert len(moving) > 20
    assert max(map(len, moving)) <= columns - 3
    if columns > 30:
        assert len(seen.lines) == 3
        assert all(line.startswith("epoch ") and line.endswith(("90.00%", "s left")) for line in seen.lines[:2])


@needs_pty
def test_narrow_terminals_do_without_the_share_of_the_peak_first(clock, screen):
    words = {}
    for columns in (80, 64, 50, 40, 30):
        seen = screen(columns)
        lines = Progress(seen.stream, 1, 1000, flops_per_row=1e6)
        lines.peak = 1e9
        lines.epoch(record(1, val_accuracy=0.9))
        seen.read()
        words[columns] = seen.lines[0]
    assert words[80] == "epoch 1/1  2.00k rows/s  2.00x peak  loss 0.2500  val 90.00%  0 s left"
    assert words[64] == "epoch 1/1  2.00k rows/s  loss 0.2500  val 90.00%  0 s left"
    assert words[50] == "epoch 1/1  loss 0.2500  val 90.00%  0 s left"
    assert words[40] == "epoch 1/1  loss 0.2500  val 90.00%"
    assert words[30] == "epoch 1/1  val 90.00%"


@needs_pty
@pytest.mark.parametrize(("name", "value", "styled"), [("NO_COLOR", "", True), ("NO_COLOR", "1", False)])
def test_no_color_is_respected(clock, screen, monkeypatch, name, value, styled):
    monkeypatch.setenv(name, value)
    seen = screen()
    lines = Progress(seen.stream, 1, 1000)
    run_epoch(lines, clock)
    seen.read()
    assert (b"\x1b" in seen.received) == styled
    assert len(seen.frames) > 5


@needs_pty
def test_a_dumb_terminal_gets_plain_lines(clock, screen, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    seen = screen()
    run_epoch(Progress(seen.stream, 1, 1000), clock)
    seen.read()
    assert seen.received == b"epoch 1/1    500 rows/s  loss 0.2500  0 s left\r\n"


@needs_pty
def test_a_terminal_of_unknown_size_is_taken_for_80_columns(screen):
    assert terminal.MovingLine(screen(0).stream).room == 77


@needs_pty
@pytest.mark.parametrize("say", [terminal.warning, terminal.error])
def test_messages_take_the_place_of_the_moving_line(clock, screen, monkeypatch, say):
    seen = screen()
    monkeypatch.setattr("sys.stderr", seen.stream)
    lines = Progress(seen.stream, 1, 1000)
    lines.begin()
    clock.time += 1
    lines.steps(1, 500, 1000, 0.5)
    say("look out")
    seen.read()
    assert seen.lines[1:] == [f"fastnet: {say.__name__}: look out", ""]
    clock.time += 1
    lines.steps(1, 600, 1000, 0.5)
    seen.read()
    assert "60%" in seen.lines[-1]
    lines.end()
    say("and again")
    seen.read()
    assert seen.lines[2:] == [f"fastnet: {say.__name__}: and again", ""]


ENDLESS = """
import sys, time
from fastnet.progress import Progress
lines = Progress(sys.stdout, 9, 1000)
lines.begin()
try:
    for done in range(1000):
        time.sleep(0.02)
        lines.steps(1, done, 1000, 0.5)
        if "fail" in sys.argv and done == 20:
            raise SystemExit("failed")
finally:
    lines.end()
"""


def started(seen, *argv):
    """A process whose terminal is ``seen``: Ctrl-C in it interrupts."""
    command = [sys.executable, "-c", f"import os; os.login_tty(0)\n{ENDLESS}", *argv]
    return subprocess.Popen(command, stdin=seen.inside, stdout=seen.inside, stderr=seen.inside, cwd=ROOT)


@needs_pty
def test_nothing_is_left_of_the_moving_line_after_ctrl_c(screen):
    seen = screen()
    process = started(seen)
    deadline = time.monotonic() + 60
    while not any("%" in frame for frame in seen.frames) and time.monotonic() < deadline:
        time.sleep(0.02)
        seen.read()
    os.write(seen.keyboard, b"\x03")
    os.set_blocking(seen.keyboard, True)
    seen.read_all()
    assert process.wait(60) == -signal.SIGINT
    assert any("^C" in frame for frame in seen.frames)
    assert seen.lines[:2] == ["training on 1000 rows, 9 epochs", "Traceback (most recent call last):"]


@needs_pty
def test_nothing_is_left_of_the_moving_line_after_a_failure(screen):
    seen = screen()
    process = started(seen, "fail")
    seen.read_all()
    assert process.wait(60) == 1
    assert any("%" in frame for frame in seen.frames)
    assert seen.lines == ["training on 1000 rows, 9 epochs", "failed", ""]


def notebook():
    """A stream like that of ipykernel, which is no terminal."""
    return type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()


def test_the_line_moves_in_a_notebook(clock):
    stream = notebook()
    lines = Progress(stream, 1, 1000)
    lines.begin()
    run_epoch(lines, clock)
    lines.end()
    assert stream.getvalue().count("%") > 10
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().endswith("\repoch 1/1    500 rows/s  loss 0.2500  0 s left\n")


def test_steps_print_nothing_on_a_pipe(clock):
    quiet, told = io.StringIO(), io.StringIO()
    for stream in (quiet, told):
        lines = Progress(stream, 2, 1000, flops_per_row=1e6)
        lines.begin()
        for epoch in (1, 2):
            for done in range(100):
                clock.time += 0.1
                if stream is told:
                    lines.steps(epoch, 10 * done, 1000, 0.5)
            lines.epoch(record(epoch))
        lines.end()
    assert told.getvalue() == quiet.getvalue()
    assert told.getvalue().count("\n") == 3


def test_a_stream_may_be_closed_or_none(clock):
    stream = notebook()
    for lines in (Progress(stream, 2, 1000), Progress(None, 2, 1000)):
        lines.begin()
        clock.time += 1
        lines.steps(1, 500, 1000, 0.5)
        stream.close()
        run_epoch(lines, clock)
        lines.end()


def test_the_peak_is_measured_only_where_it_is_shown(clock, monkeypatch):
    asked = []
    monkeypatch.setattr(progress, "_peak", lambda *run: asked.append(run) or 1e9)
    Progress(io.StringIO(), 1, 1000, flops_per_row=1e6).begin()
    Progress(notebook(), 1, 1000).begin()
    assert asked == []
    lines = Progress(stream := notebook(), 1, 1000, "test", 1e6, "float64", 3)
    lines.begin()
    assert asked == [("float64", 3)]
    lines.epoch(record(1))
    assert "  2.00k rows/s  2.00x peak  loss" in stream.getvalue()


def test_a_run_goes_on_without_a_peak(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastnet.engine.peak", None)
    lines = Progress(stream := notebook(), 1, 1000, flops_per_row=1e6)
    lines.begin()
    lines.epoch(record(1))
    assert "peak" not in stream.getvalue()


def test_time_left_of_a_run_that_goes_on_later(clock):
    lines = Progress(stream := io.StringIO(), 10, 1000)
    lines.epoch(record(6))
    clock.time += 2
    lines.epoch(record(7))
    assert stream.getvalue().splitlines()[1].endswith("  6 s left")


@pytest.mark.parametrize("found", [1.0, 3.0])
def test_the_largest_peak_counts(monkeypatch, tmp_path, found):
    from fastnet.engine import peak
    from fastnet.kernels.compile import cache

    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    monkeypatch.setattr(peak, "Peak", lambda *run: SimpleNamespace(best=lambda bursts: 2.0))
    assert peak.best_known("float32", 2) == 2.0
    monkeypatch.setattr(peak, "Peak", lambda *run: SimpleNamespace(best=lambda bursts: found))
    assert peak.best_known("float32", 2) == max(2.0, found)
    assert peak.best_known("float64", 2) == found
    assert peak.best_known("float32", 1) == found
