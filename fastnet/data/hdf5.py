"""HDF5 files with x_train, y_train, x_test and y_test, at the top or in groups."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnet.data.dataset import Dataset
from fastnet.data.extras import needed
from fastnet.data.source import Source, data_error
from fastnet.data.stored import Stored, from_named, rows_per_block
from fastnet.errors import DataError

CHUNK = 1 << 28  # HDF5 decompresses whole chunks
OBJECTS = 1000


def load_hdf5(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load an HDF5 file as (train, test). Links to other files, objects and strings are not followed or read."""
    h5py = needed("h5py", "h5py", source.path, "HDF5")
    try:
        with h5py.File(source.path, "r") as file:
            return from_named(dict(_arrays(h5py, file, source.unpacked_limit)), source.path)
    except DataError:
        raise
    except Exception as error:
        # h5py passes on whatever the HDF5 library says about a damaged file: OSError, KeyError, RuntimeError, ...
        raise data_error(source.path, f"damaged HDF5 file ({error})") from None


def _arrays(h5py: Any, file: Any, limit: int) -> Iterator[tuple[str, Stored]]:
    """The arrays at the top and one group deep, as (name, Stored)."""
    groups = [("", file)]
    seen = 0
    for prefix, group in groups:
        for name in group:
            seen += 1
            if seen > OBJECTS:
                raise ValueError(f"expected at most {OBJECTS} objects, got more")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            kind = group.get(name, getclass=True)
            if kind is h5py.Group and not prefix:
                groups.append((f"{name}/", group[name]))
            elif kind is h5py.Dataset:
                dataset = group[name]
                if dataset.dtype.kind in "buif" and dataset.shape:
                    yield prefix + name, _stored(prefix + name, dataset, limit)


def _stored(name: str, dataset: Any, limit: int) -> Stored:
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} keeps its data in other files, which are not read")
    if dataset.size * dataset.dtype.itemsize > limit:
        raise ValueError(f"{name} claims shape {dataset.shape}, more than two hundred times the file's size")
    if dataset.chunks and int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize > CHUNK:
        raise ValueError(f"{name} has chunks of {dataset.chunks}, expected at most {CHUNK} bytes in a chunk")

    def blocks() -> Iterator[np.ndarray]:
        rows = rows_per_block(dataset.shape)
        if dataset.chunks:  # whole chunks, or each would be decompressed several times
            rows = -(-rows // dataset.chunks[0]) * dataset.chunks[0]
        for start in range(0, dataset.shape[0], rows):
            yield dataset[start : start + rows]

    return Stored(dataset.shape, dataset.dtype.newbyteorder("="), blocks)
