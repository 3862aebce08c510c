"""A gradient held to a largest norm: the squares that a thread finds in its units, and the step made shorter.

The norm is that of a whole gradient, so the gradient is stored first.
"""

import math

from numba import carray

from fastnet.functions import L2
from fastnet.kernels.compile.jit import inlined, rare_piece
from fastnet.kernels.step.places import weights_at
from fastnet.kernels.vector.optimizers import N_ROW, SHRINK
from fastnet.kernels.vector.pointers import at, lanes, panel_width
from fastnet.kernels.vector.tile import NV


@inlined
def squares_of(memory, plan, u):
    """Where unit u leaves its sums of squares: a vector for W, then one for the bias."""
    return plan.squares + 2 * u * lanes(memory)


@inlined
def add_squares(memory, squares, w, l2, n, gradient):
    """Add the squares of g + l2 w to one vector of sums, for n weights w whose g is ``gradient`` behind them."""
    lane = lanes(memory)
    total = carray(at(memory, squares), (lane,))
    for i in range(0, n, lane):
        weights, gradients = carray(at(memory, w + i), (lane,)), carray(at(memory, w + gradient + i), (lane,))
        for j in range(lane):
            g = gradients[j] + l2 * weights[j]
            total[j] += g * g


@rare_piece
def unit_squares(memory, tables, coefficients, u):
    """Squares of the gradient of one unit; the last unit of a layer adds those of the bias."""
    plan, unit = tables.plans[0], tables.units[u]
    layer, width, zero = tables.layers[unit.layer], panel_width(memory), memory.dtype.type(0)
    squares = squares_of(memory, plan, u)
    for v in range(0, layer.vectors, NV):
        w = weights_at(layer, v, unit.first_row, width)
        add_squares(memory, squares, w, coefficients[L2], unit.rows * width, plan.gradient)
    if unit.first_row + unit.rows == layer.fan_in:
        lane = lanes(memory)
        add_squares(memory, squares + lane, layer.bias, zero, layer.vectors * lane, plan.gradient)


@rare_piece
def shorten_step(coefficients, memory, tables):
    """Have the gradient shrunk so that its norm, weights and biases together, is at most max_norm.

    Where its squares go beyond all numbers it becomes zero, as in the reference.
    """
    plan = tables.plans[0]
    total, limit = 0.0, memory[plan.max_norm]
    for i in range(plan.squares, plan.squares + 2 * lanes(memory) * tables.units.shape[0]):
        total += memory[i]
    if total > limit * limit:
        coefficients[SHRINK] = coefficients[N_ROW + SHRINK] = limit / math.sqrt(total)
