""".npy and .npz files, without NumPy's own reader: it allocates what a header claims and unpacks any zip bomb."""

import io
import math
import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from numpy.lib import format as npy

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset
from fastnet.data.known import labels_beside
from fastnet.data.source import Source, data_error, in_native_order, read_or_map, told_as_data_errors
from fastnet.data.stored import Stored, blocks_alive, from_named, from_parts, rows_per_block

MEMBERS = 1000
LONGEST_READ = 1 << 22  # bytes of a table of contents, or that are unpacked in one piece
LONGEST_HEADER = 10_000  # bytes; NumPy takes no longer ones either
# Of each version of the format: the bytes that the length of the header has, and what reads length and header.
HEADERS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}


def load_npy(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load a .npy file as samples, with the labels that lie beside it under the corresponding name."""
    arrays = {"X": _read_npy(source)}
    labels = labels_beside(source.path)
    if labels is not None:
        with Source(labels, source.budget) as other:
            arrays["y"] = _read_npy(other)
    return from_named(arrays, source.path, source.budget)


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
    with arrays_of(source) as arrays:
        if len(arrays) != 1 or labels is None:
            return from_named(arrays, source.path, source.budget)
    with Source(source.path, source.budget) as again, Source(labels, source.budget) as other:
        return load_npz_pair(again, other), None


def load_npz_pair(images: Source, labels: Source) -> Dataset:
    """Load images and labels that lie in two .npz files with one array each."""
    with arrays_of(images) as X, arrays_of(labels) as y:
        if len(X) != 1 or len(y) != 1:
            got = f"{len(X)} and {len(y)}"
            raise data_error(images.path, f"expected one array in it and in {labels.path.name}, got {got}")
        return from_parts([(next(iter(X.values())), next(iter(y.values())))], images.path, images.budget)


@contextmanager
def arrays_of(source: Source) -> Iterator[dict[str, Stored]]:
    """The arrays of an .npz file by name, to be read before it is closed. Raises DataError."""
    with told_as_data_errors(source.path):
        try:
            with zipfile.ZipFile(_InPieces(source.stream)) as archive:
                yield _members(archive, source.budget)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error) as error:
            raise data_error(source.path, f"damaged .npz file ({error})") from None


class _InPieces:
    """A file for zipfile, which reads a table of contents in one piece, however long that is."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, n: int = -1) -> bytes:
        data = self._stream.read(n if 0 <= n <= LONGEST_READ else LONGEST_READ + 1)
        if len(data) > LONGEST_READ:
            raise ValueError(f"expected a table of contents of at most {LONGEST_READ} bytes in an .npz file, got more")
        return data


def _members(archive: zipfile.ZipFile, budget: Budget) -> dict[str, Stored]:
    infos = archive.infolist()
    if len(infos) > MEMBERS:
        raise ValueError(f"expected at most {MEMBERS} arrays in an .npz file, got {len(infos)}")
    arrays = {}
    for info in infos:
        if not info.filename.endswith(".npy"):
            raise ValueError(f"expected .npy members in an .npz file, got {info.filename!r}")
        # The others are unpacked without a limit by zipfile.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"expected members as np.savez_compressed packs them, got {info.filename!r} otherwise")
        name = info.filename.removesuffix(".npy")
        if name in arrays:
            raise ValueError(f"expected different names in an .npz file, got {name!r} twice")
        arrays[name] = _member(archive, info, budget)
    return arrays


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Stored:
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream)
        offset = stream.tell()
    expected = dtype.itemsize * math.prod(shape)
    if info.file_size - offset != expected:
        raise ValueError(
            f"{info.filename}: expected {expected} bytes for an array of shape {shape}, got {info.file_size - offset}"
        )

    def blocks() -> Iterator[np.ndarray]:
        with archive.open(info) as stream:
            stream.read(offset)
            shapes = [shape[::-1]] if fortran else list(_block_shapes(shape))
            alive = blocks_alive(len(shapes), 1)
            for block_shape in shapes:
                with budget.lent(alive * dtype.itemsize * math.prod(block_shape)):
                    block = _filled(stream, block_shape, dtype, info.filename, budget)
                    yield block.T if fortran else block
            if stream.read(1):  # reaching the end also checks the checksum
                raise ValueError(f"{info.filename}: expected {info.file_size} bytes, got more")

    return Stored(shape, dtype.newbyteorder("="), blocks)


def _block_shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The shapes of blocks of rows that make up an array; of an array without axes there is one."""
    if not shape:
        yield shape
        return
    rows = rows_per_block(shape)
    for start in range(0, shape[0], rows):
        yield min(rows, shape[0] - start), *shape[1:]


def _filled(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, what: str, budget: Budget) -> np.ndarray:
    block = np.empty(shape, dtype)
    view = block.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        piece = stream.read(min(1 << 20, len(view) - done))
        if not piece:
            raise ValueError(f"{what}: truncated, expected {len(view)} more bytes, got {done}")
        budget.unpack(len(piece))
        view[done : done + len(piece)] = piece
        done += len(piece)
    return block if dtype.isnative else in_native_order(block)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, fortran order, dtype) of a .npy stream, which is left at the beginning of the data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "created on Python 2"
        try:
            version = npy.read_magic(stream)
            length_bytes, read_header = HEADERS[version]
            start = stream.read(length_bytes)
            length = int.from_bytes(start, "little")
            if length > LONGEST_HEADER:
                raise ValueError(f"it claims {length} bytes, expected at most {LONGEST_HEADER}")
            shape, fortran, dtype = read_header(io.BytesIO(start + stream.read(length)))
        except KeyError:
            raise ValueError(f"expected .npy format version 1.0 or 2.0, got {version[0]}.{version[1]}") from None
        except zipfile.BadZipFile:
            raise
        except Exception as error:
            # NumPy parses the header as Python and lets pass what the parser raises
            raise ValueError(f"damaged .npy header ({error})") from None
    if dtype.kind not in "buifUS" or not dtype.itemsize:
        hint = "objects are never unpickled here; save text as np.asarray(y).astype(str)"
        raise ValueError(f"expected an array of numbers, got dtype {dtype} ({hint})")
    if any(type(length) is not int or length < 0 for length in shape) or len(shape) > 8:
        raise ValueError(f"expected an array shape, got {shape}")
    return shape, fortran, dtype
