"""What describes a network and its buffers to the kernels: records of numbers, and bundles of arrays.

Sizes and offsets travel as data, so another width, depth, batch or activation compiles nothing new. Offsets count
elements of ``memory``, the one array that holds weights, moments and scratch, unless they say otherwise. The driver
builds the records once (fastnet.engine.workspace); kernels only read them.

A record cannot enter a parallel region by itself. So ``plans`` is an array, often of one record, and kernels begin with
``plan = tables.plans[0]``.
"""

from typing import NamedTuple

import numpy as np

DENSE, SKIP, LISTS = range(3)  # plan.input: all inputs; those whose flag is not zero; those listed in a CSR matrix
# A step's action: keep the gradient; update; update W[0] sample by sample; update by a gradient that is kept.
STORE, UPDATE, SCATTER, APPLY = range(4)
# Rows of ``samples``: for each row of a chunk its row of X, its place, its label, its number among all trained on; for
# the first rows, too, which row of X will come in their place.
SAMPLE, PLACE, LABEL, NUMBER, NEXT = range(5)
SAMPLE_ROWS = 5


def _record(*names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in names])


# One for each weight matrix. Activations and deltas lie in panels, [panel of NV vectors of columns][row][NV vectors],
# as weights do: every product and every gradient then streams memory. Two buffers are row-major instead: X when zeros
# are skipped, and the outputs, because the loss reads whole rows. Their panels are side by side: the row stride is that
# of a whole row, the panel stride the width of a panel.
LAYER = _record(
    "fan_in",
    "fan_out",
    "vectors",  # that cover fan_out
    "weights",  # panels of W: [panel][fan_in, padded][NV vectors]
    "weights_stride",  # from one panel to the next
    "transposed",  # panels of W transposed: [panel over fan_in][fan_out, padded][NV vectors]; not for the first layer
    # and not for predictions
    "transposed_stride",
    "bias",
    "a_in",  # activations that enter
    "row_stride_in",
    "panel_stride_in",
    "a_out",  # activations that leave; the last layer's become its delta
    "row_stride_out",
    "panel_stride_out",
    "delta",  # dLoss/dZ of this layer, with the strides of a_out
    "delta_panels",  # the delta in panels, plan.panel_stride apart: hidden layers' delta itself, the last layer's copy
    "activation",
    "forward",  # what the forward pass applies to Z at once: the activation, or identity: for outputs, where Z is kept
    "z",  # a copy of Z, with the strides of a_out, where the derivative is computed from it; 0 means absent
    "dropout",  # chance of this hidden layer's neurons to be dropped, times 2^32
    "derivative_from",  # what the derivative is computed from: that copy, or a_out
)

# One for the whole network; 0 means absent.
PLAN = _record(
    "n_layers",
    "input",  # DENSE, SKIP or LISTS
    "tiled",  # whether the first layer's gradient is summed by tiles, over all inputs, where forward skips zeros
    "chunk_rows",  # rows that the buffers hold, a multiple of 16
    "groups",  # most groups of a batch's chunks, each with a gradient (groups.py); 0: threads share each chunk
    "grain",  # a thread's rows start at a multiple of this
    "half",  # first input of the second half, where the first layer's sums are taken in halves
    "z_half",  # the second half's sums, laid out as a_out of the first layer
    "moments",  # from a weight to its first moment, and from that to its second
    "gradient",  # from a weight to its stored gradient; weights begin at 0, so also where gradients begin
    "rule",
    "loss",
    "byte_values",  # what each of the 256 bytes is worth
    "linear",  # whether that is, for each, so many times what byte 1 is worth
    "zeros",  # a row of zeros
    "factor",  # one number a row: scale times weight
    "row_loss",
    "smoothing",  # s and u of smoothed labels (smoothing.py), and
    "smoothed",  # one number a row: what they add to its loss
    "loss_bounds",  # -log(1 - eps) and -log(eps), the bounds of a reported loss, and eps
    "max_norm",  # the largest norm of a step's gradient
    "squares",  # two vectors for each unit: sums of squared weights, of W and of the bias
    "scratch",  # per thread, scratch_size elements
    "scratch_size",
    "panel_stride",  # from a panel of activations or deltas to the next, [row][NV vectors]
    "flags_t",  # in `flags`: the transposed flags of a chunk, [64 rows][input][row]
    "ends",  # in `lists`, after the counts of each input's entries in the chunk: where they end
    "entries",  # in `lists`: their rows
    "values",  # in `memory`: their values
    "seed",  # of the draws of dropout
)

# A block of rows of one layer's W, as high as a panel is wide: what one thread updates at a time.
UNIT = _record("layer", "first_row", "rows")


class Operand(NamedTuple):
    """Rows of a matrix in panels: offset of the first row, distance of rows, distance of panels, all in ``memory``."""

    offset: int
    row_stride: int
    panel_stride: int


class Buffers(NamedTuple):
    """What kernels write."""

    memory: np.ndarray  # float32 or float64: packed weights, moments, gradient, scratch
    flags: np.ndarray  # uint8: which inputs are nonzero
    samples: np.ndarray  # int64 (SAMPLE_ROWS, chunk_rows): SAMPLE, PLACE, ... of each row of a chunk; where there are
    # groups, such rows for each desk (groups.py), as there are flags for each
    lists: np.ndarray  # int32: entries of a CSR matrix by input
    turns: np.ndarray  # int64 (2 + most shares, 16), a number in each row: what crew.py counts
    group_losses: np.ndarray  # float64 (groups,)


class Batch(NamedTuple):
    """What kernels learn from; arrays that do not apply are empty."""

    X: np.ndarray  # (n * d,) uint8 or floats; or the data of a CSR matrix
    indices: np.ndarray  # int32, and
    indptr: np.ndarray  # int64: of the CSR matrix
    labels: np.ndarray  # int64 (n,)
    targets: np.ndarray  # (n * k,)
    row_weights: np.ndarray  # (n,)


class Steps(NamedTuple):
    """Optimisation steps, one for each row of coefficients."""

    order: np.ndarray  # int64: rows of X, ``batch_size`` for each step
    numbers: np.ndarray  # int64: theirs among all rows trained on, by which dropout is drawn
    coefficients: np.ndarray  # (steps, 2 N_ROW): for weights and biases; SHRINK changes if there is a largest norm
    batch_size: int
    action: int  # STORE, UPDATE, SCATTER or APPLY, which takes no rows


class Tables(NamedTuple):
    """The records of a network, and which thread owns which units."""

    plans: np.ndarray  # PLAN (1,); with groups (desks * groups,): a desk's places, a group's gradient
    layers: np.ndarray  # LAYER (n_layers,); with groups (desks * n_layers,)
    units: np.ndarray  # UNIT
    split: np.ndarray  # int64 (threads + 1,): thread t owns the units from split[t] to below split[t + 1]
    whole: np.ndarray  # int64 (2,): the split for one thread


class Chunk(NamedTuple):
    """Some rows of a batch that go through the network together."""

    n: int | np.int64
    scale: float  # the factor that losses and deltas get
    update: bool  # whether the weights move afterwards
    accumulate: bool  # whether the gradient is added to that of earlier chunks
    scatter: bool  # whether W[0] is updated sample by sample
