"""PNG images: one, or folders with a subfolder for each class."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.data.dataset import Dataset, make_dataset, same_classes
from fastnet.data.extras import needed
from fastnet.data.source import Source, data_error

LARGEST = 1 << 24  # pixels of one image
PARTS = (("train", "training"), ("test", "testing", "t10k"))


def load_png(source: Source) -> tuple[Dataset, None]:
    """Load one PNG as a set of one unlabelled sample, in grey levels."""
    image = _read(needed("PIL.Image", "pillow", source.path, "PNG"), source.path)
    return make_dataset(image[None], None, source.path), None


def holds_pngs(folder: Path) -> bool:
    """Whether a folder has PNGs by class, at least two of them, or such folders for training or testing."""
    return bool(_classes(folder)) or any(_classes(part) for part in _parts(folder) if part)


def load_png_folder(folder: Path) -> tuple[Dataset, Dataset | None]:
    """Load FOLDER/CLASS/*.png, or FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.png, in grey levels.

    Classes that are all whole numbers keep them as labels; others are numbered in the order of their names.
    """
    pil = needed("PIL.Image", "pillow", folder, "PNG")
    if _classes(folder):
        return _load(pil, folder, _labels(_classes(folder))), None
    parts = [part for part in _parts(folder) if part and _classes(part)]
    labels = _labels([path for part in parts for path in _classes(part)])
    sets = [_load(pil, part, labels) for part in parts]
    return same_classes(sets[0], sets[1] if len(sets) > 1 else None, folder)


def _load(pil: Any, folder: Path, labels: dict[str, int]) -> Dataset:
    files = [(file, labels[path.name]) for path in _classes(folder) for file in _pngs(path)]
    first = _read(pil, files[0][0])
    X = np.empty((len(files), *first.shape), np.uint8)
    for row, (file, _) in zip(X, files, strict=True):
        image = _read(pil, file)
        if image.shape != first.shape:
            raise data_error(file, f"expected shape {first.shape} like {files[0][0].name}, got {image.shape}")
        row[...] = image
    return make_dataset(X, np.array([label for _, label in files]), folder, n_classes=max(labels.values()) + 1)


def _read(pil: Any, path: Path) -> np.ndarray:
    try:
        with pil.open(path, formats=["PNG"]) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"expected at most {LARGEST} pixels, got {image.width}x{image.height}")
            return np.asarray(image.convert("L"))
    except Exception as error:
        # Pillow raises many kinds of errors on damaged files
        raise data_error(path, f"damaged PNG ({error})") from None


def _parts(folder: Path) -> list[Path | None]:
    return [next((folder / name for name in names if (folder / name).is_dir()), None) for names in PARTS]


def _classes(folder: Path) -> list[Path]:
    """The subfolders that have PNGs, in the order of their names."""
    with os.scandir(folder) as entries:
        folders = sorted(Path(entry.path) for entry in entries if entry.is_dir())
    classes = [path for path in folders if any(_is_png(file) for file in path.iterdir())]
    return classes if len(classes) > 1 else []


def _pngs(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _is_png(file))


def _is_png(path: Path) -> bool:
    return path.suffix.lower() == ".png" and path.is_file()


def _labels(classes: list[Path]) -> dict[str, int]:
    names = sorted({path.name for path in classes})
    if all(name.isascii() and name.isdigit() and len(name) < 6 for name in names):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names)}
