"""scripts/platforms, on legs that only pretend."""

import json
import sys

import pytest
from platforms import __main__ as program
from platforms import legs, outcome, tables
from platforms.legs import LEGS, Lab, Leg, Run
from platforms.skipped import Skipped, must_pass

import fastnet


def pretending(name, line, code=0, **about):
    """A leg whose pytest prints a last line and ends with a code."""
    command = (sys.executable, "-c", f"import sys; print('.....'); print({line!r}); sys.exit({code})")
    return Leg(name, "lanes", lambda lab: Run(command, ("tests",), {"LEG": name}), **about)


def _missing(lab):
    raise Skipped("no Python 4.0 is installed")


PRETENDED = (
    pretending("good", "12 passed, 3 skipped, 2 warnings in 4.56s"),
    pretending("bad", "1 failed, 12 passed, 2 errors in 4.56s", code=1),
    pretending("ended", "Segmentation fault", code=3),
    Leg("absent", "pythons", _missing),
    pretending("far", "7 passed in 1s", is_emulated=True),
)


@pytest.fixture
def pretended(monkeypatch):
    monkeypatch.setattr(program, "LEGS", PRETENDED)


def test_the_exit_code_counts_legs_that_failed(pretended, capsys, tmp_path):
    assert program.main(["--folder", str(tmp_path)]) == 2
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[:4] for row in rows[:3]] == [
        ["good", "12", "3", "0"],
        ["bad", "12", "0", "3"],
        ["ended", "0", "0", "1"],
    ]
    assert rows[2].endswith("pytest ended with code 3")
    assert rows[3].endswith("no Python 4.0 is installed")


def test_results_are_kept_and_replaced(pretended, tmp_path, capsys, monkeypatch):
    kept = tmp_path / "results.json"
    program.main(["--folder", str(tmp_path), "--json", str(kept)])
    monkeypatch.setattr(outcome, "counts", lambda text: (99, 0, 0))
    assert program.main(["--folder", str(tmp_path), "--json", str(kept), "--only", "pythons"]) == 0
    found = {leg["name"]: leg for leg in json.loads(kept.read_text(encoding="utf-8"))}
    assert list(found) == ["good", "bad", "ended", "absent", "far"]
    assert found["good"]["passed"] == 12
    capsys.readouterr()
    assert program.main(["--markdown", str(kept)]) == 0
    assert "| by reading" in capsys.readouterr().out


def test_results_of_several_files_make_one_table(pretended, tmp_path, capsys):
    def write(file, host, day="2026-11-22", **about):
        found = outcome.Outcome(kind="lanes", host=host, version="0.2.0", day=day, **about)
        (tmp_path / file).write_text(json.dumps([vars(found)]), encoding="utf-8")

    (tmp_path / "legs").mkdir()
    (tmp_path / "legs/notes.txt").touch()
    write("legs/1.json", "Linux x86_64", name="far", failed=1)
    write("legs/2.json", "Linux x86_64", name="far", passed=2)
    write("legs/3.json", "Linux x86_64", name="good", passed=3, day="2026-11-21")
    write("mac.json", "Darwin arm64", name="good", passed=3)
    assert program.main(["--markdown", str(tmp_path / "legs"), str(tmp_path / "mac.json")]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| Linux on x86-64 | tested: good, far | 0.2.0, 2026-11-21 to 2026-11-22 |",
        "| macOS on Apple processors | tested: good | 0.2.0, 2026-11-22 |",
        "| Windows on x86-64 | by reading the code and simulating in tests |  |",
    ]


def test_the_table_of_platforms():
    lab = Lab(folder=legs.ROOT)
    assert outcome.outcome_of(PRETENDED[0], lab).version == fastnet.__version__
    found = [outcome.outcome_of(leg, lab) for leg in PRETENDED[:1]]
    found += [outcome.Outcome("8 lanes", "lanes", failed=1), outcome.Outcome("tbb", "layers", reason="missing")]
    found += [outcome.Outcome("aarch64", "aarch64", passed=7, is_emulated=True)]
    found += [outcome.Outcome("oldest", "dependencies", passed=1)]
    for leg in found:
        leg.host, leg.version, leg.day = "Linux x86_64", "0.2.0", "2026-11-22"
    assert tables.markdown(found).splitlines()[2:] == [
        "| Linux on x86-64 | tested: good, oldest dependencies | 0.2.0, 2026-11-22 |",
        "| Linux on ARM | emulated: 7 tests of the kernels | 0.2.0, 2026-11-22 |",
        "| macOS on Apple processors | by reading the code and simulating in tests |  |",
        "| Windows on x86-64 | by reading the code and simulating in tests |  |",
    ]


def test_legs_name_tests_that_exist():
    for path in {*legs.KERNELS, *legs.THREADS, *legs.EMULATED}:
        assert (legs.ROOT / path).is_file()
    assert len({leg.name for leg in LEGS}) == len(LEGS)


def test_the_python_at_hand_needs_no_environment(tmp_path):
    here = ".".join(map(str, sys.version_info[:2]))
    (leg,) = [leg for leg in LEGS if leg.name == f"Python {here}"]
    assert leg.prepare(Lab(tmp_path)) == Run(legs.pytest_of(sys.executable), ("tests",))
    assert list(tmp_path.iterdir()) == []


def test_the_library_of_tbb_is_loaded_from_its_wheel(monkeypatch, tmp_path):
    library = {"LD_LIBRARY_PATH": str(tmp_path / "lib")}
    monkeypatch.setattr(legs, "_environment", lambda *_: tmp_path / "bin/python")
    monkeypatch.setattr(legs, "_loads", lambda python, env: library.items() <= env.items())
    (leg,) = [leg for leg in LEGS if leg.name == "tbb"]
    run = leg.prepare(Lab(tmp_path))
    assert run.command == legs.pytest_of(tmp_path / "bin/python")
    assert run.env == library | {"NUMBA_THREADING_LAYER": "tbb"}


def test_a_python_is_found_by_its_version(monkeypatch):
    here = ".".join(map(str, sys.version_info[:2]))
    assert legs.version_of(legs.find_python(here, (sys.executable,))) == here
    assert legs.version_of("no such python") == ""
    with pytest.raises(Skipped, match=r"no Python 4\.0"):
        legs.find_python("4.0", (sys.executable,))


def test_what_cannot_be_prepared_is_skipped_with_the_last_line():
    must_pass([sys.executable, "-c", ""], "never")
    with pytest.raises(Skipped, match="it failed: so it is"):
        must_pass([sys.executable, "-c", "print('a page'); print('so it is'); raise SystemExit(1)"], "it failed")
