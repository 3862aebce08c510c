"""Networks as files for other programs: ONNX, safetensors and .npz."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fastnet.errors import one_of

if TYPE_CHECKING:
    from fastnet.network import Network

SUFFIXES = (".onnx", ".safetensors", ".npz")
INPUTS = ("uint8", "int64", "float32", "float64")  # types of X that an ONNX model may have


def export(network: "Network", path: str | os.PathLike, *, inputs: str | None = None) -> None:
    """Write a network in the format that the suffix of ``path`` names: .onnx, .safetensors or .npz.

    An .npz is what `Network.save` writes. ``inputs`` is for ONNX alone: see `Network.to_onnx`. Raises ValueError on
    another suffix.
    """
    suffix = one_of("the suffix of the file", Path(path).suffix, SUFFIXES)
    if inputs is not None and suffix != ".onnx":
        raise ValueError(f"inputs must be None for a {suffix} file, which holds weights and no graph, got {inputs!r}")
    if suffix == ".onnx":
        network.to_onnx(path, inputs=inputs)
    elif suffix == ".safetensors":
        network.to_safetensors(path)
    else:
        network.save(path)
