"""The page of a run or a network: what it shows, what it says of what it cannot show, and that it is one sound file."""

import base64
import json
import re
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import fastnet
from fastnet import machine
from fastnet.cli import report as command
from fastnet.cli.main import main
from fastnet.errors import DataError
from fastnet.report import Judged, Material, markup, quality, read_run

NAMES = ("cat", "<script>alert('x')</script>", 'a "b" & $c$')
VOID = {"img", "meta"}


class Page(HTMLParser):
    """A page that was read: its tags, which must be balanced, its texts by heading, and its images."""

    def __init__(self, text: str):
        super().__init__()
        self.text, self.open, self.tags, self.images, self.sections = text, [], [], [], {"": ""}
        self.heading = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        if name == "img":
            self.images.append(dict(attributes))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.heading = data
        if "style" not in self.open:
            self.sections[self.heading] = self.sections.get(self.heading, "") + data + " "


@pytest.fixture
def report(tmp_path, monkeypatch, capsys):
    """Runs fastnet report in an empty folder and returns the page."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: object) -> Page:
        code = main(["report", *map(str, argv)])
        out, err = capsys.readouterr()
        assert (code, out, err) == (0, "report: report.html\n", "")
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return call


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Runs fastnet report and returns its one line of error, exit code 2."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: object) -> str:
        code = main(["report", *map(str, argv)])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert not (tmp_path / "report.html").exists()
        return err

    return call


@pytest.fixture
def rows(tmp_path, rng):
    """A file of 40 rows with named classes."""
    y = np.arange(40) % 3
    X = rng.standard_normal((40, 4)).astype(np.float32)
    X[np.arange(40), y] += 3
    np.savez(tmp_path / "rows.npz", X=X, y=np.array(NAMES)[y])
    return tmp_path / "rows.npz"


@pytest.fixture
def trained(rows, tmp_path, capsys):
    """The JSON file of a run that held out rows and saved its network, as fastnet train writes it."""
    options = ("--hidden", "6", "--lr", "0.5", "--epochs", "3", "--backend", "reference", "--evaluate-train")
    files = ("--save", str(tmp_path / "net.npz"), "--json", str(tmp_path / "run.json"))
    assert main(["train", "--data", str(rows), *options, *files]) == 0
    capsys.readouterr()
    return changed(tmp_path / "run.json", saved=str(tmp_path / "net.npz"), machine=machine.processor())


def changed(path, **entries):
    """The JSON file, with other entries."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    return path


def test_a_run_with_its_network(report, trained, monkeypatch):
    monkeypatch.setattr("fastnet.engine.peak.best_known", lambda dtype, threads: 1e9)
    page = report(trained)
    result = json.loads(trained.read_text())
    accuracy = result["validation"]["accuracy"]
    assert f"accuracy, validation rows {accuracy:.2%}" in page.sections[""]  # of the very rows that were held out
    assert "has changed since" not in page.text
    assert {"Course", "Confusion matrix", "Worst errors", "Classes", "Settings", "Weights", "Speed"} <= set(
        page.sections
    )
    assert "hidden 6" in page.sections["Settings"]
    assert "optimizer momentum" in page.sections["Settings"]
    assert f"{round(accuracy * 4)} of 4 validation rows are right" in page.sections["Confusion matrix"]
    assert "numpy " + np.__version__ in page.sections["Environment of the run"]
    assert "4 x 6" in page.sections["Network"]
    seconds = np.median([epoch["seconds"] for epoch in result["epochs"]])
    share = 36 / seconds * (4 * 24 + 6 * 18) / 1e9
    assert f"of the machine's FMA peak {share:.0%}" in page.sections["Speed"]
    assert len(page.images) == 5  # loss, accuracy, matrix, importance, histograms


def test_the_page_is_whole_and_loads_nothing(report, trained):
    page = report(trained)
    assert page.text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert not {"script", "link", "iframe", "object", "svg"} & set(page.tags)
    assert "default-src 'none'" in unescape(page.text)
    assert not re.search(r"https?://|url\(|@import", page.text)
    for image in page.images:
        kind, content = re.fullmatch(r"data:image/(png|svg\+xml);base64,(.*)", image["src"]).groups()
        start = base64.b64decode(content)[:200]
        assert start.startswith(b"\x89PNG") if kind == "png" else b"<?xml" in start
        assert image["alt"]
        assert int(image["width"]) > 0


def test_names_of_classes_are_text(report, trained):
    page = report(trained)
    for name in NAMES:
        assert name in page.sections["Classes"]
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page.text


def test_everything_in_a_run_is_text(report, tmp_path):
    evil = "<img src=x onerror=alert(1)>\0\ud800"
    content = {
        "epochs": [{"epoch": 1, "seconds": 0.5, "loss": None, "more": evil}],
        "config": {evil: evil, "list": [evil], "table": {evil: 1}},
        "data": {"name": evil},
        "machine": {evil: evil},
        "versions": {evil: evil},
        "threading_layer": evil,
        "saved": evil,
        "stopped": evil,
    }
    (tmp_path / "run.json").write_text(json.dumps(content))
    page = report("run.json")
    assert "onerror=alert(1)>" in page.sections["Settings"]
    assert all("onerror" not in image for image in page.images)
    assert "<img src=x" not in page.text
    assert "\0" not in page.text


def test_a_run_without_its_network_says_how_to_get_the_rest(report, trained, tmp_path):
    page = report(changed(trained, saved=None))
    assert "hidden 6" in page.sections["Settings"]
    assert len(page.images) == 2
    for part in ("Network", "Predictions"):
        assert "fastnet train --save MODEL.npz saves it" in page.sections[part]
    assert "the network is needed" in page.sections["Speed"]
    page = report(changed(trained, saved="gone/other.npz"))
    assert "gone/other.npz, which the run saved, is not there" in page.sections["Network"]


def test_the_network_may_have_moved_with_the_file(report, trained):
    assert "Confusion matrix" in report(changed(trained, saved="gone/net.npz")).sections


def test_another_network_under_the_name_of_the_saved_one(report, trained, tmp_path):
    fastnet.Network([4, 9, 3], class_names=NAMES, seed=0).save(tmp_path / "net.npz")
    assert "another network than the run trained" in report(trained).sections["Network"]


def test_a_network_that_was_trained_on_is_doubted(report, trained):
    page = report(changed(trained, validation={"loss": 9.0, "accuracy": 0.123}))
    assert "The run recorded accuracy 0.1230" in page.sections[""]


def test_data_that_are_gone_leave_the_rest(report, trained, rows, refused):
    rows.unlink()
    page = report(trained)
    assert "the run's data cannot be had" in page.sections["Predictions"]
    assert "name others by --data" in page.sections["Predictions"]
    assert "Weights" in page.sections


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"machine": {"cpu": "another"}}, "the run was on another kind of machine"),
        ({"machine": None}, "does not say on what processor the run was"),
        ({"rows": {}}, "does not say how many rows were trained on"),
    ],
)
def test_no_share_of_a_peak_that_is_not_the_runs(report, trained, monkeypatch, entries, words):
    monkeypatch.setattr("fastnet.engine.peak.best_known", lambda *_: pytest.fail("measured"))
    page = report(changed(trained, **entries))
    assert words in page.sections["Speed"]
    assert "of the machine's FMA peak" not in page.sections["Speed"].partition("Without")[0]


def test_how_a_run_ended(report, trained):
    epochs = [json.loads(trained.read_text())["epochs"][0] | {"epoch": i, "lr": 1 / i} for i in (1, 2)]
    page = report(changed(trained, stopped="patience", diverged=True, best_epoch=1, epochs=epochs))
    assert "it had not become better" in page.sections["Course"]
    assert "The run diverged" in page.sections["Course"]
    assert "Curve: learning rate by epoch" in [image["alt"] for image in page.images]


def test_a_network_alone(report, tmp_path):
    fastnet.Network([4, 6, 3], seed=0).save(tmp_path / "net.npz")
    page = report("net.npz")
    assert "fastnet train --json RUN.json" in page.sections["Course"]
    assert "fastnet report net.npz --data NAME|PATH" in page.sections["Predictions"]
    assert "Environment of this page" in page.sections
    assert "Speed" not in page.sections
    assert len(page.images) == 1


def test_a_network_and_images(report, tmp_path, rng):
    y = np.arange(50) % 2
    np.savez(tmp_path / "images.npz", X=rng.integers(0, 255, (50, 8, 8)).astype(np.uint8), y=y)
    net = fastnet.Network([64, 70, 1], output="sigmoid", seed=3, class_names=("no", "yes"))
    net.save(tmp_path / "net.npz")
    X = np.load(tmp_path / "images.npz")["X"]
    page = report("net.npz", "--data", "images.npz")
    wrong = int((net.predict(X) != y).sum())
    assert 0 < wrong < 50
    tiles = [image for image in page.images if image["class"] == "thumbnail"]
    assert len(tiles) == min(wrong, 30)
    assert f"{min(wrong, 30)} of {wrong} errors" in page.sections["Worst errors"]
    assert re.fullmatch(r"row \d+: (no, taken for yes|yes, taken for no)", tiles[0]["alt"])
    shares = [float(share) for share in re.findall(r"([\d.]+)%", page.sections["Worst errors"])]
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= 50
    assert "the first 64 of 70 units" in page.sections["Weights"]
    assert f"accuracy, given rows {1 - wrong / 50:.2%}" in page.sections[""]


def test_a_regression(report, tmp_path, rng):
    X = rng.standard_normal((30, 3))
    np.savez(tmp_path / "values.npz", X=X, y=X.sum(axis=1))
    net = fastnet.Network([3, 4, 1], output="identity", seed=0)
    net.save(tmp_path / "net.npz")
    page = report("net.npz", "--data", "values.npz")
    found = net.evaluate(X, X.sum(axis=1))
    assert f"given 30 {found.r2:.4f} {found.rmse:.4g} {found.loss:.4g}" in page.sections["Predictions"]
    alts = [image["alt"] for image in page.images]
    assert {"Dots: residuals over predicted values", "Histogram: residuals"} <= set(alts)
    assert "Confusion matrix" not in page.sections
    assert "the R² drops" in page.sections["Importance of the columns"]
    assert "among 30 given rows" in page.sections["Importance of the columns"]


def test_values_beyond_all_bounds(report, tmp_path, rng):
    net = fastnet.Network([3, 1], output="identity", seed=0)
    net.W[0][:] = 3e38
    net.save(tmp_path / "net.npz")
    np.savez(tmp_path / "values.npz", X=9 + rng.random((30, 3)), y=rng.random(30))
    page = report("net.npz", "--data", "values.npz")
    assert "not all of the values are finite" in page.sections["Predictions"]
    assert "Importance of the columns" not in page.sections


def material(net, X, y, **about):
    """What a report of a network and rows is made of."""
    judged = Judged.of(net, fastnet.Dataset(X, y, 3, "rows", **about), "test")
    return Material("net.npz", {}, {}, network=net, judged=judged)


def test_importance_of_the_columns(rng):
    net = fastnet.Network([64, 3], seed=0)
    net.W[0][:] = np.eye(64, 3)
    X = rng.standard_normal((700, 64)).astype(np.float32)
    y = X[:, :3].argmax(axis=1)
    assert material(net, X, y, image_shape=(8, 8)).importance is None
    found = material(net, X, y).importance
    assert set(np.argsort(found.mean)[-3:]) == {0, 1, 2}
    assert found.rows == 700
    net.preprocess = SimpleNamespace(feature_names=range(64), groups={NAMES[1]: [0, 1, 2], "rest": range(3, 64)})
    table = material(net, X, y, image_shape=(8, 8))  # a table of 64 columns is no image
    assert table.importance.names == (NAMES[1], "rest")
    section = quality.columns(table)
    assert "from 0 on" not in section
    assert "the most important are &lt;script&gt;" in section


def test_importance_is_measured_where_it_is_cheap(rng, monkeypatch):
    net = fastnet.Network([5, 3], seed=0)
    X, y = rng.standard_normal((3000, 5)).astype(np.float32), np.arange(3000) % 3
    monkeypatch.setattr("fastnet.report.material.WORK", 5 * 5 * 30 * 1200)
    assert material(net, X, y).importance.rows == 1200
    monkeypatch.setattr("fastnet.report.material.WORK", 1)
    assert material(net, X, y).importance.rows == 500
    assert material(net, X[:1], y[:1]).importance is None
    wide = fastnet.Network([501, 3], seed=0)
    assert material(wide, np.ones((9, 501), np.float32), y[:9]).importance is None


def test_no_errors_and_many_classes(report, tmp_path):
    net = fastnet.Network([250, 250], seed=0)
    net.W[0][:] = 9 * np.eye(250)
    net.save(tmp_path / "net.npz")
    np.savez(tmp_path / "rows.npz", X=np.eye(250, dtype=np.float32), y=np.arange(250))
    page = report("net.npz", "--data", "rows.npz")
    assert "None of the given rows is wrong" in page.sections["Worst errors"]
    assert "200 of 250 classes" in page.sections["Classes"]
    assert "250 of 250 given rows are right" in page.sections["Confusion matrix"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "got no JSON"),
        ("[]", "got JSON without a list of epochs"),
        ('{"epochs": 3}', "got JSON without a list of epochs"),
        ('{"epochs": [3]}', "got an epoch without"),
        ('{"epochs": [{"epoch": 1, "seconds": "x", "loss": 1}]}', "got seconds of type str"),
        ('{"epochs": [], "config": []}', "got config of type list"),
        ("[" * 100_000, "got no JSON"),
    ],
)
def test_files_that_are_no_runs(refused, tmp_path, content, words):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    assert words in refused("run.json")


def test_other_refusals(refused, tmp_path, trained):
    assert "--output: cannot write no/x.html" in refused(trained, "--output", "no/x.html")
    (tmp_path / "bare.json").write_text('{"epochs": []}')
    assert "--data: there is no network to judge" in refused("bare.json", "--data", "rows.npz")
    assert "no option --page" in refused(trained, "--page", "x")
    np.savez(tmp_path / "wide.npz", X=np.zeros((9, 5), np.float32), y=np.arange(9) % 3)
    assert "takes rows of 4 numbers, but those of wide.npz have 5" in refused(trained, "--data", "wide.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK rest")
    assert "expected a network" in refused("broken.npz")
    (tmp_path / "net.npz").write_bytes(b"PK rest")
    assert "expected a network" in refused(trained)


def test_without_matplotlib(refused, monkeypatch, trained):
    import sys

    for name in [name for name in sys.modules if name.startswith(("fastnet.pictures", "fastnet.report"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'fastnet[plot]'" in refused(trained)


def test_a_page_that_cannot_be_written(tmp_path, trained, monkeypatch, capsys):
    def full(path, page):
        raise OSError("no space left")

    monkeypatch.setattr(command, "write", full)
    assert main(["report", str(trained), "--output", str(tmp_path / "x.html")]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "--output: not written: no space left" in err


def test_a_run_is_read_as_it_was_written(trained):
    run, content = read_run(trained), json.loads(trained.read_text())
    assert [epoch.loss for epoch in run.history] == [epoch["loss"] for epoch in content["epochs"]]
    assert run.config == content["config"]
    assert run.results == {"validation": content["validation"]}
    assert run.held_out == "validation"
    with pytest.raises(DataError, match="no such file"):
        read_run(trained.parent / "none.json")


def test_markup_is_escaped_once():
    inner = markup.tag("b", "a<b", title='"')
    assert inner == '<b title="&quot;">a&lt;b</b>'
    assert markup.tag("p", inner, 3) == '<p><b title="&quot;">a&lt;b</b>3</p>'
