"""Folders that hold a set: the four IDX files under their MNIST names, KMNIST's four .npz files, or pictures."""

import os
from pathlib import Path

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset, make_dataset, same_classes
from fastnet.data.idx import read_images, read_labels
from fastnet.data.known import FILE_NAMES, SYNTHETIC, present
from fastnet.data.npz import load_npz_pair
from fastnet.data.pictures import holds_pictures, load_picture_folder
from fastnet.data.source import Source, data_error, told_as_data_errors

NPZ_NAMES = (
    "kmnist-train-imgs.npz",
    "kmnist-train-labels.npz",
    "kmnist-test-imgs.npz",
    "kmnist-test-labels.npz",
)


def load_folder(folder: Path, budget: Budget) -> tuple[Dataset, Dataset | None]:
    """Load whatever set a folder holds."""
    with told_as_data_errors(folder):
        if any(present(folder, file) for file in FILE_NAMES):
            return load_idx_folder(folder, budget)
        if all((folder / file).exists() for file in NPZ_NAMES[:2]):
            return _load_npz_folder(folder, budget)
        if holds_pictures(folder):
            return load_picture_folder(folder, budget)
    names = ", ".join(file.removesuffix(".gz") for file in FILE_NAMES)
    expected = f"expected pictures (PNG, JPEG, BMP) in a folder for each class, or {names} (plain or .gz), got neither"
    inner = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and holds_pictures(path)]
    raise data_error(folder, f"{expected}; did you mean {folder / inner[0]}?" if inner else expected)


def load_idx_folder(
    folder: Path, budget: Budget, *, name: str | None = None, n_classes: int | None = None, complete: bool = False
) -> tuple[Dataset, Dataset | None]:
    """Load the IDX files of a folder; the test set may be missing unless ``complete``."""
    found = [present(folder, file) for file in FILE_NAMES]
    parts = [
        _load_part(folder, budget, found[i : i + 2], FILE_NAMES[i : i + 2], name, n_classes)
        for i in (0, 2)
        if complete or any(found[i : i + 2])
    ]
    return same_classes(parts[0], parts[1] if len(parts) > 1 else None, folder)


def _load_part(
    folder: Path,
    budget: Budget,
    paths: list[Path | None],
    names: tuple[str, ...],
    name: str | None,
    n_classes: int | None,
) -> Dataset:
    images, labels = paths
    if images is None or labels is None:
        missing = names[0] if images is None else names[1]
        raise data_error(folder, f"expected {missing.removesuffix('.gz')} (plain or .gz), which is missing")
    return load_idx_pair(images, labels, budget, name=name or os.fspath(folder), n_classes=n_classes)


def load_idx_pair(
    images: Path, labels: Path | None, budget: Budget, *, name: str, n_classes: int | None = None
) -> Dataset:
    """Load an image file and its label file."""
    X = read_images(images, budget)
    synthetic = (images.parent / SYNTHETIC).exists()
    if labels is None:
        return make_dataset(X, None, images, name=name, budget=budget, synthetic=synthetic)
    y = read_labels(labels, budget)
    if len(X) != len(y):
        raise data_error(labels, f"expected {len(X)} labels, one for each image of {images.name}, got {len(y)}")
    return make_dataset(X, y, labels, name=name, n_classes=n_classes, budget=budget, synthetic=synthetic)


def _load_npz_folder(folder: Path, budget: Budget) -> tuple[Dataset, Dataset | None]:
    sets = []
    for images, labels in (NPZ_NAMES[:2], NPZ_NAMES[2:]):
        if (folder / images).exists():
            with Source(folder / images, budget) as X, Source(folder / labels, budget) as y:
                sets.append(load_npz_pair(X, y))
    return same_classes(sets[0], sets[1] if len(sets) > 1 else None, folder)
