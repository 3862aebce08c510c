"""Datasets: the sets known by name, the file formats they come in, and the built-in synthetic digits."""

from fastnet.data.dataset import Dataset
from fastnet.data.fetch import DataUnavailable
from fastnet.data.glyphs import make_glyphs
from fastnet.data.load import load_data
from fastnet.data.registry import registry

__all__ = ["DataUnavailable", "Dataset", "load_data", "make_glyphs", "registry"]
