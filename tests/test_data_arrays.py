"""X and y: what is accepted, what it becomes, and how the rest is refused."""

import numpy as np
import pytest

from fastnet.data import arrays
from fastnet.data.arrays import as_floats, check_labels, check_rows, check_targets, check_X, in_units


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_an_array_that_fits_is_not_copied(dtype):
    X = np.ones((3, 4), dtype)
    assert check_X(X, width=4) is X


@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [("?", "f4"), ("i1", "f4"), ("i8", "f4"), ("u2", "f4"), ("f2", "f4"), (">f4", "f4"), (">f8", "f8"), ("g", "f8")],
)
def test_other_numbers_keep_their_values(dtype, becomes):
    X = np.array([[0, 1], [1, 0]]).astype(dtype)
    out = check_X(X)
    assert out.dtype == np.dtype(becomes)
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, X)


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "i8", ">u2", "f2", ">f4", "f8"])
def test_rows_keep_their_type(dtype):
    X = np.array([[0, 1], [1, 0]]).astype(dtype)
    assert check_rows(X, width=2).dtype == X.dtype.newbyteorder("=")


@pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")])
def test_integers_count_in_units_and_other_numbers_are_what_they_are(dtype):
    values = np.array([[0, 1, 7], [100, 3, 127]])
    wanted = values.astype(dtype) * dtype.type(0.3)
    for kind in ("i1", "u2", "i4", "u8"):
        X = values.astype(kind)
        for found in (in_units(X, 0.3, dtype), as_floats(X, 0.3, dtype)):
            np.testing.assert_array_equal(found, wanted, strict=True)
        np.testing.assert_array_equal(X, values)
    pixels = values.astype("u1")
    assert in_units(pixels, 0.3, dtype) is pixels
    np.testing.assert_array_equal(as_floats(pixels, 0.3, dtype), wanted, strict=True)
    for plain in (values > 5, values.astype("f2"), values.astype("f8")):
        np.testing.assert_array_equal(in_units(plain, 0.3, dtype), plain.astype(dtype), strict=True)
    floats = values.astype(dtype)
    assert in_units(floats, 0.3, dtype) is floats
    sparse = pytest.importorskip("scipy.sparse").csr_array(pixels)
    np.testing.assert_array_equal(as_floats(sparse, 0.3, dtype).toarray(), wanted, strict=True)


def test_shapes():
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    assert check_X(images, width=12).shape == (2, 12)
    assert np.shares_memory(check_X(images), images)
    np.testing.assert_array_equal(check_X(images.reshape(2, 12, 1)), images.reshape(2, 12))
    for X in (np.asfortranarray(images[0]), images[0, ::-1], images[:, :, 1], images[0].tolist()):
        out = check_X(X)
        assert out.flags.c_contiguous
        np.testing.assert_array_equal(out, X)


def test_read_only_and_mapped_arrays_are_taken_as_they_are(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(5, 4))
    assert np.shares_memory(check_X(mapped), mapped)
    frozen = np.ones((2, 3))
    frozen.flags.writeable = False
    assert check_X(frozen) is frozen


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (None, "X must be an array of numbers, got None"),
        (np.zeros(784), r"X must have shape .* got \(784,\); one sample is X.reshape\(1, -1\)"),
        (3.0, r"got \(\)"),
        (np.zeros((2, 2, 2, 2)), r"got \(2, 2, 2, 2\)"),
        (np.zeros((0, 784)), r"at least one row .* got shape \(0, 784\)"),
        (np.zeros((3, 0)), "must have 784 columns"),
        (np.zeros((0, 28, 28)), r"at least one row .* got shape \(0, 28, 28\)"),
        (np.zeros((784, 5)), r"784 columns \(axis 1\), got shape \(784, 5\): axis 0 has 784, so X looks transposed"),
        (np.zeros((5, 783)), r"784 columns \(axis 1\), got shape \(5, 783\)$"),
        ([[1, 2], [3]], "rows of one length"),
        ([["a", "b"]], "real numbers, got text"),
        (np.zeros((2, 784), complex), "got complex numbers"),
        (np.zeros((2, 784), object), "got objects"),
        (np.zeros((2, 784), "M8[s]"), "got dates"),
        (np.ma.zeros((2, 784)), "masked"),
    ],
)
def test_bad_X(X, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check_X(X, width=784)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_nonfinite_value_is_named(monkeypatch, value, dtype):
    monkeypatch.setattr(arrays, "BLOCK", 8)
    X = np.zeros((11, 3), dtype)
    X[7, 2] = X[9, 0] = value
    with pytest.raises(ValueError, match=f"X must be finite, got {value} in row 7, column 2"):
        check_X(X)


def test_labels_in_every_accepted_shape():
    y = np.array([2, 0, 1, 2])
    hot = np.eye(3)[y]
    labels = (y, y.tolist(), y[:, None], y.astype(np.uint8), y.astype(float))
    for given in (*labels, hot, hot[:, :, None], hot.astype(bool)):
        out = check_labels(given, 4, 3)
        assert out.dtype == np.int64
        assert out.shape == (4,)
        np.testing.assert_array_equal(out, y)
    assert check_labels(y, 4, 3) is y


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 10, 2], "y must hold labels from 0 to 9, one for each of 10 classes, got 10 in row 2"),
        ([0, 1, -1, 2], "got -1 in row 2"),
        ([1, 2, 3, 10], "got 10 in row 3: labels count from 0, subtract 1"),
        ([0, 1, 2], r"one entry for each of the 4 rows of X, got 3"),
        ([0, 0.5, 1, 2], "whole numbers as labels, got 0.5 in row 1"),
        ([0, np.nan, 1, 2], "got nan in row 1"),
        ([0, np.inf, 1, 2], "got inf in row 1"),
        ([0, 1e300, 1, 2], "got 1e"),
        (["a", "b", "c", "d"], "got text .*np.unique"),
        (np.zeros((10, 4)), r"its 4 rows on axis 0, got shape \(10, 4\): y looks transposed; pass y.T"),
        (np.zeros((1, 4)), "looks transposed"),
        (np.zeros((4, 10)), "must be one-hot"),
        (np.eye(10)[:4] * 2, "must be one-hot"),
        (np.eye(10)[:4] + np.eye(10)[1:5], "must be one-hot"),
        (np.eye(9)[:4], r"one column per class \(10\) or one in all, got shape \(4, 9\)"),
        (np.zeros((4, 2, 2)), r"got \(4, 2, 2\)"),
        (np.array([2**64 - 1] * 4, np.uint64), "got 18446744073709551615"),
        (None, "got None"),
    ],
)
def test_bad_labels(y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check_labels(y, 4, 10)


def test_one_hot_over_several_blocks(monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK", 30)
    y = np.arange(37) % 10
    hot = np.eye(10)[y]
    np.testing.assert_array_equal(check_labels(hot, 37, 10), y)
    hot[36, 0] = 1
    with pytest.raises(ValueError, match="must be one-hot"):
        check_labels(hot, 37, 10)


def test_labels_without_a_number_of_classes():
    np.testing.assert_array_equal(check_labels([7, 300], 2), [7, 300])
    with pytest.raises(ValueError, match="labels from 0 on, got -3 in row 1"):
        check_labels([7, -3], 2)


def test_targets():
    labels = check_targets([1, 0], 2, 3)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(check_targets(np.eye(3, dtype=np.uint8)[[1, 0]], 2, 3), labels)
    soft = np.array([[0.5, 0.25], [1, 1]], np.float32)
    assert check_targets(soft, 2, 2) is soft
    np.testing.assert_array_equal(check_targets(soft[:, :, None], 2, 2), soft)
    several = check_targets(np.ones((2, 3), np.uint8), 2, 3)
    assert several.dtype == np.float32
    for one in ([0.5, 2], [[0.5], [2]]):
        out = check_targets(one, 2, 1)
        assert out.shape == (2, 1)
        assert out.dtype == np.float64
        np.testing.assert_array_equal(out[:, 0], [0.5, 2])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((2, 4)), r"one column per output \(3\), got shape \(2, 4\)"),
        (np.array([[0, np.nan, 0], [0, 0, 1]]), "y must be finite, got nan in row 0, column 1"),
        (np.zeros((3, 2)), "looks transposed"),
        ([0, 3], "labels from 0 to 2"),
    ],
)
def test_bad_targets(y, message):
    with pytest.raises(ValueError, match=message):
        check_targets(y, 2, 3)
