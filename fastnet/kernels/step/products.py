"""Products of rows with the panels of one layer's weights, and the activation that follows."""

from fastnet.kernels.compile.jit import serial
from fastnet.kernels.step.places import weights_at
from fastnet.kernels.step.records import Operand
from fastnet.kernels.vector.activations import activate
from fastnet.kernels.vector.pointers import at, lanes, panel_width
from fastnet.kernels.vector.shapes import tile_height
from fastnet.kernels.vector.tile import MR, NV, tile_rows

PRODUCT = -1  # in place of an activation's code, which `activate` does not have: it then does nothing


@serial
def product(memory, C, ldc, A, B, K, rows, vectors, ahead):
    """C[r] = A[r] B for a Span of rows, with B one panel of K rows and up to NV vectors.

    C, at row stride ``ldc``, and B are offsets in memory, A is an Operand. While it computes, each tile prefetches a
    part of the panel at ``ahead``, the next one.
    """
    part = K * panel_width(memory) // ((rows.stop - rows.start + MR - 1) // MR)
    r = rows.start
    while r < rows.stop:
        height, c, a = tile_height(rows.stop - r), at(memory, C + r * ldc), at(memory, A.offset + r * A.row_stride)
        b, next_ = at(memory, B), at(memory, ahead)
        tile_rows(c, ldc, a, A.row_stride, b, K, False, next_, A.panel_stride, height, vectors)
        r += height
        ahead += part


@serial
def layer_forward(memory, out, layer, rows, inputs, activation):
    """out = f(a_in W + b) over a Span of inputs, panel by panel: the activation meets its block of Z in L1.

    With the activation PRODUCT, out = a_in W alone. ``inputs`` start at a panel.
    """
    lane, width, ld = lanes(memory), panel_width(memory), layer.row_stride_out
    offset = layer.a_in + inputs.start // width * layer.panel_stride_in
    a_in = Operand(offset, layer.row_stride_in, layer.panel_stride_in)
    for v in range(0, layer.vectors, NV):
        vectors = min(NV, layer.vectors - v)
        w = weights_at(layer, v, inputs.start, width)
        ahead = w + layer.weights_stride if v + NV < layer.vectors else w
        z = out + v // NV * layer.panel_stride_out
        product(memory, z, ld, a_in, w, inputs.stop - inputs.start, rows, vectors, ahead)
        bias = at(memory, layer.bias + v * lane)
        activate(at(memory, z + rows.start * ld), ld, bias, rows.stop - rows.start, vectors, activation)
