"""All compiled code. The named kernels are public here; training runs the fused step of fastnet.kernels.step."""

from fastnet.kernels.named import (
    adam_update,
    bias_gradient,
    binary_cross_entropy,
    dense_backward,
    dense_forward,
    momentum_update,
    mse,
    sgd_update,
    sigmoid_backward,
    softmax_cross_entropy,
    weight_gradient,
)

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
