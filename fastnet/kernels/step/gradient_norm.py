"""A gradient held to a largest norm: the squares that a thread finds in its units, and the step made shorter.

The norm is that of a whole gradient, so the gradient is stored first. The update that follows gets the factor through
its coefficients: every rule is linear in the gradient through them, Adam's second moment quadratic.
"""

import math

from numba import carray

from fastnet.functions import ADAM, GAIN, L2, MOMENTUM, SGD_LR, STEP_GRADIENT
from fastnet.kernels.compile.jit import inlined, serial
from fastnet.kernels.vector.optimizers import N_ROW, REST1, REST2
from fastnet.kernels.vector.pointers import at, lanes, panel_width
from fastnet.kernels.vector.tile import NV


@inlined
def add_squares(memory, squares, w, l2, n, gradient):
    """Add the squares of n stored gradients, ``gradient`` behind the weights at w, to one vector of sums."""
    lane = lanes(memory)
    total = carray(at(memory, squares), (lane,))
    for i in range(0, n, lane):
        weights, gradients = carray(at(memory, w + i), (lane,)), carray(at(memory, w + gradient + i), (lane,))
        for j in range(lane):
            g = gradients[j] + l2 * weights[j]
            total[j] += g * g


@serial
def unit_squares(memory, tables, coefficients, squares, u):
    """Squares of the gradient of one unit; the last unit of a layer adds those of the bias."""
    plan, unit = tables.plans[0], tables.units[u]
    layer, width, zero = tables.layers[unit.layer], panel_width(memory), memory.dtype.type(0)
    for v in range(0, layer.vectors, NV):
        w = layer.weights + v // NV * layer.weights_stride + unit.first_row * width
        add_squares(memory, squares, w, coefficients[L2], unit.rows * width, plan.gradient)
    if unit.first_row + unit.rows == layer.fan_in:
        lane = lanes(memory)
        add_squares(memory, squares + lane, layer.bias, zero, layer.vectors * lane, plan.gradient)


@serial
def shorten_step(memory, tables, coefficients):
    """Scale what the rule takes of the gradient, so that its norm, weights and biases together, is at most max_norm."""
    plan = tables.plans[0]
    total, limit = 0.0, memory[plan.max_norm]
    for i in range(plan.squares, plan.squares + 2 * lanes(memory) * tables.units.shape[0]):
        total += memory[i]
    if not total > limit * limit:
        return
    factor = limit / math.sqrt(total)
    for first in (0, N_ROW):
        if plan.rule == ADAM:
            coefficients[first + REST1] *= factor
            coefficients[first + REST2] *= factor * factor
        elif plan.rule == MOMENTUM:
            coefficients[first + GAIN] *= factor
            coefficients[first + STEP_GRADIENT] *= factor
        else:
            coefficients[first + SGD_LR] *= factor
