"""The entry point: parses the command line, runs the verb and turns what happens into an exit code.

Exit codes: 0 done, 2 bad usage or bad input, 3 the training diverged, 4 done but something that was asked for could not
be written, 129 SIGHUP, 130 Ctrl-C, 141 the program that reads the output has ended (SIGPIPE), 143 SIGTERM.
"""

import contextlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import NoReturn

from fastnet import __version__, terminal
from fastnet.cli import bench, data, evaluate, export, info, predict, recipe, report, train
from fastnet.cli.parser import Parser
from fastnet.errors import NonFiniteLossError, UsageError

VERBS = (train, evaluate, predict, report, export, recipe, data, bench, info)
ENDED = (129, 130, 143)


def build_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(prog="fastnet", description="Train multi-layer perceptrons on a CPU, fast.")
    parser.add_argument("--version", action="version", version=f"fastnet {__version__}")
    commands = parser.add_commands("COMMAND")
    for verb in VERBS:
        verb.add_parser(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code.

    argv : the arguments, those of the process if None. A signal that ends the process then ends it at once.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal cannot show
    with _signals():
        code = _exit_code(sys.argv[1:] if argv is None else argv)
    if argv is None and code in ENDED:
        leave(code)
    return code


def _exit_code(argv: list[str]) -> int:
    try:
        return _run(argv)
    except NonFiniteLossError as error:
        return _fail(3, str(error))
    except BrokenPipeError:
        _drop_output()
        return 128 + 13
    except MemoryError as error:
        return _fail(2, f"not enough memory: {error}")
    except OSError as error:
        return _fail(2, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (UsageError, ValueError, ImportError) as error:
        return _fail(2, str(error))
    except KeyboardInterrupt:
        return _fail(130, "interrupted")
    except Terminated as end:
        print("fastnet: terminated", file=sys.stderr)
        return end.code


def _run(argv: list[str]) -> int:
    try:
        args = build_parser().parse(argv)
        with warnings.catch_warnings():
            _show_warnings()
            return args.run(args)
    finally:
        sys.stdout.flush()  # here, where a closed pipe can still be told from a bug


def _show_warnings() -> None:
    """Print every warning as one line; those for developers only where -W asks for them."""
    warnings.showwarning = terminal.warning
    if not sys.warnoptions:
        warnings.simplefilter("default")
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)


class Terminated(SystemExit):
    """What SIGTERM and SIGHUP raise. It is reported when all that it interrupts has cleaned up, the terminal's last
    line too.
    """

    code: int


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """The first signal raises, so that what is worth keeping is kept; a second one ends the process at once.

    A signal that is ignored, as SIGHUP under nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def arrived(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) > 1:
            leave(128 + number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(128 + number)

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in (getattr(signal, name) for name in names)}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, arrived)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """End the process at once: threads that still import or compile would keep it, or crash while it ends."""
    for module, clean in (("fastnet.engine.warm", "end_helper"), ("fastnet.files", "remove_unfinished")):
        if module in sys.modules:
            getattr(sys.modules[module], clean)()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _fail(code: int, message: str) -> int:
    terminal.error(message)
    return code


def _drop_output() -> None:
    """Give what is still buffered for a closed pipe somewhere to go when the interpreter flushes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
