"""The fastnet program in processes that can be ended at any moment."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

HUNG = "hung"  # in the place of an exit code
PATIENCE = 240  # seconds after which a process counts as hung
ROOT = Path(__file__).parents[2]


class Program:
    """``fastnet`` with some arguments, begun.

    out : file that takes what it prints. cold : in a new interpreter; else in a fork of this process, which has
    imported the modules but run no kernels: that is quicker. env : further variables, of a cold one only.
    """

    def __init__(self, argv: list[str], out: Path, cold: bool = False, env: dict[str, str] | None = None):
        self.out, self.began = out, time.monotonic()
        self.sent = self.ended = 0.0  # when the last signal was sent, and when it was seen that the process had ended
        self.pid = self._spawn(argv, env or {}) if cold else self._fork(argv)
        self.code: int | str | None = None

    def _spawn(self, argv: list[str], env: dict[str, str]) -> int:
        command = [sys.executable, "-m", "fastnet", *argv]
        with open(self.out, "wb") as out:
            actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            every = {**os.environ, "PYTHONPATH": path, **env}
            return os.posix_spawn(sys.executable, command, every, file_actions=actions)

    def _fork(self, argv: list[str]) -> int:
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 99
        try:
            with open(self.out, "wb") as out:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the program has its own handlers
            sys.argv[1:] = argv
            code = _main()
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            os._exit(code)

    def has_ended(self) -> bool:
        """Whether it has; its ``code`` is then known: negative after a signal that it did not handle."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code, self.ended = os.waitstatus_to_exitcode(status), time.monotonic()
        return self.code is not None

    def wait(self, seconds: float = PATIENCE, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait for the end, that long at most or until something is so; returns whether it has ended."""
        end = time.monotonic() + seconds
        while not self.has_ended() and time.monotonic() < end and not until():
            time.sleep(0.001)
        return self.has_ended()

    def finish(self) -> int | str:
        """Wait for the end and return the exit code; a program that does not end is killed."""
        if not self.wait():
            self.send(signal.SIGKILL)
            self.wait()
            self.code = HUNG
        assert self.code is not None
        return self.code

    def send(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self.has_ended():
            os.kill(self.pid, number)
            self.sent = time.monotonic()

    def printed(self) -> str:
        """What it has printed, on both streams."""
        return self.out.read_text(errors="replace")


def _main() -> int:
    from fastnet.cli.main import main

    return main()


def import_all() -> None:
    """Import what forks of this process use. No kernel may run here: a child has lost the threads."""
    import fastnet.cli.main
    import fastnet.engine
    import fastnet.training  # noqa: F401


def in_interpreter(code: str, *argv: object, seconds: float = PATIENCE, env: dict[str, str] | None = None) -> str:
    """What a program in Python prints, with what it prints of errors behind it."""
    path = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    every = {**os.environ, "PYTHONPATH": path, **(env or {})}
    command = [sys.executable, "-c", code, *map(str, argv)]
    done = subprocess.run(command, env=every, capture_output=True, text=True, timeout=seconds, check=False)
    return done.stdout + done.stderr
