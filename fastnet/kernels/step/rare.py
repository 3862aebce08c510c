"""Which rare pieces a network's kernels call."""

from fastnet.functions import BINARY_CROSS_ENTROPY, MSE, POISSON
from fastnet.kernels.compile.jit import want_piece
from fastnet.kernels.step.dropout import drop_neurons, dropped_derivative
from fastnet.kernels.step.gradient_norm import shorten_step, unit_squares
from fastnet.kernels.step.groups import gradient_of_group, units_after_groups
from fastnet.kernels.step.loss import binary_cross_entropy, poisson_loss, squared_loss
from fastnet.kernels.step.smoothing import note_smoothing, smooth_loss

LOSSES = {BINARY_CROSS_ENTROPY: (binary_cross_entropy,), MSE: (squared_loss,), POISSON: (poisson_loss,)}
DROPOUT = drop_neurons, dropped_derivative
SMOOTHING = note_smoothing, smooth_loss
LARGEST_NORM = unit_squares, shorten_step
GROUPS = gradient_of_group, units_after_groups


def want_rare(plan, layers) -> None:
    """Have the code of all that kernels will call for these records, a PLAN and LAYERs."""
    _want(LOSSES.get(int(plan["loss"]), ()))
    for pieces, is_wanted in (
        (DROPOUT, layers["dropout"].any()),
        (SMOOTHING, plan["smoothing"]),
        (LARGEST_NORM, plan["max_norm"]),
        (GROUPS, plan["groups"]),
    ):
        if is_wanted:
            _want(pieces)


def want_all_rare() -> None:
    """Have the code of all rare pieces."""
    for pieces in (*LOSSES.values(), DROPOUT, SMOOTHING, LARGEST_NORM, GROUPS):
        _want(pieces)


def _want(pieces) -> None:
    for piece in pieces:
        want_piece(piece)
