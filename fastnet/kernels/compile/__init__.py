"""How kernels are compiled and kept: the machine (target), the decorators (jit), the compilers behind them (linking),
the files (cache), helpers that are compiled by themselves (pieces), Numba's own private parts (guards). Numba itself is
imported here.

The modules say ``import numba`` before they import parts of it: a second thread then waits until it is whole. For this
package, while another thread imports it, Python does not wait.
"""

import os
import re
import signal
import threading
from types import ModuleType


def _import_numba() -> ModuleType:
    """Numba, imported whole: where Ctrl-C interrupted its import, it could not be imported again in this process.

    Ctrl-C waits for it, unless it has a handler that ends the process.
    """
    came: list[int] = []
    here = threading.current_thread() is threading.main_thread()
    waits = here and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits:
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        import numba
    finally:
        if waits:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt
    return numba


def _refuse_settings() -> None:
    """Raise ImportError where Numba could not be imported, or kernels could not run."""
    threads = os.environ.get("NUMBA_NUM_THREADS", "")
    if re.fullmatch(r"-\d+|[+]?0+", threads):
        raise ImportError(f"NUMBA_NUM_THREADS must be at least 1, got {threads}")
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise ImportError(
            'NUMBA_DISABLE_JIT is set, but kernels run compiled only: unset it, or choose backend="reference"'
        )


_refuse_settings()
numba = _import_numba()

__all__ = ["numba"]
