"""Measures of classification from integer labels. The truth comes first everywhere, predictions second."""

from typing import Any

import numpy as np


def match_count(y_true: Any, y_pred: Any) -> int:
    """How many predictions are right, of two integer sequences (n,)."""
    truth, predicted = _label_pair(y_true, y_pred)
    return int(np.count_nonzero(truth == predicted))


def accuracy(y_true: Any, y_pred: Any) -> float:
    """The share of predictions that are right, 0 to 1, of two integer sequences (n,)."""
    return match_count(y_true, y_pred) / len(y_true)


def confusion_matrix(y_true: Any, y_pred: Any, n_classes: int | None = None) -> np.ndarray:
    """Counts int64 (k, k): entry [i, j] is the number of rows of class i that were predicted as j.

    Rows are the truth, columns the predictions; with the arguments swapped the matrix comes out transposed. Both are
    integer sequences (n,) of labels from 0; ``n_classes`` is k, or None for the largest label plus one.
    """
    truth, predicted = _label_pair(y_true, y_pred, n_classes)
    k = n_classes or int(max(truth.max(), predicted.max())) + 1
    return np.bincount(truth * k + predicted, minlength=k * k).astype(np.int64, copy=False).reshape(k, k)


def classification_report(y_true: Any, y_pred: Any, n_classes: int | None = None, digits: int = 2) -> str:
    """A table of precision, recall, f1-score and support by class, accuracy and averages, in scikit-learn's layout.

    ``y_true`` and ``y_pred`` are integer sequences (n,) of labels from 0. Precision is a share of the predictions and
    recall a share of the truth: swapping the arguments swaps the two columns. With ``n_classes`` every class has a
    line, otherwise those that occur. What has nothing to divide by is 0.
    """
    truth, predicted = _label_pair(y_true, y_pred, n_classes)
    labels = np.arange(n_classes) if n_classes else np.union1d(truth, predicted)
    truth, predicted = np.searchsorted(labels, truth), np.searchsorted(labels, predicted)
    support, claimed, right = (
        np.bincount(codes, minlength=len(labels)) for codes in (truth, predicted, truth[truth == predicted])
    )
    scores = [_ratio(right, claimed), _ratio(right, support), _ratio(2 * right, support + claimed)]
    n = len(truth)

    width = max(len("weighted avg"), digits, len(str(labels[-1])))
    lines = [f"{'':>{width}} " + "".join(f" {name:>9}" for name in ("precision", "recall", "f1-score", "support")), ""]

    def line(name: str, values: list[float], count: int) -> None:
        lines.append(f"{name:>{width}} " + "".join(f" {value:>9.{digits}f}" for value in values) + f" {count:>9}")

    for i, label in enumerate(labels):
        line(str(label), [score[i] for score in scores], support[i])
    lines += ["", f"{'accuracy':>{width}} {'':>10}{'':>10} {right.sum() / n:>9.{digits}f} {n:>9}"]
    line("macro avg", [np.average(score) for score in scores], n)
    line("weighted avg", [np.average(score, weights=support) for score in scores], n)
    return "\n".join(lines) + "\n"


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _label_pair(y_true: Any, y_pred: Any, n_classes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = _labels("y_true", y_true, n_classes), _labels("y_pred", y_pred, n_classes)
    if len(truth) != len(predicted):
        raise ValueError(f"y_true and y_pred must have one length, got {len(truth)} and {len(predicted)}")
    return truth, predicted


def _labels(argument: str, y: Any, n_classes: int | None) -> np.ndarray:
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(
            f"{argument} must be a sequence of labels (n,), got an array of shape {labels.shape}; "
            "for one-hot rows or probabilities pass their argmax(axis=1)"
        )
    if len(labels) == 0:
        raise ValueError(f"{argument} must have at least one label, got none")
    if labels.dtype.kind not in "iub":
        raise ValueError(f"{argument} must be integers, got {labels.dtype}; convert it with astype(int)")
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise ValueError(f"{argument} must be labels from 0, got {low}")
    if n_classes is not None and high >= n_classes:
        raise ValueError(f"{argument} must be labels below n_classes={n_classes}, got {high}; raise n_classes")
    return labels.astype(np.int64, copy=False)
