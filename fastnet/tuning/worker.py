"""The process of a worker: takes trials from its standard input, and answers on its standard output, in pickles.

Only the process that started it writes there, so that the pickles may be trusted.
"""

import os
import pickle
import queue
import shutil
import signal
import sys
import threading
from typing import Any, BinaryIO

THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Work until nobody sends anything any more."""
    incoming, outgoing = sys.stdin.buffer, _answers()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says what happens then
    os.environ |= dict.fromkeys(THREADS, "1")  # read when Numba and NumPy are imported, which is later
    task = pickle.load(incoming)
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, messages, task.parts.folder), daemon=True).start()
    _work(task, messages, outgoing)


def _answers() -> BinaryIO:
    """The standard output, kept for answers; what else is printed goes to the standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _listen(incoming: BinaryIO, messages: "queue.SimpleQueue[Any]", folder: str) -> None:
    """Pass messages on. Where no more come, the parent has ended, killed perhaps: its files go with it."""
    try:
        while True:
            messages.put(pickle.load(incoming))
    except (EOFError, OSError, pickle.UnpicklingError):
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _work(task: Any, messages: "queue.SimpleQueue[Any]", outgoing: BinaryIO) -> None:
    from fastnet.tuning.scoring import score, warm_up

    def send(*message: Any) -> None:
        pickle.dump(message, outgoing)
        outgoing.flush()

    def is_hopeless(epoch: int, value: float) -> bool:
        send("rung", epoch, value)
        return messages.get()

    try:
        warm_up(task)
    except Exception as error:
        send("unfit", f"{type(error).__name__}: {error}")
        return
    send("ready")
    while True:
        send("outcome", score(task, messages.get(), is_hopeless))
