"""What the program says: lines that fit the terminal, one that moves, and errors and warnings in one line on stderr."""

import contextlib
import os
import re
import shutil
import sys
from typing import TextIO

NARROW = 80  # columns that every terminal has
ECHO = 2  # columns of the ^C that a terminal shows where the cursor is
STYLES = re.compile(r"\x1b\[[0-9]*m")


def width() -> int:
    """The columns that lines may have: 80, or those of the terminal where stdout is a wider one."""
    return max(NARROW, shutil.get_terminal_size().columns) if sys.stdout.isatty() else NARROW


def fold(text: str, indent: str = "    ") -> str:
    """The text with its longer lines broken at spaces; what is broken off is indented. Long words stay whole."""
    from textwrap import TextWrapper

    folded = []
    for line in text.split("\n"):
        margin = line[: len(line) - len(line.lstrip())] + indent
        wrapper = TextWrapper(width(), subsequent_indent=margin, break_long_words=False, break_on_hyphens=False)
        folded += wrapper.wrap(line) if len(line) > width() else [line]
    return "\n".join(folded)


def titled(title: str, text: str) -> str:
    """The title, which may be a long path, and the text on its line, or below it where there is no room."""
    line = f"{title} {text}"
    return line if len(line) <= width() else f"{title}\n{fold('    ' + text, '')}"


def dim(text: str) -> str:
    """The text in a paler colour."""
    return f"\x1b[2m{text}\x1b[0m"


class MovingLine:
    """The last line of a terminal or a notebook, drawn over and over, and gone without a trace when it is cleared.

    stream : where it is drawn, a text file or None. What is told there or by `error` and `warning` clears the line.

    Only a carriage return and spaces move it, which every console understands. That takes a line that does not wrap.
    """

    shown: "MovingLine | None" = None  # the one that is on the screen

    def __init__(self, stream: TextIO | None):
        self.stream, self.length = stream, 0
        self.moves = _columns(stream) is not None
        self.has_styles = self.moves and not _in_notebook(stream) and not os.environ.get("NO_COLOR") and os.name != "nt"

    @property
    def room(self) -> int:
        """Columns that a line may have; to be asked only where it ``moves``."""
        return max(1, (_columns(self.stream) or NARROW) - 1 - ECHO)

    def draw(self, text: str) -> None:
        """Show the text in place of what the line showed, cut where the terminal has no room for it."""
        plain, room = STYLES.sub("", text), self.room
        if len(plain) > room:
            text = plain = plain[:room]
        erased, MovingLine.shown = self._erased(), self
        self.length = max(self.length, len(plain))  # whichever is on the screen when Ctrl-C comes
        self._write(erased + text)
        self.length = len(plain)

    def tell(self, text: str) -> None:
        """Print a line that stays, on any stream."""
        self._write(f"{self._erased()}{text}\n")
        self.length, MovingLine.shown = 0, None

    def clear(self) -> None:
        """Take the line away. Never fails: the stream may be what went wrong."""
        with contextlib.suppress(OSError):
            self._write(self._erased())
        self.length, MovingLine.shown = 0, None

    def _erased(self) -> str:
        """What takes away the line that is shown, if there is one."""
        return "\r" + " " * (self.length + ECHO) + "\r" if self.length else ""

    def _write(self, text: str) -> None:
        if text and self.stream is not None and not getattr(self.stream, "closed", False):
            self.stream.write(text)
            self.stream.flush()


def _columns(stream: TextIO | None) -> int | None:
    """Columns of the terminal or notebook behind a stream; None where a line cannot be drawn twice."""
    if _in_notebook(stream):
        return NARROW
    if stream is None or os.environ.get("TERM") == "dumb":
        return None
    # ValueError: a closed stream, or one without a file behind it.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        if stream.isatty():
            return os.get_terminal_size(stream.fileno()).columns or NARROW  # 0 where nobody has set it
    return None


def _in_notebook(stream: TextIO | None) -> bool:
    """Whether a stream leads to a Jupyter notebook, which is no terminal but knows carriage returns."""
    return type(stream).__module__.startswith("ipykernel")


def error(message: object) -> None:
    """Print an error."""
    _told("error", message)


def warning(message: object, *_: object, **__: object) -> None:
    """Print a warning. Takes the arguments of warnings.showwarning, whose place it can take."""
    _told("warning", message)


def last_words(message: str) -> None:
    """Print a line on stderr of a program that ends; where nobody is there to read it, say nothing."""
    with contextlib.suppress(OSError, ValueError):
        if MovingLine.shown is not None:
            MovingLine.shown.clear()
        print(f"fastnet: {message}", file=sys.stderr, flush=True)


def _told(kind: str, message: object) -> None:
    if MovingLine.shown is not None:
        MovingLine.shown.clear()
    print(f"fastnet: {kind}:", " ".join(str(message).split()), file=sys.stderr, flush=True)
