"""The oracle and the baseline: every kernel and the whole training step in plain NumPy, float32 or float64.

The named functions mirror the compiled kernels. ``Stepper`` trains with them, row-major, in place, on buffers allocated
once, the way a good NumPy programmer writes it: speed is quoted against it. Scalars are Python floats, which never
promote a float32 array.

Formulas: the four equations of back-propagation, and stochastic gradient descent with L2, as in M. Nielsen, Neural
Networks and Deep Learning, chapters 1 to 3; Adam as in Kingma and Ba, 2015 (arXiv 1412.6980), end of section 2.
"""

from fastnet.reference.operations import (
    bias_gradient,
    binary_cross_entropy,
    dense_backward,
    dense_forward,
    mse,
    poisson,
    sigmoid_backward,
    softmax_cross_entropy,
    weight_gradient,
)
from fastnet.reference.stepper import CHUNK_ROWS, Stepper, evaluate, predict
from fastnet.reference.updates import adam_update, momentum_update, sgd_update

__all__ = [
    "CHUNK_ROWS",
    "Stepper",
    "adam_update",
    "bias_gradient",
    "binary_cross_entropy",
    "dense_backward",
    "dense_forward",
    "evaluate",
    "momentum_update",
    "mse",
    "poisson",
    "predict",
    "sgd_update",
    "sigmoid_backward",
    "softmax_cross_entropy",
    "weight_gradient",
]
