"""Data sets in pickles: dicts of named arrays, (X, y) pairs, and the parts of mnist.pkl.gz."""

import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.data.dataset import Dataset, same_classes
from fastnet.data.recorders import Array
from fastnet.data.source import Source, told_as_data_errors
from fastnet.data.stored import Stored, from_named, from_parts
from fastnet.data.unpickler import Unpickler

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
        return _sets(content, path)


def _sets(content: Any, path: Path) -> tuple[Dataset, Dataset | None]:
    if isinstance(content, dict):
        return _from_dict(content, path)
    if isinstance(content, Array):
        return from_parts([(_stored(content), None)], path), None
    if not isinstance(content, list | tuple) or not content:
        raise ValueError(f"expected a dict, a tuple or a list of arrays in the pickle, got {_told(content)}")
    if len(content) == 2 and not _is_pair(content[0]):
        return from_parts([_pair(content)], path), None
    if len(content) <= 3 and all(_is_pair(part) and isinstance(part[0], Array) for part in content):
        joined = _joined(*content) if len(content) == 3 else content[0]
        train = from_parts([_pair(joined)], path)
        test = from_parts([_pair(content[-1])], path) if len(content) > 1 else None
        return same_classes(train, test, path)
    if all(_is_pair(item) for item in content):
        return from_parts([(_stacked([x for x, _ in content]), _stacked([y for _, y in content]))], path), None
    return from_parts([(_stored(content), None)], path), None


def _from_dict(content: dict[Any, Any], path: Path) -> tuple[Dataset, Dataset | None]:
    arrays = {}
    for key, value in content.items():
        name = key.decode("latin1") if isinstance(key, bytes) else str(key)
        if isinstance(value, Array | list):
            arrays[name] = _stored(value)
        elif _is_pair(value):  # {"train": (X, y), "test": (X, y)}
            arrays[f"{name}/x"], arrays[f"{name}/y"] = map(_stored, value)
    return from_named(arrays, path)


def _is_pair(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and not isinstance(item[0], int | float)


def _pair(part: Any) -> tuple[Stored, Stored]:
    return _stored(part[0]), _stored(part[1])


def _joined(train: Any, validation: Any, test: Any) -> tuple[Array, Array]:
    """The rows of the first two (X, y) parts as one, on the memory of the first where nothing else is."""
    used = [array.data for array in (*validation, *test) if isinstance(array, Array)]
    X, y = (_extended(a, b, used) for a, b in zip(train, validation, strict=True))
    return X, y


def _extended(a: Any, b: Any, used: list[bytes | bytearray]) -> Array:
    if not isinstance(a, Array) or not isinstance(b, Array):
        raise ValueError(f"expected arrays in each part of the pickle, got {_told(a)} and {_told(b)}")
    if a.dtype != b.dtype or a.shape[1:] != b.shape[1:] or not a.shape or a.fortran or b.fortran:
        raise ValueError(f"expected parts of one shape and type, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    alone = isinstance(a.data, bytearray) and not any(a.data is data for data in used)
    data = a.data if alone else bytearray(a.data)
    data += b.data
    joined = Array()
    joined.shape, joined.dtype, joined.data = (a.shape[0] + b.shape[0], *a.shape[1:]), a.dtype, data
    return joined


def _stored(value: Any) -> Stored:
    return Stored.of(_array(value))


def _array(value: Any) -> np.ndarray:
    if isinstance(value, Array):
        return value.array()
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, Array) for item in value):
            return _rows(value)
        return np.asarray(_numbers(value))
    raise ValueError(f"expected an array in the pickle, got {_told(value)}")


def _stacked(items: list[Any]) -> Stored:
    """One row for each item: an array, or a number (labels)."""
    if all(isinstance(item, Array) for item in items):
        return Stored.of(_rows(items))
    return Stored.of(np.asarray(_numbers(items)))


def _rows(items: Any) -> np.ndarray:
    first = items[0].array()
    rows = np.empty((len(items), *first.shape), first.dtype)
    for row, item in zip(rows, items, strict=True):
        if item.shape != first.shape:
            raise ValueError(f"expected arrays of one shape in the pickle, got {first.shape} and {item.shape}")
        row[...] = item.array()
    return rows


def _numbers(value: Any) -> Any:
    """Lists of numbers nested up to three deep, checked: a few nested lists can stand for any number of elements."""
    shape, inner = [], value
    while isinstance(inner, list | tuple):
        shape.append(len(inner))
        if not inner or len(shape) > 3:
            raise ValueError("expected lists of numbers in the pickle, got empty lists or deeper ones")
        inner = inner[0]
    if math.prod(shape) > 1 << 27:
        raise ValueError(f"expected arrays in the pickle, got lists of {math.prod(shape)} numbers")
    _check_level(value, shape)
    return value


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
