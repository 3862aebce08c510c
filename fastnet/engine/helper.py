"""A second process that compiles for this one where nothing is compiled yet."""

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

PROGRAM = "from fastnet.engine.helper import help_parent; help_parent()"
FLAGS = {"isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s"}  # of this interpreter, for the other one
_helpers: dict[int, subprocess.Popen] = {}  # by the process that started them: after a fork there are two such


def share_compilation(inputs: str, dtype: str = "float32") -> subprocess.Popen | None:
    """Where nothing was compiled yet, compile in another process some of what a training with evaluations will want.

    inputs, dtype : of the rows, and of the network. The other process takes the library, then the piece that moves the
    weights, then prediction. This one takes the rest, and each loads what the other has kept: a first
    `fastnet.train` takes 8 s on two cores, where one process needs 14 s. Returns the other process, which is ended
    when this one exits; None where there is nothing to do, or one core to do it, or this process has started one.
    """
    from fastnet.engine.threads import most_threads
    from fastnet.kernels.compile import cache
    from fastnet.kernels.vector import library

    if os.getpid() in _helpers or most_threads() == 1 or library.is_kept(dtype) or not cache.is_writable():
        return None
    if not _is_python():
        return None
    # -P: not what happens to lie in the working directory.
    flags = ["-P", *(flag for name, flag in FLAGS.items() if getattr(sys.flags, name))]
    command = [sys.executable, *flags, "-c", PROGRAM, inputs, dtype]
    nothing = subprocess.DEVNULL
    try:
        helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing)
    except (OSError, RuntimeError):  # RuntimeError: this program ends already
        return None
    _helpers[os.getpid()] = helper  # of two that Python threads start at once one leaves, see `compile_for_parent`
    with contextlib.suppress(RuntimeError):
        atexit.register(end_helper)
        threading.Thread(target=_see_off, args=(helper,), daemon=True).start()
    return helper


def _is_python() -> bool:
    """Whether this program is an interpreter that another can be started of, not one with Python inside."""
    return Path(sys.executable or "").name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


def _see_off(helper: subprocess.Popen) -> None:
    """Wait for the end of the other process, which would stay in the list of processes, and close the pipe to it."""
    helper.wait()
    if helper.stdin is not None:
        helper.stdin.close()


def end_helper() -> None:
    """End the other process, if this one started it."""
    helper = _helpers.get(os.getpid())
    if helper is not None:
        helper.kill()
        _see_off(helper)


def help_parent() -> None:
    """What the other process runs."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    compile_for_parent(*sys.argv[1:])


def _end_with_parent() -> None:
    """Leave once the parent is gone, killed perhaps: nobody waits for what is compiled here."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):  # it never writes; at its end the pipe ends
            pass
    os._exit(1)


def compile_for_parent(inputs: str, dtype: str) -> None:
    """Compile, unless the helper of another process does: many workers may start at once."""
    from fastnet.engine.warm import warm_prediction, warm_units
    from fastnet.kernels.compile import cache
    from fastnet.kernels.compile.lock import Lock
    from fastnet.kernels.vector import library

    lock = Lock(cache.folder() / f"helper-{inputs}-{dtype}.lock")
    if not lock.take(patience=0):
        return
    try:
        library.load(dtype)
        warm_units(dtype, np.zeros((2, 2), inputs))
        warm_prediction(dtype, np.zeros((2, 2), inputs))
    finally:
        lock.give_back()
