"""Pictures: one file, a folder of them, or folders with a subfolder for each class.

Everything becomes 8-bit grey: colours by their luminance, 16-bit grey by its upper half, and what is transparent as it
looks on white. Photos are turned as their EXIF orientation says. A UserWarning says how many pictures had colours or
transparent pixels.
"""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.data.dataset import Dataset, make_dataset, numbered, same_classes
from fastnet.data.extras import needed
from fastnet.data.source import Source, data_error
from fastnet.errors import warn

LARGEST = 1 << 24  # pixels of one picture
FORMATS = ("PNG", "JPEG", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
UNREAD = (".gif", ".webp", ".tif", ".tiff", ".heic", ".avif")  # pictures, too, but left out
TRAIN, VALIDATION, TEST = ("train", "training"), ("valid", "validation", "val"), ("test", "testing", "t10k")


def is_bmp(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a BMP picture: two letters, and a header of a known size."""
    sizes = (12, 40, 108, 124)
    return head[:2] == b"BM" and head[6:10] == bytes(4) and int.from_bytes(head[14:18], "little") in sizes


def load_picture(source: Source) -> tuple[Dataset, None]:
    """Load one picture as a set of one unlabelled sample."""
    return _unlabelled([source.path], source.path), None


def holds_pictures(folder: Path) -> bool:
    """Whether a folder has pictures: by class, by part and class, or without classes."""
    return bool(_classes(folder) or any(_classes(part) for part in _parts(folder).values()) or _pictures(folder))


def load_picture_folder(folder: Path) -> tuple[Dataset, Dataset | None]:
    """Load FOLDER/CLASS/*.png as one set, or FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.png as (train, test).

    Pictures of FOLDER/valid are appended to the training rows, or are the test set where there is no FOLDER/test. A
    folder with pictures but no class folders is a set without labels, in the order of the file names. Pictures may be
    PNG, JPEG or BMP. Class folders 0 to k - 1 are labels; others are numbered in the order of their names, which
    become the class_names.
    """
    if _classes(folder):
        return _labelled([folder], folder, *numbered(path.name for path in _classes(folder))), None
    parts = {name: part for name, part in _parts(folder).items() if _classes(part)}
    if not parts:
        files = _pictures(folder)
        _tell_of_unread([folder])
        return _unlabelled(files, folder, _names(files, folder)), None
    if "test" not in parts and "validation" in parts and "train" in parts:
        parts["test"] = parts.pop("validation")
    classes = numbered(path.name for part in parts.values() for path in _classes(part))
    groups = [[parts[name] for name in names if name in parts] for names in (("train", "validation"), ("test",))]
    sets = [_labelled(group, folder, *classes) for group in groups if group]
    return same_classes(sets[0], sets[1] if len(sets) > 1 else None, folder)


def _labelled(folders: list[Path], name: Path, labels: dict[str, int], class_names: tuple[str, ...] | None) -> Dataset:
    """The pictures in the class folders of some folders."""
    places = [path for folder in folders for path in _classes(folder)]
    _tell_of_unread(places)
    found = [(file, labels[path.name]) for path in places for file in _pictures(path)]
    files = [file for file, _ in found]
    y = np.array([label for _, label in found])
    X, names = _Reader(name).read(files), _names(files, name)
    return make_dataset(X, y, name, n_classes=len(labels), class_names=class_names, file_names=names)


def _names(files: list[Path], folder: Path) -> tuple[str, ...]:
    """The paths of files within a folder, with slashes on every system."""
    return tuple(file.relative_to(folder).as_posix() for file in files)


def _unlabelled(files: list[Path], name: Path, file_names: tuple[str, ...] | None = None) -> Dataset:
    return make_dataset(_Reader(name).read(files), None, name, file_names=file_names)


class _Reader:
    """Reads pictures as grey levels and counts those that had to be changed for it."""

    def __init__(self, name: Path):
        self.pil = needed("PIL.Image", "pillow", name, "a picture")
        self.turned = needed("PIL.ImageOps", "pillow", name, "a picture").exif_transpose
        self.coloured = self.transparent = 0

    def read(self, files: list[Path]) -> np.ndarray:
        """uint8 (n, h, w) of files with pictures of one size; warns of what was changed."""
        first = self._grey(files[0])
        X = np.empty((len(files), *first.shape), np.uint8)
        X[0] = first
        for row, file in zip(X[1:], files[1:], strict=True):
            picture = self._grey(file)
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

    def _grey(self, path: Path) -> np.ndarray:
        """uint8 (h, w), in whatever form the picture is stored."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's own limit on pixels is above LARGEST
                with self.pil.open(path, formats=FORMATS) as image:
                    if image.width * image.height > LARGEST:
                        raise ValueError(f"expected at most {LARGEST} pixels, got {image.width}x{image.height}")
                    return self._levels(self.turned(image))
        except Exception as error:
            # Pillow raises many kinds of errors on damaged files
            raise data_error(path, f"damaged picture ({error})") from None

    def _levels(self, image: Any) -> np.ndarray:
        if image.mode.startswith("I"):  # 16 bits of grey; convert() would cut them off at 255
            return np.rint(np.asarray(image).clip(0, 65535) / 257).astype(np.uint8)
        if image.mode in ("L", "1") and "transparency" not in image.info:
            return np.asarray(image.convert("L"))
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            self.transparent += 1
            image = self.pil.alpha_composite(self.pil.new("RGBA", image.size, "white"), image)
        red, green, blue = (np.asarray(image.getchannel(channel)) for channel in "RGB")
        self.coloured += not (np.array_equal(red, green) and np.array_equal(red, blue))
        return np.asarray(image.convert("RGB").convert("L"))


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
    with os.scandir(folder) as entries:
        folders = sorted(Path(entry.path) for entry in entries if entry.is_dir())
    classes = [path for path in folders if any(_is_picture(file) for file in path.iterdir())]
    if len(classes) == 1 and _pictures(folder):
        return []
    return classes if not {path.name for path in classes} <= {*TRAIN, *VALIDATION, *TEST} else []


def _tell_of_unread(folders: list[Path]) -> None:
    """Warn of pictures in formats that are not read."""
    unread = [file for folder in folders for file in sorted(folder.iterdir()) if file.suffix.lower() in UNREAD]
    if unread:
        files = f"{len(unread)} files were left out, such as" if len(unread) > 1 else "a file was left out:"
        warn(f"{files} {unread[0].name}: pictures are read from PNG, JPEG and BMP")


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _is_picture(file))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()
