"""Signals that end the program: what is worth keeping is kept first, and the end comes soon."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

from fastnet import terminal

ENDED = (129, 130, 143)  # exit codes after SIGHUP, Ctrl-C and SIGTERM
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # those that the system has
WORDS = ("terminated", "error: interrupted")
PATIENCE = 1.0  # seconds that a compiler may go on
AGAIN = 0.05  # seconds after which a signal that raised in vain is sent again


def code_of(number: int) -> int:
    """The exit code after a signal. Ctrl-Break is what Windows has in the place of SIGTERM."""
    return 128 + (signal.SIGTERM if number == getattr(signal, "SIGBREAK", None) else number)


class Terminated(SystemExit):
    """What SIGTERM, SIGHUP and Ctrl-Break raise. It is reported when all that it interrupts has cleaned up, the
    terminal's last line too.
    """

    code: int


_worth = [0]  # how many blocks of `raising` are open


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """A block in which there is something to keep: the first signal raises."""
    _worth[0] += 1
    try:
        yield
    finally:
        _worth[0] -= 1


@contextlib.contextmanager
def ended_by_signals(is_process: bool) -> Iterator[None]:
    """Signals end the process at once; within `raising` the first one raises, and a second one ends it.

    To raise while a module is imported may leave that half done, or a lock of the import held. is_process : False for
    a call within another program, where the first signal always raises. A signal that is ignored, as SIGHUP under
    nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def arrived(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) > 1:
            leave(code_of(number))
        if is_process and not _worth[0]:
            terminal.last_words(WORDS[number == signal.SIGINT])
            leave(code_of(number))
        sys.unraisablehook = unraised
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(code_of(number))

    def unraised(what: "sys.UnraisableHookArgs") -> None:
        """Objects that are half made complain when they go. Python also drops what a signal raises within a callback,
        such as those of imports, and may then hold the import lock for ever: the signal comes again.
        """
        if isinstance(what.exc_value, KeyboardInterrupt | Terminated) and seen:
            threading.Timer(AGAIN, _send_again, (seen.pop(),)).start()

    before = {number: signal.getsignal(number) for number in (getattr(signal, n) for n in NAMES if hasattr(signal, n))}
    complain = sys.unraisablehook
    with _watched(seen):
        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, arrived)
            yield
        finally:
            sys.unraisablehook = complain
            for number, handler in before.items():
                signal.signal(number, handler)


def _send_again(number: int) -> None:
    """Send a signal to the main thread, which it also wakes where it waits for a lock."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


@contextlib.contextmanager
def _watched(seen: list[int]) -> Iterator[None]:
    """End the process where a signal does not come to its handler, and into ``seen``, because LLVM compiles: a module
    takes it seconds, and Python runs handlers between two calls only.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(reader, seen), daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        seen.append(0)  # nothing is waited for any more
        writer.close()
        watcher.join()
        reader.close()


def _watch(signals: socket.socket, seen: list[int]) -> None:
    """Read the numbers of signals; where one is not seen in time, end the process."""
    while number := signals.recv(1):
        end = time.monotonic() + PATIENCE
        while not seen and not (time.monotonic() > end and _is_compiling()):
            time.sleep(0.05)
        if not seen:
            terminal.last_words("ended while kernels were compiled")
            leave(code_of(number[0]))


def _is_compiling() -> bool:
    """Whether the main thread is in a call of LLVM."""
    main = threading.main_thread().ident
    frame = None if main is None else sys._current_frames().get(main)
    return frame is not None and frame.f_globals.get("__name__", "").startswith("llvmlite.")


def leave(code: int) -> NoReturn:
    """End the process at once: threads that still import or compile would keep it, or crash while it ends."""
    for module, clean in (("fastnet.engine.helper", "end_helper"), ("fastnet.files", "remove_unfinished")):
        if module in sys.modules:
            getattr(sys.modules[module], clean, lambda: None)()  # absent while the module is imported
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)
