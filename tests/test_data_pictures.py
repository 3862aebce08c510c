"""Pictures: by class, by part, without classes, in every form that they are stored in."""

import numpy as np
import pytest
from data_makers import images, labels

from fastnet.data import load_data, pictures
from fastnet.errors import DataError

Image = pytest.importorskip("PIL.Image")
X, Y = images(10), labels(10)
FLAT = X.reshape(10, -1)
X_TEST, Y_TEST = images(4, seed=1), labels(4)


def save(path, array, kind="png", mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, format=kind, **options)


def save_classes(folder, names, X=X, y=Y, kind="png"):
    for i, (picture, label) in enumerate(zip(X, y, strict=True)):
        save(folder / names[label] / f"{i}.{kind}", picture, kind)


def refused(path, message):
    with pytest.raises(DataError, match=message) as caught:
        load_data(path)
    assert "\n" not in str(caught.value)


def test_numbered_classes(tmp_path):
    save_classes(tmp_path, "012")
    set_, none = load_data(tmp_path)
    order = np.argsort(Y, kind="stable")
    assert none is None
    assert (set_.n_classes, set_.class_names) == (3, None)
    np.testing.assert_array_equal(set_.X, FLAT[order])
    np.testing.assert_array_equal(set_.y, Y[order])


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["2", "10", "1"], ("1", "2", "10")),
        (["odd", "even", "zero"], ("even", "odd", "zero")),
        (["3", "7", "5"], ("3", "5", "7")),
        (["1", "2", "x"], ("1", "2", "x")),
    ],
)
def test_names_of_classes(tmp_path, folders, names):
    save_classes(tmp_path, folders)
    set_, _ = load_data(tmp_path)
    assert set_.class_names == names
    assert set_.n_classes == 3
    counts = {name: int(np.sum(label == Y)) for label, name in enumerate(folders)}
    assert [int(np.sum(set_.y == label)) for label in range(3)] == [counts[name] for name in names]


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("training", "testing"), ("train", "t10k")])
def test_parts(tmp_path, train, test):
    save_classes(tmp_path / train, "xyz")
    save_classes(tmp_path / test, "xyz", X_TEST, Y_TEST)
    first, second = load_data(tmp_path)
    assert first.class_names == second.class_names == ("x", "y", "z")
    np.testing.assert_array_equal(first.X, FLAT[np.argsort(Y, kind="stable")])
    assert second.y.tolist() == sorted(Y_TEST)


def test_validation_pictures(tmp_path):
    save_classes(tmp_path / "train", "xyz")
    save_classes(tmp_path / "val", "xyz", X_TEST, Y_TEST)
    assert [len(part) for part in load_data(tmp_path)] == [10, 4]
    save_classes(tmp_path / "test", "xyz", X_TEST[:3], Y_TEST[:3])
    train, test = load_data(tmp_path)
    assert (len(train), len(test)) == (14, 3)
    assert train.y.tolist() == [*sorted(Y), *sorted(Y_TEST)]


def test_parts_without_classes_are_not_taken_for_classes(tmp_path):
    save_classes(tmp_path, ["train", "test", "valid"])
    refused(tmp_path, "pictures .PNG, JPEG, BMP. in a folder for each class")


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_a_folder_without_classes(tmp_path, kind):
    for i in (3, 1, 2):
        save(tmp_path / f"{i}.{kind}", X[i], kind)
    (tmp_path / "notes.txt").write_text("no picture")
    set_, none = load_data(tmp_path)
    assert none is None
    assert (set_.y, set_.n_classes, set_.image_shape) == (None, 0, (5, 4))
    assert set_.file_names == tuple(f"{i}.{kind}" for i in (1, 2, 3))
    np.testing.assert_array_equal(set_.X, FLAT[[1, 2, 3]])


@pytest.mark.parametrize(("kind", "off"), [("png", 0), ("bmp", 0), ("jpeg", 8)])
def test_one_picture(tmp_path, kind, off):
    smooth = np.outer(np.arange(16), np.full(16, 15)).astype(np.uint8)
    path = tmp_path / "data.dat"  # a name that tells nothing
    save(path, smooth, kind)
    set_, _ = load_data(path)
    assert set_.X.shape == (1, 256)
    assert np.abs(set_.X[0].reshape(16, 16).astype(int) - smooth).max() <= off


def test_jpegs_by_class(tmp_path):
    grey = np.full((8, 8), 90, np.uint8)
    for name in ("a/1.jpg", "a/2.JPEG", "b/1.jpeg"):
        save(tmp_path / name, grey, "jpeg")
    set_, _ = load_data(tmp_path)
    assert set_.y.tolist() == [0, 0, 1]
    assert np.abs(set_.X.astype(int) - 90).max() <= 2


def test_colours_become_grey_and_are_counted(tmp_path):
    colour = np.zeros((5, 4, 3), np.uint8)
    colour[..., 0] = 255
    for i, picture in enumerate((colour, colour, X[0])):
        save(tmp_path / f"{i}.png", picture, mode="RGB")
    save(tmp_path / "palette.png", colour, mode="P")
    with pytest.warns(UserWarning, match="^3 colour pictures of 4 were converted to grey$"):
        set_, _ = load_data(tmp_path)
    assert set(set_.X[0].tolist()) == {76}  # 0.299 of red
    np.testing.assert_array_equal(set_.X[2], FLAT[0])  # grey, though stored in three channels


def test_transparent_pixels_are_put_on_white(tmp_path):
    hidden = np.dstack([X[0], X[0], X[0], np.full(X[0].shape, 255, np.uint8)])
    save(tmp_path / "0.png", hidden)
    assert load_data(tmp_path)[0].X.tolist() == FLAT[:1].tolist()  # nothing is transparent: no warning
    hidden[:2, :, 3] = 0
    save(tmp_path / "0.png", hidden)
    with pytest.warns(UserWarning, match="^1 picture with transparent pixels of 1 was put on white$"):
        set_, _ = load_data(tmp_path)
    expected = X[0].copy()
    expected[:2] = 255
    np.testing.assert_array_equal(set_.X[0].reshape(5, 4), expected)


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    deep = X[0].astype(np.uint16) * 257
    save(tmp_path / "0.png", deep)
    np.testing.assert_array_equal(load_data(tmp_path)[0].X, FLAT[:1])


def test_pictures_of_other_sizes_and_damaged_ones(tmp_path):
    save_classes(tmp_path, "012")
    save(tmp_path / "0" / "99.png", X[0, :3])
    refused(tmp_path, r"99.png: expected pictures of one size, 4 x 5 pixels as in 0.png, got 4 x 3 pixels: bring all")
    (tmp_path / "0" / "99.png").write_bytes(b"\x89PNG\r\n\x1a\njunk")
    refused(tmp_path, "99.png: damaged picture")
    save(tmp_path / "0" / "99.png", X[0], "gif")
    refused(tmp_path, "99.png: damaged picture")


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp"])
def test_huge_pictures_are_not_unpacked(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(pictures, "LARGEST", 100)
    path = tmp_path / "0"
    save(path, np.zeros((11, 10), np.uint8), kind)
    refused(path, "expected at most 100 pixels, got 10x11")


def test_a_single_class_is_read_and_others_formats_are_told(tmp_path):
    save_classes(tmp_path / "one", ["square"], X, np.zeros_like(Y))
    set_, _ = load_data(tmp_path / "one")
    assert (set_.class_names, set_.n_classes) == (("square",), 1)
    save(tmp_path / "one" / "square" / "x.gif", X[0], "gif")
    with pytest.warns(
        UserWarning, match=r"a file was left out: x.gif: pictures are read from PNG, JPEG and BMP"
    ) as seen:
        load_data(tmp_path / "one")
    assert seen[0].filename == __file__
    save(tmp_path / "one" / "beside.png", X[0])
    assert load_data(tmp_path / "one")[0].y is None


def test_a_folder_one_level_too_high_is_told(tmp_path):
    save_classes(tmp_path / "shapes", ["circle", "square", "triangle"])
    refused(tmp_path, "did you mean .*shapes")
