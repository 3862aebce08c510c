"""The table of all generators, and what is done with what they make."""

import importlib.util
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastnet import Network
from fastnet.data import Dataset, load_data, verify
from fuzzing import arrays, columns, images, kept, networks, pickles, tables, trees
from fuzzing.changes import damaged

DAMAGED = 0.3  # of the inputs are damaged besides


@dataclass(frozen=True)
class Format:
    """A kind of input: what makes the files of one, what reads them, which of them, and the package that is needed.

    entry : the path of the file to read, or "." for the folder.
    """

    make: Callable[[random.Random], dict[str, bytes]]
    read: Callable[[Path], Any]
    entry: str = "file"
    package: str = "numpy"

    @property
    def is_there(self) -> bool:
        """Whether the package is installed."""
        return importlib.util.find_spec(self.package) is not None


def check_sets(path: Path) -> None:
    """Load a data set, and look whether it is one; then describe it."""
    for set_ in load_data(path):
        if set_ is not None:
            _check_set(set_)
    verify(path)


def _check_set(set_: Dataset) -> None:
    X, y = set_.X, set_.y
    assert X.ndim == 2
    assert X.dtype in (np.uint8, np.float32, np.float64)
    assert X.flags.c_contiguous
    assert np.isfinite([X.min(), X.max()]).all()
    if set_.holds_values:
        assert len(y) == len(X)
        assert y.dtype in (np.float32, np.float64)
        assert np.isfinite(y).all()
    elif y is not None:
        assert y.shape == (len(X),)
        assert y.dtype == np.int64
        assert 0 <= y.min() <= y.max() < set_.n_classes


def check_network(path: Path) -> None:
    """Load a network, and look whether it can be used."""
    found = Network.load(path)
    assert found.params.size == sum(W.size + b.size for W, b in zip(found.W, found.b, strict=True))
    assert repr(found)


FORMATS = {
    "idx": Format(arrays.idx, check_sets),
    "idx-folder": Format(arrays.idx_folder, check_sets, "."),
    "npy": Format(arrays.npy, check_sets, "X.npy"),
    "npz": Format(arrays.npz, check_sets),
    "pickle": Format(pickles.pickles, check_sets),
    "csv": Format(tables.csv, check_sets),
    "table": Format(columns.csv, columns.check_table, package="pyarrow"),
    "parquet": Format(columns.parquet, columns.check_table, package="pyarrow"),
    "feather": Format(columns.feather, columns.check_table, package="pyarrow"),
    "mat": Format(tables.matlab, check_sets),
    "hdf5": Format(trees.hdf5, check_sets, package="h5py"),
    "picture": Format(images.picture, check_sets, package="PIL"),
    "picture-folder": Format(images.picture_folder, check_sets, ".", "PIL"),
    "network": Format(networks.network, check_network),
    "checkpoint": Format(kept.checkpoint, kept.gone_on_with),
}


def make(name: str, seed: int, index: int) -> dict[str, bytes]:
    """The files of input ``index`` of a format, by their paths. The same numbers give the same files."""
    rng = random.Random(f"{seed} {name} {index}")
    files = FORMATS[name].make(rng)
    if rng.random() < DAMAGED:
        victim = rng.choice(sorted(files)) if files else None
        return {path: damaged(rng, data) if path == victim else data for path, data in files.items()}
    return files


def write(name: str, files: dict[str, bytes], folder: Path) -> Path:
    """Write the files of an input of a format into an empty folder. Returns what is to be read."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder / FORMATS[name].entry
