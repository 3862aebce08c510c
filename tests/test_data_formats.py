"""npy, npz, HDF5, CSV and MATLAB: recognized by content, read in full, refused when wrong."""

import gzip
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from data_makers import images, labels

from fastnet.data import budget, convert, csvs, load_data, show, source, stored, verify
from fastnet.errors import DataError

X, Y = images(10), labels(10)
FLAT = X.reshape(10, -1)
X_TEST, Y_TEST = images(4, seed=1), labels(4)
FOUR = {"x_train": X, "y_train": Y, "x_test": X_TEST, "y_test": Y_TEST}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.dat"  # a name that tells nothing


def savez(path, **arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def save_hdf5(path, options=None, **arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array, **(options or {}))


def savemat(path, **arrays):
    pytest.importorskip("scipy.io").savemat(path, arrays, appendmat=False)


def check_four(path):
    train, test = load_data(path)
    for set_, Xs, ys in ((train, X, Y), (test, X_TEST, Y_TEST)):
        assert set_.X.dtype == np.uint8
        assert set_.X.flags.c_contiguous
        np.testing.assert_array_equal(set_.X, Xs.reshape(len(Xs), -1))
        np.testing.assert_array_equal(set_.y, ys)
        assert set_.y.dtype == np.int64
        assert set_.n_classes == 3


def refused(path, message):
    with pytest.raises(DataError, match=message) as caught:
        load_data(path)
    assert str(caught.value).startswith(str(path.parent))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("save", [savez, save_hdf5, savemat])
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "i4"])
def test_four_arrays(path, save, dtype):
    save(path, **{**FOUR, "x_train": X.astype(dtype), "x_test": X_TEST.reshape(4, -1).astype(dtype)})
    check_four(path)


@pytest.mark.parametrize("save", [savez, save_hdf5])
def test_labels_in_every_form(path, save):
    for y in (Y[:, None], Y.astype("f4"), np.eye(3)[Y], np.eye(3, dtype=bool)[Y][:, :, None], Y.astype(">i8")):
        save(path, **{**FOUR, "y_train": y})
        check_four(path)


@pytest.mark.parametrize("save", [savez, save_hdf5])
def test_one_set_under_many_names(path, save):
    for X_name, y_name in (("X", "y"), ("data", "labels"), ("train_images", "train_labels"), ("inputs", "targets")):
        save(path, **{X_name: X, y_name: Y})
        set_, none = load_data(path)
        assert none is None
        np.testing.assert_array_equal(set_.X, FLAT)
        np.testing.assert_array_equal(set_.y, Y)
    save(path, arr_0=X)
    assert load_data(path)[0].y is None
    save(path, anything=X)
    assert load_data(path)[0].y is None


def test_a_validation_part_is_appended_to_training(path):
    savez(path, x_train=X[:6], y_train=Y[:6], x_val=X[6:], y_val=Y[6:], x_test=X_TEST, y_test=Y_TEST)
    check_four(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("save", [savez, save_hdf5, savemat])
def test_floats_that_are_not_pixels_stay(path, save, dtype, monkeypatch):
    monkeypatch.setattr(stored, "BLOCK", 64)
    late = X.astype(dtype)
    late[-1, -1, -1] += 0.5
    low = (X % 128).astype(dtype)
    for values in ((X / 255).astype(dtype), late, low, -X.astype(dtype), X.astype(dtype) + 1):
        save(path, X=values, y=Y)
        out = load_data(path)[0].X
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, values.reshape(10, -1))


def test_fortran_order_compression_and_channels(path):
    savez(path, **{**FOUR, "x_train": np.asfortranarray(X)})
    check_four(path)
    with open(path, "wb") as file:
        np.savez_compressed(file, **{**FOUR, "x_train": X[:, None], "x_test": X_TEST[..., None]})
    check_four(path)
    assert load_data(path)[0].image_shape == (5, 4)
    save_hdf5(path, options={"chunks": True, "compression": "gzip"}, **FOUR)
    check_four(path)


@pytest.mark.parametrize(("version", "fortran"), [((1, 0), False), ((2, 0), False), ((1, 0), True)])
def test_npy(path, version, fortran, monkeypatch):
    for map_from in (1 << 28, 1):
        monkeypatch.setattr(source, "MAP_FROM", map_from)
        with open(path, "wb") as file:
            np.lib.format.write_array(file, np.asfortranarray(FLAT) if fortran else FLAT, version)
        set_, none = load_data(path)
        assert (none, set_.y) == (None, None)
        np.testing.assert_array_equal(set_.X, FLAT)


def test_npy_with_its_labels_beside_it(tmp_path):
    for X_name, y_name in (("images.npy", "labels.npy"), ("X.npy", "y.npy"), ("X_train.npy", "y_train.npy")):
        np.save(tmp_path / X_name, FLAT)
        assert load_data(tmp_path / X_name)[0].y is None
        np.save(tmp_path / y_name, Y)
        np.testing.assert_array_equal(load_data(tmp_path / X_name)[0].y, Y)
    np.save(tmp_path / "y.npy", Y / 4)
    assert load_data(tmp_path / "X.npy")[0].holds_values
    np.save(tmp_path / "y.npy", np.array(list("abc"))[Y])
    assert load_data(tmp_path / "X.npy")[0].class_names == ("a", "b", "c")
    np.save(tmp_path / "y.npy", Y[:9])
    refused(tmp_path / "X.npy", "got 10 images and 9 labels")


@pytest.mark.parametrize("save", [savez, save_hdf5, savemat])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(path, save, dtype):
    y = (Y + 0.25).astype(dtype)
    save(path, X=FLAT, y=y)
    set_, _ = load_data(path)
    assert set_.holds_values
    assert (set_.n_classes, set_.class_names, set_.y.dtype) == (0, None, dtype)
    np.testing.assert_array_equal(set_.y, y)
    save(path, X=FLAT, y=np.stack([y, y + 1], axis=1))
    assert load_data(path)[0].y.shape == (10, 2)


def test_both_parts_hold_values_or_labels(path):
    savez(path, **{**FOUR, "y_train": Y + 0.5})
    train, test = load_data(path)
    assert train.holds_values
    assert test.holds_values
    np.testing.assert_array_equal(test.y, Y_TEST)
    savez(path, **{**FOUR, "y_train": np.random.default_rng(1).random((10, 2))})
    refused(path, r"expected y of one width, got train \(10, 2\), test \(4,\)")


def test_labels_of_text(path):
    words = np.array(["dog", "cat", "fox"])
    savez(path, **{**FOUR, "y_train": words[Y], "y_test": words[Y_TEST]})
    train, test = load_data(path)
    assert train.class_names == test.class_names == ("cat", "dog", "fox")
    assert [train.class_names[label] for label in train.y] == words[Y].tolist()
    assert [test.class_names[label] for label in test.y] == words[Y_TEST].tolist()
    savez(path, **{**FOUR, "y_train": words[Y].astype("S"), "y_test": words[:1][Y_TEST * 0].astype("S")})
    assert load_data(path)[1].y.tolist() == [1] * 4
    savez(path, X=FLAT, y=Y.astype(str))  # numbers name themselves
    numbers, _ = load_data(path)
    assert numbers.class_names is None
    np.testing.assert_array_equal(numbers.y, Y)
    savez(path, X=FLAT, y=np.array(["10", "9", "1"])[Y])
    assert load_data(path)[0].class_names == ("1", "9", "10")
    savez(path, X=FLAT, y=np.array(["a\x1b[2J", "b", "c"])[Y])
    assert all(name.isprintable() for name in load_data(path)[0].class_names)


def test_names_of_classes_in_a_file(path):
    savez(path, X=FLAT, y=Y, class_names=np.array(["x", "y", "z", "none of these"]))
    set_, _ = load_data(path)
    assert set_.class_names == ("x", "y", "z", "none of these")
    assert set_.n_classes == 4
    for names, message in (
        (["x", "y"], "labels from 0 to 1, one for each of 2 classes, got 2"),
        (["x", "y", "x"], "one of them twice"),
        ([1, 2, 3], "expected class_names as text"),
    ):
        savez(path, X=FLAT, y=Y, class_names=np.array(names))
        refused(path, message)
    savez(path, **{**FOUR, "y_test": np.array(["a"] * 4)})
    refused(path, "labels of one kind, got text and numbers")


def npy_bytes(array=FLAT, header=None):
    buffer = io.BytesIO()
    np.save(buffer, array)
    data = buffer.getvalue()
    if header is None:
        return data
    text = header.encode().ljust(117) + b"\n"
    return data[:8] + struct.pack("<H", len(text)) + text + array.tobytes()


GOOD_HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (10, 20)}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy_bytes()[:-1], "truncated: expected 200 bytes for the array of shape 10x20, got 199"),
        (npy_bytes() + b"x", "trailing bytes"),
        (npy_bytes()[:20], "damaged .npy header"),
        (npy_bytes(np.array([{}, 1], object)[:, None]), "expected an array of numbers, got dtype object"),
        (npy_bytes(np.zeros((2, 2), complex)), "got dtype complex"),
        (npy_bytes(np.zeros((2, 2), "M8[s]")), "got dtype datetime"),
        (npy_bytes(np.zeros(3, [("a", "f4")])), "got dtype"),
        (npy_bytes(np.array(3.0)), "expected an array of rows, got a single number"),
        (npy_bytes(np.zeros(3)), "images must have shape"),
        (npy_bytes(np.zeros((0, 3))), "at least one row"),
        (npy_bytes(np.full((2, 3), np.inf)), "images must be finite, got inf in row 0, column 0"),
        (npy_bytes(header=GOOD_HEADER.replace("10", "9" * 20)), "truncated: expected 19999999999"),
        (npy_bytes(header=GOOD_HEADER.replace("(10, 20)", "(-10, -20)")), "expected an array shape"),
        (npy_bytes(header=GOOD_HEADER.replace("(10, 20)", "(True, 200)")), "expected an array shape"),
        (npy_bytes(header="__import__('os').system('true')"), "damaged .npy header"),
        (npy_bytes(header="{'descr': '|u1'"), "damaged .npy header"),
        (npy_bytes(header="(" * 100), "damaged .npy header"),
        (npy_bytes()[:6] + b"\x09\x00" + npy_bytes()[8:], "version 1.0 or 2.0, got 9.0|damaged"),
    ],
)
def test_bad_npy(path, data, message):
    path.write_bytes(data)
    refused(path, message)


def zip_bytes(*members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_bad_npz(path, monkeypatch):
    good = [("X.npy", npy_bytes()), ("y.npy", npy_bytes(Y))]
    for data, message in (
        (zip_bytes(), "expected arrays named X and y, or x_train, y_train, x_test and y_test, got nothing"),
        (zip_bytes(*good)[:-30], "damaged .npz file"),
        (zip_bytes(*good)[:60], "damaged .npz file"),
        (zip_bytes(*good, ("X.npy", npy_bytes())), "'X' twice"),
        (zip_bytes(*good, ("../../evil.txt", b"x")), r"expected .npy members in an .npz file, got '../../evil.txt'"),
        (zip_bytes(("X.npy", npy_bytes()[:-1])), "X.npy: expected 200 bytes for an array of shape"),
        (zip_bytes(("X.npy", npy_bytes() + b"x")), "X.npy: expected 200 bytes .* got 201"),
        (zip_bytes(("X.npy", npy_bytes(np.array([[None]])))), "got dtype object"),
        (zip_bytes(("X.npy", b"")), "damaged .npy header"),
        (zip_bytes(("a.npy", npy_bytes()), ("b.npy", npy_bytes())), "expected arrays named X and y, .* got 'a', 'b'"),
        (zip_bytes(("y.npy", npy_bytes(Y))), "got 'y'|labels"),
        (zip_bytes(("x_test.npy", npy_bytes()), ("y_train.npy", npy_bytes(Y))), "got labels alone"),
        (zip_bytes(("X.npy", npy_bytes()), ("y.npy", npy_bytes(Y[:9]))), "got 10 images and 9 labels"),
        (zip_bytes(("X.npy", npy_bytes()), ("x.npy", npy_bytes())), "several"),
        (zip_bytes(("X.npy", npy_bytes(FLAT.T)), ("y.npy", npy_bytes(Y))), "look transposed"),
        (zip_bytes(("X.npy", npy_bytes()), ("y.npy", npy_bytes(np.eye(3)[Y].T.copy()))), "labels .* look transposed"),
        (zip_bytes(("x_train.npy", npy_bytes()), ("x_test.npy", npy_bytes(FLAT / 255))), "one kind of numbers"),
        (gzip.compress(zip_bytes(*good), mtime=0), "expected .npz as it is, got it compressed by gzip"),
    ):
        path.write_bytes(data)
        refused(path, message)
    data = bytearray(zip_bytes(*good, compression=zipfile.ZIP_STORED))
    data[data.index(FLAT.tobytes()[:50])] ^= 1
    path.write_bytes(data)
    refused(path, "damaged .npz file .*CRC")


def test_zip_bombs_are_not_unpacked(path, monkeypatch):
    monkeypatch.setattr(budget, "ALWAYS", 1000)
    path.write_bytes(zip_bytes(("X.npy", npy_bytes(np.zeros((3000, 10_000), np.uint8)))))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    refused(path, "takes at least 30 MB, and the limit is .* kB; if you trust the file, raise it: --max-bytes 1GB")
    data = bytearray(path.read_bytes())
    # now it also lies about the size in both headers
    for where in (22, data.rindex(b"PK\x01\x02") + 24):
        data[where : where + 4] = struct.pack("<I", 1000)
    path.write_bytes(data)
    refused(path, "X.npy: expected 30000000 bytes|damaged .npz file")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_kuzushiji_pairs_of_npz(tmp_path):
    for part, (X_, y_) in {"train": (X, Y), "test": (X_TEST, Y_TEST)}.items():
        savez(tmp_path / f"kmnist-{part}-imgs.npz", arr_0=X_)
        savez(tmp_path / f"kmnist-{part}-labels.npz", arr_0=y_)
    check_four(tmp_path)
    one, none = load_data(tmp_path / "kmnist-test-imgs.npz")
    assert none is None
    np.testing.assert_array_equal(one.y, Y_TEST)
    (tmp_path / "kmnist-test-labels.npz").unlink()
    assert load_data(tmp_path / "kmnist-test-imgs.npz")[0].y is None


def test_hdf5_groups(path):
    save_hdf5(path, train__x=X, train__y=Y, test__x=X_TEST, test__y=Y_TEST)
    check_four(path)


def test_bad_hdf5(path, tmp_path):
    h5py = pytest.importorskip("h5py")
    save_hdf5(tmp_path / "other.h5", X=X, y=Y)
    good = None

    def rewritten(change):
        with h5py.File(path, "w") as file:
            file["X"], file["y"] = X, Y
            change(file)

    def replace(file, **kwargs):
        del file["X"]
        file.create_dataset("X", **kwargs)

    rewritten(lambda file: None)
    good = path.read_bytes()
    assert len(load_data(path)[0]) == 10
    for end in (8, 100, 600, len(good) // 2):
        path.write_bytes(good[:end])
        refused(path, "damaged HDF5 file")

    def link(file):
        del file["X"]
        file["X"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/X")

    def soft(file):
        file["x_train"] = h5py.SoftLink("/nowhere")

    rewritten(link)
    refused(path, "expected arrays named X and y")
    rewritten(soft)
    assert len(load_data(path)[0]) == 10
    rewritten(lambda file: replace(file, shape=(10, 20), dtype="u1", external=[(str(tmp_path / "raw"), 0, 200)]))
    refused(path, "X keeps its data in other files")
    rewritten(lambda file: replace(file, shape=(10, 2**31), dtype="f8", chunks=(1, 2**20)))
    refused(path, "takes at least [0-9.]+ GB, and the limit is 268 MB")
    rewritten(lambda file: replace(file, shape=(10, 2**22), maxshape=(2**30, 2**30), dtype="u1", chunks=(2**7, 2**22)))
    refused(path, "takes at least 1.16 GB")
    rewritten(lambda file: replace(file, data=np.array(["a", "b"], dtype=object), dtype=h5py.string_dtype()))
    refused(path, "expected arrays named X and y")
    layout = h5py.VirtualLayout((10, 5, 4), "u1")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "X", (10, 5, 4))

    def virtual(file):
        del file["X"]
        file.create_virtual_dataset("X", layout)

    rewritten(virtual)
    refused(path, "X keeps its data in other files")


@pytest.mark.parametrize(("module", "package"), [("h5py", "h5py"), ("PIL.Image", "pillow")])
def test_a_missing_package_is_named(path, module, package, monkeypatch):
    import sys

    begins = {"h5py": b"\x89HDF\r\n\x1a\n", "PIL.Image": b"\x89PNG\r\n\x1a\n"}
    path.write_bytes(begins[module])
    monkeypatch.setitem(sys.modules, module, None)
    refused(path, f"needs {package}, which is not installed: pip install {package}")


def test_matlab_columns_are_samples(path):
    pytest.importorskip("scipy.io")
    savemat(path, data=FLAT.T, label=Y[None].astype(float), note="text", cells=np.array(["a", 1], object))
    set_, none = load_data(path)
    assert none is None
    np.testing.assert_array_equal(set_.X, FLAT)
    np.testing.assert_array_equal(set_.y, Y)


def test_70000_matlab_rows_are_split(path):
    y = np.arange(70_000) % 10
    savemat(path, data=np.arange(140_000, dtype=np.uint8).reshape(70_000, 2).T, label=y[None].astype(float))
    train, test = load_data(path)
    np.testing.assert_array_equal(train.y, y[:60_000])
    np.testing.assert_array_equal(test.y, y[60_000:])
    np.testing.assert_array_equal(test.X[0], np.array([120_000, 120_001]) % 256)


def test_bad_matlab(path):
    savemat(path, data=FLAT.T, label=Y[None])
    good = path.read_bytes()
    for end in (10, 130, 200, len(good) - 10):
        path.write_bytes(good[:end])
        refused(path, "truncated")
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(600))
    refused(path, "up to version 7, got 7.3")


HEADER = "label," + ",".join(f"pixel{i}" for i in range(20))


def csv_text(y=Y, header=None, end="\n", X=FLAT):
    rows = [",".join(map(str, row)) for row in (X if y is None else np.column_stack([y, X])).tolist()]
    return end.join(([header] if header else []) + rows) + end


@pytest.mark.parametrize("piece", [90, 97, 1000, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("finish", ["", "\n", "\n\n \n"])
def test_csv(path, piece, end, finish, monkeypatch):
    monkeypatch.setattr(csvs, "PIECE", piece)
    for header, prefix in ((HEADER, ""), (HEADER, "\ufeff"), (None, ""), ('"label","a"' + ",b" * 19, "")):
        text = prefix + csv_text(header=header, end=end)
        text = text.removesuffix(end) if not finish else text + finish.replace(" ", "").replace("\n", end)
        path.write_bytes(text.encode())
        set_, none = load_data(path)
        assert none is None
        assert set_.X.dtype == np.uint8
        np.testing.assert_array_equal(set_.X, FLAT)
        np.testing.assert_array_equal(set_.y, Y)


def test_csv_without_labels(path):
    path.write_text(csv_text(None, HEADER.removeprefix("label,")))
    assert load_data(path)[0].y is None
    square = np.arange(64, dtype=np.uint8).reshape(1, 64)
    path.write_text(csv_text(None, X=square))
    set_, _ = load_data(path)
    assert set_.y is None
    assert set_.image_shape == (8, 8)
    path.write_text(csv_text(Y[:1], X=square))
    assert load_data(path)[0].y.tolist() == [0]


def test_csv_with_large_labels_and_compressed(path):
    y = Y * np.int64(300)
    path.write_bytes(gzip.compress(csv_text(y).encode()))
    set_, _ = load_data(path)
    np.testing.assert_array_equal(set_.y, y)
    assert set_.n_classes == 601


@pytest.mark.parametrize("header", [None, HEADER])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("255", "256", r"line {1}, column 3: expected a whole number from 0 to 255, got '256'"),
        ("255", "-1", r"line {1}, column 3: .* got '-1'"),
        ("255", "3.7", r"line {1}, column 3: .* got '3.7'; data that are not whole pixels can come as .npy"),
        ("255", "0255", "got '0255'"),
        ("255", "nan", "got 'nan'"),
        ("255", "", "got ''"),
        ("255", " 1", "got ' 1'"),
        ("255", '"1"', r"""got '"1"'"""),
        ("255", "1e2", "got '1e2'"),
        ("\n2,", "\n1000,", r"line {3}, column 1: expected a whole number from 0 to 999, got '1000'"),
        ("\n2,", "\n-2,", "got '-2'"),
        ("\n2,", "\n\n2,", r"line {3}: expected 21 columns, got none"),
        ("\n2,", ",2\n2,", r"line {2}: expected 21 columns, got 22"),
        ("\n2,", "\n1,2\n2,", r"line {3}: expected 21 columns, got 2"),
        ("\n2,", "\r2,", "line {2}: "),
        ("\n2,", "\n\x002,", r"got '\\x002'|begins with"),
    ],
)
def test_bad_csv(path, header, old, new, message):
    text = csv_text(header=header)
    assert old in text
    path.write_text(text.replace(old, new, 1), newline="")
    for line in (3, 2, 1):
        message = message.replace(f"{{{line}}}", str(line + bool(header)))
    refused(path, message)


def test_other_csv(path):
    for text, message in (
        ("label,a,b\n", "expected rows of numbers, got none"),
        ("a,b,label\n1,2,3\n", "expected the labels in the first column"),
        ("1,2\n3\n", "line 2: expected 2 columns, got 1"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            load_data(path)


@pytest.mark.parametrize("target", ["out.npz", "folder"])
def test_convert_there_and_back(tmp_path, path, target):
    for arrays in (FOUR, {"X": X, "y": Y}, {"X": X / 255, "y": Y}, {"X": FLAT.reshape(10, 20), "y": Y * np.int64(200)}):
        savez(path, **arrays)
        before = load_data(path)
        out = convert(path, tmp_path / target)
        after = load_data(out)
        for a, b in zip(before, after, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert (a.X.dtype, a.n_classes, a.image_shape) == (b.X.dtype, b.n_classes, b.image_shape)
                np.testing.assert_array_equal(a.X, b.X)
                np.testing.assert_array_equal(a.y, b.y)
        with pytest.raises(DataError, match="exists already"):
            convert(path, out)
        if out.is_dir():
            for file in out.iterdir():
                file.unlink()
            out.rmdir()
        else:
            out.unlink()


def test_names_and_values_are_converted(tmp_path, path):
    savez(path, X=FLAT, y=np.array(["dog", "cat", "fox"])[Y])
    before, after = load_data(path)[0], load_data(convert(path, tmp_path / "names.npz"))[0]
    assert after.class_names == before.class_names == ("cat", "dog", "fox")
    np.testing.assert_array_equal(after.y, before.y)
    with pytest.warns(UserWarning, match=r"IDX files hold no names of classes \(cat, dog, fox\)"):
        convert(path, tmp_path / "names")
    savez(path, X=FLAT, y=Y / 4)
    for target in ("values.npz", "values"):
        np.testing.assert_array_equal(load_data(convert(path, tmp_path / target))[0].y, Y / 4)
    savez(path, X=FLAT, y=np.stack([Y, Y], 1) / 4)
    assert load_data(convert(path, tmp_path / "wide.npz"))[0].y.shape == (10, 2)
    with pytest.raises(DataError, match=r"one label a row for IDX files, got y \(10, 2\)"):
        convert(path, tmp_path / "wide")
    assert not (tmp_path / "wide").exists()


def test_a_failed_conversion_leaves_nothing(tmp_path, path):
    path.write_bytes(b"nothing that is data")
    with pytest.raises(DataError):
        convert(path, tmp_path / "sub" / "out.npz")
    assert list((tmp_path / "sub").iterdir()) == []


def test_show(path):
    savez(path, X=X, y=Y)
    text = show(load_data(path)[0], 2)
    first, *rows = text.split("\n")
    assert first.endswith("sample 2 of 10: label 2")
    assert len(rows) == 5
    for row, pixels in zip(rows, X[2], strict=True):
        assert [row.ljust(8)[2 * i] == " " for i in range(4)] == [p == 0 for p in pixels]
    for index in (-1, 10):
        with pytest.raises(DataError, match=f"expected an index from 0 to 9, got {index}"):
            show(load_data(path)[0], index)
    savez(path, X=FLAT[:, :7], y=Y)
    with pytest.raises(DataError, match="expected images, got rows of 7 numbers"):
        show(load_data(path)[0], 0)


def test_show_draws_wide_pictures_smaller(path):
    savez(path, X=np.full((2, 30, 90), 200, np.uint8), y=[0, 1])
    assert [len(row) for row in show(load_data(path)[0], 0).split("\n")[1:]] == [60] * 10


def test_names_and_values_are_described(path):
    savez(path, X=X, y=np.array(["dog", "cat", "fox"])[Y])
    assert show(load_data(path)[0], 2).partition("\n")[0].endswith("label fox")
    told = str(verify(path))
    assert "3 classes\n  classes: cat, dog, fox\n  images: 10x5x4 uint8" in told
    assert max(map(len, told.splitlines()[1:])) <= 80
    savez(path, X=X, y=Y + 0.25)
    assert show(load_data(path)[0], 2).partition("\n")[0].endswith("value 2.25")
    assert "values: 10 float64" in str(verify(path))
    assert "classes" not in str(verify(path))


def test_verify_recognizes_published_arrays_in_any_format(tmp_path, path, monkeypatch):
    savez(path, **FOUR)
    train, test = load_data(path)
    published = {train.sha256: "Toy train images", test.labels_sha256: "Toy test labels"}
    monkeypatch.setattr("fastnet.data.describe.PUBLISHED", published)
    told = verify(path)
    assert told.format == ".npz"
    assert [part.known for part in told.parts] == ["Toy train images", None, None, "Toy test labels"]
    assert "train images: 10x5x4 uint8, Toy train images (published hash)" in str(told)
    savez(path, x_train=X / 255, y_train=Y, x_test=X_TEST / 256, y_test=Y_TEST)
    assert verify(path).parts[0].known == "Toy train images divided by 255"
    assert verify(path).parts[2].known is None
    folder = convert(path, tmp_path / "folder")
    assert [part.shape for part in verify(folder).parts] == [(10, 5, 4), (10,), (4, 5, 4), (4,)]
    (tmp_path / "l").write_bytes(gzip.compress((folder / "train-labels-idx1-ubyte").read_bytes()))
    told = verify(tmp_path / "l")
    assert told.format == "IDX (gzip)"
    assert told.n_classes == 3
    assert told.parts[0].shape == (10,)
    path.write_bytes(b"?")
    with pytest.raises(DataError, match="begins with 3f"):
        verify(path)
