"""Packages that only some formats need."""

import importlib
import os
from types import ModuleType

from fastnet.data.source import data_error


def needed(module: str, package: str, path: str | os.PathLike, format_name: str) -> ModuleType:
    """Import a module that a format needs, or say which package brings it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing = f"{format_name} needs {package}, which is not installed: pip install {package}"
        raise data_error(path, missing) from None
