"""Where things are in ``memory``, from the records."""

from fastnet.kernels.compile.jit import inlined
from fastnet.kernels.vector.tile import NV


@inlined
def last_layer(tables):
    """The record of the last layer."""
    return tables.layers[tables.plans[0].n_layers - 1]


@inlined
def weights_at(layer, v, row, width):
    """Row ``row`` of the panel of W that holds vector v of its columns; a panel is ``width`` wide."""
    return layer.weights + v // NV * layer.weights_stride + row * width


@inlined
def transposed_at(layer, v, row, width):
    """The transposed copy of a square of W: rows row.. and vectors v.. of its columns."""
    return layer.transposed + row // width * layer.transposed_stride + v // NV * width * width


@inlined
def delta_at(layer, plan, v):
    """The panel of the delta that holds vector v of its columns."""
    return layer.delta_panels + v // NV * plan.panel_stride
