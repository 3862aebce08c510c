"""Compiling ahead of time."""

import numpy as np

from fastnet.functions import CROSS_ENTROPY, SGD, SIGMOID, SOFTMAX


def warmup(dtypes: tuple[str, ...] = ("float32",)) -> None:
    """Compile the kernels for pixels and for floats, or load them from the cache: about ten seconds once a machine.

    dtypes : of the networks to come, "float32" and "float64". Widths, depth, batch size, activations, losses and
    optimizers need nothing more.
    """
    from fastnet.engine import Evaluator, Stepper
    from fastnet.palette import encoded

    sizes, activations = [2, 2, 2], (SIGMOID, SOFTMAX)
    for dtype in dtypes:
        for X in (np.zeros((2, 2), np.uint8), np.zeros((2, 2), dtype)):
            params, y = np.zeros(12, dtype), np.array([0, 1])
            stepper = Stepper(sizes, activations, params, X, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=2)
            stepper.gradient(np.arange(2), 0.5, 0.0)
            Evaluator(sizes, activations, dtype, X).evaluate(params, y)
        encoded(np.zeros(1, dtype), (np.dtype(dtype).type(1), np.zeros(256, dtype)), 1)
