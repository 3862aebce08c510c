"""Data sets rewritten as the four IDX files or as .npz."""

import os
from pathlib import Path

import numpy as np

from fastnet.data.atomic import appearing
from fastnet.data.dataset import Dataset, label_dtype
from fastnet.data.idx import write_idx
from fastnet.data.known import SYNTHETIC
from fastnet.data.load import load_data


def convert(source: str | os.PathLike, target: str | os.PathLike) -> Path:
    """Rewrite a set, by name or path, as an .npz file if ``target`` ends so, else as a folder of IDX files.

    The target appears when it is complete, and must not exist before. An .npz gets x_train, y_train, x_test and y_test,
    or X and y where there is one set; without labels there is no y. That a set is synthetic stays known. Returns the
    target; raises DataError.
    """
    target = Path(target)
    write = _write_npz if target.suffix == ".npz" else _write_idx_folder
    with appearing(target) as made:
        write(made, *load_data(source))
    return target


def _write_npz(path: Path, train: Dataset, test: Dataset | None) -> None:
    arrays = {}
    names = [("X", "y", train)] if test is None else [("x_train", "y_train", train), ("x_test", "y_test", test)]
    for X, y, set_ in names:
        arrays[X] = set_.X.reshape(-1, *set_.image_shape) if set_.image_shape else set_.X
        if set_.y is not None:
            arrays[y] = set_.y.astype(label_dtype(set_.n_classes))
    if train.synthetic:
        arrays["synthetic"] = np.array(True)
    with open(path, "xb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _write_idx_folder(folder: Path, train: Dataset, test: Dataset | None) -> None:
    folder.mkdir()
    if train.synthetic:
        (folder / SYNTHETIC).write_text("drawn by fastnet\n")
    for name, set_ in (("train", train), ("t10k", test)):
        if set_ is None:
            continue
        h, w = set_.image_shape or (1, set_.X.shape[1])
        write_idx(folder / f"{name}-images-idx3-ubyte", set_.X.reshape(-1, h, w))
        if set_.y is not None:
            write_idx(folder / f"{name}-labels-idx1-ubyte", set_.y.astype(label_dtype(set_.n_classes)))
