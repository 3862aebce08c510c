"""The lines of a training run."""

import io
from types import SimpleNamespace

import pytest

from fastnet import progress
from fastnet.progress import Progress


def record(epoch, **measured):
    fields = dict.fromkeys(("val_loss", "val_accuracy", "train_loss", "train_accuracy"))
    return SimpleNamespace(epoch=epoch, seconds=0.5, loss=0.25, **(fields | measured))


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
    assert " ".join(first.split()) == (
        "epoch 1/10 120000 rows/s loss 0.2500 test loss 0.0800 test accuracy 97.12% 4 s left"
    )
    assert " ".join(second.split()) == "epoch 2/10 120000 rows/s loss 0.2500 56 s left"


def test_training_rows_are_told_apart(clock):
    stream = io.StringIO()
    Progress(stream, 1, 10).epoch(record(1, train_loss=0.5, train_accuracy=0.125, val_loss=1.0, val_accuracy=0.5))
    line = " ".join(stream.getvalue().split())
    assert "train loss 0.5000 train accuracy 12.50% validation loss 1.0000 validation accuracy 50.00% 0 s left" in line


@pytest.mark.parametrize(("epochs", "text"), [(3, "1 s left"), (121, "1 min 00 s left"), (7321, "1 h 01 min left")])
def test_time_left_is_readable(clock, epochs, text):
    stream = io.StringIO()
    Progress(stream, epochs, 10).epoch(record(1))
    assert text in stream.getvalue()
