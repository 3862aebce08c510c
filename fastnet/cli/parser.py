"""The command-line parser: argparse, but every error is one line, and a misspelt word gets a suggestion."""

import argparse
import difflib
import math
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import NoReturn

from fastnet.cli.hints import hint
from fastnet.durations import UNITS, seconds
from fastnet.errors import UsageError, one_of
from fastnet.functions import HIDDEN

Commands = argparse._SubParsersAction  # what verbs add their parsers to


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError instead of printing its usage and leaving."""

    commands: dict[str, "Parser"]

    def __init__(self, **settings):
        settings.setdefault("formatter_class", HelpFormatter)
        super().__init__(allow_abbrev=False, **settings)
        self.commands = {}

    def add_commands(self, metavar: str) -> Commands:
        """The subparsers object that verbs add themselves to."""
        subparsers = self.add_subparsers(metavar=metavar, parser_class=Parser)
        self.commands = subparsers.choices
        return subparsers

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """The settings of a command line. Raises UsageError; leaves by SystemExit(0) after --help and --version."""
        parser, words = self, list(argv)
        while parser.commands and not (words and words[0].startswith("-")):
            if not words:
                raise UsageError(f"a command is missing: one of {', '.join(parser.commands)}; see {parser.prog} --help")
            if words[0] not in parser.commands:
                raise UsageError(f"{parser.prog} has no command {words[0]!r}{suggestion(words[0], parser.commands)}")
            parser = parser.commands[words.pop(0)]
        args, unknown = self.parse_known_args(argv)
        typed = {word.partition("=")[0] for word in words}
        args.given = tuple(action.dest for action in parser._actions if typed & set(action.option_strings))
        for name in args.given:
            if getattr(args, name) == "":  # of a variable that is not set, as in --save "$FILE"
                raise UsageError(f"--{name.replace('_', '-')}: expected a name or a value, got an empty one")
        if unknown:
            word = unknown[0].partition("=")[0]
            if not word.startswith("-"):
                raise UsageError(f"{parser.prog} takes no argument {unknown[0]!r}; see {parser.prog} --help")
            options = [option for action in parser._actions for option in action.option_strings]
            told = hint(word, options)
            if told:
                raise UsageError(f"{parser.prog}: {word} {told}; see {parser.prog} --help")
            raise UsageError(f"{parser.prog} has no option {word}{suggestion(word, options)}")
        return args

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the defaults to the help of options, except where there is none to tell."""

    def _get_help_string(self, action):
        if action.default in (None, False, True, argparse.SUPPRESS) or "(default" in action.help:
            return action.help
        return super()._get_help_string(action)


def suggestion(word: str, options: Iterable[str]) -> str:
    """'; did you mean ...?' with the nearest of the options, or nothing."""
    near = difflib.get_close_matches(word, list(options), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def choice(options: Iterable[str]) -> Callable[[str], str]:
    """Argument type: one of the options."""
    options = tuple(options)

    def parse(text: str) -> str:
        try:
            return one_of("the value", text, options)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def whole(low: int) -> Callable[[str], int]:
    """Argument type: a whole number from ``low`` on."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < low:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} on, got {text!r}")
        return value

    return parse


def number(expected: str, accepted: Callable[[float], bool]) -> Callable[[str], float]:
    """Argument type: a finite number for which ``accepted`` holds, described to the user as ``expected``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and accepted(value)):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parse


def rows_or_fraction(text: str) -> int | float:
    """Argument type: a number of rows from 0 on, or a fraction between 0 and 1."""
    try:
        return whole(0)(text)
    except argparse.ArgumentTypeError:
        return number("a number of rows or a fraction between 0 and 1", lambda share: 0 < share < 1)(text)


def widths(text: str) -> list[int]:
    """Argument type: the widths of the hidden layers, like 64 or 512,512."""
    try:
        values = [int(word) for word in text.split(",")]
    except ValueError:
        values = []
    if not values or min(values) < 1:
        raise argparse.ArgumentTypeError(
            f"expected the width of each hidden layer, whole numbers from 1 on like 64 or 512,512, got {text!r}"
        )
    return values


def activations(text: str) -> str | list[str]:
    """Argument type: the activation of all hidden layers, or of each, separated by commas."""
    names = [choice(HIDDEN)(name) for name in text.split(",")]
    return names if len(names) > 1 else names[0]


def rates(text: str) -> float | list[float]:
    """Argument type: a number from 0 to below 1 for all hidden layers, or one for each, separated by commas."""
    one = number("a number from 0 to below 1, or one for each hidden layer like 0.2,0.5", lambda rate: 0 <= rate < 1)
    found = [one(word) for word in text.split(",")]
    return found if len(found) > 1 else found[0]


def duration(text: str) -> float:
    """Argument type: seconds, from a number that may end in s, m or h."""
    try:
        return seconds(text if text[-1:] in UNITS else f"{text}s")
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time like 90s, 5m or 1.5h, got {text!r}") from None


def every(text: str) -> int | str:
    """Argument type: a number of epochs, or a time like 30s, 5m or 1h."""
    try:
        return whole(1)(text)
    except argparse.ArgumentTypeError:
        pass
    try:
        seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of epochs or a time like 30s, got {text!r}") from None
    return text


def size(text: str) -> int:
    """Argument type: bytes, from a number that may end in kB, MB or GB."""
    units = {"kb": 10**3, "mb": 10**6, "gb": 10**9}
    unit = units.get(text[-2:].lower(), 0)
    found = number("a size like 500MB or 4GB", lambda value: value > 0)
    return max(1, round(found(text[:-2]) * unit if unit else found(text)))


def add_max_bytes(parser: argparse.ArgumentParser) -> None:
    """Add --max-bytes, for the verbs that read data."""
    text = "memory that the data may take, like 4GB (default: 268MB, or four times the files' size if that is more)"
    parser.add_argument("--max-bytes", type=size, metavar="SIZE", help=text)


def checked(module: str) -> Callable[[str], str]:
    """Argument type: a text that ``parse`` of the module takes, whose ValueError says what is wrong with others.

    The module is imported when there is such a text: it may import NumPy, which a help text can do without.
    """

    def keep(text: str) -> str:
        try:
            import_module(module).parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return keep


def batch_size(text: str) -> int | str:
    """Argument type: rows in a batch, or the word full."""
    if text == "full":
        return text
    try:
        return whole(1)(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, or full, got {text!r}") from None
