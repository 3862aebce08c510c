"""Metrics against counting by hand, and the report against scikit-learn's text."""

import numpy as np
import pytest

from fastnet.metrics import accuracy, classification_report, confusion_matrix, match_count


def test_confusion_matrix_has_the_truth_in_rows():
    matrix = confusion_matrix([0, 0, 0, 2], [0, 1, 1, 2])
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]
    np.testing.assert_array_equal(confusion_matrix([0, 1, 1, 2], [0, 0, 0, 2]), matrix.T)


def test_confusion_matrix_counts_every_pair(rng):
    truth, predicted = rng.integers(7, size=500), rng.integers(7, size=500)
    matrix = confusion_matrix(truth, predicted, n_classes=9)
    assert matrix.shape == (9, 9)
    assert matrix[3, 5] == sum(t == 3 and p == 5 for t, p in zip(truth, predicted, strict=True)) > 0
    assert matrix.sum() == 500
    assert np.trace(matrix) == match_count(truth, predicted)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.bool_])
def test_small_label_types_do_not_wrap(dtype):
    labels = np.array([0, 1, 1], dtype)
    assert confusion_matrix(labels, labels, n_classes=200)[1, 1] == 2
    assert accuracy(labels, labels) == 1.0


def test_accuracy_and_match_count():
    assert match_count([1, 2, 3, 4], [1, 2, 0, 0]) == 2
    assert accuracy([1, 2, 3, 4], [1, 2, 3, 0]) == 0.75


@pytest.mark.parametrize(
    ("y_true", "y_pred", "n_classes", "message"),
    [
        ([], [], None, "y_true must have at least one label"),
        ([0, 1], [0], None, "one length, got 2 and 1"),
        ([[1, 0]], [0], None, r"y_true must be a sequence of labels \(n,\), got an array of shape \(1, 2\)"),
        ([0.0], [0], None, "y_true must be integers, got float64"),
        ([0], [-1], None, "y_pred must be labels from 0, got -1"),
        ([0], [10], 10, "y_pred must be labels below n_classes=10, got 10"),
    ],
)
@pytest.mark.parametrize("function", [confusion_matrix, classification_report])
def test_bad_labels_are_named(function, y_true, y_pred, n_classes, message):
    with pytest.raises(ValueError, match=message):
        function(y_true, y_pred, n_classes)


def test_report_of_a_small_example():
    # class 0: 1 of 1 claims right, 1 of 2 found; class 1: 1 of 2 right, 1 of 1 found; class 2 never predicted
    expected = """\
              precision    recall  f1-score   support

           0       1.00      0.50      0.67         2
           1       0.50      1.00      0.67         1
           2       0.00      0.00      0.00         1
           3       0.00      0.00      0.00         0

    accuracy                           0.50         4
   macro avg       0.38      0.38      0.33         4
weighted avg       0.62      0.50      0.50         4
"""
    assert classification_report([0, 0, 1, 2], [0, 1, 1, 3]) == expected


@pytest.mark.parametrize("n_classes", [None, 12])
def test_report_is_scikit_learns_text(rng, n_classes):
    sklearn_report = pytest.importorskip("sklearn.metrics").classification_report
    for case in range(150):
        n, k = rng.integers(1, 300), rng.integers(1, 12)
        truth = rng.integers(k, size=n)
        right = rng.random(n) < rng.random()
        predicted = np.where(right, truth, rng.integers(k, size=n) // rng.integers(1, 4))
        digits = case % 7
        labels = None if n_classes is None else np.arange(n_classes)
        expected = sklearn_report(truth, predicted, labels=labels, digits=digits, zero_division=0)
        assert classification_report(truth, predicted, n_classes, digits) == expected


def test_report_with_far_labels_is_scikit_learns_text():
    sklearn_report = pytest.importorskip("sklearn.metrics").classification_report
    truth, predicted = [3, 10_000_000_000_000, 3], [3, 3, 7]
    assert classification_report(truth, predicted) == sklearn_report(truth, predicted, zero_division=0)


def test_report_of_text_is_scikit_learns(rng):
    sklearn_report = pytest.importorskip("sklearn.metrics").classification_report
    names = np.array(["zebra", "a very long name of a class", "ox"])
    truth, predicted = names[rng.integers(3, size=50)], names[rng.integers(3, size=50)]
    expected = sklearn_report(truth, predicted, zero_division=0)
    for form in (np.asarray, list, lambda a: a.astype(object)):
        assert classification_report(form(truth), form(predicted)) == expected
    assert classification_report(["a"], ["a"]) == sklearn_report(["a"], ["a"])
    assert accuracy(truth, predicted) == np.mean(truth == predicted)
    assert match_count(["a", "b"], ["a", "a"]) == 1
    assert confusion_matrix(["b", "a", "b"], ["b", "b", "c"]).tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match="both be text or both be numbers, got <U1 and int64"):
        classification_report(["a"], [0])


def test_report_with_names_is_scikit_learns(rng):
    sklearn_report = pytest.importorskip("sklearn.metrics").classification_report
    truth, predicted, names = rng.integers(3, size=40), rng.integers(3, size=40), ["zebra", "ox", "a longish name"]
    expected = sklearn_report(truth, predicted, labels=range(4), target_names=[*names, "none"], zero_division=0)
    assert classification_report(truth, predicted, class_names=[*names, "none"]) == expected
    with pytest.raises(ValueError, match="class_names must be a name for each of 4 classes, got 3"):
        classification_report(truth, predicted, 4, class_names=names)
