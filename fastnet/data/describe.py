"""What a file or folder holds, in words: for ``fastnet data verify`` and ``fastnet data show``."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import numpy as np

from fastnet.data.arrays import BLOCK, check_finite
from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset, idx_sha256, labels_or_values
from fastnet.data.folders import load_folder
from fastnet.data.formats import format_of, load_file
from fastnet.data.idx import header, read_idx
from fastnet.data.known import PUBLISHED
from fastnet.data.source import Source, data_error, shown, told_as_data_errors

SHADES = " .:-=+*#%@"
CHECK = 40  # bytes for each label that is checked
WIDEST = 40  # pixels in a line of text; of wider pictures every second pixel is drawn, or every third, ...


@dataclass(frozen=True)
class Part:
    """One array of a data set. ``known`` names the published array that it is, or is None."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    known: str | None

    def __str__(self) -> str:
        known = f"{self.known} (published hash)" if self.known else "hash not known"
        return f"{self.name}: {'x'.join(map(str, self.shape))} {self.dtype}, {known}\n    sha256 {self.sha256}"


@dataclass(frozen=True)
class Description:
    """What a path holds: its format, its arrays, the number of classes and their names.

    ``str`` of it is a line for the path and two for each array, and one for the names.
    """

    path: str
    format: str
    parts: tuple[Part, ...]
    n_classes: int
    class_names: tuple[str, ...] | None = None

    def __str__(self) -> str:
        classes = f", {self.n_classes} classes" if self.n_classes else ""
        names = [f"  classes: {shorten(', '.join(self.class_names), 60)}"] if self.class_names else []
        return "\n".join([f"{self.path}: {self.format}{classes}", *names, *(f"  {part}" for part in self.parts)])


def verify(path: str | os.PathLike, *, max_bytes: int | None = None) -> Description:
    """Read a file or folder completely and say what it holds; raises DataError if anything is wrong with it.

    Hashes are those of the arrays as uncompressed IDX files, so MNIST is recognized in whatever format it came.
    ``max_bytes`` is as for load_data.
    """
    path, budget = Path(path), Budget(max_bytes)
    with told_as_data_errors(path):
        if path.is_dir():
            kind = "folder"
            sets = load_folder(path, budget)
        else:
            with Source(path, budget) as source:
                kind = format_of(source) + (" (gzip)" if source.gz else "")
            if kind.startswith("IDX"):
                return _describe_idx(path, kind, budget)
            sets = load_file(path, budget)
    parts: list[Part] = []
    for name, set_ in zip(("train", "test"), sets, strict=True):
        if set_ is not None:
            parts += _parts(set_, f"{name} " if sets[1] is not None else "")
    return Description(shown(path), kind, tuple(parts), sets[0].n_classes, sets[0].class_names)


def show(dataset: Dataset, index: int) -> str:
    """Draw sample ``index`` as text, with its label above it. Raises DataError if there is none, or no image."""
    n, d = dataset.X.shape
    if not 0 <= index < n:
        raise data_error(dataset.name, f"expected an index from 0 to {n - 1}, got {index}")
    if dataset.image_shape is None:
        raise data_error(dataset.name, f"expected images, got rows of {d} numbers without the shape of an image")
    title = f"{dataset.name}, sample {index} of {n}: {_label(dataset, index)}"
    return f"{title}\n{drawn(dataset.X[index].reshape(dataset.image_shape))}"


def drawn(image: np.ndarray) -> str:
    """An image (h, w) of integers or floats as lines of text."""
    step = -(-image.shape[1] // WIDEST)
    image = image[::step, ::step].astype(np.float64)
    low, high = image.min(), image.max()
    shade = (image - min(low, 0)) / max(high - min(low, 0), 1e-30) * (len(SHADES) - 1)
    # Two characters for a pixel: letters are about twice as high as wide.
    return "\n".join("".join(2 * SHADES[s] for s in np.ceil(row - 1e-9).astype(int)).rstrip() for row in shade)


def _label(dataset: Dataset, index: int) -> str:
    if dataset.y is None:
        return "no label"
    if dataset.holds_values:
        return f"value {dataset.y[index]}"
    return f"label {dataset.y[index] if dataset.class_names is None else dataset.class_names[dataset.y[index]]}"


def _describe_idx(path: Path, kind: str, budget: Budget) -> Description:
    """An IDX file by itself: images or rows; or labels or values."""
    array = read_idx(path, budget)
    if 0 in array.shape:
        raise data_error(path, f"expected at least one row and one column, got shape {array.shape}")
    name, n_classes = "images", 0
    if array.ndim == 1:
        budget.take(CHECK * len(array))
        _, n_classes = labels_or_values(array, len(array), None)
        name = "labels" if n_classes else "values"
    else:
        check_finite(array.reshape(len(array), -1), name)
    sha256 = idx_sha256(array, array.shape)
    part = Part(name, array.shape, array.dtype.name, sha256, PUBLISHED.get(sha256))
    return Description(shown(path), kind, (part,), n_classes)


def _parts(set_: Dataset, prefix: str) -> list[Part]:
    shape = (len(set_.X), *(set_.image_shape or set_.X.shape[1:]))
    known = PUBLISHED.get(set_.sha256) or _scaled(set_)
    parts = [Part(f"{prefix}images", shape, set_.X.dtype.name, set_.sha256, known)]
    if set_.y is not None and set_.labels_sha256 is not None:
        known = PUBLISHED.get(set_.labels_sha256)
        kind = "values" if set_.holds_values else "labels"
        parts.append(Part(f"{prefix}{kind}", set_.y.shape, set_.y.dtype.name, set_.labels_sha256, known))
    return parts


def _scaled(set_: Dataset) -> str | None:
    """The published images that floats from 0 to 1 are when multiplied by 255 or 256."""
    if set_.X.dtype == np.uint8:
        return None
    for factor in (255, 256):
        sha256 = _sha256_as_pixels(set_, factor)
        if sha256 in PUBLISHED:
            return f"{PUBLISHED[sha256]} divided by {factor}"
    return None


def _sha256_as_pixels(set_: Dataset, factor: int) -> str | None:
    """The hash of X times ``factor`` as uint8; None if these are not whole numbers from 0 to 255."""
    shape = (len(set_.X), *(set_.image_shape or set_.X.shape[1:]))
    digest = hashlib.sha256(header(shape, np.dtype(np.uint8)))
    numbers = set_.X.reshape(-1)
    for start in range(0, len(numbers), BLOCK):
        scaled = numbers[start : start + BLOCK] * factor
        nearest = np.rint(scaled)
        if nearest.min() < 0 or nearest.max() > 255 or np.abs(scaled - nearest).max() > 0.01:
            return None
        digest.update(nearest.astype(np.uint8).data)
    return digest.hexdigest()
