""".npy and .npz files, without NumPy's own reader: it allocates what a header claims and unpacks any zip bomb."""

import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from numpy.lib import format as npy

from fastnet.data.dataset import Dataset
from fastnet.data.known import labels_beside
from fastnet.data.source import Source, data_error, read_or_map, told_as_data_errors
from fastnet.data.stored import Stored, from_named, from_parts, rows_per_block

MEMBERS = 1000


def load_npy(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load a .npy file as samples, with the labels that lie beside it under the corresponding name."""
    arrays = {"X": _read_npy(source)}
    labels = labels_beside(source.path)
    if labels is not None:
        with Source(labels) as other:
            arrays["y"] = _read_npy(other)
    return from_named(arrays, source.path)


def _read_npy(source: Source) -> Stored:
    with told_as_data_errors(source.path):
        shape, fortran, dtype = _header(source.stream)
        array = read_or_map(source, shape[::-1] if fortran else shape, dtype, "the array")
    return Stored.of(array.T if fortran else array)


def load_npz(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load an .npz file as (train, test): x_train, y_train, x_test, y_test or X, y, or one array alone.

    The labels of one array alone may be in another file beside it, under the corresponding name.
    """
    labels = labels_beside(source.path)
    with _opened(source) as arrays:
        if len(arrays) != 1 or labels is None:
            return from_named(arrays, source.path)
    with Source(source.path) as again, Source(labels) as other:
        return load_npz_pair(again, other), None


def load_npz_pair(images: Source, labels: Source) -> Dataset:
    """Load images and labels that lie in two .npz files with one array each."""
    with _opened(images) as X, _opened(labels) as y:
        if len(X) != 1 or len(y) != 1:
            got = f"{len(X)} and {len(y)}"
            raise data_error(images.path, f"expected one array in it and in {labels.path.name}, got {got}")
        return from_parts([(next(iter(X.values())), next(iter(y.values())))], images.path)


@contextmanager
def _opened(source: Source) -> Iterator[dict[str, Stored]]:
    """The arrays of an .npz file, to be read before it is closed."""
    with told_as_data_errors(source.path):
        try:
            with zipfile.ZipFile(source.stream) as archive:
                yield _members(archive, source)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error) as error:
            raise data_error(source.path, f"damaged .npz file ({error})") from None


def _members(archive: zipfile.ZipFile, source: Source) -> dict[str, Stored]:
    infos = archive.infolist()
    if len(infos) > MEMBERS:
        raise ValueError(f"expected at most {MEMBERS} arrays in an .npz file, got {len(infos)}")
    if sum(info.file_size for info in infos) > source.unpacked_limit:
        raise ValueError("expected an .npz file, got a zip bomb: it claims to grow more than two-hundredfold")
    arrays = {}
    for info in infos:
        if not info.filename.endswith(".npy"):
            raise ValueError(f"expected .npy members in an .npz file, got {info.filename!r}")
        name = info.filename.removesuffix(".npy")
        if name in arrays:
            raise ValueError(f"expected different names in an .npz file, got {name!r} twice")
        arrays[name] = _member(archive, info)
    return arrays


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Stored:
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream)
        offset = stream.tell()
    expected = dtype.itemsize
    for length in shape:
        expected *= length
    if info.file_size - offset != expected:
        raise ValueError(
            f"{info.filename}: expected {expected} bytes for an array of shape {shape}, got {info.file_size - offset}"
        )

    def blocks() -> Iterator[np.ndarray]:
        stored_shape = shape[::-1] if fortran else shape
        rows = stored_shape[0] if fortran or len(shape) == 0 else rows_per_block(shape)
        with archive.open(info) as stream:
            stream.read(offset)
            if fortran or not shape:
                yield _filled(stream, stored_shape, dtype, info.filename).T
            else:
                for start in range(0, shape[0], rows):
                    block_shape = (min(rows, shape[0] - start), *shape[1:])
                    yield _filled(stream, block_shape, dtype, info.filename)
            if stream.read(1):  # reaching the end also checks the checksum
                raise ValueError(f"{info.filename}: expected {info.file_size} bytes, got more")

    return Stored(shape, dtype.newbyteorder("="), blocks)


def _filled(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, what: str) -> np.ndarray:
    block = np.empty(shape, dtype)
    view = block.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        piece = stream.read(min(1 << 20, len(view) - done))
        if not piece:
            raise ValueError(f"{what}: truncated, expected {len(view)} more bytes, got {done}")
        view[done : done + len(piece)] = piece
        done += len(piece)
    return block if dtype.isnative else block.astype(dtype.newbyteorder("="))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, fortran order, dtype) of a .npy stream, which is left at the beginning of the data."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "created on Python 2"
        try:
            version = npy.read_magic(stream)
            shape, fortran, dtype = readers[version](stream)
        except KeyError:
            raise ValueError(f"expected .npy format version 1.0 or 2.0, got {version[0]}.{version[1]}") from None
        except zipfile.BadZipFile:
            raise
        except Exception as error:
            # NumPy parses the header as Python and lets pass what the parser raises
            raise ValueError(f"damaged .npy header ({error})") from None
    if dtype.kind not in "buifUS":
        hint = "objects are never unpickled here; save text as np.asarray(y).astype(str)"
        raise ValueError(f"expected an array of numbers, got dtype {dtype} ({hint})")
    if any(type(length) is not int or length < 0 for length in shape) or len(shape) > 8:
        raise ValueError(f"expected an array shape, got {shape}")
    return shape, fortran, dtype
