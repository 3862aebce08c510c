"""Products of rows with the panels of one layer's weights, and the activation that follows."""

from fastnet.kernels import plan as p
from fastnet.kernels.elementwise import activate
from fastnet.kernels.jit import serial
from fastnet.kernels.lanes import at, lanes
from fastnet.kernels.shapes import tile_height
from fastnet.kernels.tile import MR, NV, tile_rows

PRODUCT = -1  # in place of an activation's code: no bias and no activation


@serial
def product(memory, C, ldc, A, lda, block, B, K, first, last, vectors, ahead):
    """C[r] = A[r] B for rows first <= r < last, B one panel of K rows and up to NV vectors; all offsets in memory.

    Row r of A starts at r * lda in the first of its panels, which are ``block`` apart.

    The panel at ``ahead``, which comes next, is fetched meanwhile, by each tile a part.
    """
    width = NV * lanes(at(memory, 0))
    part = K * width // ((last - first + MR - 1) // MR)
    r = first
    while r < last:
        height, c, a = tile_height(last - r), at(memory, C + r * ldc), at(memory, A + r * lda)
        tile_rows(c, ldc, a, lda, at(memory, B), K, False, at(memory, ahead), block, height, vectors)
        r += height
        ahead += part


@serial
def layer_forward(memory, layer, first, last, begin, end, out, activation):
    """out = f(A_IN W + b) over the inputs begin <= k < end, panel by panel: the activation meets its block of Z in L1.

    With the activation PRODUCT, A_IN W alone. ``begin`` is the first input of a panel.
    """
    n, ld, K, block = lanes(at(memory, 0)), layer[p.LD_OUT], end - begin, layer[p.BLOCK_IN]
    a_in = layer[p.A_IN] + begin // (NV * n) * block
    for v in range(0, layer[p.VECTORS], NV):
        vectors = min(NV, layer[p.VECTORS] - v)
        panel = layer[p.WEIGHTS] + v // NV * layer[p.PANEL] + begin * NV * n
        ahead = panel + layer[p.PANEL] if v + NV < layer[p.VECTORS] else panel
        target = out + v // NV * layer[p.BLOCK_OUT]
        product(memory, target, ld, a_in, layer[p.LD_IN], block, panel, K, first, last, vectors, ahead)
        z, bias = at(memory, target + first * ld), at(memory, layer[p.BIAS] + v * n)
        activate(z, ld, bias, last - first, vectors, activation)
