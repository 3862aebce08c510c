"""The named kernels: one operation each, parallel, on plain C-contiguous arrays of float32 or float64.

They are the twins of the functions of the same names in `fastnet.reference`, where the formulas are explained, and
what the benches time. Training itself runs the fused step (fastnet.kernels.step), made of the same micro-kernels.

Outputs first, then inputs, then scalars. The caller allocates the outputs; they are overwritten. Nothing is allocated
or checked: shapes and dtypes are the caller's to get right. A thread owns the rows (of `bias_gradient` the columns)
that it writes, and every sum has one order: the bits do not depend on the number of threads.

They are plain parallel functions of Numba. Under its workqueue layer only one Python thread may call them at a time,
and a child made by fork cannot call them under OpenMP.
"""

from fastnet.kernels.named.layers import (
    bias_gradient,
    dense_backward,
    dense_forward,
    sigmoid_backward,
    weight_gradient,
)
from fastnet.kernels.named.losses import binary_cross_entropy, mse, softmax_cross_entropy
from fastnet.kernels.named.updates import adam_update, momentum_update, sgd_update

__all__ = [
    "adam_update",
    "bias_gradient",
    "binary_cross_entropy",
    "dense_backward",
    "dense_forward",
    "momentum_update",
    "mse",
    "sgd_update",
    "sigmoid_backward",
    "softmax_cross_entropy",
    "weight_gradient",
]
