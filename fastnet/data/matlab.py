"""MATLAB files of version 5 to 7, such as ``MNIST original``: data (784, 70000) and label (1, 70000).

Only arrays of real numbers are read. The format is in MathWorks' "MAT-File Format": a header of 128 bytes, then
elements with a tag of 8 bytes, (type, bytes); an array is an element of elements: flags, dimensions, name, numbers in
Fortran order. An array may be compressed by zlib as a whole.
"""

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from fastnet.data.dataset import Dataset
from fastnet.data.source import PIECE, Source, data_error, told_as_data_errors
from fastnet.data.stored import Stored, from_named, row_blocks

MNIST_ROWS = 70_000  # 60 000 for training and, after them, 10 000 for testing
MNIST_TRAIN = 60_000
ELEMENTS = 1000

STORED_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MATRIX, COMPRESSED = 14, 15
# What the numbers of an array are; they may be stored in a smaller type that holds them.
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX = 0x0800


def load_matlab(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load a MATLAB file as (train, test), turning arrays with one column per sample.

    70 000 images in one array are MNIST's: the first 60 000 are the training set.
    """
    with told_as_data_errors(source.path):
        if source.head().startswith(b"MATLAB 7.3"):
            raise data_error(source.path, "expected a MATLAB file up to version 7, got 7.3: save it with -v7")
        arrays: dict[str, tuple[np.ndarray, np.dtype]] = {}
        for name, array, dtype in _arrays(source):
            if name in arrays:
                raise data_error(source.path, f"expected different names, got {name!r} twice")
            arrays[name] = array, dtype
        return from_named(_oriented(arrays), source.path)


def _oriented(arrays: dict[str, tuple[np.ndarray, np.dtype]]) -> dict[str, Stored]:
    """The arrays with one row per sample; 70 000 rows are split."""
    vectors = [array.size for array, _ in arrays.values() if array.ndim == 2 and 1 in array.shape]
    oriented = {}
    for name, (array, dtype) in arrays.items():
        if array.ndim == 2 and array.shape[1] in vectors and array.shape[0] not in vectors:
            array = array.T
        if len(array) == MNIST_ROWS:
            oriented[f"train/{name}"] = _stored(array[:MNIST_TRAIN], dtype)
            oriented[f"test/{name}"] = _stored(array[MNIST_TRAIN:], dtype)
        else:
            oriented[name] = _stored(array, dtype)
    return oriented


def _stored(array: np.ndarray, dtype: np.dtype) -> Stored:
    if array.dtype == dtype:
        return Stored.of(array)
    return Stored(array.shape, dtype, lambda: (block.astype(dtype) for block in row_blocks(array)))


def _arrays(source: Source) -> Iterator[tuple[str, np.ndarray, np.dtype]]:
    """The arrays of real numbers as (name, array as stored, dtype of its numbers)."""
    order = {b"IM": "<", b"MI": ">"}.get(source.exactly(128, "the MATLAB header")[126:])
    if order is None:
        raise ValueError("damaged MATLAB file (its header names no byte order)")
    position = 128
    for _ in range(ELEMENTS):
        if position >= source.size:
            return
        source.stream.seek(position)
        kind, size = struct.unpack(order + "II", source.exactly(8, "a MATLAB element"))
        position += 8 + size
        if position > source.size:
            raise ValueError(f"truncated: expected {position} bytes, got {source.size}")
        if kind == COMPRESSED:
            element: _Plain = _Inflated(source, size)
            kind, size = struct.unpack(order + "II", element.exactly(8))
        else:
            element = _Plain(source)
        if kind == MATRIX:
            found = _Matrix(element, order, size, source.unpacked_limit).read()
            if found is not None:
                yield found
    raise ValueError(f"expected at most {ELEMENTS} arrays, got more")


class _Plain:
    """The bytes of an element in the file."""

    def __init__(self, source: Source):
        self._source = source

    def exactly(self, n: int) -> bytes:
        return self._source.exactly(n, "a MATLAB array")

    def fill(self, array: np.ndarray) -> None:
        self._source.fill(array, "a MATLAB array")

    def end(self) -> None:
        """Nothing is known about the end of a plain element but its size, which has been checked."""


class _Inflated(_Plain):
    """The bytes of a compressed element of ``size`` bytes in the file."""

    def __init__(self, source: Source, size: int):
        super().__init__(source)
        self._left, self._waiting, self._inflate = size, b"", zlib.decompressobj()

    def exactly(self, n: int) -> bytes:
        array = np.empty(n, np.uint8)
        self.fill(array)
        return array.tobytes()

    def fill(self, array: np.ndarray) -> None:
        view = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            data = self._more(min(len(view) - done, PIECE))
            view[done : done + len(data)] = data
            done += len(data)

    def end(self) -> None:
        """Read on to the end of the compressed data, where their checksum is."""
        for _ in range(4):
            if self._inflate.eof:
                return
            self._more(64)
        raise ValueError("damaged MATLAB file (an array is longer than it says)")

    def _more(self, n: int) -> bytes:
        if self._inflate.eof:
            raise ValueError("truncated: the compressed data of a MATLAB array end too early")
        if not self._waiting:
            self._waiting = self._source.stream.read(min(PIECE, self._left))
            self._left -= len(self._waiting)
            if not self._waiting:
                raise ValueError("truncated: the compressed data of a MATLAB array end in the middle")
        data = self._inflate.decompress(self._waiting, n)
        self._waiting = self._inflate.unconsumed_tail
        return data


class _Matrix:
    """An array element of ``size`` bytes."""

    def __init__(self, element: _Plain, order: str, size: int, limit: int):
        self._element, self._order, self._left, self._limit = element, order, size, limit

    def read(self) -> tuple[str, np.ndarray, np.dtype] | None:
        """(name, array, dtype of its numbers); None if it holds anything but real numbers."""
        flags = self._small(6)
        class_number = flags[0] & 0xFF
        if class_number not in CLASSES or flags[0] & COMPLEX:
            return None
        shape = tuple(self._small(5).tolist())
        name = self._small(1).tobytes().decode("latin1")
        dtype, size, data = self._tag()
        expected = dtype.itemsize * math.prod(shape)
        if len(shape) < 2 or min(shape) < 0 or size != expected:
            raise ValueError(f"{name}: expected {expected} bytes for an array of shape {shape}, got {size}")
        if size > self._limit:
            raise ValueError(f"{name} claims {size} bytes, more than two hundred times the file's size")
        array = np.empty(shape[::-1], dtype)
        if data is None:
            self._element.fill(array)
        else:
            array[...] = np.frombuffer(data, dtype).reshape(array.shape)
        self._element.end()
        return name, array.T, np.dtype(CLASSES[class_number])

    def _small(self, kind: int) -> np.ndarray:
        """The content of a short part, which must be stored as this type."""
        dtype, size, data = self._tag()
        if dtype != np.dtype(self._order + STORED_TYPES[kind]) or not 0 < size <= 4096:
            raise ValueError("damaged MATLAB file (an array's flags, dimensions or name)")
        if data is None:
            data = self._element.exactly(-(-size // 8) * 8)[:size]
        return np.frombuffer(data, dtype)

    def _tag(self) -> tuple[np.dtype, int, bytes | None]:
        """(dtype, bytes, data) of the next part; the data are in the tag itself if they are short, else None."""
        first = self._element.exactly(4)
        (kind,) = struct.unpack(self._order + "I", first)
        second = self._element.exactly(4)
        short, kind = kind >> 16, kind & 0xFFFF if kind >> 16 else kind
        (size,) = (short,) if short else struct.unpack(self._order + "I", second)
        if kind not in STORED_TYPES or short > 4 or size > self._left or size % np.dtype(STORED_TYPES[kind]).itemsize:
            raise ValueError("damaged MATLAB file (an array with an unknown part)")
        return np.dtype(self._order + STORED_TYPES[kind]), size, second[:size] if short else None
