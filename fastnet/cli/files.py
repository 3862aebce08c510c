"""Files that the program writes: checked before the work, replaced in one go after it."""

import contextlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from fastnet.cli.parser import UsageError


def check_writable(option: str, path: str | None) -> None:
    """Raise UsageError if the file that an option names cannot be written. None is no file."""
    if path is None:
        return
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{option}: expected a file to write, got the folder {path}")
    if target.exists() and not target.is_file():  # a pipe or a device
        return
    folder = target.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"{option}: cannot write {path}: there is no folder {folder}")
    existing = target if target.exists() else folder
    if not os.access(existing, os.W_OK) or not os.access(folder, os.X_OK):
        raise UsageError(f"{option}: cannot write {path}: no permission")


def write(path: str, mode: str, fill: Callable[[IO], object]) -> None:
    """Write a file by ``fill(file)``: as a temporary beside it that is moved into place when it is complete.

    mode : "w" for text in UTF-8 or "wb".
    """
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    target = Path(path)
    if target.exists() and not target.is_file():  # a pipe or a device is written, not replaced
        with open(target, mode, encoding=encoding, newline=newline) as file:
            fill(file)
        return
    target = target.resolve()  # what a link points to is replaced, not the link
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(partial, mode, encoding=encoding, newline=newline) as file:
            fill(file)
        os.replace(partial, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


def write_json(path: str, content: dict[str, Any]) -> None:
    """Write a JSON file; NaN and infinities, which JSON has no words for, become null."""
    text = json.dumps(_plain(content), indent=1, allow_nan=False)
    write(path, "w", lambda file: file.write(text + "\n"))


def _plain(value: Any) -> Any:
    """The value in the types of JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
