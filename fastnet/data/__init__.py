"""Datasets: the sets known by name, the file formats they come in, and the built-in synthetic digits.

The names are imported when they are first asked for, since training itself needs ``fastnet.data.arrays`` alone.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet.data.conversion import convert
    from fastnet.data.dataset import Dataset
    from fastnet.data.describe import Description, show, verify
    from fastnet.data.download import DataUnavailable, fetch
    from fastnet.data.glyphs import make_glyphs
    from fastnet.data.known import registry
    from fastnet.data.load import load_data

__all__ = [
    "DataUnavailable",
    "Dataset",
    "Description",
    "convert",
    "fetch",
    "load_data",
    "make_glyphs",
    "registry",
    "show",
    "verify",
]

_MODULES = {
    "DataUnavailable": "download",
    "Dataset": "dataset",
    "Description": "describe",
    "convert": "conversion",
    "fetch": "download",
    "load_data": "load",
    "make_glyphs": "glyphs",
    "registry": "known",
    "show": "describe",
    "verify": "describe",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
