"""What the program says: lines that fit the terminal, and errors and warnings in one line each on stderr."""

import shutil
import sys

NARROW = 80  # columns that every terminal has


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


def error(message: object) -> None:
    """Print an error."""
    _told("error", message)


def warning(message: object, *_: object, **__: object) -> None:
    """Print a warning. Takes the arguments of warnings.showwarning, whose place it can take."""
    _told("warning", message)


def _told(kind: str, message: object) -> None:
    print(f"fastnet: {kind}:", " ".join(str(message).split()), file=sys.stderr, flush=True)
