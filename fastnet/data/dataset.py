"""Dataset: one set of samples as training wants it, and its hash."""

import hashlib
import math
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastnet.data.arrays import BLOCK, check_labels, check_X
from fastnet.data.idx import big_endian, header
from fastnet.data.source import data_error, told_as_data_errors

MOST_CLASSES = 1 << 16  # more means that something else was taken for labels


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples X, one per row, and their labels.

    X : uint8, float32 or float64 (n, d), C-contiguous; uint8 are pixels. May be a read-only map of a large file.
    y : int64 (n,), or None for unlabelled data.
    n_classes : labels are below it; 0 without labels.
    name : of the set, or the path it came from.
    image_shape : (h, w) with h * w = d, or None.
    synthetic : True if fastnet drew the samples itself.
    """

    X: np.ndarray
    y: np.ndarray | None
    n_classes: int
    name: str
    image_shape: tuple[int, int] | None = None
    synthetic: bool = False

    def __len__(self) -> int:
        return len(self.X)

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
        """Hex SHA-256 of y as an uncompressed IDX file (of bytes; of int32 above 256 classes); None without y."""
        if self.y is None:
            return None
        return idx_sha256(self.y.astype(label_dtype(self.n_classes)), self.y.shape)


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
) -> Dataset:
    """Check X and y as they came from a file and make a Dataset of them; what is wrong is told with the file's name."""
    with told_as_data_errors(path):
        if X.ndim == 3 and 1 not in X.shape[1:]:
            image_shape = (X.shape[1], X.shape[2])
        X = check_X(X, name="images")
        if y is not None:
            if y.ndim > 1 and y.shape[1] > 1:
                n_classes = max(n_classes or 0, y.shape[1])
            y = check_labels(y, len(X), n_classes, name="labels")
            n_classes = n_classes or int(y.max()) + 1
            if n_classes > MOST_CLASSES:
                raise ValueError(f"expected labels below {MOST_CLASSES}, got {n_classes - 1}")
    if image_shape is None:
        image_shape = square(X.shape[1])
    return Dataset(X, y, n_classes or 0, name or os.fspath(path), image_shape, synthetic)


def square(d: int) -> tuple[int, int] | None:
    """The sides of a square image of d pixels, from 8x8 on; None if d is no square."""
    side = math.isqrt(d)
    return (side, side) if side >= 8 and side * side == d else None


def same_classes(
    train: Dataset, test: Dataset | None, path: str | os.PathLike
) -> tuple[Dataset, Dataset | None]:
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
    n_classes = max(train.n_classes, test.n_classes)
    return _with_classes(train, n_classes), _with_classes(test, n_classes)


def _with_classes(set_: Dataset, n_classes: int) -> Dataset:
    if set_.y is None or set_.n_classes == n_classes:
        return set_
    return Dataset(set_.X, set_.y, n_classes, set_.name, set_.image_shape, set_.synthetic)


def idx_sha256(a: np.ndarray, shape: tuple[int, ...]) -> str:
    """Hex SHA-256 of an array as an uncompressed IDX file of this shape."""
    digest = hashlib.sha256(header(shape, a.dtype))
    rows = max(1, BLOCK // max(1, a[:1].size))
    for start in range(0, len(a), rows):
        digest.update(big_endian(a[start : start + rows]))
    return digest.hexdigest()
