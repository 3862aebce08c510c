"""Data sets in pickles: dicts of named arrays, (X, y) pairs, and the parts of mnist.pkl.gz."""

import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset, same_classes
from fastnet.data.recorders import Array
from fastnet.data.source import Source, told_as_data_errors
from fastnet.data.stored import Stored, from_named, from_parts, roles
from fastnet.data.unpickler import Unpickler

NUMBER = 16  # bytes for each number in lists, and for looking at it
_TEXT_START = re.compile(rb"[(\]}]|c[A-Za-z_][\w.]*\r?\n[A-Za-z_]\w*\r?\n")


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be a pickle of any protocol."""
    return (head[:1] == b"\x80" and 2 <= head[1] <= 5 if len(head) > 1 else False) or bool(_TEXT_START.match(head))


def load_pickle(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load a pickle as (train, test). It may hold

    * a dict of arrays, named as in an .npz file;
    * (train, test) or (train, validation, test), each an (X, y): the validation rows are appended to the training rows;
    * (X, y), a list of (x, y) pairs, or X alone.
    """
    path = source.path
    with told_as_data_errors(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # odd escapes in a hostile text pickle
            content = Unpickler(source).load()
        source.end("the pickle")
        return _Sets(path, source.budget).of(content)


class _Sets:
    """Makes (train, test) of what a pickle holds. Its arrays are in memory already; copies and lists of them count."""

    def __init__(self, path: Path, budget: Budget):
        self._path, self._budget = path, budget

    def of(self, content: Any) -> tuple[Dataset, Dataset | None]:
        if isinstance(content, dict):
            return self._from_dict(content)
        if isinstance(content, Array):
            return self._from_parts((self._stored(content), None)), None
        if not isinstance(content, list | tuple) or not content:
            raise ValueError(f"expected a dict, a tuple or a list of arrays in the pickle, got {_told(content)}")
        if len(content) == 2 and not _is_pair(content[0]):
            return self._from_parts(self._pair(content)), None
        if len(content) <= 3 and all(_is_pair(part) and isinstance(part[0], Array) for part in content):
            joined = self._joined(*content) if len(content) == 3 else content[0]
            train = self._from_parts(self._pair(joined))
            test = self._from_parts(self._pair(content[-1])) if len(content) > 1 else None
            return same_classes(train, test, self._path)
        if all(_is_pair(item) for item in content):
            X, y = ([item[i] for item in content] for i in (0, 1))
            return self._from_parts((self._stacked(X), self._stacked(y))), None
        return self._from_parts((self._stored(content), None)), None

    def _from_parts(self, part: tuple[Stored, Stored | None]) -> Dataset:
        return from_parts([part], self._path, self._budget)

    def _from_dict(self, content: dict[Any, Any]) -> tuple[Dataset, Dataset | None]:
        arrays = {}
        for key, value in content.items():
            name = key.decode("latin1") if isinstance(key, bytes) else str(key)
            if isinstance(value, Array | list):
                arrays[name] = self._named(name, value, len(content) == 1)
            elif _is_pair(value):  # {"train": (X, y), "test": (X, y)}
                for part, item in zip("xy", value, strict=True):
                    arrays[f"{name}/{part}"] = self._stored(item)
        return from_named(arrays, self._path, self._budget)

    def _named(self, name: str, value: Array | list, alone: bool) -> Stored:
        """What a dict has under a name. Lists that the name says nothing about are left as they are."""
        if isinstance(value, list) and not (alone or roles(name)):
            return Stored.ignored(len(value))
        return self._stored(value)

    def _pair(self, part: Any) -> tuple[Stored, Stored]:
        return self._stored(part[0]), self._stored(part[1])

    def _joined(self, train: Any, validation: Any, test: Any) -> tuple[Array, Array]:
        """The rows of the first two (X, y) parts as one, on the memory of the first where nothing else is."""
        used = [array.data for array in (*validation, *test) if isinstance(array, Array)]
        X, y = (self._extended(a, b, used) for a, b in zip(train, validation, strict=True))
        return X, y

    def _extended(self, a: Any, b: Any, used: list[bytes | bytearray]) -> Array:
        if not isinstance(a, Array) or not isinstance(b, Array):
            raise ValueError(f"expected arrays in each part of the pickle, got {_told(a)} and {_told(b)}")
        if a.dtype != b.dtype or a.shape[1:] != b.shape[1:] or not a.shape or a.fortran or b.fortran:
            raise ValueError(f"expected parts of one shape and type, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        alone = isinstance(a.data, bytearray) and not any(a.data is data for data in used)
        self._budget.take(len(b.data) + (0 if alone else len(a.data)))
        data = a.data if alone else bytearray(a.data)
        data += b.data
        joined = Array()
        joined.shape, joined.dtype, joined.data = (a.shape[0] + b.shape[0], *a.shape[1:]), a.dtype, data
        return joined

    def _stored(self, value: Any) -> Stored:
        if isinstance(value, Array):
            return Stored.of(self._turned(value))
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected an array in the pickle, got {_told(value)}")
        return self._stacked(value)

    def _stacked(self, items: Any) -> Stored:
        """One row for each item: an array, or numbers."""
        if items and all(isinstance(item, Array) for item in items):
            return Stored.of(self._rows(items))
        return Stored.of(np.asarray(self._numbers(items)))

    def _turned(self, array: Array) -> np.ndarray:
        """The array in native byte order."""
        self._budget.take(0 if array.dtype.isnative else len(array.data))
        return array.array()

    def _rows(self, items: Any) -> np.ndarray:
        first = items[0]
        self._budget.take(len(items) * len(first.data))
        rows = np.empty((len(items), *first.shape), first.dtype.newbyteorder("="))
        for row, item in zip(rows, items, strict=True):
            if item.shape != first.shape:
                raise ValueError(f"expected arrays of one shape in the pickle, got {first.shape} and {item.shape}")
            with self._budget.lent(0 if item.dtype.isnative else len(item.data)):
                row[...] = item.array()
        return rows

    def _numbers(self, value: Any) -> Any:
        """Lists of numbers nested up to three deep, checked: a few nested lists can stand for any number of them."""
        shape, inner = [], value
        while isinstance(inner, list | tuple):
            shape.append(len(inner))
            if not inner or len(shape) > 3:
                raise ValueError("expected lists of numbers in the pickle, got empty lists or deeper ones")
            inner = inner[0]
        self._budget.take(NUMBER * math.prod(shape))
        _check_level(value, shape)
        return value


def _is_pair(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and not isinstance(item[0], int | float)


def _check_level(value: Any, shape: list[int]) -> None:
    if len(value) != shape[0]:
        raise ValueError(f"expected lists of one length in the pickle, got {shape[0]} and {len(value)}")
    if len(shape) == 1:
        if not all(type(item) in (int, float, bool) for item in value):
            raise ValueError("expected lists of numbers in the pickle, got something else among them")
        return
    for item in value:
        if not isinstance(item, list | tuple):
            raise ValueError("expected lists of lists in the pickle, got something else among them")
        _check_level(item, shape[1:])


def _told(value: Any) -> str:
    return "an array" if isinstance(value, Array) else type(value).__name__
