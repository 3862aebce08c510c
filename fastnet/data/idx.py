"""IDX, the format of the MNIST files: 00 00 type ndim, the dimensions as big-endian uint32, the data in C order."""

import os
import struct
from pathlib import Path

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.source import Source, data_error, read_or_map, told_as_data_errors

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def is_idx(head: bytes) -> bool:
    """Whether a file that begins with these bytes is IDX."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 4


def read_idx(path: str | os.PathLike, budget: Budget | None = None) -> np.ndarray:
    """Read an IDX file, plain or gzip, as an array in native byte order; large plain ones are mapped read-only.

    Raises DataError if the magic number, the dimensions, the length or the gzip checksum is wrong.
    """
    with told_as_data_errors(path), Source(path, budget) as source:
        return _read(source)


def read_images(path: str | os.PathLike, budget: Budget | None = None) -> np.ndarray:
    """Read an IDX file of images or rows: (n, h, w) or (n, d)."""
    images = read_idx(path, budget)
    if images.ndim not in (2, 3):
        kind = "labels (give the image file or the folder)" if images.ndim == 1 else f"shape {images.shape}"
        raise data_error(path, f"expected IDX images (n, h, w) or rows (n, d), got {kind}")
    return images


def read_labels(path: str | os.PathLike, budget: Budget | None = None) -> np.ndarray:
    """Read an IDX file of labels: (n,)."""
    labels = read_idx(path, budget)
    if labels.ndim != 1:
        raise data_error(path, f"expected IDX labels of one dimension, got shape {labels.shape}")
    return labels


def header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """The bytes that an IDX file of this shape and type begins with."""
    code = CODES[dtype.str[1:]]
    return struct.pack(f">2xBB{len(shape)}I", code, len(shape), *shape)


def big_endian(array: np.ndarray) -> memoryview:
    """The bytes of an array in the order that IDX has them."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder(">")).data


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write an array of a type that IDX has, in bounded memory. The file must not exist."""
    if max(array.shape) >= 2**32:
        raise data_error(path, f"expected fewer than 2^32 rows, got {max(array.shape)}")
    with open(path, "xb") as file:
        file.write(header(array.shape, array.dtype))
        rows = max(1, (1 << 20) // max(1, array[:1].size))
        for start in range(0, len(array), rows):
            block = array[start : start + rows]
            file.write(big_endian(block))


def _read(source: Source) -> np.ndarray:
    magic = source.stream.read(4)
    if len(magic) < 4:
        raise data_error(source.path, f"truncated: expected an IDX header, got {len(magic)} bytes")
    if not is_idx(magic):
        raise data_error(source.path, f"expected the IDX magic number 00 00 08 03 or 00 00 08 01, got {_told(magic)}")
    ndim = magic[3]
    dims = struct.unpack(f">{ndim}I", source.exactly(4 * ndim, "IDX dimensions"))
    return read_or_map(source, dims, np.dtype(TYPES[magic[2]]), "IDX data")


def _told(magic: bytes) -> str:
    told = magic.hex(" ")
    if magic[:2] == b"\x1f\x8b":
        return f"{told} (gzip inside gzip)"
    if is_idx(magic[::-1]):
        return f"{told} (the bytes of an IDX header in the wrong order)"
    if magic.lstrip()[:1] == b"<":
        return f"{told} (a web page?)"
    return told
