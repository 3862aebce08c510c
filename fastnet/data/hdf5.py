"""HDF5 files with x_train, y_train, x_test and y_test, at the top or in groups."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset
from fastnet.data.extras import needed
from fastnet.data.source import Source, data_error
from fastnet.data.stored import Stored, blocks_alive, from_named, rows_per_block
from fastnet.errors import DataError

OBJECTS = 1000
CHUNKS = 1000  # that are read at a time, where a row has no more
PLACE = 8192  # bytes that the HDF5 library needs for each of them meanwhile
VISIT = 2048  # bytes that it decompresses in the time that it takes to look for one


def load_hdf5(source: Source) -> tuple[Dataset, Dataset | None]:
    """Load an HDF5 file as (train, test). Links to other files, objects and strings are not followed or read."""
    h5py = needed("h5py", "h5py", source.path, "HDF5")
    try:
        with h5py.File(source.path, "r") as file:
            return from_named(dict(_arrays(h5py, file, source.budget)), source.path, source.budget)
    except DataError:
        raise
    except Exception as error:
        # h5py passes on whatever the HDF5 library says about a damaged file: OSError, KeyError, RuntimeError, ...
        raise data_error(source.path, f"damaged HDF5 file ({error})") from None


def _arrays(h5py: Any, file: Any, budget: Budget) -> Iterator[tuple[str, Stored]]:
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
                    yield prefix + name, _stored(prefix + name, dataset, budget)


def _stored(name: str, dataset: Any, budget: Budget) -> Stored:
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} keeps its data in other files, which are not read")
    itemsize, shape = dataset.dtype.itemsize, dataset.shape

    def blocks() -> Iterator[np.ndarray]:
        rows, chunks = _block_of(dataset)
        # A filter of the library decompresses a chunk into twice its size at worst.
        needed = PLACE * chunks + 2 * itemsize * math.prod(dataset.chunks or (0,))
        alive = blocks_alive(shape[0], rows)
        for start in range(0, shape[0], rows):
            n = itemsize * math.prod(shape[1:]) * min(rows, shape[0] - start)
            with budget.lent(alive * n + needed):
                budget.unpack(n + VISIT * chunks)
                yield dataset[start : start + rows]

    return Stored(shape, dataset.dtype.newbyteorder("="), blocks)


def _block_of(dataset: Any) -> tuple[int, int]:
    """(rows, chunks) that are read at a time: whole chunks, or each would be decompressed several times."""
    rows = rows_per_block(dataset.shape)
    if not dataset.chunks:
        return rows, 0
    height, *others = dataset.chunks
    across = math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape[1:], others, strict=True))
    bands = max(1, min(-(-rows // height), CHUNKS // max(1, across)))
    return bands * height, bands * across
