"""What README.md shows is what comes out.

The blocks of a section run in order, in one namespace and one empty folder. The output of a ``python`` or ``sh`` block
is compared with the ``text`` block below it. Words must be equal, and numbers equal within TOLERANCE. Times and rates
may be any. ``sh`` blocks without output are parsed only.
"""

import re
import shlex
from pathlib import Path

import pytest

from fastnet.cli.main import build_parser, main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOLERANCE = {"abs": 0.05, "rel": 0.05}  # kinds of CPU differ in the last bits, which training amplifies
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
TIMES = re.compile(r"[\d.]+[kMG]? rows/s|[^ ]+ (?:s|min|h)(?: \d+ (?:s|min))? left|compiling kernels .*\n")


def sections() -> dict[str, list[tuple[str, str, str | None]]]:
    """Title of each section with examples: (language, code, output or None) of each of them."""
    found: dict[str, list[tuple[str, str, str | None]]] = {}
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE):
        blocks = BLOCK.findall(text)
        following = [*blocks[1:], ("", "")]
        examples = [
            (language, code, shown if kind == "text" else None)
            for (language, code), (kind, shown) in zip(blocks, following, strict=bool(blocks))
            if language == "python" or (language == "sh" and kind == "text")
        ]
        if examples:
            found[title] = examples
    return found


SECTIONS = sections()
COMMANDS = [
    line
    for language, code in BLOCK.findall(README)
    for line in code.splitlines()
    if language == "sh" and line.startswith("fastnet ")
]


def words_and_numbers(text: str) -> tuple[list[list[str]], list[float]]:
    """(words of each line that is not empty, with # for numbers; the numbers)."""
    text = TIMES.sub("", text).replace("]", " ]")  # NumPy pads a number that has a digit less than its neighbours
    lines = [NUMBER.sub("#", line).split() for line in text.splitlines() if line.strip()]
    return lines, [float(number) for number in NUMBER.findall(text)]


def compare(got: str, shown: str) -> None:
    words, numbers = words_and_numbers(got)
    shown_words, shown_numbers = words_and_numbers(shown)
    assert words == shown_words
    assert numbers == pytest.approx(shown_numbers, **TOLERANCE)


def run(language: str, code: str, names: dict) -> None:
    if language == "python":
        exec(code, names)
        return
    for line in code.splitlines():
        assert main(shlex.split(line, comments=True)[1:]) == 0


@pytest.mark.parametrize("title", SECTIONS)
def test_examples(title, request, tmp_path, monkeypatch, capsys):
    everything = "".join(code for _, code, _ in SECTIONS[title])
    if "mnist" in everything:
        request.getfixturevalue("mnist")
    if "sklearn" in everything:
        pytest.importorskip("sklearn")
    if "dask" in everything:
        pytest.importorskip("dask.array")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for language, code, output in SECTIONS[title]:
        capsys.readouterr()
        run(language, code, names)
        if output is not None:
            compare(capsys.readouterr().out, output)


def test_there_are_examples_of_both_kinds():
    shown = [language for examples in SECTIONS.values() for language, _, output in examples if output]
    assert {"python", "sh"} == set(shown)
    assert len(shown) > 5


@pytest.mark.parametrize(
    ("got", "same"),
    [
        ("epoch 1/9  1.62M rows/s  loss 0.311  test 96.1%  7 s left\n", True),
        ("compiling kernels (once)\nepoch 1/9  66.8k rows/s  loss 0.3  test 95.5%  1 min 5 s left\n", True),
        ("epoch 1/9  66.8k rows/s  loss 0.5  test 95.5%  7 s left\n", False),
        ("epoch 1/9  66.8k rows/s  loss 0.3  val 95.5%  7 s left\n", False),
        ("epoch 1/9  66.8k rows/s  loss 0.3  test 95.5%  7 s left\nmore\n", False),
        ("", False),
    ],
)
def test_comparison_sees_other_words_and_numbers(got, same):
    shown = "epoch 1/9  66.8k rows/s  loss 0.3077  test 95.47%  7 s left\n"
    if same:
        compare(got, shown)
        return
    with pytest.raises(AssertionError):
        compare(got, shown)


@pytest.mark.parametrize("line", COMMANDS)
def test_command_line(line):
    assert build_parser().parse(shlex.split(line, comments=True)[1:]).run


def test_there_are_command_lines():
    assert COMMANDS


@pytest.mark.parametrize("page", ["README.md", "bench/README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_and_pictures_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_extras_of_the_readme_are_declared():
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(declared) == {
        "sklearn",
        "images",
        "hdf5",
        "plot",
        "export",
        "tensorboard",
        "tables",
        "tune",
        "mpi",
        "all",
        "test",
        "release",
    }
    assert all(f"`{extra}`" in README or f"[{extra}]" in README for extra in set(declared) - {"test", "release"})
