"""Datasets: the sets known by name, the file formats they come in, and the built-in synthetic digits."""

from fastnet.data.cache import cache_dir
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
    "cache_dir",
    "convert",
    "fetch",
    "load_data",
    "make_glyphs",
    "registry",
    "show",
    "verify",
]
