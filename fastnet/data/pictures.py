"""Pictures: one file, a folder of them, or folders with a subfolder for each class.

Everything becomes 8-bit grey: colours by their luminance, 16-bit grey by its upper half, and what is transparent as it
looks on white. Photos are turned as their EXIF orientation says. A UserWarning says how many pictures had colours or
transparent pixels.
"""

import os
import re
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.data.arrays import BLOCK
from fastnet.data.budget import Budget, OverBudgetError
from fastnet.data.dataset import Dataset, make_dataset, numbered, same_classes
from fastnet.data.extras import needed
from fastnet.data.source import PIECE, Source, data_error
from fastnet.errors import warn

LARGEST = 1 << 24  # pixels of one picture
TEXTS, LONGEST_TEXT = 8, 1 << 20  # packed texts that any PNG may have; bytes of each that Pillow unpacks
DECODED = 14  # bytes for a pixel: its JPEG coefficients, its colours, and those of the picture turned
ROWS = 12  # bytes for a pixel of one row: a decoder of PNG keeps three rows besides
# What files begin with, and the parts of Pillow that read them. Image.open would warn of large ones by itself.
PLUGINS = {b"\x89P": "PngImagePlugin.PngImageFile", b"\xff\xd8": "JpegImagePlugin.JpegImageFile"}
PLUGINS[b"BM"] = "BmpImagePlugin.BmpImageFile"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
UNREAD = (".gif", ".webp", ".tif", ".tiff", ".heic", ".avif")  # pictures, too, but left out
TRAIN, VALIDATION, TEST = ("train", "training"), ("valid", "validation", "val"), ("test", "testing", "t10k")


def is_bmp(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a BMP picture: two letters, and a header of a known size."""
    sizes = (12, 40, 108, 124)
    return head[:2] == b"BM" and head[6:10] == bytes(4) and int.from_bytes(head[14:18], "little") in sizes


def load_picture(source: Source) -> tuple[Dataset, None]:
    """Load one picture as a set of one unlabelled sample."""
    return _unlabelled([source.path], source.path, source.budget), None


def holds_pictures(folder: Path) -> bool:
    """Whether a folder has pictures: by class, by part and class, or without classes."""
    return bool(_classes(folder) or any(_classes(part) for part in _parts(folder).values()) or _pictures(folder))


def load_picture_folder(folder: Path, budget: Budget) -> tuple[Dataset, Dataset | None]:
    """Load FOLDER/CLASS/*.png as one set, or FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.png as (train, test).

    Pictures of FOLDER/valid are appended to the training rows, or are the test set where there is no FOLDER/test. A
    folder with pictures but no class folders is a set without labels, in the order of the file names. Pictures may be
    PNG, JPEG or BMP. Class folders 0 to k - 1 are labels; others are numbered in the order of their names, which
    become the class_names.
    """
    if _classes(folder):
        return _labelled([folder], folder, budget, *numbered(path.name for path in _classes(folder))), None
    parts = {name: part for name, part in _parts(folder).items() if _classes(part)}
    if not parts:
        files = _pictures(folder)
        _tell_of_unread([folder])
        return _unlabelled(files, folder, budget, _names(files, folder)), None
    if "test" not in parts and "validation" in parts and "train" in parts:
        parts["test"] = parts.pop("validation")
    classes = numbered(path.name for part in parts.values() for path in _classes(part))
    groups = [[parts[name] for name in names if name in parts] for names in (("train", "validation"), ("test",))]
    sets = [_labelled(group, folder, budget, *classes) for group in groups if group]
    return same_classes(sets[0], sets[1] if len(sets) > 1 else None, folder)


def _labelled(
    folders: list[Path], name: Path, budget: Budget, labels: dict[str, int], class_names: tuple[str, ...] | None
) -> Dataset:
    """The pictures in the class folders of some folders."""
    places = [path for folder in folders for path in _classes(folder)]
    _tell_of_unread([*folders, *places])
    found = [(file, labels[path.name]) for path in places for file in _pictures(path)]
    files = [file for file, _ in found]
    y = np.array([label for _, label in found])
    X, names = _Reader(name, budget).read(files), _names(files, name)
    return make_dataset(X, y, name, n_classes=len(labels), class_names=class_names, file_names=names)


def _names(files: list[Path], folder: Path) -> tuple[str, ...]:
    """The paths of files within a folder, with slashes on every system."""
    return tuple(file.relative_to(folder).as_posix() for file in files)


def _unlabelled(files: list[Path], name: Path, budget: Budget, file_names: tuple[str, ...] | None = None) -> Dataset:
    return make_dataset(_Reader(name, budget).read(files), None, name, file_names=file_names)


class _Reader:
    """Reads pictures as grey levels and counts those that had to be changed for it."""

    def __init__(self, name: Path, budget: Budget):
        self.budget = budget
        self.pil = needed("PIL.Image", "pillow", name, "a picture")
        self.turned = needed("PIL.ImageOps", "pillow", name, "a picture").exif_transpose
        self.coloured = self.transparent = 0

    def read(self, files: list[Path]) -> np.ndarray:
        """uint8 (n, h, w) of files with pictures of one size; warns of what was changed."""
        for file in files:
            self.budget.opened(file.stat())
        first = self._grey(files[0], len(files))
        X = np.empty((len(files), *first.shape), np.uint8)
        X[0] = first
        for row, file in zip(X[1:], files[1:], strict=True):
            picture = self._grey(file, 0)
            if picture.shape != first.shape:
                sizes = f"{_size(first)} as in {files[0].name}, got {_size(picture)}"
                raise data_error(file, f"expected pictures of one size, {sizes}: bring all to one size first")
            row[...] = picture
        self._tell(len(files))
        return X

    def _tell(self, n: int) -> None:
        for count, kind, change in (
            (self.coloured, "colour picture", "converted to grey"),
            (self.transparent, "picture with transparent pixels", "put on white"),
        ):
            if count:
                plural = kind.replace("picture", "pictures") if count > 1 else kind
                warn(f"{count} {plural} of {n} {'were' if count > 1 else 'was'} {change}")

    def _grey(self, path: Path, n: int) -> np.ndarray:
        """uint8 (h, w), in whatever form the picture is stored; n of its size are accounted for before it is read."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with self._opened(path) as image:
                    pixels = image.width * image.height
                    if pixels > LARGEST:
                        raise ValueError(f"expected at most {LARGEST} pixels, got {image.width}x{image.height}")
                    self.budget.take(n * pixels)
                    self.budget.unpack(pixels * max(6, 2 * _scans(path, image.format)) + _texts(path, image.format))
                    with self.budget.lent(DECODED * pixels + ROWS * image.width):
                        self.turned(image, in_place=True)
                        return self._levels(image)
        except OverBudgetError:
            raise
        except Exception as error:
            # Pillow raises many kinds of errors on damaged files
            raise data_error(path, f"damaged picture ({error})") from None

    def _opened(self, path: Path) -> Any:
        """The picture in a file, of which nothing but its header has been read."""
        with open(path, "rb") as file:
            begins = file.read(2)
        if begins not in PLUGINS:
            raise ValueError(f"expected PNG, JPEG or BMP, got a file that begins with {begins.hex(' ') or 'nothing'}")
        module, _, kind = PLUGINS[begins].partition(".")
        return getattr(needed(f"PIL.{module}", "pillow", path, "a picture"), kind)(os.fspath(path))

    def _levels(self, image: Any) -> np.ndarray:
        """uint8 (h, w), made in pieces, since most forms take several copies of the pixels."""
        levels = np.empty((image.height, image.width), np.uint8)
        columns = min(BLOCK, image.width)
        rows = max(1, BLOCK // columns)
        changed: set[str] = set()
        for top, left in product(range(0, image.height, rows), range(0, image.width, columns)):
            bottom, right = min(top + rows, image.height), min(left + columns, image.width)
            levels[top:bottom, left:right], changes = self._piece(image.crop((left, top, right, bottom)))
            changed |= changes
        self.transparent += "transparent" in changed
        self.coloured += "coloured" in changed
        return levels

    def _piece(self, image: Any) -> tuple[np.ndarray, set[str]]:
        """(levels (h, w), what there was besides grey) of some pixels."""
        changed: set[str] = set()
        if image.mode.startswith("I"):  # 16 bits of grey; convert() would cut them off at 255
            return np.rint(np.asarray(image).clip(0, 65535) / 257).astype(np.uint8), changed
        if image.mode in ("L", "1") and "transparency" not in image.info:
            return np.asarray(image.convert("L")), changed
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            changed.add("transparent")
            image = self.pil.alpha_composite(self.pil.new("RGBA", image.size, "white"), image)
        red, green, blue = (np.asarray(image.getchannel(channel)) for channel in "RGB")
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            changed.add("coloured")
        return np.asarray(image.convert("RGB").convert("L")), changed


def _scans(path: Path, kind: str) -> int:
    """How many passes over its pixels a picture takes at most; those of a JPEG begin with a marker."""
    if kind != "JPEG":
        return 1
    with open(path, "rb") as file:
        return sum(piece.count(b"\xff\xda") for piece in iter(lambda: file.read(PIECE), b""))


def _texts(path: Path, kind: str) -> int:
    """Bytes that the packed texts of a PNG may become, where there are more of them than pictures ever have."""
    if kind != "PNG":
        return 0
    with open(path, "rb") as file:
        found = sum(len(re.findall(b"zTXt|iTXt", piece)) for piece in iter(lambda: file.read(PIECE), b""))
    return LONGEST_TEXT * max(0, found - TEXTS)


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]} pixels"


def _parts(folder: Path) -> dict[str, Path]:
    """The folders for training, validation and testing that there are."""
    parts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    found = {part: [folder / name for name in names if (folder / name).is_dir()] for part, names in parts.items()}
    return {part: folders[0] for part, folders in found.items() if folders}


def _classes(folder: Path) -> list[Path]:
    """The subfolders that have pictures, in the order of their names.

    One alone is a class only where there are no pictures beside it. Parts are no classes: train/ and test/ that hold
    pictures themselves.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    classes = [path for path in folders if any(_is_picture(file) for file in path.iterdir())]
    if len(classes) == 1 and _pictures(folder):
        return []
    return classes if not {path.name for path in classes} <= {*TRAIN, *VALIDATION, *TEST} else []


def _tell_of_unread(folders: list[Path]) -> None:
    """Warn of pictures in formats that are not read, and of links that lead nowhere, which may have been pictures."""
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    _tell_of([file for file in files if file.suffix.lower() in UNREAD], "pictures are read from PNG, JPEG and BMP")
    _tell_of([file for file in files if file.is_symlink() and not file.exists()], "the link leads nowhere")


def _tell_of(files: list[Path], reason: str) -> None:
    if files:
        told = f"{len(files)} files were left out, such as" if len(files) > 1 else "a file was left out:"
        warn(f"{told} {files[0].name}: {reason}")


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _is_picture(file))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()
