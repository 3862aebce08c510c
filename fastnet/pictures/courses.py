"""Curves of a run, epoch by epoch, and of a learning-rate range test."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.pictures.style import BLUE, GREY, ORANGE, Picture, panels, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastnet.history import History

SPAN = 50  # a loss that falls to less than this part of its largest value needs a logarithmic axis
MARKED = 30  # epochs up to which each has its dot


def curves(history: "History", *, held_out: str = "validation") -> "Figure":
    """Loss, accuracy (R squared of a regression) and, where it changes, the learning rate over the epochs.

    history : with at least one epoch, else ValueError. held_out : what the rows of val_* are called. A dashed line
    marks ``history.best_epoch``. Accuracy and R squared are left out where no epoch has them.
    """
    return _curves(_with_epochs(history), held_out)


@styled
def _curves(history: "History", held_out: str) -> Picture:
    shown = ["loss"] + ["score"] * has_score(history) + ["lr"] * changes_lr(history)
    figure, axes = panels(len(shown), 3)
    for axis, name in zip(axes, shown, strict=True):
        {"loss": _draw_loss, "score": _draw_score, "lr": _draw_lr}[name](axis, history, held_out)
    return figure


@styled
def loss(history: "History", *, held_out: str = "validation") -> Picture:
    """The loss over the epochs; arguments as for `curves`. Without full passes, of training it is the running mean."""
    figure, (axis,) = panels()
    _draw_loss(axis, _with_epochs(history), held_out)
    return figure


@styled
def score(history: "History", *, held_out: str = "validation") -> Picture:
    """Accuracy, or R squared, over the epochs; arguments as for `curves`. ValueError where no epoch has either."""
    if not has_score(_with_epochs(history)):
        raise ValueError("history must have an accuracy or R2, got none: train with validation= or evaluate_train=True")
    figure, (axis,) = panels()
    _draw_score(axis, history, held_out)
    return figure


@styled
def learning_rate(history: "History") -> Picture:
    """The learning rate of each epoch's last step; ValueError where no epoch has one."""
    if not _finite(history, "lr"):
        raise ValueError("history must have learning rates, got none: its file is of an older fastnet")
    figure, (axis,) = panels()
    _draw_lr(axis, history, "")
    return figure


@styled
def lr_finder(lrs: Sequence[float], losses: Sequence[float], suggestion: float | None = None) -> Picture:
    """A learning-rate range test: the smoothed loss over the learning rate, which is on a logarithmic axis.

    lrs, losses : (n,), positive and in the order of the test. Losses that are not finite, and where they run away, are
    not shown. suggestion : a learning rate to mark.
    """
    x, y = np.asarray(lrs, float), np.asarray(losses, float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"lrs and losses must be sequences of one length (n,), got shapes {x.shape} and {y.shape}")
    if not np.isfinite(y).any():
        raise ValueError("losses must hold a finite number, got none: start the test at a smaller learning rate")
    figure, (axis,) = panels()
    axis.semilogx(x, y, color=BLUE)
    finite = y[np.isfinite(y)]
    low, start = float(finite.min()), float(finite[0])
    room = max(start - low, 0.05 * abs(low), 1e-12)
    axis.set_ylim(low - 0.1 * room, min(float(finite.max()), start + room) + 0.1 * room)
    if suggestion is not None:
        axis.axvline(suggestion, color=ORANGE, ls="--", lw=1.2, label=f"suggestion {suggestion:.3g}")
        axis.legend()
    axis.set(title="Learning-rate range test", xlabel="learning rate", ylabel="smoothed loss")
    return figure


def has_score(history: "History") -> bool:
    """Whether any epoch has an accuracy or an R squared."""
    return any(_finite(history, f"{part}_{name}") for part in ("train", "val") for name in ("accuracy", "r2"))


def changes_lr(history: "History") -> bool:
    """Whether the learning rate differs between epochs."""
    return len({epoch.lr for epoch in history if epoch.lr is not None}) > 1


def _with_epochs(history: "History") -> "History":
    if not len(history):
        raise ValueError("history must have at least one epoch, got none: train first")
    return history


def _values(history: "History", name: str) -> list[float]:
    """A field of each epoch, NaN where it is absent."""
    return [math.nan if value is None else value for value in (getattr(epoch, name) for epoch in history)]


def _finite(history: "History", name: str) -> bool:
    return any(map(math.isfinite, _values(history, name)))


def _draw_loss(axis: Any, history: "History", held_out: str) -> None:
    training = "train_loss" if _finite(history, "train_loss") else "loss"
    _lines(axis, history, {training: "training", "val_loss": held_out})
    values = [v for name in (training, "val_loss") for v in _values(history, name) if math.isfinite(v)]
    if values and min(values) > 0 and max(values) > SPAN * min(values):
        axis.set_yscale("log")
    axis.set_title("Loss")


def _draw_score(axis: Any, history: "History", held_out: str) -> None:
    accuracies = _finite(history, "val_accuracy") or _finite(history, "train_accuracy")
    name, title = ("accuracy", "Accuracy") if accuracies else ("r2", "R²")
    _lines(axis, history, {f"train_{name}": "training", f"val_{name}": held_out})
    if accuracies:
        axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
    axis.set_title(title)


def _draw_lr(axis: Any, history: "History", held_out: str) -> None:
    _lines(axis, history, {"lr": None})
    axis.set_title("Learning rate at the end of the epoch")


def _lines(axis: Any, history: "History", fields: dict[str, str | None]) -> None:
    """A line for each field that any epoch has, the first blue, the second orange; and the best epoch."""
    numbers = [epoch.epoch for epoch in history]
    marker = "o" if len(numbers) <= MARKED else None
    for (name, label), colour in zip(fields.items(), (BLUE, ORANGE), strict=False):
        if _finite(history, name):
            axis.plot(numbers, _values(history, name), color=colour, marker=marker, ms=3, label=label)
    if history.best_epoch is not None:
        axis.axvline(history.best_epoch, color=GREY, ls="--", lw=1, label=f"best epoch, {history.best_epoch}")
    axis.set_xlabel("epoch")
    axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if axis.get_legend_handles_labels()[1]:
        axis.legend()
