"""fastnet predict: names of columns and of files, and a picture in, a digit out."""

import numpy as np
import pytest

from fastnet import Network
from fastnet.cli.main import main
from fastnet.data import load_data
from fastnet.data.describe import drawn
from fastnet.data.drawings import prepare

SIDE = 12


@pytest.fixture
def run(capsys):
    """Runs fastnet predict; returns (exit code, output, errors)."""

    def call(*argv):
        code = main(["predict", *map(str, argv)])
        return (code, *capsys.readouterr())

    return call


def saved(path, outputs=3, **settings):
    Network([SIDE * SIDE, outputs], seed=1, init="normal", **settings).save(path)
    return path


@pytest.fixture
def model(tmp_path):
    return saved(tmp_path / "net.npz", class_names=["a cross", "bar", "é"])


def rows(path, n=4, d=SIDE * SIDE):
    np.savez(path, X=np.random.default_rng(0).random((n, d), np.float32))
    return path


# Names of columns


@pytest.mark.parametrize(
    ("settings", "options", "columns"),
    [
        ({}, [], "label"),
        ({}, ["--proba"], "0,1,2"),
        ({"class_names": ["x", "y,z", "w"]}, ["--proba"], 'x,"y,z",w'),
        ({"outputs": 1, "output": "sigmoid"}, ["--proba"], "1"),
        ({"outputs": 1, "output": "sigmoid", "class_names": ["no", "yes"]}, ["--proba"], "yes"),
        ({"outputs": 1, "output": "identity"}, [], "value"),
        ({"outputs": 2, "output": "identity"}, [], "value_0,value_1"),
    ],
)
def test_a_header_names_the_columns(run, tmp_path, settings, options, columns):
    net, data = saved(tmp_path / "net.npz", **settings), rows(tmp_path / "rows.npz")
    plain = run(net, data, *options)[1]
    assert len(plain.splitlines()) == 4
    assert run(net, data, *options, "--header") == (0, f"{columns}\n{plain}", "")
    assert run(net, data, *options, "--header", "--output", tmp_path / "out.csv")[0] == 0
    assert (tmp_path / "out.csv").read_text() == f"{columns}\n{plain}"


def test_npy_files_have_no_header(run, model, tmp_path):
    code, _, err = run(model, rows(tmp_path / "rows.npz"), "--header", "--output", tmp_path / "out.npy")
    assert code == 2
    assert "--header: a .npy file has no names of columns" in err


# Pictures and drawings

Image = pytest.importorskip("PIL.Image")


def drawing(light=True):
    """A cross of 40 x 60 pixels, far from the centre of 100 x 200."""
    ink = np.zeros((100, 200), np.uint8)
    ink[20:80, 30:40] = ink[45:55, 15:55] = 255
    return 255 - ink if light else ink


def save(path, array, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **settings)
    return path


@pytest.fixture
def cross(tmp_path):
    return save(tmp_path / "cross.png", drawing())


def test_pictures_in_class_folders_have_names(run, model, tmp_path):
    rng = np.random.default_rng(1)
    for name in ("even/b.png", "even/a.png", "odd/a.png"):
        save(tmp_path / "set" / name, rng.integers(0, 50, (SIDE, SIDE)).astype(np.uint8))
    names = ["even/a.png", "even/b.png", "odd/a.png"]
    assert load_data(tmp_path / "set")[0].file_names == tuple(names)
    out = run(model, tmp_path / "set", "--header")[1].splitlines()
    assert [line.split(",")[0] for line in out] == ["file", *names]
    (tmp_path / "parts").mkdir()
    for part in ("train", "test"):
        (tmp_path / "set").rename(tmp_path / "parts" / part)
        for name in ("even/a.png", "odd/a.png"):
            save(tmp_path / "set" / name, np.full((SIDE, SIDE), 9, np.uint8))
    assert [line.split(",")[0] for line in run(model, tmp_path / "parts")[1].splitlines()] == [
        "test/even/a.png",
        "test/odd/a.png",
    ]


def test_held_out_rows_keep_their_names(tmp_path):
    from fastnet.data.splitting import split

    for i in range(8):
        save(tmp_path / "set" / "ab"[i % 2] / f"{i}.png", np.full((SIDE, SIDE), i, np.uint8))
    for part in split(load_data(tmp_path / "set")[0], 4, seed=1):
        assert part.file_names == tuple(f"{'ab'[i % 2]}/{i}.png" for i in part.X[:, 0])


def test_a_picture_in_and_a_class_out(run, model, cross):
    code, out, err = run(model, cross)
    assert (code, err) == (0, "")
    assert "inverted, cropped to 40 x 60, scaled to 6 x 9, centred by mass" in out.replace("\n", " ")
    net = Network.load(model)
    image = prepare(drawing(), SIDE)[0].reshape(1, -1)
    name = net.class_names[net.predict(image)[0]]
    assert f"\npredicted: {name}\n" in out
    table = [line.rsplit(maxsplit=1) for line in out.partition("predicted: ")[2].splitlines()[2:]]
    assert table[0][0].strip() == name
    shares = {row[0].strip(): float(row[1].rstrip("%")) / 100 for row in table}
    assert [shares[name] for name in net.class_names] == pytest.approx(net.predict_proba(image)[0].tolist(), abs=6e-5)
    assert sorted(shares.values(), reverse=True) == list(shares.values())
    assert drawn(image.reshape(SIDE, SIDE)) in out
    assert all(len(line) <= 80 for line in out.splitlines()[1:])


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("options", [["--proba"], ["--header"], ["--output", "out.csv"]])
def test_other_forms_are_as_for_other_inputs(run, model, tmp_path, monkeypatch, options, light):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "cross.png", drawing(light))
    np.save(tmp_path / "image.npy", prepare(drawing(), SIDE)[0][None])
    written = []
    for name, told in (
        ("cross.png", f"fastnet: cross.png: {'inverted, ' * light}cropped to 40 x 60"),
        ("image.npy", ""),
    ):
        code, out, err = run(model, name, *options)
        assert (code, err.count("\n")) == (0, int(name == "cross.png"))
        assert err.startswith(told)
        written.append((tmp_path / "out.csv").read_text() if "--output" in options else out)
    assert written[0] == written[1]
    assert len(written[0].splitlines()) == 1 + ("--header" in options)


def test_a_single_output_shows_both_classes(run, tmp_path, cross):
    out = run(saved(tmp_path / "one.npz", 1, output="sigmoid", class_names=["no", "yes"]), cross)[1]
    shares = {line.split()[0]: float(line.split()[1].rstrip("%")) for line in out.splitlines()[-2:]}
    assert set(shares) == {"no", "yes"}
    assert sum(shares.values()) == pytest.approx(100, abs=0.011)


def test_a_picture_of_the_right_size_stays_as_it_is(run, model, tmp_path):
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[2:6, 3:9] = 200
    net = Network.load(model)
    for array, warned in ((image, False), (255 - image, True)):
        path = save(tmp_path / "right.png", array)
        code, out, err = run(model, path)
        assert (code, out) == (0, f"{net.class_names[net.predict(array.reshape(1, -1))[0]]}\n")
        assert ("the background of" in err) == ("add --drawing" in err) == warned
    code, out, err = run(model, path, "--drawing")
    assert (code, err) == (0, "")
    assert "inverted, cropped to 6 x 4, scaled to 9 x 6, centred by mass" in out.replace("\n", " ")


def test_photos_are_turned_as_their_camera_says(run, model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    upright = save(tmp_path / "upright.png", drawing())
    turned = save(tmp_path / "turned.png", np.rot90(drawing()), exif=exif)
    assert run(model, turned, "--proba")[1] == run(model, upright, "--proba")[1]


def test_what_is_no_drawing(run, model, tmp_path, cross):
    empty = save(tmp_path / "empty.png", np.full((40, 50), 250, np.uint8))
    code, out, err = run(model, empty)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "empty.png: expected a drawing, got an empty picture" in err
    code, _, err = run(model, rows(tmp_path / "rows.npz"), "--drawing")
    assert code == 2
    assert "--drawing: expected one picture for a network of square images" in err
    two = rows(tmp_path / "two.npz", d=50)
    assert "takes rows of 144 numbers, but those of" in run(model, two)[2]
    Network([15, 3], seed=1).save(tmp_path / "flat.npz")
    assert "takes rows of 15 numbers, but those of" in run(tmp_path / "flat.npz", cross)[2]
    values = saved(tmp_path / "values.npz", output="identity")
    assert "takes rows of 144 numbers, but those of" in run(values, cross)[2]
