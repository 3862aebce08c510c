"""Data sets rewritten as the four IDX files or as .npz."""

import os
import warnings
from pathlib import Path
from textwrap import shorten

import numpy as np

from fastnet.data.appearing import appearing
from fastnet.data.dataset import Dataset
from fastnet.data.idx import write_idx
from fastnet.data.known import SYNTHETIC
from fastnet.data.load import load_data
from fastnet.data.source import data_error


def convert(source: str | os.PathLike, target: str | os.PathLike, *, max_bytes: int | None = None) -> Path:
    """Rewrite a set, by name or path, as an .npz file if ``target`` ends so, else as a folder of IDX files.

    The target appears when it is complete, and must not exist before. An .npz gets x_train, y_train, x_test and y_test,
    or X and y where there is one set; without labels there is no y. That a set is synthetic stays known. The names of
    classes are kept in class_names of an .npz; IDX files cannot hold them, which a UserWarning says. ``max_bytes`` is
    as for load_data. Returns the target; raises DataError.
    """
    target = Path(target)
    write = _write_npz if target.suffix == ".npz" else _write_idx_folder
    with appearing(target) as made:
        write(made, *load_data(source, max_bytes=max_bytes))
    return target


def _write_npz(path: Path, train: Dataset, test: Dataset | None) -> None:
    arrays = {}
    names = [("X", "y", train)] if test is None else [("x_train", "y_train", train), ("x_test", "y_test", test)]
    for X, y, set_ in names:
        arrays[X] = set_.X.reshape(-1, *set_.image_shape) if set_.image_shape else set_.X
        if set_.y is not None:
            arrays[y] = set_.stored_y()
    if train.synthetic:
        arrays["synthetic"] = np.array(True)
    if train.class_names is not None:
        arrays["class_names"] = np.array(train.class_names)
    with open(path, "xb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _write_idx_folder(folder: Path, train: Dataset, test: Dataset | None) -> None:
    if train.y is not None and train.y.ndim > 1:
        raise data_error(train.name, f"expected one label a row for IDX files, got y {train.y.shape}: choose an .npz")
    if train.class_names is not None:
        told = shorten(", ".join(train.class_names), 60)
        warnings.warn(f"IDX files hold no names of classes ({told}): an .npz keeps them", stacklevel=3)
    folder.mkdir()
    if train.synthetic:
        (folder / SYNTHETIC).write_text("drawn by fastnet\n", encoding="utf-8")
    for name, set_ in (("train", train), ("t10k", test)):
        if set_ is None:
            continue
        h, w = set_.image_shape or (1, set_.X.shape[1])
        write_idx(folder / f"{name}-images-idx3-ubyte", set_.X.reshape(-1, h, w))
        if set_.y is not None:
            write_idx(folder / f"{name}-labels-idx1-ubyte", set_.stored_y())
