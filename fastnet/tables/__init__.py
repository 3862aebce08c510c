"""Tables with a header: columns of numbers, text and gaps, and what becomes of them."""

from fastnet.tables.loading import load_table
from fastnet.tables.preprocess import Preprocess

__all__ = ["Preprocess", "load_table"]
