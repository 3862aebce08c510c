"""Folders that hold a set: the four IDX files under their MNIST names."""

import os
from pathlib import Path

from fastnet.data.dataset import Dataset, make_dataset, same_classes
from fastnet.data.idx import read_images, read_labels
from fastnet.data.registry import FILE_NAMES, present
from fastnet.data.source import data_error


def load_idx_folder(
    folder: Path, *, name: str | None = None, n_classes: int | None = None, complete: bool = False
) -> tuple[Dataset, Dataset | None]:
    """Load the IDX files of a folder; the test set may be missing unless ``complete``."""
    found = [present(folder, file) for file in FILE_NAMES]
    parts = [
        _load_part(folder, found[i : i + 2], FILE_NAMES[i : i + 2], name, n_classes)
        for i in (0, 2)
        if complete or any(found[i : i + 2])
    ]
    if not parts:
        raise data_error(folder, f"expected {', '.join(wanted())} (plain or .gz), got none of them")
    return same_classes(parts[0], parts[1] if len(parts) > 1 else None, folder)


def wanted() -> list[str]:
    """The names of the four files, uncompressed."""
    return [file.removesuffix(".gz") for file in FILE_NAMES]


def holds_idx(folder: Path) -> bool:
    """Whether a folder has one of the four files."""
    return any(present(folder, file) for file in FILE_NAMES)


def _load_part(
    folder: Path,
    paths: list[Path | None],
    names: tuple[str, ...],
    name: str | None,
    n_classes: int | None,
) -> Dataset:
    images, labels = paths
    if images is None or labels is None:
        missing = names[0] if images is None else names[1]
        raise data_error(folder, f"expected {missing.removesuffix('.gz')} (plain or .gz), which is missing")
    return load_idx_pair(images, labels, name=name or os.fspath(folder), n_classes=n_classes)


def load_idx_pair(images: Path, labels: Path | None, *, name: str, n_classes: int | None = None) -> Dataset:
    """Load an image file and its label file."""
    X = read_images(images)
    y = None if labels is None else read_labels(labels)
    if y is not None and len(X) != len(y):
        raise data_error(labels or images, f"expected {len(X)} labels, one for each image of {images.name}, got {len(y)}")
    return make_dataset(X, y, images if y is None else labels or images, name=name, n_classes=n_classes)
