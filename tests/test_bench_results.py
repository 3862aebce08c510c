"""The file of results and what is made of it: tables, pictures, README."""

import copy
import json

import pytest

from bench import __main__ as program
from bench import plots, results, tables

README = tables.README.read_text(encoding="utf-8")
COMMITTED = results.load()
needs_results = pytest.mark.skipif(COMMITTED is None, reason="nothing has been measured yet")


def test_readme_says_what_the_committed_results_say():
    assert tables.with_tables(README, COMMITTED) == README


@needs_results
def test_every_number_of_the_main_table_is_in_the_readme():
    for row in COMMITTED["sections"]["rows"]["rows"]:
        for kind in ("numpy", "peak"):
            assert tables.number(row["ratios"][kind]["median"]) in README


@needs_results
def test_another_number_makes_another_readme():
    changed = copy.deepcopy(COMMITTED)
    changed["sections"]["rows"]["rows"][0]["ratios"]["numpy"]["median"] *= 1.5
    assert tables.with_tables(README, changed) != README


@needs_results
def test_results_name_machine_and_session():
    assert {"cpu", "threads", "threading_layer", "versions"} <= COMMITTED["machine"].keys()
    for section in COMMITTED["sections"].values():
        session = section["session"]
        assert session["peak_gflops"]["float32"]["1"] > 1
        assert session["numpy_epoch"]["median"] > 0
        assert "load_average" in session


@needs_results
def test_pictures_are_light_and_of_every_section(tmp_path):
    written = {path.name for path in plots.draw(COMMITTED, tmp_path)}
    committed = {path.name for path in results.FOLDER.iterdir() if path.suffix in (".png", ".svg")}
    assert written == committed
    assert all(path.stat().st_size < 150_000 for path in results.FOLDER.iterdir())


def test_marks_of_the_readme_are_needed():
    with pytest.raises(ValueError, match="bench:begin"):
        tables.with_tables("no marks", None)
    text = f"a {tables.BEGIN} old {tables.END} b"
    assert tables.with_tables(text, None) == f"a {tables.BEGIN}\n{tables.END} b"


@pytest.mark.parametrize(
    ("value", "text"), [(7.3e-6, "7.3 us"), (0.0123, "12.3 ms"), (0.31, "0.31 s"), (123.4, "123 s"), (2e-8, "0.02 us")]
)
def test_times_have_units_that_suit_them(value, text):
    assert tables.seconds(value) == text


def test_noise_is_marked():
    quiet = {"median": 3.456, "spread": 0.04, "noisy": False}
    assert tables.ratio(quiet) == "3.46x ±2 %"
    assert tables.ratio(quiet | {"noisy": True}).startswith("~3.46x")


def test_what_is_quicker_elsewhere_is_said():
    row = {"label": "a net", "ratios": {"jax": {"median": 0.8}, "torch": {"median": 3.0}, "peak": {"median": 0.5}}}
    text = tables._losses({"peers": {"rows": [row]}})
    assert "a net: JAX takes 0.80 of the time" in text
    assert "PyTorch" not in text
    assert "Nothing" in tables._losses({})


def test_sections_of_another_machine_are_dropped():
    one = {"cpu": "one", "microarchitecture": "a", "threads": 2}
    old = results.merged(None, one, {"rows": {"n": 1}, "peers": {"n": 1}})
    assert results.merged(old, one, {"rows": {"n": 2}})["sections"] == {"rows": {"n": 2}, "peers": {"n": 1}}
    assert results.merged(old, one | {"threads": 4}, {"rows": {"n": 2}})["sections"] == {"rows": {"n": 2}}


def test_results_are_written_whole_and_read_back(tmp_path):
    path = tmp_path / "new" / "results.json"
    content = results.merged(None, {"cpu": "one", "microarchitecture": "a", "threads": 2}, {})
    results.save(content, path)
    assert results.load(path) == content
    assert results.load(tmp_path / "none.json") is None
    path.write_text(json.dumps(content | {"format": 99}))
    with pytest.raises(ValueError, match="format"):
        results.load(path)


def test_tables_without_results_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(results, "load", lambda: None)
    assert program.main(["--tables"]) == 2
    assert "there is no" in capsys.readouterr().err
