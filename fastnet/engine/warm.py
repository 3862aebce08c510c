"""Compiling ahead of time, and on two cores."""

import atexit
import os
import subprocess
import sys
import threading
import time

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
            _warm_training(dtype, X)
            _warm_prediction(dtype, X)
        encoded(np.zeros(1, dtype), (np.zeros(256, dtype), np.dtype(dtype).type(1)), 1)


def _stepper(dtype: str, X: np.ndarray):
    from fastnet.engine import Stepper

    y = np.array([0, 1])
    return Stepper(SIZES, ACTIVATIONS, np.zeros(12, dtype), X, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=2)


def _warm_training(dtype: str, X: np.ndarray) -> None:
    _stepper(dtype, X).gradient(np.arange(2), 0.5, 0.0)


def _warm_units(dtype: str, X: np.ndarray) -> None:
    """Compile the piece of the training that learns the gradient and moves the weights."""
    from fastnet.kernels.compile.jit import compile_piece
    from fastnet.kernels.step.records import Buffers, Chunk, Tables
    from fastnet.kernels.step.units import units_of_thread

    stepper = _stepper(dtype, X)
    buffers, tables = Buffers(*stepper.workspace.buffers), Tables(*stepper.workspace.tables(1))
    chunk = Chunk(np.int64(1), np.dtype(dtype).type(1), update=True, accumulate=False, scatter=False)
    compile_piece(units_of_thread, buffers, stepper.batch, tables, np.zeros(1, dtype), chunk, np.int64(0))


def _warm_prediction(dtype: str, X: np.ndarray) -> None:
    from fastnet.engine import Evaluator

    Evaluator(SIZES, ACTIVATIONS, dtype, X).evaluate(np.zeros(12, dtype), np.array([0, 1]))


def share_compilation(inputs: str = "uint8") -> subprocess.Popen | None:
    """Where nothing was compiled yet, compile in another process some of what a training with evaluations will want.

    inputs : dtype of the rows. The other process takes the library, then the piece that moves the weights, then
    prediction. This one takes the rest, and each loads what the other has kept: `fastnet train` shows its first epoch
    after 7.7 s on two cores, with 13.7 s of CPU. Returns the other process, which is ended when this one exits; None
    where there is nothing to do, or one core to do it.
    """
    from fastnet.engine.threads import available_threads
    from fastnet.kernels.compile import cache
    from fastnet.kernels.vector import library

    if available_threads() == 1 or library.is_kept("float32") or not cache.is_writable():
        return None
    if not sys.executable or getattr(sys, "frozen", False):  # no interpreter that could be started
        return None
    # -P: not what happens to lie in the working directory.
    command = [sys.executable, "-P", "-m", "fastnet.engine.warm", str(os.getpid()), inputs]
    nothing = subprocess.DEVNULL
    try:
        helper = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        return None
    _helpers.append(helper)
    atexit.register(end_helper)
    return helper


_helpers: list[subprocess.Popen] = []


def end_helper() -> None:
    """End the other process, if there is one."""
    for helper in _helpers:
        helper.kill()
        helper.wait()


def _end_with(parent: int) -> None:
    """Leave once the parent is gone, killed perhaps: nobody waits for what is compiled here."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    from fastnet.kernels.vector import library

    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    X = np.zeros((2, 2), sys.argv[2])
    library.load("float32")
    _warm_units("float32", X)
    _warm_prediction("float32", X)
