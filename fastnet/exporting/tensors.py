"""A network as a safetensors file: its arrays by name, and its description as JSON."""

import json
from typing import TYPE_CHECKING

from fastnet.data.extras import required

if TYPE_CHECKING:
    from fastnet.network import Network


def safetensors_bytes(network: "Network") -> bytes:
    """The content of the file, the same bytes for the same network. Raises ImportError without safetensors.

    All of the description is one entry of the metadata: the library writes several in an order that changes from run
    to run.
    """
    library = required("safetensors.numpy", "safetensors", "a safetensors file", "export")
    about = network.description() | {"class_names": network.class_names}
    return library.save(network.arrays(), {"fastnet": json.dumps(about)})
