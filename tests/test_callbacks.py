"""What is called while a network trains: the log and the curves for TensorBoard."""

import csv
import dataclasses
import gc
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import fastnet
from fastnet.callbacks import COLUMNS, HEADER, Callback, Log, TensorBoard
from fastnet.history import Epoch, Step


@pytest.fixture
def run(rng):
    """Trains a small network with these callbacks; returns it and the History."""
    X, y = rng.random((30, 4)).astype(np.float32), np.arange(30) % 3

    def call(*callbacks: Callback, epochs: int = 3):
        net = fastnet.Network([4, 5, 3], seed=1)
        history = fastnet.train(
            net, X, y, epochs=epochs, validation=(X, y), callbacks=callbacks, backend="reference", seed=1
        )
        return net, history

    return call


def rows(path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_names_at_the_top():
    assert fastnet.Log is Log
    assert fastnet.TensorBoard is TensorBoard
    assert fastnet.Step is Step


# Log


@pytest.mark.parametrize("name", ["run.csv", "RUN.CSV"])
def test_csv_has_a_row_per_epoch_of_all_runs(run, tmp_path, name):
    path = tmp_path / name
    log = Log(path)
    _, first = run(log)
    _, second = run(Log(path), epochs=2)
    found = rows(path)
    assert path.read_text().splitlines()[0] == HEADER == ",".join(found[0])
    assert [int(row["epoch"]) for row in found] == [1, 2, 3, 1, 2]
    for row, epoch in zip(found, [*first, *second], strict=True):
        for column, value in dataclasses.asdict(epoch).items():
            assert row[column] == ("" if value is None else repr(value))
    assert found[0]["val_accuracy"] != ""
    assert found[0]["train_loss"] == ""
    assert not log.failed


def test_jsonl_has_an_object_per_epoch_of_all_runs(run, tmp_path):
    path = tmp_path / "run.jsonl"
    _, first = run(Log(path))
    _, second = run(Log(path))
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [dataclasses.asdict(epoch) for epoch in [*first, *second]]


def test_rows_are_there_while_the_run_goes_on(run, tmp_path):
    path, seen = tmp_path / "run.jsonl", []
    run(Log(path), lambda net, epoch: seen.append(path.read_text().count("\n")))
    assert seen == [1, 2, 3]


def test_numbers_that_json_lacks(tmp_path):
    as_json, as_csv = tmp_path / "a.jsonl", tmp_path / "a.csv"
    for path in (as_json, as_csv):
        Log(path)(None, Epoch(1, 0.5, float("nan"), val_loss=float("inf")))
    record = json.loads(as_json.read_text(), parse_constant=pytest.fail)
    assert record["loss"] is record["val_loss"] is None
    assert record["seconds"] == 0.5
    assert rows(as_csv)[0]["loss"] == "nan"


@pytest.mark.parametrize("name", ["run.json", "run", "run.csv.gz", "csv"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.csv or \.jsonl, got .*" + name):
        Log(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\x00\xff\xfe", b"\n", HEADER.encode()[:-1]])
def test_csv_with_other_columns_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "run.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.csv has other columns than a log: expected epoch,.* choose a new file"):
        Log(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_rows_of_a_run_that_goes_on_from_before_are_dropped(tmp_path, suffix):
    path = tmp_path / f"run.{suffix}"
    for epochs in (2, 4):
        log = Log(path)
        for number in range(1, epochs + 1):
            log(None, Epoch(number, 0.5, 0.25))
    whole = path.read_text()
    log.cut(4)
    assert path.read_text() == whole
    log.cut(2)
    log(None, Epoch(3, 0.5, 0.25))
    expected = whole.splitlines()[:-1]
    assert path.read_text().splitlines() == expected
    log.cut(0)
    assert len(path.read_text().splitlines()) == len(expected) - 3


def test_csv_that_a_spreadsheet_saved_is_known(tmp_path):
    path = tmp_path / "run.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n")
    Log(path)(None, Epoch(1, 0.5, 0.25))
    assert path.read_bytes().endswith(b"\r\n1,0.5,0.25,,,,,,,,\n")


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_torn_row_stays_alone(tmp_path, name):
    path = tmp_path / name
    Log(path)(None, Epoch(1, 0.5, 0.25))
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    Log(path)(None, Epoch(2, 0.5, 0.25))
    *before, torn, row = path.read_bytes().splitlines()
    assert [*before, torn] == whole[:-4].splitlines()
    assert row.replace(b'{"epoch": ', b"")[:2] == b"2,"


def test_files_that_cannot_be_written_are_refused_at_the_start(tmp_path):
    with pytest.raises(FileNotFoundError):
        Log(tmp_path / "nowhere" / "run.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OSError, match=r"folder\.csv"):
        Log(tmp_path / "folder.csv")


def test_a_write_that_fails_does_not_end_the_run(run, tmp_path):
    path = tmp_path / "gone" / "run.csv"
    path.parent.mkdir()
    log = Log(path)

    def lose(net, epoch):
        if epoch.epoch == 1:
            path.unlink()
            path.parent.rmdir()

    with pytest.warns(UserWarning, match=r"run\.csv has no row of epoch 2 and later ones: No such file") as caught:
        _, history = run(log, lose)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert len(history) == 3
    assert log.failed


# TensorBoard


def events(folder) -> list:
    """The events of all files in a folder: a length, its checksum, the event, its checksum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = []
    for path in sorted(Path(folder).iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(event_pb2.Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def points(folder) -> dict[str, dict[int, float]]:
    """Tag of each curve: its points."""
    curves: dict[str, dict[int, float]] = {}
    for event in events(folder):
        for value in event.summary.value:
            curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return curves


def test_tensorboard_has_a_curve_per_field(run, tmp_path):
    pytest.importorskip("tensorboardX")
    with TensorBoard(tmp_path / "runs" / "one") as board:
        assert board.every is None
        _, history = run(board)
    curves = points(tmp_path / "runs" / "one")
    assert curves.keys() == history.records()[0].keys() - {"epoch"}
    assert {"loss", "val_loss", "val_accuracy", "seconds"} <= curves.keys()
    for name, curve in curves.items():
        assert curve == {epoch.epoch: pytest.approx(getattr(epoch, name)) for epoch in history}


def test_tensorboard_has_steps_and_histograms(run, tmp_path):
    pytest.importorskip("tensorboardX")
    with TensorBoard(tmp_path, every=10, histograms=True) as board:
        assert board.every == 10
        board.step(None, Step(step=10, epoch=1, loss=0.5, lr=0.25))
        net, _ = run(board, epochs=1)
    curves = points(tmp_path)
    assert curves["steps/loss"] == {10: 0.5}
    assert curves["steps/lr"] == {10: 0.25}
    histograms = {v.tag: v.histo for e in events(tmp_path) for v in e.summary.value if v.HasField("histo")}
    assert histograms.keys() == {"W/0", "b/0", "W/1", "b/1"}
    assert histograms["W/0"].num == net.W[0].size
    assert histograms["W/0"].sum == pytest.approx(float(net.W[0].sum()), rel=1e-3)


def test_tensorboard_closes_itself(run, tmp_path):
    """The tests turn a ResourceWarning into a failure."""
    pytest.importorskip("tensorboardX")
    run(TensorBoard(tmp_path))
    gc.collect()
    assert len(points(tmp_path)["loss"]) == 3


def test_the_folder_is_tried_at_once(tmp_path):
    pytest.importorskip("tensorboardX")
    TensorBoard(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        TensorBoard(tmp_path / "file")


def test_points_that_cannot_be_written_do_not_end_a_run(tmp_path):
    pytest.importorskip("tensorboardX")
    board = TensorBoard(tmp_path / "run")
    (tmp_path / "run").rmdir()
    (tmp_path / "run").write_text("")
    with pytest.warns(UserWarning, match="has no points from 1 on"):
        board(None, Epoch(1, 0.5, 0.25))
    assert board.failed
    board(None, Epoch(2, 0.5, 0.25))


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "10"])
def test_bad_numbers_of_steps(tmp_path, every):
    with pytest.raises(ValueError, match="every must be a whole number, at least 1, got"):
        TensorBoard(tmp_path, every=every)


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"TensorBoard needs tensorboardX.*pip install \"fastnet\[tensorboard\]\""):
        TensorBoard(tmp_path)


def test_columns_are_those_of_an_epoch():
    assert tuple(dataclasses.asdict(Epoch(1, 0.5, 0.25))) == COLUMNS
