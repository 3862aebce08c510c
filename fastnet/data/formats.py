"""Files of every format that is understood, told apart by what they begin with, never by their names."""

import os
from collections.abc import Callable
from pathlib import Path

from fastnet.data.budget import Budget
from fastnet.data.csvs import TABLE, is_csv, is_text, load_csv
from fastnet.data.dataset import Dataset
from fastnet.data.folders import load_idx_pair
from fastnet.data.hdf5 import load_hdf5
from fastnet.data.idx import is_idx
from fastnet.data.known import labels_beside
from fastnet.data.matlab import load_matlab
from fastnet.data.npz import load_npy, load_npz
from fastnet.data.pickles import is_pickle, load_pickle
from fastnet.data.pictures import is_bmp, load_picture
from fastnet.data.source import Source, data_error, told_as_data_errors

Sets = tuple[Dataset, Dataset | None]


def format_of(source: Source) -> str:
    """The name of the format of an open file; raises DataError if it is none that is understood."""
    head = source.head()
    for name, recognized, _ in FORMATS:
        if recognized(head):
            return name
    if head.lstrip()[:1] == b"<":
        raise data_error(source.path, "expected data, got a web page or XML")
    known = ", ".join(name for name, _, _ in FORMATS)
    begins = head[:8].hex(" ") or "nothing"
    hint = f"; {TABLE}" if head.startswith((b"PAR1", b"ARROW1")) or is_text(head) else ""
    raise data_error(source.path, f"expected one of {known}, got a file that begins with {begins}{hint}")


def load_file(path: Path, budget: Budget) -> Sets:
    """Load a file as (train, test)."""
    with told_as_data_errors(path), Source(path, budget) as source:
        name = format_of(source)
        if source.gz and name in RANDOM_ACCESS:
            raise data_error(path, f"expected {name} as it is, got it compressed by gzip: unpack it first")
        load = next(load for format_name, _, load in FORMATS if format_name == name)
        return load(source)


def load_idx(source: Source) -> Sets:
    """Load an IDX file of images, with the labels that lie beside it under the corresponding name."""
    source.stream.close()
    path = source.path
    return load_idx_pair(path, labels_beside(path), source.budget, name=os.fspath(path)), None


RANDOM_ACCESS = {".npz", "HDF5", "MATLAB", "PNG", "JPEG", "BMP"}
FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[Source], Sets]], ...] = (
    ("IDX", is_idx, load_idx),
    (".npy", lambda head: head.startswith(b"\x93NUMPY"), load_npy),
    (".npz", lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06")), load_npz),
    ("HDF5", lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"), load_hdf5),
    ("MATLAB", lambda head: head.startswith(b"MATLAB "), load_matlab),
    ("PNG", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), load_picture),
    ("JPEG", lambda head: head.startswith(b"\xff\xd8\xff"), load_picture),
    ("BMP", is_bmp, load_picture),
    ("pickle", is_pickle, load_pickle),
    ("CSV", is_csv, load_csv),
)
