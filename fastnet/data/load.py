"""load_data: from a name or a path to (train, test)."""

import os
from pathlib import Path

from fastnet.data.dataset import Dataset
from fastnet.data.fetch import fetch
from fastnet.data.folders import load_folder, load_idx_folder
from fastnet.data.formats import load_file
from fastnet.data.glyphs import load_glyphs
from fastnet.data.registry import KNOWN, KnownSet
from fastnet.data.source import data_error, shown
from fastnet.errors import DataError, one_of


def load_data(name_or_path: str | os.PathLike) -> tuple[Dataset, Dataset | None]:
    """Load a set as (train, test); test is None where the source holds one set.

    name_or_path : ``mnist``, ``fashion-mnist``, ``kmnist`` (looked for in $FASTNET_DATA/NAME, then in the user's cache
        folder, then downloaded), ``glyphs`` (drawn here, synthetic), or the path of a file or folder.
    Raises DataError, in one line that names the file; its subclass DataUnavailable if a named set is not on this
    machine and cannot be downloaded.
    """
    if name_or_path == "glyphs":
        return load_glyphs()
    if isinstance(name_or_path, str) and name_or_path in KNOWN:
        return _load_known(KNOWN[name_or_path])
    path = Path(name_or_path)
    try:
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise data_error(path, f"cannot be read: {error}") from None
    if not exists:
        raise _no_such(name_or_path)
    return load_path(path)


def load_path(path: Path) -> tuple[Dataset, Dataset | None]:
    """Load the set in an existing file or folder."""
    return load_folder(path) if path.is_dir() else load_file(path)


def _load_known(known: KnownSet) -> tuple[Dataset, Dataset | None]:
    folder = known.found
    if folder is None or folder == known.folders[-1]:
        folder = known.folders[-1]
        fetch(known, folder)
    return load_idx_folder(folder, name=known.name, n_classes=10, complete=True)


def _no_such(name_or_path: str | os.PathLike) -> DataError:
    text = os.fspath(name_or_path)
    if len(Path(text).parts) > 1 or Path(text).suffix:
        return DataError(f"{shown(text)}: no such file or folder")
    try:
        one_of("data", text, KNOWN)
    except ValueError as error:
        return DataError(f"{error} (nor is there a file or folder of that name)")
    raise AssertionError(text)
