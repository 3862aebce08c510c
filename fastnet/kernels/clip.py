"""A gradient held to a largest norm: the squares that a thread finds in its units, and the step made shorter.

The norm is that of a whole gradient, so the gradient is stored first; the update that follows gets the factor through
its coefficients, in which every rule is linear in the gradient, and Adam's second moment quadratic.
"""

import math

from numba import carray

from fastnet.functions import ADAM, GAIN, L2, MOMENTUM, SGD_LR, STEP_GRADIENT
from fastnet.kernels import plan as p
from fastnet.kernels.jit import inlined, serial
from fastnet.kernels.lanes import at, lanes
from fastnet.kernels.tile import NV
from fastnet.kernels.update import N_ROW, REST1, REST2


@inlined
def add_squares(memory, squares, w, l2, n, plan):
    """Add the squares of the n stored gradients of the weights at ``w`` to one vector of sums."""
    lane = lanes(at(memory, 0))
    total = carray(at(memory, squares), (lane,))
    for i in range(0, n, lane):
        weights, gradients = carray(at(memory, w + i), (lane,)), carray(at(memory, w + plan[p.GRADIENT] + i), (lane,))
        for j in range(lane):
            g = gradients[j] + l2 * weights[j]
            total[j] += g * g


@serial
def unit_squares(memory, coefficients, squares, unit, plan, layers):
    """Squares of the gradient of one block of rows of W, and where it ends its layer those of the bias."""
    layer, row, rows, lane = layers[unit[p.LAYER]], unit[p.FIRST_ROW], unit[p.ROWS], lanes(at(memory, 0))
    width, zero = NV * lane, memory.dtype.type(0)
    for v in range(0, layer[p.VECTORS], NV):
        w = layer[p.WEIGHTS] + v // NV * layer[p.PANEL] + row * width
        add_squares(memory, squares, w, coefficients[L2], rows * width, plan)
    if row + rows == layer[p.FAN_IN]:
        add_squares(memory, squares + lane, layer[p.BIAS], zero, layer[p.VECTORS] * lane, plan)


@serial
def shorten_step(memory, coefficients, n_units, plan):
    """Scale what the rule takes of the gradient, for weights and biases, so that its norm is at most MAX_NORM."""
    total, limit = 0.0, memory[plan[p.MAX_NORM]]
    for i in range(plan[p.SQUARES], plan[p.SQUARES] + 2 * lanes(at(memory, 0)) * n_units):
        total += memory[i]
    if not total > limit * limit:
        return
    factor = limit / math.sqrt(total)
    for first in (0, N_ROW):
        if plan[p.RULE] == ADAM:
            coefficients[first + REST1] *= factor
            coefficients[first + REST2] *= factor * factor
        elif plan[p.RULE] == MOMENTUM:
            coefficients[first + GAIN] *= factor
            coefficients[first + STEP_GRADIENT] *= factor
        else:
            coefficients[first + SGD_LR] *= factor
