"""What a network takes for what: the confusion matrix and the rows that it gets wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet.data.dataset import square
from fastnet.pictures.style import GREY, Picture, class_labels, panels, styled

MOST_CLASSES = 30  # of a matrix: more lines cannot be read
LETTERS = 16  # of a class name above an image
NUMBERED = 20  # classes up to which each cell has its count


@dataclass(frozen=True)
class Mistake:
    """A row that was taken for another class. confidence : the share that the network gave to it, 0 to 1."""

    row: int
    true: int
    predicted: int
    confidence: float


def mistakes(y: Any, predicted: Any, outputs: Any, most: int | None = None) -> list[Mistake]:
    """The rows that are wrong, the most confident first; of equal ones the earlier row first.

    y, predicted : labels (n,). outputs : float (n, k) as `Network.predict_proba` gives them, k = 1 for two classes.
    most : how many at most; None is all.
    """
    y, predicted, outputs = np.asarray(y), np.asarray(predicted), np.asarray(outputs)
    wrong = np.flatnonzero(y != predicted)
    if outputs.shape[1] == 1:
        given = np.where(predicted[wrong] == 1, outputs[wrong, 0], 1 - outputs[wrong, 0])
    else:
        given = outputs[wrong, predicted[wrong]]
    order = np.argsort(-given, kind="stable")[:most]
    return [Mistake(int(wrong[i]), int(y[wrong[i]]), int(predicted[wrong[i]]), float(given[i])) for i in order]


@styled
def confusion_matrix(counts: Any, class_names: Sequence[str] | None = None) -> Picture:
    """Counts (k, k) as `fastnet.confusion_matrix` gives them; a cell is as dark as its share of its row is large.

    class_names : k strings, or None for numbers. Of more than 30 classes those with the most mistakes are shown.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"counts must have shape (k, k), got {counts.shape}: pass fastnet.confusion_matrix(y, labels)")
    k, labels = len(counts), class_labels(len(counts), class_names)
    shown = _worst_classes(counts)
    counts, labels = counts[np.ix_(shown, shown)], [labels[i] for i in shown]
    side = 1.6 + 0.07 * max(map(len, labels)) + (0.34 if len(shown) <= NUMBERED else 0.22) * len(shown)
    figure, (axis,) = panels(width=max(2.6, side), height=max(2.4, side))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)  # the root: a rare mistake is seen, too
    if len(shown) <= NUMBERED:
        _write_counts(axis, counts, shares)
    axis.set_xticks(range(len(shown)), labels, rotation=90 if max(map(len, labels)) > 2 else 0)
    axis.set_yticks(range(len(shown)), labels)
    axis.tick_params(length=0, labelsize=8 if len(shown) <= NUMBERED else 7)
    some = f"\n{len(shown)} of {k} classes, those with the most mistakes" if len(shown) < k else ""
    axis.set(xlabel=f"predicted class{some}", ylabel="true class")
    return figure


def _worst_classes(counts: np.ndarray) -> np.ndarray:
    """The classes to show, in their order: all, or those that take part in the most mistakes."""
    if len(counts) <= MOST_CLASSES:
        return np.arange(len(counts))
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])


def _write_counts(axis: Any, counts: np.ndarray, shares: np.ndarray) -> None:
    """Each count that is not zero in its cell, in white on dark ones."""
    for i, j in zip(*np.nonzero(counts), strict=True):
        colour = "white" if np.sqrt(shares[i, j]) > 0.6 else "black"
        size = 7.5 if counts[i, j] < 10_000 else 5.5
        axis.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=size, color=colour)


@styled
def misclassified(
    X: Any,
    y: Any,
    outputs: Any,
    *,
    predicted: Any = None,
    class_names: Sequence[str] | None = None,
    image_shape: tuple[int, int] | None = None,
    most: int = 24,
) -> Picture:
    """Images that are taken for another class, the most confident first: "9 / true: 4 / 97.5%" is a 4 taken for a 9.

    X : (n, d), (n, h, w). y : labels (n,). outputs : float (n, k), of `Network.predict_proba`. predicted : labels (n,);
    None takes those of the largest outputs. image_shape : (h, w), None for that of X or a square.
    Raises ValueError where rows are no images.
    """
    X, outputs = np.asarray(X), np.asarray(outputs)
    if outputs.ndim != 2 or len(outputs) != len(X):
        got = outputs.shape or type(outputs.item()).__name__
        raise ValueError(f"outputs must be those of net.predict_proba(X), ({len(X)}, k), got {got}")
    shape = X.shape[1:] if X.ndim == 3 else checked_shape(image_shape, X.shape[1])
    if predicted is None:
        predicted = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    labels = class_labels(max(2, outputs.shape[1]), class_names, LETTERS)
    found = mistakes(y, np.asarray(predicted, np.int64), outputs, most)
    figure, axes = panels(max(1, len(found)), 6, width=1.2, height=1.65)
    for axis, mistake in zip(axes, found, strict=False):
        axis.imshow(X[mistake.row].reshape(shape), cmap="gray_r")
        said, true = labels[mistake.predicted], labels[mistake.true]
        words = f"{said}\ntrue: {true}\n{mistake.confidence:.1%}"
        axis.set_title(words, fontsize=7, fontweight="normal", loc="center")
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=GREY, lw=0.5)
    if not found:
        axes[0].set_title("no mistakes")
    return figure


def checked_shape(shape: tuple[int, int] | None, d: int) -> tuple[int, int]:
    """(h, w) of images of d pixels: what is given, or a square; ValueError if neither fits."""
    found = shape or square(d)
    if found is None or len(found) != 2 or math.prod(found) != d:
        raise ValueError(f"image_shape must be (h, w) with h * w = {d}, got {shape}")
    return found
