"""MATLAB files up to version 7, such as ``MNIST original``: data (784, 70000) and label (1, 70000)."""

import math

from fastnet.data.dataset import Dataset
from fastnet.data.extras import needed
from fastnet.data.source import ALWAYS_ALLOWED, GROWTH, Source, data_error
from fastnet.data.stored import Stored, from_named
from fastnet.errors import DataError

NUMBERS = {"double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "logical"}
MNIST_ROWS = 70_000  # 60 000 for training and, after them, 10 000 for testing
MNIST_TRAIN = 60_000


def load_matlab(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load a MATLAB file as (train, test), turning arrays with one column per sample.

    70 000 images in one array are MNIST's: the first 60 000 are the training set.
    """
    if source.head().startswith(b"MATLAB 7.3"):
        raise data_error(source.path, "expected a MATLAB file up to version 7, got 7.3: save it with -v7")
    io = needed("scipy.io", "sklearn", source.path, "MATLAB")
    try:
        contents = io.whosmat(source.stream)
        names = _numeric(contents, source)
        source.stream.seek(0)
        arrays = io.loadmat(source.stream, variable_names=names)
        return from_named(_oriented({name: arrays[name] for name in names}), source.path)
    except DataError:
        raise
    except Exception as error:
        # SciPy lets pass whatever its parser trips over in a damaged file
        raise data_error(source.path, f"damaged MATLAB file ({error or type(error).__name__})") from None


def _numeric(contents: list[tuple[str, tuple[int, ...], str]], source: Source) -> list[str]:
    names, total = [], 0
    for name, shape, kind in contents:
        if kind in NUMBERS:
            names.append(name)
            total += 8 * math.prod(map(int, shape))
    if len(set(names)) != len(names):
        raise ValueError("expected different names, got one twice")
    if total > max(ALWAYS_ALLOWED, 8 * GROWTH * source.size):
        raise ValueError("its arrays claim more than two hundred times the file's size")
    return names


def _oriented(arrays: dict) -> dict[str, Stored]:
    """The arrays with one row per sample; 70 000 rows are split."""
    labels = [array.size for array in arrays.values() if array.ndim == 2 and 1 in array.shape]
    oriented = {}
    for name, array in arrays.items():
        if array.ndim == 2 and array.shape[1] in labels and array.shape[0] not in labels[:1]:
            array = array.T
        if len(array) == MNIST_ROWS:
            oriented[f"train/{name}"] = Stored.of(array[:MNIST_TRAIN])
            oriented[f"test/{name}"] = Stored.of(array[MNIST_TRAIN:])
        else:
            oriented[name] = Stored.of(array)
    return oriented
