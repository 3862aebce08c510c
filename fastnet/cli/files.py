"""Files that the program writes: checked before the work, replaced in one go after it."""

import contextlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastnet import terminal
from fastnet.errors import UsageError
from fastnet.files import replacing, try_to_make


def check_writable(option: str, path: str | None) -> None:
    """Raise UsageError if the file that an option names cannot be written. None is no file."""
    if path is None:
        return
    target = Path(path)
    if os.path.exists(path) and not target.is_file():
        kind = "folder" if target.is_dir() else "device"
        raise UsageError(f"{option}: expected a file to write, got the {kind} {path}")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise UsageError(f"{option}: cannot write {path}: there is no folder {folder}")
    try:
        try_to_make(path)
    except PermissionError:
        raise UsageError(f"{option}: cannot write {path}: no permission in {folder}") from None
    except OSError as failure:
        raise UsageError(f"{option}: cannot write {path}: {failure.strerror or failure}") from None


def written(option: str, path: str, write: Callable[[str], None]) -> bool:
    """Write a file that an option asked for; where that fails, write it elsewhere, say so and return False."""
    try:
        write(path)
    except OSError as failure:
        place = _rescued(path, write)
        terminal.error(f"{option}: not written: {failure}" + (f"; it is in {place} instead" if place else ""))
        return False
    return True


def _rescued(path: str, write: Callable[[str], None]) -> str | None:
    """Write a file beside the one that could not be written, or else in another folder; returns where it is now."""
    import tempfile  # here, since few runs come here

    for folder in (os.path.dirname(os.path.abspath(path)), os.getcwd(), tempfile.gettempdir()):
        place = os.path.join(folder, f"fastnet-{os.urandom(4).hex()}{os.path.splitext(path)[1][:8]}")
        with contextlib.suppress(OSError):
            write(place)
            return place
    return None


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
