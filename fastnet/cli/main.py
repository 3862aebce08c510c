"""The entry point: parses the command line, runs the verb and turns what happens into an exit code.

Exit codes: 0 done, 2 bad usage or bad input, 3 the training diverged, 4 done but something that was asked for could not
be written, 129 SIGHUP, 130 Ctrl-C, 141 the program that reads the output has ended (SIGPIPE), 143 SIGTERM, or
Ctrl-Break on Windows.
"""

import errno
import io
import os
import sys
import warnings
from importlib import import_module

from fastnet import __version__, terminal
from fastnet.cli.parser import Parser
from fastnet.cli.processes import started
from fastnet.cli.signals import ENDED, WORDS, Terminated, ended_by_signals, leave
from fastnet.errors import NonFiniteLossError, UsageError

# Their modules are imported by `build_parser`: by then signals have their handlers.
VERBS = ("train", "tune", "evaluate", "predict", "report", "export", "recipe", "data", "bench", "info")


def build_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(prog="fastnet", description="Train multi-layer perceptrons on a CPU, fast.")
    parser.add_argument("--version", action="version", version=f"fastnet {__version__}")
    commands = parser.add_commands("COMMAND")
    for verb in VERBS:
        import_module(f"fastnet.cli.{verb}").add_parser(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code.

    argv : the arguments, those of the process if None. A signal that ends the process then ends it at once.
    """
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal cannot show
    with ended_by_signals(is_process=argv is None):
        given = sys.argv[1:] if argv is None else argv
        code = started(given, lambda: _exit_code(given))
        if argv is None and code in ENDED:
            leave(code)
    return code


def _exit_code(argv: list[str]) -> int:
    try:
        return _run(argv)
    except NonFiniteLossError as error:
        return _fail(3, str(error))
    except MemoryError as error:
        return _fail(2, ": ".join(filter(None, ("not enough memory", str(error)))))
    except OSError as error:
        if _is_closed_pipe(error):
            _drop_output()
            return 128 + 13
        return _fail(2, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ImportError as error:
        return _fail(2, _unloaded(error))
    except (UsageError, ValueError) as error:
        return _fail(2, str(error))
    except KeyboardInterrupt:
        terminal.last_words(WORDS[True])
        return 130
    except Terminated as end:
        terminal.last_words(WORDS[False])
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


def _open_closed_streams() -> None:
    """Give what is printed somewhere to go where the program was started without stdout or stderr."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nothing = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
            setattr(sys, name, nothing)


def _unloaded(error: ImportError) -> str:
    """What is wrong, in a line: some packages say it at the end of a page of advice."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 else f"cannot load {error.name or 'a package'}: {lines[-1].strip()}"


def _fail(code: int, message: str) -> int:
    terminal.error(message)
    return code


def _is_closed_pipe(error: OSError) -> bool:
    """Whether the program that reads the output has ended, which Windows calls an invalid argument."""
    told_by_windows = os.name == "nt" and error.errno == errno.EINVAL and error.filename is None
    return isinstance(error, BrokenPipeError) or told_by_windows


def _drop_output() -> None:
    """Give what is still buffered for a closed pipe somewhere to go when the interpreter flushes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
