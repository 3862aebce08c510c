"""What the README shows works."""

import re
import shlex
from pathlib import Path

import pytest

from fastnet.cli.main import build_parser

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_examples(mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network, estimator = blocks("python")
    names: dict = {}
    exec(network, names)
    accuracies = [float(word) for word in capsys.readouterr().out.split()]
    assert accuracies[0] == accuracies[1] > 0.965
    assert (tmp_path / "mnist.npz").exists()

    pytest.importorskip("sklearn")
    with pytest.warns(UserWarning, match="Maximum iterations"):  # as from scikit-learn's
        exec(estimator, names)  # on the data of the first
    assert float(capsys.readouterr().out) > 0.9


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("fastnet ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_command_line(line):
    assert build_parser().parse(shlex.split(line, comments=True)[1:]).run


def test_there_are_command_lines():
    assert COMMANDS
