"""Compiling ahead of time, and on two cores."""

import atexit
import contextlib
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


def load_kept(inputs: str, dtype: str = "float32") -> None:
    """Load what a training with evaluations wants, if it was compiled before; arguments as of `share_compilation`."""
    from fastnet.kernels.compile import cache
    from fastnet.kernels.vector import library

    if library.is_kept(dtype):
        with contextlib.suppress(cache.NotKeptError), cache.only_kept():
            _warm_training(dtype, np.zeros((2, 2), inputs))
            _warm_prediction(dtype, np.zeros((2, 2), inputs))


def share_compilation(inputs: str, dtype: str = "float32") -> subprocess.Popen | None:
    """Where nothing was compiled yet, compile in another process some of what a training with evaluations will want.

    inputs, dtype : of the rows, and of the network. The other process takes the library, then the piece that moves the
    weights, then prediction. This one takes the rest, and each loads what the other has kept: a first
    `fastnet.train` takes 7.5 s on two cores, where one process needs 14 s. Returns the other process, which is ended
    when this one exits; None where there is nothing to do, or one core to do it, or this process has started one.
    """
    from fastnet.engine.threads import most_threads
    from fastnet.kernels.compile import cache
    from fastnet.kernels.vector import library

    with _starting:
        if _helpers or most_threads() == 1 or library.is_kept(dtype) or not cache.is_writable():
            return None
        if not sys.executable or getattr(sys, "frozen", False):  # no interpreter that could be started
            return None
        # -P: not what happens to lie in the working directory.
        command = [sys.executable, "-P", "-m", "fastnet.engine.warm", str(os.getpid()), inputs, dtype]
        nothing = subprocess.DEVNULL
        try:
            helper = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
        except OSError:
            return None
        _helpers.append(helper)
    atexit.register(end_helper, os.getpid())
    return helper


_helpers: list[subprocess.Popen] = []
_starting = threading.Lock()


def end_helper(parent: int) -> None:
    """End the other process, if this one started it, and not one that it was forked from."""
    if os.getpid() == parent:
        for helper in _helpers:
            helper.kill()
            helper.wait()


def _end_with(parent: int) -> None:
    """Leave once the parent is gone, killed perhaps: nobody waits for what is compiled here."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _help(inputs: str, dtype: str) -> None:
    """What the other process does, unless one is at it already: of many workers each may have started one."""
    from fastnet.kernels.compile import cache
    from fastnet.kernels.compile.lock import Lock
    from fastnet.kernels.vector import library

    lock = Lock(cache.folder() / "helper.lock")
    if not lock.take(patience=0):
        return
    try:
        library.load(dtype)
        _warm_units(dtype, np.zeros((2, 2), inputs))
        _warm_prediction(dtype, np.zeros((2, 2), inputs))
    finally:
        lock.give_back()


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    _help(*sys.argv[2:])
