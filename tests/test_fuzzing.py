"""A few of the inputs of scripts/fuzz, and the script itself: that it tells failures from refusals."""

import tracemalloc
from pathlib import Path

import pytest
from fuzzing.__main__ import Fuzz, Worker, judged
from fuzzing.formats import FORMATS, make, write
from fuzzing.worker import outcome

from fastnet.errors import DataError

FINE = {"what": "refused", "told": "", "seconds": 0.1, "memory": 5_000_000, "size": 100}


def traced(name: str, path: Path, folder: Path) -> tuple[str, str, int]:
    """The outcome of an input, and the bytes that Python and NumPy took at most.

    They are not traced beside threads of pyarrow: tracemalloc cannot be stopped safely while those call Python.
    """
    if FORMATS[name].package == "pyarrow":
        return *outcome(name, path, folder), 0
    tracemalloc.start()
    what, told = outcome(name, path, folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return what, told, peak


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_files(name, tmp_path):
    if not FORMATS[name].is_there:
        pytest.skip(f"needs {FORMATS[name].package}")
    outcomes = set()
    for index in range(25):
        folder = tmp_path / str(index)
        folder.mkdir()
        path = write(name, make(name, 138, index), folder)
        what, told, peak = traced(name, path, folder)
        assert what != "failed", f"input {index}: {told}"
        assert peak < 300_000_000
        outcomes.add(what)
    assert outcomes == {"loaded", "refused"}


def test_the_same_numbers_give_the_same_files():
    for name in FORMATS:
        if FORMATS[name].is_there and name != "hdf5":  # which has the time in it
            assert make(name, 1, 7) == make(name, 1, 7) != make(name, 2, 7)


def test_what_is_a_failure(tmp_path, monkeypatch):
    def raises(error):
        def read(path):
            raise error

        monkeypatch.setitem(FORMATS, "csv", type(FORMATS["csv"])(FORMATS["csv"].make, read))
        return outcome("csv", tmp_path / "file", tmp_path)[0]

    assert raises(DataError(f"{tmp_path}/file: expected rows")) == "refused"
    for error in (
        DataError("expected rows, but the file is not named"),
        DataError(f"{tmp_path}/file: two\nlines"),
        DataError(f"{tmp_path}/file: does not fit into the memory of this machine"),
        KeyError("x"),
        RecursionError(),
        SystemExit(0),
    ):
        assert raises(error) == "failed"
    assert judged(dict(FINE)) == "refused"
    assert judged(FINE | {"memory": 300_000_001}) == "failed"
    assert judged(FINE | {"memory": 300_000_001, "size": 80_000_000}) == "refused"
    assert judged(FINE | {"seconds": 10.1}) == "failed"


def test_failures_are_kept_and_a_worker_that_ends_begins_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    worker = Worker()
    gone = worker.read("nothing", 1, 1)
    assert gone["what"] == "failed"
    assert gone["told"] == "the process ended with code 1"
    assert worker.read("csv", 1, 1)["what"] in ("loaded", "refused")
    worker.close()

    fuzz = Fuzz(["csv"], 1, tmp_path)
    fuzz._count("csv", 3, gone)
    fuzz._count("csv", 4, dict(FINE))
    assert (tmp_path / "csv-1-3" / "file").read_bytes() == make("csv", 1, 3)["file"]
    assert not (tmp_path / "csv-1-4").exists()
    assert capsys.readouterr().out == f"{tmp_path / 'csv-1-3'}: the process ended with code 1\n"
    assert " ".join(fuzz.table().split()) == "format loaded refused failed most s most MB csv 0 1 1 0.10 5"
