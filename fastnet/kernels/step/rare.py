"""Which rare pieces a network's kernels call."""

from fastnet.functions import BINARY_CROSS_ENTROPY, MSE, POISSON
from fastnet.kernels.compile.jit import want_piece
from fastnet.kernels.step.dropout import drop_neurons, dropped_derivative
from fastnet.kernels.step.gradient_norm import shorten_step, unit_squares
from fastnet.kernels.step.groups import gradient_of_group, units_after_groups
from fastnet.kernels.step.loss import binary_cross_entropy, poisson_loss, squared_loss
from fastnet.kernels.step.smoothing import note_smoothing, smooth_loss

LOSSES = {BINARY_CROSS_ENTROPY: binary_cross_entropy, MSE: squared_loss, POISSON: poisson_loss}


def want_rare(plan, layers) -> None:
    """Have the code of all that kernels will call for these records, a PLAN and LAYERs."""
    loss = LOSSES.get(int(plan["loss"]))
    wanted = {
        (loss,): loss is not None,
        (drop_neurons, dropped_derivative): layers["dropout"].any(),
        (note_smoothing, smooth_loss): plan["smoothing"],
        (unit_squares, shorten_step): plan["max_norm"],
        (gradient_of_group, units_after_groups): plan["groups"],
    }
    for pieces, is_wanted in wanted.items():
        for piece in pieces if is_wanted else ():
            want_piece(piece)
