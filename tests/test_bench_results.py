"""The file of results and what is made of it: tables, pictures, pages."""

import copy
import json

import pytest
from figure_checks import inside
from matplotlib import pyplot

from bench import __main__ as program
from bench import accuracy, losses, plots, results, tables

PAGES = {path.relative_to(results.ROOT).as_posix(): path.read_text(encoding="utf-8") for path in tables.PAGES}
COMMITTED = results.load()
COMMITTED = COMMITTED and results.with_others(COMMITTED)
needs_results = pytest.mark.skipif(COMMITTED is None, reason="nothing has been measured yet")


@pytest.mark.parametrize("page", PAGES)
def test_pages_say_what_the_committed_results_say(page):
    assert tables.with_tables(PAGES[page], COMMITTED) == PAGES[page]


@needs_results
def test_every_number_of_the_main_table_is_in_the_page_of_benchmarks():
    for row in COMMITTED["sections"]["rows"]["rows"]:
        for kind in ("numpy", "peak"):
            assert tables.number(row["ratios"][kind]["median"]) in PAGES["bench/README.md"]


@needs_results
@pytest.mark.parametrize(("page", "section"), [("README.md", "peers"), ("bench/README.md", "rows")])
def test_another_number_makes_another_page(page, section):
    changed = copy.deepcopy(COMMITTED)
    changed["sections"][section]["rows"][0]["ratios"]["numpy"]["median"] *= 1.5
    assert tables.with_tables(PAGES[page], changed) != PAGES[page]


@needs_results
def test_pages_are_written_whole(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:summary -->\nold\n<!-- bench:end -->\nafter\n")
    tables.update_pages(COMMITTED, (page,))
    before, begin, line, end, after = page.read_text().splitlines()
    assert (before, begin, end, after) == ("before", "<!-- bench:summary -->", "<!-- bench:end -->", "after")
    assert "times as fast as scikit-learn" in line


def test_summary_is_the_smallest_and_the_largest_lead():
    def row(**ratios):
        return {"label": "a net", "ratios": {name: {"median": x, "noisy": False} for name, x in ratios.items()}}

    sections = {"rows": {"rows": [row(numpy=4.0), row(numpy=1.25, peak=0.5)]}, "sklearn": {"rows": [
        row(**{"scikit-learn": 2.04}), row(**{"scikit-learn": 7.4})
    ]}}  # fmt: skip
    found = {"machine": {"cpu": "Some(R) CPU", "cores": 2}, "sections": sections}
    leads = "2 to 7.4 times as fast as scikit-learn, 1.2 to 4 times as fast as NumPy"
    assert tables.summary(found) == f"**{leads}**, measured on 2 cores (Some CPU)."
    assert "Nothing" in tables.summary({"sections": {}})
    assert "not been raced" in tables.libraries({"sections": {}})


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


@needs_results
def test_no_title_or_label_is_cut(tmp_path, monkeypatch):
    figures = {}
    monkeypatch.setattr(plots, "_save", lambda figure, stem: figures.update({stem.name: figure}) or [])
    plots.draw(COMMITTED, tmp_path)
    assert figures
    assert [name for name, figure in figures.items() if not inside(figure)] == []
    figures["peers"].axes[-1].set_title("x" * 60, loc="left")
    assert not inside(figures["peers"])
    pyplot.close("all")


def test_marks_are_needed():
    with pytest.raises(ValueError, match="bench:summary"):
        tables.with_tables("no marks", None)
    text = "a\n<!-- bench:all -->\nold\n<!-- bench:end -->\nb"
    assert tables.with_tables(text, None) == "a\n<!-- bench:all -->\n<!-- bench:end -->\nb"
    with pytest.raises(ValueError, match="bench:summary"):
        tables.with_tables(text.replace("all", "other"), None)


@pytest.mark.parametrize(
    ("value", "text"), [(7.3e-6, "7.3 us"), (0.0123, "12.3 ms"), (0.31, "0.31 s"), (123.4, "123 s"), (2e-8, "0.02 us")]
)
def test_times_have_units_that_suit_them(value, text):
    assert tables.seconds(value) == text


def test_noise_is_marked():
    quiet = {"median": 3.456, "spread": 0.04, "noisy": False}
    assert tables.ratio(quiet) == "3.46x ±2 %"
    assert tables.ratio(quiet | {"noisy": True}).startswith("~3.46x")


def quicker(sections, threads=2):
    """The sentences against fastnet that these sections give rise to."""
    return " ".join(losses.lines({"machine": {"threads": threads}, "sections": sections}))


def test_what_is_quicker_elsewhere_is_said():
    kinds = {"jax": 0.8, "torch": 3.0, "peak": 0.5}
    row = {"label": "a net", "ratios": {kind: {"median": r, "noisy": False} for kind, r in kinds.items()}}
    text = quicker({"peers": {"rows": [row]}})
    assert "a net: JAX takes 0.80 of fastnet's time." in text
    assert "The smallest lead is 3.00 times as fast as PyTorch, at a net." in text
    assert quicker({}) == ""
    assert "Nothing" in tables._losses({"machine": {"threads": 2}, "sections": {}})


def test_shares_of_the_peak_threads_and_compiling_are_said():
    def row(label, share, threads):
        ratios = {"numpy": {"median": 2.0, "noisy": False}, "peak": {"median": share, "noisy": False}}
        return {"label": label, "ratios": ratios, "threads": threads, "seconds": {"numpy": {"median": 0.5}}}

    sections = {
        "rows": {"rows": [row("quick", 1.2, 2), row("middling", 0.7, 2), row("slow", 0.25, 1)]},
        "accuracy": {"first_epoch": {"cold": {"seconds": 10.0}}},
        "large": {"rows": {"points": [
            {"rows": 600},
            {"rows": 6_000, "tenfold": 10.2, "linear": True, "noisy": False},
            {"rows": 60_000, "tenfold": 11.0, "linear": False, "noisy": False},
            {"rows": 600_000, "tenfold": 12.0, "linear": False, "noisy": True},
        ]}},
        "scaling": {"curves": {
            "threads": [{"x": 1, "fastnet": 1.0}, {"x": 2, "fastnet": 0.8}],
            "threads-wide": [{"x": 1, "fastnet": 1.0}, {"x": 2, "fastnet": 0.55}],
            "batch": [{"x": 1, "fastnet": 1.0, "numpy": 3.0}, {"x": 60_000, "fastnet": 1.0, "numpy": 0.9}],
        }},
    }  # fmt: skip
    text = quicker(sections)
    assert "faster in 2 of 3 rows. fastnet reaches less than 50% of the peak at slow (0.25)." in text
    assert "With 2 threads, 784-64-10 is only 1.25 times as fast as with one." in text
    assert "784-512-512-10" not in text
    assert "A second thread does not help at slow." in text
    assert "NumPy is faster at batch 60 000" in text
    assert "NumPy trains 20 epochs of quick" in text
    assert text.count("In a set of") == 1
    assert "In a set of 60 000 rows, a row takes 1.10 times as long as in one of 6 000." in text
    assert "second thread" not in quicker(sections, threads=1)


def test_sections_of_another_machine_are_dropped():
    one = {"cpu": "one", "microarchitecture": "a", "threads": 2}
    old = results.merged(None, one, {"rows": {"n": 1}, "peers": {"n": 1}})
    assert results.merged(old, one, {"rows": {"n": 2}})["sections"] == {"rows": {"n": 2}, "peers": {"n": 1}}
    assert results.merged(old, one | {"threads": 4}, {"rows": {"n": 2}})["sections"] == {"rows": {"n": 2}}


def test_results_of_another_machine_are_put_aside(tmp_path):
    path, folder = tmp_path / "results.json", tmp_path / "others"
    one, two = ({"cpu": cpu, "microarchitecture": "a", "threads": 2} for cpu in ("one", "two"))
    assert results.of_kind(one, path, folder) is None
    first = results.merged(None, one, {"rows": {"n": 1}})
    results.save(first, path)
    assert results.of_kind(one, path, folder) == first
    assert results.with_others(first, folder)["others"] == []
    assert results.of_kind(two, path, folder) is None
    second = results.merged(None, two, {"rows": {"n": 2}})
    results.save(second, path)
    assert results.with_others(second, folder)["others"] == [first]
    assert results.of_kind(one, path, folder) == first  # and now the second is aside
    results.save(first, path)
    assert results.with_others(first, folder)["others"] == [second]


@needs_results
@pytest.mark.parametrize("page", ["README.md", "bench/README.md"])
def test_pages_show_other_machines(page):
    other = copy.deepcopy({**COMMITTED, "others": []})
    other["machine"]["cpu"] = "Another CPU"
    other["sections"]["peers"]["session"]["commit"] = "0123456789"
    text = tables.with_tables(PAGES[page], COMMITTED | {"others": [other]})
    assert "Another CPU" in text
    assert "commit 0123456789" in text


def test_narrower_vectors_stand_beside_wide_ones():
    def row(bits, numpy, peak):
        ratios = {"numpy": {"median": numpy}, "peak": {"median": peak}}
        return {"name": "a", "label": "a net", "vector_bits": bits, "ratios": ratios}

    shown, words = tables._narrow([row(512, 6.0, 0.9), row(256, 4.0, 1.25) | {"label": "a net, narrow"}])
    assert shown.splitlines()[-1] == "| a net | 6x | 0.9 | 4x | 1.25 |"
    assert "stand-in" in words
    assert tables._narrow([row(512, 6.0, 0.9)]) == []


def test_results_are_written_whole_and_read_back(tmp_path):
    path = tmp_path / "new" / "results.json"
    content = results.merged(None, {"cpu": "one", "microarchitecture": "a", "threads": 2}, {})
    results.save(content, path)
    assert results.load(path) == content
    assert results.load(tmp_path / "none.json") is None
    path.write_text(json.dumps(content | {"format": 99}))
    with pytest.raises(ValueError, match="format"):
        results.load(path)


@pytest.mark.parametrize("name", ["peers", "sklearn"])
def test_other_libraries_want_their_option(name, capsys):
    assert program.parse(["--peers", "python", "--only", name]).only == [name]
    with pytest.raises(SystemExit):
        program.parse(["--only", name])
    assert "--peers" in capsys.readouterr().err
    assert not {"peers", "sklearn"} & set(program.parse([]).only)


def test_tables_without_results_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(results, "load", lambda: None)
    assert program.main(["--tables"]) == 2
    assert "there is no" in capsys.readouterr().err


def test_time_to_accuracy_is_that_of_the_first_evaluation_there():
    courses = [[(0.1, 0.96), (0.2, 0.975), (0.3, 0.981)], [(0.1, 0.972), (0.2, 0.971)]]
    found = accuracy.summary(courses)
    assert found["runs"] == 2
    assert found["0.97"] == {"reached": 2, "seconds": 0.15, "epochs": 1.5, "each": [0.1, 0.2]}
    assert found["0.98"] == {"reached": 1, "seconds": 0.3, "epochs": 3.0, "each": [0.3]}
    assert accuracy.summary([[(0.1, 0.5)]])["0.97"] == {"reached": 0}


@pytest.mark.parametrize(
    ("line", "epoch", "percent"),
    [
        ("epoch  3/30   20.2k rows/s  loss 0.3077  test 97.47%  3 s left", "3", "97.47"),
        ("epoch 4: 9808 of 10000 test rows, 98.08%", "4", "98.08"),
    ],
)
def test_lines_of_commands_are_understood(line, epoch, percent):
    assert accuracy.LINE.match(line).groups() == (epoch, percent)
