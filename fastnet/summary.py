"""What a network consists of, as a table: layers, shapes, parameters, bytes, FLOPs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastnet import flops
from fastnet.functions import ACTIVATIONS

if TYPE_CHECKING:
    from fastnet.network import Network

HEAD = ("layer", "weights", "activation", "parameters", "bytes", "FLOPs", "training")
NOTE = (
    "FLOPs: of the dense products, 2 per weight, for the outputs of one row.",
    "training: FLOPs of the outputs and gradients of one row in a training step.",
)


@dataclass(frozen=True)
class Layer:
    """One line of the table; ``flops`` and ``training`` are those of one row."""

    name: str
    weights: str
    activation: str
    parameters: int
    bytes: int
    flops: int
    training: int

    def cells(self) -> list[str]:
        """The line as text."""
        numbers = (self.parameters, self.bytes, self.flops, self.training)
        return [self.name, self.weights, self.activation, *map(grouped, numbers)]


def layers(net: "Network") -> list[Layer]:
    """The layers of a network, from the inputs on, and a last line with the totals."""
    names = {code: name for name, code in ACTIVATIONS.items()}
    costs = zip(net.W, net.b, net.activations, flops.forward(net.sizes), flops.training(net.sizes), strict=True)
    found = []
    for l, (W, b, code, forward, training) in enumerate(costs, 1):
        shape = " x ".join(map(str, W.shape))
        found.append(Layer(str(l), shape, names[code], W.size + b.size, W.nbytes + b.nbytes, forward, training))
    return [*found, _total(found)]


def _total(found: list[Layer]) -> Layer:
    sums = (sum(getattr(layer, name) for layer in found) for name in ("parameters", "bytes", "flops", "training"))
    return Layer("total", "", "", *sums)


def text(net: "Network") -> str:
    """The table, with a title and what its columns count."""
    rows = [list(HEAD), *(layer.cells() for layer in layers(net))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"Network {'-'.join(map(str, net.sizes))}, {net.dtype.name}", ""]
    lines += [_line(row, widths) for row in rows]
    return "\n".join([*lines, "", *NOTE])


def _line(cells: list[str], widths: list[int]) -> str:
    """Words on the left, numbers on the right of their columns."""
    words, numbers = list(zip(cells, widths, strict=True))[:3], list(zip(cells, widths, strict=True))[3:]
    parts = [cell.ljust(width) for cell, width in words] + [cell.rjust(width) for cell, width in numbers]
    return "  ".join(parts).rstrip()


def grouped(n: int) -> str:
    """A whole number with its thousands apart."""
    return f"{n:,}".replace(",", " ")
