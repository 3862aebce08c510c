"""The lines of a training run."""

import io
from types import SimpleNamespace

import pytest

from fastnet import progress
from fastnet.progress import Progress


def record(epoch, seconds=0.5, loss=0.25, **measured):
    fields = dict.fromkeys(("val_loss", "val_accuracy", "val_r2", "train_loss", "train_accuracy", "train_r2"))
    return SimpleNamespace(epoch=epoch, seconds=seconds, loss=loss, **(fields | measured))


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
