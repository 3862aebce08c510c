"""Files that the program writes: checked before the work, replaced in one go after it."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastnet import terminal
from fastnet.errors import UsageError
from fastnet.files import replacing


def check_writable(option: str, path: str | None) -> None:
    """Raise UsageError if the file that an option names cannot be written. None is no file."""
    if path is None:
        return
    target = Path(path)
    if target.exists() and not target.is_file():
        kind = "folder" if target.is_dir() else "device"
        raise UsageError(f"{option}: expected a file to write, got the {kind} {path}")
    folder = target.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"{option}: cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{option}: cannot write {path}: no permission in {folder}")


def written(option: str, write: Callable[[], None]) -> bool:
    """Write a file that an option asked for; if that fails, say so and return False, so that other work goes on."""
    try:
        write()
    except OSError as failure:
        terminal.error(f"{option}: not written: {failure}")
        return False
    return True


def write_json(path: str, content: dict[str, Any]) -> None:
    """Write a JSON file; NaN and infinities, which JSON has no words for, become null."""
    text = json.dumps(_plain(content), indent=1, allow_nan=False)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


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
