"""How the program speaks: lines that fit 80 columns, warnings in one line each, words for other people's options."""

import argparse
import os
import warnings

import numpy as np
import pytest

from fastnet import terminal
from fastnet.cli import hints, info
from fastnet.cli.main import VERBS, build_parser, main
from fastnet.cli.parser import Parser

LONG = "a folder whose name is long but has spaces/and another one that makes the path longer than any line may be"


def too_wide(text, columns=80):
    """The lines that are too wide for a reason other than one long word, as a path is."""
    lines = (line for line in text.splitlines() if len(line) > columns)
    return [line for line in lines if max(map(len, line.split())) + 4 < columns and os.sep not in line]


def test_what_is_too_wide():
    assert too_wide("word " * 17)
    assert not too_wide("word " * 15)
    assert not too_wide("x" * 100)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data and models to run every verb on."""
    folder = tmp_path_factory.mktemp("wide") / LONG
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    X, y = rng.random((60, 9), np.float32), np.arange(60) % 3
    names = np.array(["a class with quite a long name, as classes may have", "another one of these", "short"])
    np.savez(folder / "names.npz", X=X, y=names[y])
    np.savez(folder / "values.npz", X=X, y=rng.normal(size=(60, 3)))
    return folder


@pytest.mark.parametrize("data", ["names.npz", "values.npz"])
def test_every_verb_on_data_fits(place, data, capsys):
    source, model = str(place / data), str(place / f"model-of-{data}")
    quick = ["--epochs", "2", "--backend", "reference", "--evaluate-train"]
    for argv in (
        ["train", "--data", source, "--save", model, *quick],
        ["train", "--data", source, "--validation-split", "0", *quick],
        ["evaluate", model, "--data", source, "--report"],
        ["predict", model, source],
        ["data", "verify", source],
        ["data", "convert", source, str(place / f"again-{data}")],
    ):
        assert main(argv) == 0
        out, err = capsys.readouterr()
        assert out
        assert not too_wide(out), argv
        assert all(len(line) <= 72 for line in out.splitlines() if line.startswith("epoch "))
        assert all(line.startswith("fastnet: ") for line in err.splitlines())


@pytest.mark.parametrize("argv", ["recipe --list", "data list", "info"])
def test_every_other_verb_fits(argv, capsys):
    assert main(argv.split()) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if len(line) > 80 and os.sep not in line]


def parsers(parser: Parser):
    yield parser
    for child in parser.commands.values():
        yield from parsers(child)


@pytest.mark.parametrize("columns", [80, 100])
def test_help_fits(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    found = list(parsers(build_parser()))
    assert len(found) > len(VERBS)
    for parser in found:
        assert max(map(len, parser.format_help().splitlines())) <= columns


def test_a_recipe_fits(capsys):
    from fastnet.recipes import RECIPES
    from fastnet.recipes.race import Lap, Result
    from fastnet.recipes.report import against, lap_line, race_lines, table
    from fastnet.recipes.running import Comparison, Spread

    spread = Spread(0.97, 0.96, 0.98)
    texts = [race_lines(RECIPES["mnist-fast"], Result(12.3456, 9, 10, 0.9812))]
    for recipe in RECIPES.values():
        measures = dict.fromkeys(recipe.published, spread)
        texts += [table(recipe, measures, [12.3]), table(recipe, measures, [123.4, 234.5])]
    texts.append(against(Comparison(2000, 1.5, 15.25, 1e-7), 60_000))
    epoch = argparse.Namespace(epoch=9, val_accuracy=0.9801)
    outcome = argparse.Namespace(
        history=argparse.Namespace(epochs=[epoch]), args=argparse.Namespace(seed=138), seconds=12.345
    )
    texts.append(lap_line(RECIPES["mnist-fast"], Lap(outcome, True, 10, 0.98)))
    for text in texts:
        assert max(map(len, text.splitlines())) <= 80, text


def test_lines_are_folded_at_spaces():
    text = "  - " + "some words to tell " * 9
    first, *others = terminal.fold(text).split("\n")
    assert len(first) <= 80
    assert others
    assert all(line.startswith("      ") and len(line) <= 80 for line in others)
    assert " ".join([first, *others]).split() == text.split()
    assert terminal.fold("x" * 200) == "x" * 200
    assert terminal.fold("a  b\n\nc") == "a  b\n\nc"


def test_a_wider_terminal_is_used(monkeypatch):
    assert terminal.width() == 80
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    assert terminal.width() == 120
    assert terminal.fold("word " * 20) == "word " * 20
    monkeypatch.setenv("COLUMNS", "40")
    assert terminal.width() == 80


@pytest.mark.parametrize("category", [UserWarning, RuntimeWarning])
def test_warnings_are_lines(monkeypatch, capsys, category):
    def run(args):
        warnings.warn("something\nis odd", category, stacklevel=1)
        warnings.warn("not for users", DeprecationWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(info, "run", run)
    shown = warnings.showwarning
    assert main(["info"]) == 0
    assert capsys.readouterr().err == "fastnet: warning: something is odd\n"
    assert warnings.showwarning is shown


def test_hints_name_options_that_exist():
    actions = [action for parser in parsers(build_parser()) for action in parser._actions]
    options = {option for action in actions for option in action.option_strings}
    assert set(hints._OWN_WORDS) <= options
    strange = {word for words in hints._OWN_WORDS.values() for word in words} | set(hints._UNKNOWN)
    assert strange & options == {"--time", "--jobs"}  # which fastnet tune has, and others have other words for
    assert hints.hint("--learning_rate", ["--lr"]) == "is called --lr here"
    assert hints.hint("--learning-rate", ["--json"]) is None
    assert hints.hint("--nothing", options) is None
