"""Dataset: one set of samples as training wants it, and its hash."""

import hashlib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fastnet.data.arrays import BLOCK, check_labels, check_X
from fastnet.data.budget import Budget
from fastnet.data.idx import big_endian, header
from fastnet.data.source import data_error, shown, told_as_data_errors

if TYPE_CHECKING:
    from fastnet.tables.preprocess import Preprocess

MOST_CLASSES = 1 << 16  # more means that something else was taken for labels


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples X, one per row, and their labels, or the values that a regression learns.

    X : uint8, float32 or float64 (n, d), C-contiguous; uint8 are pixels. May be a read-only map of a large file.
    y : labels, int64 (n,); or values, float32 or float64, (n,) or (n, k); or None. Whole numbers from 0 to 65 535 and
        one-hot rows are labels, any other finite numbers are values.
    n_classes : labels are below it; 0 for values and without y.
    name : of the set, or the path it came from.
    image_shape : (h, w) with h * w = d, or None.
    synthetic : True if fastnet drew the samples itself.
    class_names : n_classes printable strings, or None where the labels have no other names than their numbers.
    file_names : n strings, of a folder of pictures: paths within it, like even/07.png or 07.png; else None.
    preprocess : how the columns of a table became X, of `fastnet.load_table`; else None.
    files : of a set in many files, (number of the file, rows of it) for each that is here; else None.
    """

    X: np.ndarray
    y: np.ndarray | None
    n_classes: int
    name: str
    image_shape: tuple[int, int] | None = None
    synthetic: bool = False
    class_names: tuple[str, ...] | None = None
    file_names: tuple[str, ...] | None = None
    preprocess: "Preprocess | None" = None
    files: tuple[tuple[int, int], ...] | None = None

    @property
    def holds_values(self) -> bool:
        """Whether y holds values for a regression, not labels."""
        return self.y is not None and self.n_classes == 0

    def __len__(self) -> int:
        return len(self.X)

    def rows(self, chosen: "slice | np.ndarray") -> "Dataset":
        """The set of some of the rows, by a slice or by their numbers."""
        y, names = self.y, self.file_names
        return replace(
            self,
            X=self.X[chosen],
            y=None if y is None else y[chosen],
            files=None,
            file_names=None if names is None else tuple(names[i] for i in np.arange(len(names))[chosen]),
        )

    def __repr__(self) -> str:
        n, d = self.X.shape
        return f"Dataset({self.name!r}, X {self.X.dtype} ({n}, {d}), n_classes={self.n_classes})"

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of X as the bytes of an uncompressed IDX file, whatever it was read from.

        For the well-known sets this is the published hash of their image file.
        """
        shape = (len(self.X), *(self.image_shape or self.X.shape[1:]))
        return idx_sha256(self.X, shape)

    @cached_property
    def labels_sha256(self) -> str | None:
        """Hex SHA-256 of y as an uncompressed IDX file: values in their own type, labels as bytes (as int32 above 256
        classes); None without y.
        """
        return None if self.y is None else idx_sha256(self.stored_y(), self.y.shape)

    def stored_y(self) -> np.ndarray:
        """y in the type that files have it in."""
        assert self.y is not None
        return self.y if self.holds_values else self.y.astype(label_dtype(self.n_classes))


def label_dtype(n_classes: int) -> np.dtype:
    """The type that labels of so many classes are written in."""
    return np.dtype(np.uint8 if n_classes <= 256 else np.int32)


def make_dataset(
    X: np.ndarray,
    y: np.ndarray | None,
    path: str | os.PathLike,
    *,
    name: str | None = None,
    n_classes: int | None = None,
    image_shape: tuple[int, int] | None = None,
    synthetic: bool = False,
    class_names: tuple[str, ...] | None = None,
    file_names: tuple[str, ...] | None = None,
    budget: Budget | None = None,
) -> Dataset:
    """Check X and y as they came from a file and make a Dataset of them; what is wrong is told with the file's name.

    y holds labels if it can and values if not; with n_classes or class_names it must hold labels. The budget accounts
    for the copies that other types than those of a Dataset need; None lets them have any size.
    """
    with told_as_data_errors(path):
        if X.ndim == 3 and 1 not in X.shape[1:]:
            image_shape = (X.shape[1], X.shape[2])
        if budget is not None:
            budget.take(_copies(X, y))
        X = check_X(X, name="images")
        if class_names is not None:
            n_classes = len(class_names)
        if y is not None:
            y, n_classes = labels_or_values(y, len(X), n_classes)
    if image_shape is None:
        image_shape = square(X.shape[1])
    name = name or os.fspath(path)
    return Dataset(X, y, n_classes or 0, name, image_shape, synthetic, class_names, file_names)


def _copies(X: np.ndarray, y: np.ndarray | None) -> int:
    """The bytes that checking X and y takes besides X and y."""
    same = X.dtype in (np.uint8, np.float32, np.float64)
    wide = X.dtype.kind == "f" and X.dtype.itemsize > 4
    taken = 0 if same and X.flags.c_contiguous else X.size * (X.itemsize if same else 8 if wide else 4)
    # Whether floats are whole takes copies of a column, and their type changes.
    return taken if y is None else taken + 8 * y.size + 32 * len(y)


def labels_or_values(y: np.ndarray, n: int, n_classes: int | None) -> tuple[np.ndarray, int]:
    """(labels, number of classes), or (values, 0) where y cannot be labels."""
    try:
        return _labels(y, n, n_classes)
    except ValueError:
        if n_classes is not None or len(y) != n or y.shape[2:] not in ((), (1,)):
            raise
    narrow = y.dtype.kind == "f" and y.dtype.itemsize <= 4
    values = check_X(y.reshape(n, -1).astype(np.float32 if narrow else np.float64), name="y")
    return values[:, 0].copy() if values.shape[1] == 1 else values, 0


def _labels(y: np.ndarray, n: int, n_classes: int | None) -> tuple[np.ndarray, int]:
    if y.ndim > 1 and y.shape[1] > 1:
        n_classes = max(n_classes or 0, y.shape[1])
    labels = check_labels(y, n, n_classes, name="labels")
    n_classes = n_classes or int(labels.max()) + 1
    if n_classes > MOST_CLASSES:
        raise ValueError(f"expected labels below {MOST_CLASSES}, got {n_classes - 1}")
    return labels, n_classes


def as_values(dataset: Dataset) -> Dataset:
    """The set with its labels taken as values, float64 (n,), for a regression."""
    if dataset.y is None or dataset.holds_values:
        return dataset
    return replace(dataset, y=dataset.y.astype(np.float64), n_classes=0, class_names=None)


def numbered(names: Iterable[str]) -> tuple[dict[str, int], tuple[str, ...] | None]:
    """(label of each name, class_names) for classes with these names, which may repeat.

    Labels follow the order of the names, or of the numbers where all names are whole numbers. The numbers 0 to k - 1
    are labels by themselves: class_names is None then.
    """
    different = set(names)
    if all(name.isascii() and name.isdigit() for name in different):
        ordered = sorted(different, key=lambda name: (int(name), name))
        plain = [int(name) for name in ordered] == list(range(len(ordered)))
    else:
        ordered, plain = sorted(different), False
    labels = {name: label for label, name in enumerate(ordered)}
    return labels, None if plain else tuple(map(shown, ordered))


def square(d: int) -> tuple[int, int] | None:
    """The sides of a square image of d pixels, from 8x8 on; None if d is no square."""
    side = math.isqrt(d)
    return (side, side) if side >= 8 and side * side == d else None


def same_classes(train: Dataset, test: Dataset | None, path: str | os.PathLike) -> tuple[Dataset, Dataset | None]:
    """Both sets with the same number of classes; complains if their columns or their kind of numbers differ."""
    if test is None:
        return train, None
    a, b = train.X, test.X
    if a.shape[1] != b.shape[1]:
        raise data_error(path, f"expected as many columns in test as in train ({a.shape[1]}), got {b.shape[1]}")
    if (a.dtype == np.uint8) != (b.dtype == np.uint8):
        raise data_error(
            path, f"expected one kind of numbers, got pixels (uint8) and floats: train {a.dtype}, test {b.dtype}"
        )
    if train.y is None or test.y is None:
        return train, test
    if train.holds_values or test.holds_values:
        train, test = as_values(train), as_values(test)
        assert train.y is not None
        assert test.y is not None
        if train.y.shape[1:] != test.y.shape[1:]:
            raise data_error(path, f"expected y of one width, got train {train.y.shape}, test {test.y.shape}")
        return train, test
    n_classes = max(train.n_classes, test.n_classes)
    return replace(train, n_classes=n_classes), replace(test, n_classes=n_classes)


def idx_sha256(a: np.ndarray, shape: tuple[int, ...]) -> str:
    """Hex SHA-256 of an array as an uncompressed IDX file of this shape."""
    digest = hashlib.sha256(header(shape, a.dtype))
    numbers = a.reshape(-1)
    for start in range(0, len(numbers), BLOCK):
        digest.update(big_endian(numbers[start : start + BLOCK]))
    return digest.hexdigest()
