"""Measures of classification, from labels, and of regression. The truth comes first everywhere, predictions second."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastnet.data.arrays import BLOCK, is_text
from fastnet.functions import POISSON


def match_count(y_true: Any, y_pred: Any) -> int:
    """How many predictions are right, of two sequences (n,) of labels."""
    truth, predicted, _ = _label_pair(y_true, y_pred)
    return int(np.count_nonzero(truth == predicted))


def accuracy(y_true: Any, y_pred: Any) -> float:
    """The share of predictions that are right, 0 to 1, of two sequences (n,) of labels."""
    return match_count(y_true, y_pred) / len(y_true)


def confusion_matrix(y_true: Any, y_pred: Any, n_classes: int | None = None) -> np.ndarray:
    """Counts int64 (k, k): entry [i, j] is the number of rows of class i that were predicted as j.

    Rows are the truth, columns the predictions; with the arguments swapped the matrix comes out transposed. Both are
    sequences (n,) of labels, whole numbers from 0 or text, which counts in alphabetical order; ``n_classes`` is k, or
    None for the largest label plus one.
    """
    truth, predicted, _ = _label_pair(y_true, y_pred, n_classes)
    k = n_classes or int(max(truth.max(), predicted.max())) + 1
    return np.bincount(truth * k + predicted, minlength=k * k).astype(np.int64, copy=False).reshape(k, k)


def classification_report(
    y_true: Any,
    y_pred: Any,
    n_classes: int | None = None,
    digits: int = 2,
    *,
    class_names: Sequence[str] | None = None,
) -> str:
    """A table of precision, recall, f1-score and support by class, accuracy and averages, in scikit-learn's layout.

    ``y_true`` and ``y_pred`` are sequences (n,) of labels, whole numbers from 0 or text. Precision is a share of the
    predictions and recall a share of the truth: swapping the arguments swaps the two columns. With ``n_classes`` every
    class has a line, otherwise those that occur. ``class_names`` are what the lines of classes 0, 1, ... are called;
    all of them have one. What has nothing to divide by is 0.
    """
    if class_names is not None:
        n_classes = n_classes or len(class_names)
    truth, predicted, texts = _label_pair(y_true, y_pred, n_classes)
    labels = np.arange(n_classes) if n_classes else np.union1d(truth, predicted)
    names = [str(label) for label in _names(labels, texts if class_names is None else class_names)]
    truth, predicted = np.searchsorted(labels, truth), np.searchsorted(labels, predicted)
    *scores, support = _scores(truth, predicted, len(labels))
    n = len(truth)

    width = max(len("weighted avg"), digits, *map(len, names))
    lines = [f"{'':>{width}} " + "".join(f" {name:>9}" for name in ("precision", "recall", "f1-score", "support")), ""]

    def line(name: str, values: list[float], count: int) -> None:
        lines.append(f"{name:>{width}} " + "".join(f" {value:>9.{digits}f}" for value in values) + f" {count:>9}")

    for i, name in enumerate(names):
        line(name, [score[i] for score in scores], support[i])
    lines += ["", f"{'accuracy':>{width}} {'':>10}{'':>10} {np.mean(truth == predicted):>9.{digits}f} {n:>9}"]
    line("macro avg", [np.average(score) for score in scores], n)
    line("weighted avg", [np.average(score, weights=support) for score in scores], n)
    return "\n".join(lines) + "\n"


def class_scores(y_true: Any, y_pred: Any, n_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(precision, recall, f1, support) of each class, (n_classes,), as `classification_report` prints them."""
    truth, predicted, _ = _label_pair(y_true, y_pred, n_classes)
    return _scores(truth, predicted, n_classes)


def _scores(truth: np.ndarray, predicted: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    support, claimed, right = (
        np.bincount(codes, minlength=k) for codes in (truth, predicted, truth[truth == predicted])
    )
    return _ratio(right, claimed), _ratio(right, support), _ratio(2 * right, support + claimed), support


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def r_squared(error: np.ndarray, spread: np.ndarray) -> float:
    """R squared from each output's sums of squares, (k,): of the errors, and of the truth around its mean.

    The mean over the outputs; one whose truth is constant counts 1 where it is met, else 0.
    """
    ratio = np.divide(error, spread, out=np.zeros_like(error), where=spread != 0)
    return float(np.where(spread != 0, 1 - ratio, np.where(error == 0, 1.0, 0.0)).mean())


class RegressionScore:
    """Loss, R squared and root mean squared error of outputs (n, k) against one truth.

    targets : (n, k) floats, or labels int64 (n,) that stand for one-hot rows. loss : MSE or POISSON of functions.
    total : the sum of float64 arrays over all processes that have some of the rows; None where this one has them all.
    """

    def __init__(self, targets: np.ndarray, k: int, loss: int, total: Callable[[np.ndarray], np.ndarray] | None = None):
        self.targets, self.k, self.loss, self.total = targets, k, loss, total or (lambda sums: sums)
        n = self.n = int(self.total(np.array([float(len(targets))]))[0])
        mean = self.total(sum((T.sum(axis=0) for _, T in self._blocks()), np.zeros(k))) / n
        self.spread = self.total(sum((np.square(T - mean).sum(axis=0) for _, T in self._blocks()), np.zeros(k)))
        self.spread[self.spread <= n * np.square(1e-14 * mean)] = 0  # constant, but for the rounding of its mean

    def of(self, outputs: np.ndarray) -> tuple[float, float, float]:
        """(loss, r2, rmse) of the outputs (n, k); r2 of a single row is nan."""
        n, error, deviance = self.n, np.zeros(self.k), 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, T in self._blocks():
                A = outputs[rows].astype(np.float64)
                error += np.square(A - T).sum(axis=0)
                if self.loss == POISSON:
                    deviance += float((A - T * np.log(np.maximum(A, np.finfo(A.dtype).tiny))).sum())
            *errors, deviance = self.total(np.array([*error, deviance]))
            error = np.array(errors)
            loss = float(deviance) / n if self.loss == POISSON else float(error.sum()) / (2 * n)
            r2 = r_squared(error, self.spread) if n > 1 else np.nan
            return loss, r2, float(np.sqrt(error.sum() / (n * self.k)))

    def _blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Some rows after another, and their targets as float64 rows."""
        step = max(1, BLOCK // self.k)
        for start in range(0, len(self.targets), step):
            rows = slice(start, start + step)
            yield rows, as_rows(self.targets[rows], self.k)


def as_rows(targets: np.ndarray, k: int) -> np.ndarray:
    """Targets (n, k) as float64; labels int64 (n,) as one-hot rows."""
    if targets.ndim == 2:
        return targets.astype(np.float64)
    rows = np.zeros((len(targets), k))
    rows[np.arange(len(targets)), targets] = 1
    return rows


def _label_pair(
    y_true: Any, y_pred: Any, n_classes: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(truth, predictions, texts): int64 (n,) each, and where the labels were text what each number stands for."""
    texts = _texts(y_true, y_pred)
    if texts is not None:
        y_true, y_pred = (np.searchsorted(texts, np.asarray(y).astype(str)) for y in (y_true, y_pred))
    truth, predicted = _labels("y_true", y_true, n_classes), _labels("y_pred", y_pred, n_classes)
    if len(truth) != len(predicted):
        raise ValueError(f"y_true and y_pred must have one length, got {len(truth)} and {len(predicted)}")
    return truth, predicted, texts


def _texts(y_true: Any, y_pred: Any) -> np.ndarray | None:
    """All labels that occur in either sequence, sorted, if they are text."""
    truth, predicted = np.asarray(y_true), np.asarray(y_pred)
    if is_text(truth) != is_text(predicted):
        raise ValueError(
            f"y_true and y_pred must both be text or both be numbers, got {truth.dtype} and {predicted.dtype}"
        )
    return np.union1d(truth.astype(str), predicted.astype(str)) if is_text(truth) else None


def _names(labels: np.ndarray, names: Any) -> Any:
    """What the labels are called: themselves where there are no names."""
    if names is None:
        return labels
    if len(names) <= labels[-1]:
        raise ValueError(f"class_names must be a name for each of {labels[-1] + 1} classes, got {len(names)}")
    return [names[label] for label in labels]


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
