"""Networks in files: what `Network.save` writes and `Network.load` reads."""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fastnet.data.npz import arrays_of
from fastnet.data.source import Source, data_error, shown
from fastnet.files import replacing
from fastnet.interrupts import uninterrupted
from fastnet.network import FORMAT, Network

if TYPE_CHECKING:
    from fastnet.data.stored import Stored

SLACK = 1 << 16  # bytes: more than a description takes, but for that of a table with many columns


def write(network: Network, path: str | os.PathLike) -> None:
    """Write the arrays, the names of classes and the description as .npz, in one go."""
    arrays = network.arrays()
    if network.class_names is not None:
        arrays["class_names"] = np.array(network.class_names)
    # zipfile, interrupted, raises a ValueError in the place of Ctrl-C.
    with uninterrupted(), replacing(path) as file:
        np.savez(file, fastnet=np.array(json.dumps(network.description())), **arrays)  # type: ignore[arg-type]


def read(cls: type[Network], path: str | os.PathLike) -> Network:
    """The ``cls`` in a file that `write` wrote; DataError on anything else."""
    try:
        with Source(path) as source, arrays_of(source) as stored:
            return _network(cls, stored, source.size)
    except FileNotFoundError:
        raise data_error(path, "no such file; expected a network saved by Network.save") from None
    except Exception as error:  # a damaged file may raise anything from zlib, zipfile, numpy or json
        reason = str(error).removeprefix(f"{shown(path)}: ")
        raise data_error(path, f"expected a network saved by Network.save: {reason}") from None


def _network(cls: type[Network], stored: "Mapping[str, Stored]", size: int) -> Network:
    """The network of the arrays in a file of ``size`` bytes, which is more than they have: `write` packs nothing."""
    if "fastnet" not in stored:
        raise ValueError("this is a zip file without its description")
    if stored["fastnet"].nbytes > max(SLACK, size):
        raise ValueError(f"expected a short description, got {stored['fastnet'].nbytes} bytes")
    about = json.loads(str(next(stored["fastnet"].blocks())[()]))
    if about["format"] > FORMAT:
        raise ValueError(f"its format {about['format']} is newer than this fastnet, which reads up to {FORMAT}")
    network = cls.from_description(about, size)
    for name, view in network.arrays().items():
        _fill(view, stored[name], name)
    if "class_names" in stored:
        if stored["class_names"].nbytes > size:
            raise ValueError("class_names must not be compressed")
        network.class_names = [name for block in stored["class_names"].blocks() for name in block.tolist()]
    return network


def _fill(view: np.ndarray, array: "Stored", name: str) -> None:
    """Fill a view of the parameters with the array of that name, block by block."""
    if array.shape != view.shape or array.dtype != view.dtype:
        raise ValueError(f"{name} must be {view.dtype} {view.shape}, got {array.dtype} {array.shape}")
    start = 0
    for block in array.blocks():
        view[start : start + len(block)] = block
        start += len(block)
