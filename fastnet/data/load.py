"""load_data: from a name or a path to (train, test)."""

import difflib
import os
from pathlib import Path
from typing import overload

from fastnet.data.budget import Budget
from fastnet.data.dataset import Dataset
from fastnet.data.download import fetch
from fastnet.data.folders import load_folder, load_idx_folder
from fastnet.data.formats import load_file
from fastnet.data.glyphs import load_glyphs
from fastnet.data.known import KNOWN, KnownSet, SetName
from fastnet.data.shards import is_pattern, load_shards
from fastnet.data.source import data_error, told_as_data_errors
from fastnet.errors import DataError


@overload
def load_data(name_or_path: SetName, *, max_bytes: int | None = None) -> tuple[Dataset, Dataset]: ...
@overload
def load_data(
    name_or_path: str | os.PathLike, *, max_bytes: int | None = None, part: tuple[int, int] = (0, 1)
) -> tuple[Dataset, Dataset | None]: ...
def load_data(
    name_or_path: str | os.PathLike, *, max_bytes: int | None = None, part: tuple[int, int] = (0, 1)
) -> tuple[Dataset, Dataset | None]:
    """Load a set as (train, test); test is None where the source holds one set.

    name_or_path : ``mnist``, ``fashion-mnist``, ``kmnist`` (looked for in $FASTNET_DATA/NAME, then in the user's cache
        folder, then downloaded), ``glyphs`` (drawn here, synthetic), the path of a file or folder, or a pattern like
        ``shards/*.npy`` of files with the same columns.
    max_bytes : the memory that the content may take. None means 268 MB, or four times the size of the files if that is
        more. What is mapped from a large .npy or IDX file does not count.
    part : (k, n) loads the k-th of n parts of the files that match a pattern, as the k-th of n processes wants them.
    Raises DataError, in one line that names the file; its subclass DataUnavailable if a named set is not on this
    machine and cannot be downloaded.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(f"data must be a name or a path, got {type(name_or_path).__name__}")
    pattern, budget = is_pattern(os.fspath(name_or_path)), Budget(max_bytes)
    if part != (0, 1) and not pattern:
        raise ValueError(f"part is for a pattern of files, got {part} for {os.fspath(name_or_path)!r}")
    if name_or_path == "glyphs":
        return load_glyphs()
    with told_as_data_errors(name_or_path):
        if isinstance(name_or_path, str) and name_or_path in KNOWN:
            return _load_known(KNOWN[name_or_path], budget)
        if pattern:
            return load_shards(os.fspath(name_or_path), budget, part), None
        path = Path(name_or_path)
        if not path.exists():
            raise _no_such(os.fspath(name_or_path))
        return load_folder(path, budget) if path.is_dir() else load_file(path, budget)


def _load_known(known: KnownSet, budget: Budget) -> tuple[Dataset, Dataset | None]:
    return load_idx_folder(fetch(known.name), budget, name=known.name, n_classes=10, complete=True)


def _no_such(text: str) -> DataError:
    if text.lower() not in KNOWN and (len(Path(text).parts) > 1 or Path(text).suffix):
        return data_error(text, "no such file or folder")
    near = difflib.get_close_matches(text.lower(), KNOWN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return DataError(f"data must be one of {', '.join(KNOWN)} or the path of a file or folder, got {text!r}{hint}")
