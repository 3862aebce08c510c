"""The comparison of tables with scikit-learn: its data and its table; what it measures is not asserted."""

import json

import pytest

from bench.results import ROOT
from bench.tables import publish
from bench.tabular import FILE, TARGET, made, render, write


def test_the_made_table_has_gaps_text_and_three_classes(tmp_path):
    columns = made(400)
    assert len(columns) == 31
    assert set(columns[TARGET]) == {"low", "middle", "high"}
    assert 5 < (columns["number2"] == "").sum() < 50
    write(columns, tmp_path)
    lines = [(tmp_path / f"{name}.csv").read_text().splitlines() for name in ("train", "test")]
    assert [len(part) for part in lines] == [301, 101]


@pytest.mark.parametrize(("seconds", "faster"), [(2.0, "5.0x"), (20.0, "0.5x")])
def test_the_table_has_medians(seconds, faster):
    row = {
        "fastnet": {"scores": [0.9, 0.8, 0.7], "seconds": [seconds, seconds, 99.0]},
        "scikit-learn": {"scores": [0.75], "seconds": [10.0]},
    }
    about = {"machine": {"cpu": "Some CPU", "cores": 2}, "taken": "2026-01-02T03:04:05Z", "quick": True}
    *_, line, _, origin = render(about | {"rows": {"iris": row}}).splitlines()
    assert line == f"| iris | 0.800 | 0.750 | {seconds:.3g} s | 10 s | {faster} |"
    assert origin == "<sub>Some CPU, 2 cores, 2026-01-02, in few rounds</sub>"


def test_a_page_has_the_table_of_the_file():
    """README.md shows what `python -m bench.tabular` measured last."""
    shown = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- bench:tabular -->\n")[2]
    assert shown.startswith(render(json.loads(FILE.read_text(encoding="utf-8"))) + "\n<!-- bench:end -->")


def test_what_is_published_stands_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench:one -->\nold\n<!-- bench:end -->\n<!-- bench:two -->\n<!-- bench:end -->\n")
    publish("one", "new", (page,))
    publish("absent", "nothing", (page,))
    assert (
        page.read_text() == "a\n<!-- bench:one -->\nnew\n<!-- bench:end -->\n<!-- bench:two -->\n<!-- bench:end -->\n"
    )
