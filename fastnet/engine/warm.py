"""Compiling ahead of time, and loading what is compiled."""

import contextlib

import numpy as np

from fastnet.functions import CROSS_ENTROPY, SGD, SIGMOID, SOFTMAX

SIZES, ACTIVATIONS = [2, 2, 2], (SIGMOID, SOFTMAX)


def warmup(dtypes: tuple[str, ...] = ("float32",)) -> None:
    """Compile the kernels for pixels and for floats, or load them from the cache: up to half a minute once a machine.

    dtypes : of the networks to come, "float32" and "float64". Widths, depth, batch size, activations, losses and
    optimizers need nothing more.
    """
    from fastnet.engine.encoding import encoded
    from fastnet.kernels.step.rare import want_all_rare

    want_all_rare()
    for dtype in dtypes:
        for X in (np.zeros((2, 2), np.uint8), np.zeros((2, 2), dtype)):
            warm_training(dtype, X)
            warm_prediction(dtype, X)
        encoded(np.zeros(1, dtype), (np.zeros(256, dtype), np.dtype(dtype).type(1)), 1)


def _stepper(dtype: str, X: np.ndarray):
    from fastnet.engine import Stepper

    y = np.array([0, 1])
    return Stepper(SIZES, ACTIVATIONS, np.zeros(12, dtype), X, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=2)


def warm_training(dtype: str, X: np.ndarray) -> None:
    _stepper(dtype, X).gradient(np.arange(2), 0.5, 0.0)


def warm_units(dtype: str, X: np.ndarray) -> None:
    """Compile the piece of the training that learns the gradient and moves the weights."""
    from fastnet.kernels.compile.jit import compile_piece
    from fastnet.kernels.step.records import Buffers, Chunk, Tables
    from fastnet.kernels.step.units import units_of_thread

    stepper = _stepper(dtype, X)
    buffers, tables = Buffers(*stepper.workspace.buffers), Tables(*stepper.workspace.tables(1))
    chunk = Chunk(np.int64(1), np.dtype(dtype).type(1), update=True, accumulate=False, scatter=False)
    compile_piece(units_of_thread, buffers, stepper.batch, tables, np.zeros(1, dtype), chunk, np.int64(0))


def warm_prediction(dtype: str, X: np.ndarray) -> None:
    from fastnet.engine import Evaluator

    Evaluator(SIZES, ACTIVATIONS, dtype, X).evaluate(np.zeros(12, dtype), np.array([0, 1]))


def load_kept(inputs: str, dtype: str = "float32") -> None:
    """Load what a training with evaluations wants, if it was compiled before.

    inputs, dtype : of the rows, and of the network.
    """
    from fastnet.kernels.compile import cache
    from fastnet.kernels.vector import library

    if library.is_kept(dtype):
        with contextlib.suppress(cache.NotKeptError), cache.only_kept():
            warm_training(dtype, np.zeros((2, 2), inputs))
            warm_prediction(dtype, np.zeros((2, 2), inputs))
