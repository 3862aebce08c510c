"""MATLAB files of version 5 to 7, such as ``MNIST original``: data (784, 70000) and label (1, 70000).

Only arrays of real numbers are read. The format is in MathWorks' "MAT-File Format": a header of 128 bytes, then
elements with a tag of 8 bytes, (type, bytes); an array is an element of elements: flags, dimensions, name, numbers in
Fortran order. An array may be compressed by zlib as a whole.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset
from fastnet.data.source import PIECE, Source, data_error, told_as_data_errors
from fastnet.data.stored import Stored, blocks_alive, from_named, row_blocks, rows_per_block

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
        arrays: dict[str, _Matrix] = {}
        for array in _arrays(source):
            if array.name in arrays:
                raise data_error(source.path, f"expected different names, got {array.name!r} twice")
            arrays[array.name] = array
        return from_named(_oriented(list(arrays.values()), source.budget), source.path, source.budget)


def _oriented(arrays: "list[_Matrix]", budget: Budget) -> dict[str, Stored]:
    """The arrays with one row per sample; 70 000 rows are split."""
    vectors = [math.prod(array.shape) for array in arrays if len(array.shape) == 2 and 1 in array.shape]
    oriented = {}
    for array in arrays:
        shape, turned = array.shape, False
        if len(shape) == 2 and shape[1] in vectors and shape[0] not in vectors:
            shape, turned = shape[::-1], True
        if shape[0] == MNIST_ROWS:
            for part, first, n in (("train", 0, MNIST_TRAIN), ("test", MNIST_TRAIN, MNIST_ROWS - MNIST_TRAIN)):
                oriented[f"{part}/{array.name}"] = _stored(array, turned, (n, *shape[1:]), first, budget)
        else:
            oriented[array.name] = _stored(array, turned, shape, 0, budget)
    return oriented


def _stored(array: "_Matrix", turned: bool, shape: tuple[int, ...], first: int, budget: Budget) -> Stored:
    """Rows of an array from ``first`` on, as many as the shape has; of a turned one its columns."""

    def rows() -> np.ndarray:
        found = array.numbers()
        return (found.T if turned else found)[first : first + shape[0]]

    same = array.stored_dtype == array.dtype

    def blocks() -> Iterator[np.ndarray]:
        alive = 0 if same else blocks_alive(shape[0], rows_per_block(shape))
        for block in row_blocks(rows()):
            with budget.lent(alive * block.size * array.dtype.itemsize):
                yield block.astype(array.dtype, copy=False)

    return Stored(shape, array.dtype, blocks, rows if same else None)


def _arrays(source: Source) -> "Iterator[_Matrix]":
    """The arrays of real numbers."""
    order = {b"IM": "<", b"MI": ">"}.get(source.exactly(128, "the MATLAB header")[126:])
    if order is None:
        raise ValueError("damaged MATLAB file (its header names no byte order)")
    position = 128
    for _ in range(ELEMENTS):
        if position >= source.size:
            return
        start = position
        source.stream.seek(start)
        _, size = struct.unpack(order + "II", source.exactly(8, "a MATLAB element"))
        position += 8 + size
        if position > source.size:
            raise ValueError(f"truncated: expected {position} bytes, got {source.size}")
        found = _array_at(source, order, start)
        if found is not None:
            yield found
    raise ValueError(f"expected at most {ELEMENTS} arrays, got more")


def _array_at(source: Source, order: str, position: int) -> "_Matrix | None":
    """The array in the element at a position of the file; None if that holds anything but real numbers."""
    element, kind, size = _element_at(source, order, position)
    if kind != MATRIX:
        return None

    def again() -> _Plain:
        return _element_at(source, order, position)[0]

    matrix = _Matrix(element, order, size, again, source.budget)
    return matrix if matrix.describe() else None


def _element_at(source: Source, order: str, position: int) -> "tuple[_Plain, int, int]":
    """(the bytes after the tag, what they are, how many) of the element at a position of the file."""
    source.stream.seek(position)
    kind, size = struct.unpack(order + "II", source.exactly(8, "a MATLAB element"))
    if kind != COMPRESSED:
        return _Plain(source), kind, size
    element = _Inflated(source, size)
    return element, *struct.unpack(order + "II", element.exactly(8))


class _Plain:
    """The bytes of an element in the file."""

    def __init__(self, source: Source):
        self._source = source
        self.taken = 0

    def exactly(self, n: int) -> bytes:
        self.taken += n
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
        self.taken += n
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
        self._source.budget.unpack(len(data))
        self._waiting = self._inflate.unconsumed_tail
        return data


class _Matrix:
    """An array element of ``size`` bytes, whose numbers are read when they are first asked for.

    ``again`` opens the element anew, since others are read meanwhile. ``dtype`` is that of the numbers; they may be
    stored in a smaller type, ``stored_dtype``.
    """

    def __init__(self, element: _Plain, order: str, size: int, again: Callable[[], _Plain], budget: Budget):
        self._element, self._order, self._left, self._again, self._budget = element, order, size, again, budget
        self._array: np.ndarray | None = None

    def describe(self) -> bool:
        """Read what comes before the numbers; False if it holds anything but real numbers."""
        flags = self._small(6)
        class_number = flags[0] & 0xFF
        if class_number not in CLASSES or flags[0] & COMPLEX:
            return False
        self.dtype = np.dtype(CLASSES[class_number])
        self.shape = tuple(self._small(5).tolist())
        self.name = self._small(1).tobytes().decode("latin1")
        self.stored_dtype, self._size, self._short = self._tag()
        expected = self.stored_dtype.itemsize * math.prod(self.shape)
        if len(self.shape) < 2 or min(self.shape) < 0 or self._size != expected:
            raise ValueError(
                f"{self.name}: expected {expected} bytes for an array of shape {self.shape}, got {self._size}"
            )
        self._start = self._element.taken
        return True

    def numbers(self) -> np.ndarray:
        """The array as it is stored, in Fortran order."""
        if self._array is None:
            self._budget.take(self._size)
            array = np.empty(self.shape[::-1], self.stored_dtype)
            if self._short is None:
                element = self._again()
                element.exactly(self._start - element.taken)
                element.fill(array)
                element.end()
            else:
                array[...] = np.frombuffer(self._short, self.stored_dtype).reshape(array.shape)
            self._array = array.T
        return self._array

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
