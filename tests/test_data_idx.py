"""IDX files and folders of them: what is read, and how everything else is refused."""

import gzip
import os
import struct

import numpy as np
import pytest
from data_makers import idx_bytes, images, labels, write_idx_folder

from fastnet.data import DataUnavailable, budget, load_data, source
from fastnet.data.idx import read_idx
from fastnet.errors import DataError


def squeezed(data):
    """``data`` compressed by gzip, without the time: names of tests hold it, and processes compare them."""
    return gzip.compress(data, mtime=0)


def check_pair(sets, arrays):
    train, test = sets
    X, y, X_test, y_test = arrays
    for set_, Xs, ys in ((train, X, y), (test, X_test, y_test)):
        assert set_.X.dtype == np.uint8
        assert set_.X.flags.c_contiguous
        np.testing.assert_array_equal(set_.X, Xs.reshape(len(Xs), -1))
        assert set_.y.dtype == np.int64
        np.testing.assert_array_equal(set_.y, ys)
        assert set_.image_shape == Xs.shape[1:]
        assert set_.n_classes == 3
        assert not set_.synthetic


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("dot", [False, True])
def test_a_folder_with_the_four_names(tmp_path, gz, dot):
    arrays = write_idx_folder(tmp_path / "set", gz, dot=dot)
    check_pair(load_data(tmp_path / "set"), arrays)
    check_pair(load_data(str(tmp_path / "set")), arrays)


def test_a_folder_with_one_set(tmp_path):
    *_, y_test = write_idx_folder(tmp_path)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).unlink()
    only, none = load_data(tmp_path)
    assert none is None
    np.testing.assert_array_equal(only.y, y_test)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_one_image_file_with_and_without_labels_beside_it(tmp_path, suffix):
    pack = gzip.compress if suffix else bytes
    path = tmp_path / f"some-images-idx3-ubyte{suffix}"
    path.write_bytes(pack(idx_bytes(images())))
    alone, none = load_data(path)
    assert none is None
    assert alone.y is None
    assert alone.n_classes == 0
    (tmp_path / "some-labels-idx1-ubyte").write_bytes(idx_bytes(labels()))
    np.testing.assert_array_equal(load_data(path)[0].y, labels())


def test_the_hash_is_that_of_the_uncompressed_file(tmp_path):
    import hashlib

    X, y, *_ = write_idx_folder(tmp_path, gz=True)
    train, _ = load_data(tmp_path)
    assert train.sha256 == hashlib.sha256(idx_bytes(X)).hexdigest()
    assert train.labels_sha256 == hashlib.sha256(idx_bytes(y)).hexdigest()


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_type(tmp_path, code, dtype, pack):
    values = np.array([[0, 1, 2], [100, 5, 3]]).astype(dtype)
    path = tmp_path / "f"
    path.write_bytes(pack(struct.pack(">HBBII", 0, code, 2, 2, 3) + values.tobytes()))
    out = read_idx(path)
    assert out.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(out, values)


def test_gzip_with_several_members_and_in_tiny_reads(tmp_path):
    data = idx_bytes(images(50))
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(data[:100]) + gzip.compress(b"") + gzip.compress(data[100:]))
    np.testing.assert_array_equal(read_idx(path), images(50))
    for size in (1, 3, 1000):
        with source.Source(path) as opened:
            assert b"".join(iter(lambda s=size, o=opened: o.stream.raw.read(s), b"")) == data


def test_large_plain_files_are_mapped_and_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAP_FROM", 100)
    X, *_ = write_idx_folder(tmp_path)
    train, _ = load_data(tmp_path)
    base = train.X
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not train.X.flags.writeable
    np.testing.assert_array_equal(train.X, X.reshape(len(X), -1))


GOOD = idx_bytes(images())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected data, got an empty file"),
        (GOOD[:3], "truncated|begins with"),
        (GOOD[:10], "truncated: expected 12 bytes of IDX dimensions, got 6"),
        (GOOD[:-1], "truncated: expected 120 bytes for IDX data of shape 6x5x4, got 119"),
        (GOOD + b"\0", "trailing bytes: expected 120 bytes for IDX data of shape 6x5x4, got 121"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31), r"truncated: expected 9903520314\d+ bytes"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 5, 4), "at least one row"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 4, 0, 5), "at least one row"),
        (b"\0\0\x08\x01" + struct.pack(">I", 3) + b"\0\1\2", "got labels .give the image file or the folder."),
        (b"\0\0\x08\x04" + struct.pack(">4I", 1, 1, 1, 1) + b"\0", "got shape"),
        (b"\0\0\x08\x00" + GOOD[4:], "begins with 00 00 08 00"),
        (b"\0\0\x0a\x03" + GOOD[4:], "begins with 00 00 0a 03"),
        (b"\3\x08\0\0" + GOOD[4:], "begins with 03 08 00 00"),
        (b"<!DOCTYPE html><html>login, please</html>", "got a web page"),
        (b"\x1f\x8b", "truncated|corrupted"),
        (squeezed(GOOD)[:-9], "truncated: the gzip data end in the middle"),
        (squeezed(GOOD)[:-4], "truncated: the gzip data end in the middle"),
        (squeezed(GOOD) + b"junk", "expected the end of the gzip data, got further bytes"),
        (squeezed(GOOD)[:-8] + bytes(8), "corrupted gzip data .*incorrect data check"),
        (squeezed(GOOD[:-1]), "truncated: expected 120 bytes of IDX data of shape 6x5x4, got 119"),
        (squeezed(GOOD + b"\0"), "expected the end of the file after IDX data of shape 6x5x4, got further bytes"),
        (squeezed(squeezed(GOOD)), "begins with 1f 8b"),
        (squeezed(b""), "begins with nothing"),
        (
            squeezed(b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31)),
            r"expected at most \d+ bytes from a gzip file of \d+, its header claims 9903520314\d+",
        ),
    ],
)
def test_bad_files(tmp_path, data, message):
    path = tmp_path / "some file"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        load_data(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, DataUnavailable)


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "ALWAYS", 1 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(squeezed(GOOD + bytes(50_000_000)))
    with pytest.raises(DataError, match="expected the end of the file after IDX data"):
        load_data(path)
    path.write_bytes(squeezed(b"(S'" + b"a" * 50_000_000))
    with pytest.raises(DataError, match=r"takes at least 1.\d\d MB, and the limit is 1.05 MB"):
        load_data(path)


def test_wrong_magic_in_a_folder(tmp_path):
    write_idx_folder(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    for data, told in (
        (b"\3\x08\0\0" + GOOD[4:], "wrong order"),
        (b"<html></html>", "a web page"),
        (squeezed(squeezed(GOOD)), "gzip inside gzip"),
        (b"abcdefgh", "got 61 62 63 64$"),
        (b"ab", "truncated: expected an IDX header, got 2 bytes"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=f"expected (the IDX magic number 00 00 08 03 )?.*{told}|{told}") as caught:
            load_data(tmp_path)
        assert str(caught.value).startswith(str(path))


def test_counts_and_labels_that_do_not_fit(tmp_path):
    write_idx_folder(tmp_path)
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(labels(7)))
    with pytest.raises(DataError, match="expected 6 labels, one for each image of train-images-idx3-ubyte, got 7"):
        load_data(tmp_path)
    path.write_bytes(idx_bytes(images()))
    with pytest.raises(DataError, match="expected IDX labels of one dimension"):
        load_data(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"expected train-labels-idx1-ubyte .plain or .gz., which is missing"):
        load_data(tmp_path)


def test_train_and_test_of_different_width(tmp_path):
    write_idx_folder(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(images(3, 5, 5)))
    with pytest.raises(DataError, match=r"expected as many columns in test as in train \(20\), got 25"):
        load_data(tmp_path)


def test_the_larger_number_of_classes_counts_for_both(tmp_path):
    write_idx_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([0, 7, 2], np.uint8)))
    train, test = load_data(tmp_path)
    assert train.n_classes == test.n_classes == 8


def test_paths_that_are_no_data(tmp_path):
    with pytest.raises(DataError, match=r"nothere.npz: no such file or folder"):
        load_data(tmp_path / "nothere.npz")
    with pytest.raises(DataError, match=r"expected pictures .* or train-images-idx3-ubyte, .* got neither"):
        load_data(tmp_path)
    with pytest.raises(TypeError, match="data must be a name or a path, got int"):
        load_data(3)
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    (tmp_path / "train-labels-idx1-ubyte").mkdir()
    with pytest.raises(DataError, match="expected a regular file, got a folder"):
        load_data(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(DataError, match=r"expected a regular file, got a (device|named pipe)"):
            load_data(path)


def test_odd_file_names_stay_on_one_line(tmp_path):
    path = tmp_path / "a\nb"
    path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_data(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"), [("mnits", "mnist"), ("MNIST", "mnist"), ("fashion_mnist", "fashion-mnist"), ("glyph", "glyphs")]
)
def test_unknown_names(name, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"path of a file or folder, got '{name}'; did you mean '{hint}'"):
        load_data(name)
