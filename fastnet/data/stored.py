"""Arrays as formats store them, under names, and the way from there to (train, test)."""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fastnet.data.arrays import BLOCK
from fastnet.data.budget import Budget
from fastnet.data.dataset import MOST_CLASSES, Dataset, make_dataset, numbered, same_classes
from fastnet.data.source import shown, told_as_data_errors

KERNEL_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))

# Words in the names of stored arrays. x_train, train/images, X, inputs, training_images and arr_0 are all understood.
ROLES = {
    "X": {"x", "inputs", "input", "data", "images", "image", "imgs", "features", "pixels", "arr_0"},
    "y": {"y", "labels", "label", "targets", "target", "classes", "class"},
}
PARTS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "val"},
    "test": {"test", "testing"},
}


@dataclass(frozen=True)
class Stored:
    """An array in a file: its shape and dtype, known before it is read, and a way to read it in blocks of rows.

    Who reads the blocks accounts for the memory of what is made of them, the blocks for their own. ``whole`` gives all
    of it as an array that may become part of a Dataset; None where that takes more than the blocks do.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Callable[[], Iterator[np.ndarray]]
    whole: Callable[[], np.ndarray] | None = None

    @classmethod
    def of(cls, array: np.ndarray) -> "Stored":
        """One that is in memory already."""
        return cls(array.shape, array.dtype, lambda: row_blocks(array), lambda: array)

    @classmethod
    def ignored(cls, length: int) -> "Stored":
        """Something of this length that is no array and is never read; only its name is of use."""
        return cls((length,), np.dtype(object), lambda: iter(()))

    def read(self, budget: Budget) -> np.ndarray:
        """All of it, in the type that it is stored in."""
        budget.take(self.nbytes)
        whole, start = np.empty(self.shape, self.dtype), 0
        for block in self.blocks():
            whole[start : start + len(block)] = block
            start += len(block)
        return whole

    @property
    def nbytes(self) -> int:
        """The bytes of the array, whatever its shape claims."""
        return self.dtype.itemsize * math.prod(self.shape)


def row_blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of an array in memory, some rows each."""
    rows = rows_per_block(array.shape)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def rows_per_block(shape: tuple[int, ...]) -> int:
    """How many rows make up about BLOCK elements."""
    return max(1, BLOCK // max(1, math.prod(shape[1:])))


def blocks_alive(n: int, rows: int) -> int:
    """How many blocks are in memory at a time where n rows are read, ``rows`` in a block: one and the one before it."""
    return 2 if n > rows else 1


def roles(name: str) -> list[str]:
    """What the name of an array says that it is: "X", "y", both or nothing."""
    words = _words(name)
    return [role for role, names in ROLES.items() if words & names]


def _words(name: str) -> set[str]:
    return {name.lower(), *re.split(r"[^a-z0-9]+", name.lower())}


def from_named(arrays: Mapping[str, Stored], path: str | os.PathLike, budget: Budget) -> tuple[Dataset, Dataset | None]:
    """Make (train, test) of named arrays; validation rows are appended to the training rows.

    An array called ``synthetic`` says that fastnet drew the samples, one called ``class_names`` holds the names of the
    classes; other names are ignored. Labels may be text, whose different values are then the names.
    """
    with told_as_data_errors(path):
        arrays = dict(arrays)
        class_names = _class_names(arrays.pop("class_names", None), budget)
        found = _by_part(arrays)
        if "train" in found or "test" in found or "validation" in found:
            found.pop("all", None)
        class_names = _numbers_for_text(found, budget) or class_names
        sets = [
            _make([found[part] for part in parts if part in found], path, budget, "synthetic" in arrays, class_names)
            for parts in (("all",), ("train", "validation"), ("test",))
            if any(part in found for part in parts)
        ]
    return same_classes(sets[0], sets[1] if len(sets) > 1 else None, path)


def from_parts(parts: list[tuple[Stored, Stored | None]], path: str | os.PathLike, budget: Budget) -> Dataset:
    """Make one Dataset of the rows of several (X, y), in order."""
    with told_as_data_errors(path):
        return _make([{"X": X} if y is None else {"X": X, "y": y} for X, y in parts], path, budget)


def load_rows(parts: list[Stored], budget: Budget) -> np.ndarray:
    """The rows of all parts as one array (n, ...): uint8 where all are whole numbers from 0 to 255 that reach 128.

    Such numbers are pixels, in whatever type they are stored. Everything else stays, or becomes, float32 or float64.
    """
    first = parts[0]
    for part in parts:
        if part.dtype.kind not in "buif":
            raise ValueError(f"expected numbers, got an array of dtype {part.dtype}")
        if not part.shape:
            raise ValueError("expected an array of rows, got a single number")
        if part.shape[1:] != first.shape[1:]:
            raise ValueError(f"expected arrays of rows of one shape, got {first.shape} and {part.shape}")
    shape = (sum(part.shape[0] for part in parts), *first.shape[1:])
    whole = None if first.dtype == np.uint8 else _whole_pixels(parts, shape, budget)
    if whole is not None:
        return whole
    if len(parts) == 1 and first.whole is not None and first.dtype in KERNEL_DTYPES:
        return first.whole()
    if all(part.dtype == np.uint8 for part in parts):
        return _copied(parts, shape, np.dtype(np.uint8), budget)
    wide = any(part.dtype.kind == "f" and part.dtype.itemsize > 4 for part in parts)
    return _copied(parts, shape, np.dtype(np.float64 if wide else np.float32), budget)


def whole_pixels(block: np.ndarray) -> bool:
    """Whether all numbers are whole and from 0 to 255."""
    if not block.size:
        return True
    low, high = block.min(), block.max()
    if not (low >= 0 and high <= 255):  # also where there is a NaN
        return False
    if block.dtype.kind != "f":
        return True
    numbers = block.reshape(-1)  # in pieces: a block may be one long row
    pieces = (numbers[start : start + BLOCK] for start in range(0, len(numbers), BLOCK))
    return all((piece == np.floor(piece)).all() for piece in pieces)


def _whole_pixels(parts: list[Stored], shape: tuple[int, ...], budget: Budget) -> np.ndarray | None:
    """The rows of all parts as pixels; None if they are no pixels, for which most often one block is looked at."""
    pixels, start, highest = None, 0, 0
    for block in _all_blocks(parts):
        whole = whole_pixels(block)
        if whole and pixels is None:
            budget.take(math.prod(shape))
            pixels = np.empty(shape, np.uint8)
        if not whole or pixels is None:
            highest = 0
            break
        pixels[start : start + len(block)] = block
        highest = max(highest, int(block.max(initial=0)))
        start += len(block)
    if highest < 128 and pixels is not None:
        budget.give(pixels.size)
    return pixels if highest >= 128 else None


def _copied(parts: list[Stored], shape: tuple[int, ...], dtype: np.dtype, budget: Budget) -> np.ndarray:
    budget.take(dtype.itemsize * math.prod(shape))
    out, start = np.empty(shape, dtype), 0
    for block in _all_blocks(parts):
        out[start : start + len(block)] = block
        start += len(block)
    return out


def _all_blocks(parts: Iterable[Stored]) -> Iterator[np.ndarray]:
    """Blocks of few rows, in the order of the parts."""
    for part in parts:
        for block in part.blocks():
            yield from row_blocks(block)


def _by_part(arrays: Mapping[str, Stored]) -> dict[str, dict[str, Stored]]:
    """The arrays as found[part]["X" or "y"], with the part "all" where a name tells none."""
    found: dict[str, dict[str, Stored]] = {}
    for key, stored in arrays.items():
        words, meant = _words(key), roles(key)
        parts = [part for part, names in PARTS.items() if words & names] or ["all"]
        if len(meant) == 1 and len(parts) == 1:
            if meant[0] in found.setdefault(parts[0], {}):
                raise ValueError(f"expected one array of {meant[0]} for {parts[0]}, got several, one of them {key!r}")
            found[parts[0]][meant[0]] = stored
    if not any("X" in part for part in found.values()):
        alone = [stored for stored in arrays.values() if len(stored.shape) > 1]
        if len(arrays) == 1 and alone:
            return {"all": {"X": alone[0]}}
        names = ", ".join(sorted(map(repr, arrays))[:8]) or "nothing"
        raise ValueError(f"expected arrays named X and y, or x_train, y_train, x_test and y_test, got {names}")
    return found


def _class_names(stored: Stored | None, budget: Budget) -> tuple[str, ...] | None:
    """The names in an array of text; None without it."""
    if stored is None:
        return None
    if stored.dtype.kind not in "US" or len(stored.shape) != 1 or not 0 < stored.shape[0] <= MOST_CLASSES:
        raise ValueError(f"expected class_names as text (k,), got {stored.dtype} {stored.shape}")
    names = tuple(map(shown, _text(stored, budget).tolist()))
    if len(set(names)) != len(names):
        raise ValueError("expected different names in class_names, got one of them twice")
    return names


def _numbers_for_text(found: dict[str, dict[str, Stored]], budget: Budget) -> tuple[str, ...] | None:
    """Replace labels of text by numbers and return the names of the classes; None if all labels are numbers."""
    labelled = [part for part in found.values() if "y" in part]
    if not any(part["y"].dtype.kind in "US" for part in labelled):
        return None
    if not all(part["y"].dtype.kind in "US" for part in labelled):
        raise ValueError("expected labels of one kind, got text and numbers")
    texts = [_text(part["y"], budget) for part in labelled]
    values = np.unique(np.concatenate([text.ravel() for text in texts]))
    if len(values) > MOST_CLASSES:
        raise ValueError(f"expected at most {MOST_CLASSES} different labels, got {len(values)}")
    labels, names = numbered(values.tolist())
    numbers = np.array([labels[value] for value in values.tolist()])
    for part, text in zip(labelled, texts, strict=True):
        part["y"] = Stored.of(numbers[np.searchsorted(values, text)])
    return names


def _text(stored: Stored, budget: Budget) -> np.ndarray:
    """The strings of an array; what is made of them, and of each by itself, is accounted for as well."""
    characters = 4 * stored.nbytes if stored.dtype.kind == "S" else stored.nbytes
    budget.take(3 * characters + 64 * math.prod(stored.shape))
    text = np.concatenate(list(stored.blocks()))
    return np.char.decode(text, "utf-8") if text.dtype.kind == "S" else text


def _make(
    parts: list[dict[str, Stored]],
    path: str | os.PathLike,
    budget: Budget,
    synthetic: bool = False,
    class_names: tuple[str, ...] | None = None,
) -> Dataset:
    for part in parts:
        for stored in part.values():
            if 0 in stored.shape[1:]:
                raise ValueError(f"expected rows of numbers, got an array of shape {stored.shape}")
        if "X" not in part:
            raise ValueError("expected images for each array of labels, got labels alone")
        if ("y" in part) != ("y" in parts[0]):
            raise ValueError("expected labels for every part or none")
        if "y" in part:
            _same_length(part["X"], part["y"])
    y = None
    if "y" in parts[0]:
        y = _targets([part["y"] for part in parts], budget)
    X = load_rows([part["X"] for part in parts], budget)
    channels = [axis for axis in range(1, X.ndim) if X.shape[axis] == 1]
    if X.ndim == 4 and channels:
        X = X.squeeze(channels[0])
    return make_dataset(X, y, path, budget=budget, synthetic=synthetic, class_names=class_names)


def _targets(parts: list[Stored], budget: Budget) -> np.ndarray:
    """The labels or values of all parts as one array in the type that they are stored in."""
    if any(len(stored.shape) not in (1, 2, 3) or math.prod(stored.shape[1:]) > MOST_CLASSES for stored in parts):
        raise ValueError(f"expected labels (n,), (n, 1), (n, k) or (n, k, 1), got shape {parts[0].shape}")
    n = sum(stored.nbytes for stored in parts)
    budget.take(n)
    with budget.lent(n):  # as blocks, before they are joined
        return np.concatenate([block for stored in parts for block in stored.blocks()])


def _same_length(X: Stored, y: Stored) -> None:
    if not X.shape or not y.shape:
        raise ValueError(f"expected arrays of rows, got shapes {X.shape} and {y.shape}")
    if X.shape[0] == y.shape[0]:
        return
    n = X.shape[0]
    if len(X.shape) == 2 and X.shape[1] in y.shape:
        raise ValueError(
            f"images of shape {X.shape} with labels of shape {y.shape} look transposed: expected one image in each row"
        )
    if len(y.shape) == 2 and y.shape[1] == n:
        raise ValueError(f"labels of shape {y.shape} for {n} images look transposed: expected one label in each row")
    raise ValueError(f"expected as many labels as images, got {n} images and {y.shape[0]} labels")
