"""Packages that only some formats and functions need."""

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


def required(module: str, package: str, what: str, extra: str) -> ModuleType:
    """Import a module of an extra, or raise an ImportError that says which package and which extra bring it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing = f"{what} needs {package}, which is not installed: pip install {package}"
        raise ImportError(f"{missing}, or install fastnet with its extra {extra!r}") from None
