"""Small files that stand for a great deal: they are refused before memory or time is spent on them."""

import gzip
import os
import pickle
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from data_makers import idx_bytes, images, labels, python2_array

from fastnet.cli.main import main
from fastnet.data import budget, convert, load_data, pictures, unpickler, verify
from fastnet.data.arrays import BLOCK
from fastnet.errors import DataError

MB = 1_000_000
X, Y = images(10, 8, 8), labels(10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data"


@contextmanager
def at_most(n):
    """Fails if the block has more than n bytes of Python's and NumPy's at a time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n


def refused(path, words, peak=40 * MB, **settings):
    with at_most(peak), pytest.raises(DataError, match=words) as caught:
        load_data(path, **settings)
    told = str(caught.value)
    assert told.startswith(f"{path}")
    assert told.isprintable()
    return told


def test_one_array_with_many_references(path):
    """1 MB stands for 20 GB."""
    pixels = np.zeros(MB, np.uint8)
    path.write_bytes(pickle.dumps([pixels] * 20_000))
    told = refused(path, "takes at least 20 GB, and the limit is 268 MB")
    assert "--max-bytes 4" in told
    assert "max_bytes= in Python" in told
    path.write_bytes(pickle.dumps([(pixels, 1)] * 20_000))
    refused(path, "takes at least 20 GB")
    path.write_bytes(pickle.dumps({"X": [pixels] * 20_000, "y": [0] * 20_000}))
    refused(path, "takes at least 20 GB")


def test_nested_lists_by_reference(path):
    """3 kB stand for 200 million numbers."""
    row = [1] * 600
    path.write_bytes(pickle.dumps([[row] * 600] * 600))
    assert path.stat().st_size < 10_000
    refused(path, "takes at least 3.46 GB")
    path.write_bytes(pickle.dumps({"X": [[row] * 100] * 100, "y": [[row] * 600] * 100}))
    refused(path, "takes at least", 200 * MB)


def matlab(**arrays):
    """A MATLAB file with compressed arrays of zeros, uint8 of the shapes that are given."""

    def part(kind, data):
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    elements = []
    for name, shape in arrays.items():
        flags, dims = part(6, struct.pack("<II", 9, 0)), part(5, struct.pack("<2i", *shape))
        content = flags + dims + part(1, name.encode()) + part(2, bytes(shape[0] * shape[1]))
        packed = zlib.compress(struct.pack("<II", 14, len(content)) + content)
        elements.append(struct.pack("<II", 15, len(packed)) + packed)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements)


def test_matlab_arrays_count_together_and_only_those_that_are_wanted(path):
    sizes = dict.fromkeys(["x_train", "x_val", "x_test"], (1000, 6000))
    path.write_bytes(matlab(**sizes))
    refused(path, "takes at least 1[28] MB, and the limit is 10 MB", 15 * MB, max_bytes=10 * MB)
    assert len(load_data(path, max_bytes=40 * MB)[0]) == 2000
    path.write_bytes(matlab(X=(20, 64), other=(1000, 6000), more=(1000, 6000)))
    with at_most(3 * MB):
        assert load_data(path, max_bytes=MB)[0].X.shape == (20, 64)


def png(width, height, bits=8, kind=0):
    """A PNG picture of zeros."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(1)
    row = bytes(1 + width * bits // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_folder_of_large_pictures(tmp_path):
    """2 MB stand for 2 GB."""
    pytest.importorskip("PIL")
    picture = png(4000, 4000, 1)
    for i in range(120):
        (tmp_path / f"{i:03}.png").write_bytes(picture)
    refused(tmp_path, "takes at least 1.92 GB")


def test_pictures_that_are_decoded_many_times(tmp_path):
    pil = pytest.importorskip("PIL.Image")
    pil.fromarray(np.zeros((2000, 2000), np.uint8)).save(tmp_path / "0.jpg", progressive=True)
    content = (tmp_path / "0.jpg").read_bytes()
    last = content.rindex(b"\xff\xda")
    (tmp_path / "0.jpg").write_bytes(content[:-2] + content[last:-2] * 100 + content[-2:])
    refused(tmp_path, "unpacks so much that it needs a limit of at least")


def test_pictures_too_large_are_told_of_in_one_line(tmp_path, monkeypatch, capsys):
    """Another thread may undo the filter of warnings at any time, so it must not matter."""
    pytest.importorskip("PIL")
    (tmp_path / "large.png").write_bytes(png(10_000, 10_000, 1))
    monkeypatch.setattr(warnings, "catch_warnings", nullcontext)
    monkeypatch.setattr(pictures.warnings, "simplefilter", lambda action: None)
    refused(tmp_path, "damaged picture .expected at most 16777216 pixels, got 10000x10000.")


def test_hdf5_fill_values(path):
    """2 kB stand for 24 GB."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (3_000_000, 1000), "f8", chunks=(1000, 1000), fillvalue=0.5)
        file.create_dataset("y", (3_000_000,), "u1", chunks=(1000,))
    assert path.stat().st_size < 10_000
    refused(path, "takes at least 24 GB")


def test_hdf5_of_few_long_rows(path):
    """A row is a block, and lives until the next one is there."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (7, 1 << 24), "<i8", fillvalue=0)
    refused(path, "takes at least", 200 * MB)


def test_npy_of_text_without_characters(path):
    header = b"{'descr': '<U0', 'fortran_order': False, 'shape': (7, 4294967295), }\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
    refused(path, "expected an array of numbers, got dtype <U0")


def test_a_picture_that_is_one_long_row(tmp_path, monkeypatch):
    """It is converted piece by piece: as a whole it would take several times its memory in other forms."""
    image = pytest.importorskip("PIL.Image")
    path, pieces, convert_piece = tmp_path / "long.png", [], pictures._Reader._piece
    image.new("LA", (3 * BLOCK + 1, 1), (7, 200)).save(path)
    monkeypatch.setattr(pictures._Reader, "_piece", lambda self, it: pieces.append(it.size) or convert_piece(self, it))
    with pytest.warns(UserWarning, match="put on white"):
        train, _ = load_data(path)
    assert pieces == [(BLOCK, 1)] * 3 + [(1, 1)]
    assert (train.X[0, 0] == train.X).all()


def test_hdf5_with_very_many_chunks(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (10_000, 1000), "u1", chunks=(1, 1), fillvalue=1)
    refused(path, "unpacks so much that it needs a limit of at least")


@pytest.mark.parametrize("piece", [b"N0", b"]0", b"K\1\x85", b"]q\0", b"\x8c\0"])
def test_packed_pickles_of_many_small_objects(path, piece):
    path.write_bytes(gzip.compress(b"\x80\x04(" + piece * 300_000 + b"l."))
    refused(path, "takes at least 10 MB", 25 * MB, max_bytes=10 * MB)


@pytest.mark.parametrize("n", [1, 2, 3, 2999, 3000])
@pytest.mark.parametrize("end", [0, 1])
def test_where_an_escape_ends(n, end):
    """It is found without walking back over all backslashes."""
    text = b"ab" + b"\\" * n + b"x41c"
    cut = unpickler._last_whole_escape(text, 2 + n + end)
    assert cut <= 2 + n + end
    assert text[:cut].decode("unicode_escape") + text[cut:].decode("unicode_escape") == text.decode("unicode_escape")


def test_pngs_with_very_many_packed_texts(tmp_path):
    """A folder of 65 kB each stands for 63 MB each that would be unpacked for nothing."""
    pytest.importorskip("PIL")
    text = b"a\0\0" + zlib.compress(bytes((1 << 20) - 100))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = png(8, 8)
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes(whole[:33] + chunk * 63 + whole[33:])
    refused(tmp_path, "unpacks so much", 100 * MB)


def test_numbers_of_one_hash_cannot_slow_a_dict_down(path):
    path.write_bytes(pickle.dumps({i * (2**61 - 1): 0 for i in range(1, 2000)}))
    refused(path, "as keys in the pickle")
    path.write_bytes(pickle.dumps({str(i): 0 for i in range(20_000)}))
    refused(path, "at most 10000 keys")
    place = b"%d" % (2**61 - 1)
    path.write_bytes(b"(lp" + place + b"\n.")
    refused(path, "expected something to remember")


def test_text_that_becomes_bytes_again_and_again(path):
    """Each of the arrays of one text of 100 kB would keep its own bytes."""
    text = b"\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94" + b"\x8c\x02u1\x94\x85R\x94"  # 4: the dtype
    text += b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"\x94"  # 5
    text += b"\x8c\x12numpy.core.numeric\x8c\x0b_frombuffer\x93\x94"  # 6
    text += b"J" + struct.pack("<i", 100_000) + b"\x85\x94\x8c\x01C\x94"  # 7: the shape, 8
    path.write_bytes(b"\x80\x04(" + text + b"h\6(h\5h\4h\7h\x08tR" * 1000 + b"l.")
    refused(path, "takes at least 10.* MB", 20 * MB, max_bytes=10 * MB)


def packed_npz(path, shape, **more):
    np.savez_compressed(path, X=np.zeros(shape), **more)


def test_npz_that_unpacks_a_thousandfold(tmp_path):
    path = tmp_path / "set.npz"
    packed_npz(path, (100, 50_000))
    refused(path, "takes at least 2[0-9] MB, and the limit is 20 MB", max_bytes=20 * MB)
    packed_npz(path, (10, 8), other=np.zeros((100, 50_000)))
    with at_most(6 * MB):
        assert load_data(path, max_bytes=MB)[0].X.shape == (10, 8)
    np.savez_compressed(path, X=np.tile(np.float64([0, 200]), (10, 1_000_000)))  # pixels: 160 MB become 20
    refused(path, "unpacks so much that it needs a limit of at least", 60 * MB, max_bytes=60 * MB)
    with at_most(60 * MB):
        assert load_data(path, max_bytes=100 * MB)[0].X.shape == (10, 2_000_000)


def test_npz_members_that_zipfile_unpacks_in_one_go(path):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("X.npy", bytes(20 * MB))
        refused(path, "expected members as np.savez_compressed packs them, got 'X.npy' otherwise")


def test_npz_with_a_long_table_of_contents(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"")
    content = path.read_bytes()
    start = content.index(b"PK\1\2")
    entry, end = content[start : content.index(b"PK\5\6")], content[content.index(b"PK\5\6") :]
    table = entry * 100_000
    end = end[:8] + struct.pack("<HHI", 0xFFFF, 0xFFFF, len(table)) + end[16:]
    path.write_bytes(content[:start] + table + end)
    refused(path, "expected a table of contents of at most 4194304 bytes")


def test_npy_headers_that_claim_much(path):
    path.write_bytes(gzip.compress(b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + b" " * 40 * MB))
    refused(path, "damaged .npy header .it claims 2147483648 bytes", 4 * MB)


def test_rows_without_columns(tmp_path):
    """2^50 of them take no memory, but would be looked at block by block."""
    path = tmp_path / "set.npz"
    for shapes in ({"X": (2**50, 0)}, {"X": (2**50, 0), "y": (2**50,)}, {"X": (3, 2), "y": (3, 0)}):
        with zipfile.ZipFile(path, "w") as archive:
            for name, shape in shapes.items():
                header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
                content = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
                archive.writestr(f"{name}.npy", content + bytes(6 if shape == (3, 2) else 0))
        with pytest.raises(DataError, match=r"rows|bytes"):
            load_data(path)


def test_csv_that_unpacks_a_thousandfold(path):
    path.write_bytes(gzip.compress(b"0,0,0,0,0,0,0,0,0,0\n" * 2_000_000))
    refused(path, "unpacks so much that it needs a limit", max_bytes=10 * MB)
    refused(path, "takes at least 34 MB, and the limit is 30 MB", max_bytes=30 * MB)


def test_csv_of_one_long_line(path):
    path.write_bytes(b"0," * (1 << 20) + b"0\n")
    refused(path, "takes at least 269 MB")
    path.write_bytes(b"1,2\n" + b"3," * 500_000 + b"4\n")
    refused(path, "line 2: expected 2 columns, got 500001")


def test_hdf5_in_a_single_chunk(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=np.zeros((1000, 10_000)), chunks=(1000, 10_000), compression="gzip")
    refused(path, "takes at least 240 MB, and the limit is 100 MB", max_bytes=100 * MB)


def test_gzip_of_gigabytes(path):
    path.write_bytes(gzip.compress(b"(S'" + bytes(1) * 30 * MB))
    refused(path, "takes at least|needs a limit", 30 * MB, max_bytes=10 * MB)


def test_conversions_count(tmp_path):
    """float32 in place of int8 and bool, a copy in C order."""
    for array in (np.full((1000, 1000), -1, np.int8), np.ones((1000, 1000), bool)):
        np.save(tmp_path / "X.npy", array)
        told = refused(tmp_path / "X.npy", "takes at least [56] MB", 9 * MB, max_bytes=4_500_000)
        assert "4.5 MB" in told
        assert load_data(tmp_path / "X.npy", max_bytes=6_500_000)[0].X.dtype == np.float32
    np.save(tmp_path / "X.npy", np.full((1000, 1000), 0.5, order="F"))
    refused(tmp_path / "X.npy", "takes at least 16 MB", max_bytes=15 * MB)
    (tmp_path / "X").write_bytes(b"\0\0\x09\2" + struct.pack(">II", 1000, 1000) + b"\xff" * MB)
    refused(tmp_path / "X", "takes at least 5 MB", max_bytes=4 * MB)


def test_arrays_of_the_other_byte_order_are_turned_where_they_are(path):
    values = np.linspace(0, 1, 5_000_000).reshape(5000, 1000)
    with open(path, "wb") as file:
        np.save(file, values.astype(">f8"))
    with at_most(70 * MB):
        X = load_data(path, max_bytes=41 * MB)[0].X
    np.testing.assert_array_equal(X, values)
    path.write_bytes(b"(" + python2_array(values[:10].astype(">f8")) + b"l.")
    np.testing.assert_array_equal(load_data(path)[0].X[0].reshape(10, 1000), values[:10])


def test_the_limit_is_that_of_all_files_together(tmp_path):
    """And it is four times their size where they are large."""
    for name, data in (("train-images-idx3", X), ("train-labels-idx1", Y)):
        (tmp_path / f"{name}-ubyte").write_bytes(idx_bytes(data))
    with pytest.raises(DataError, match="takes at least"):
        load_data(tmp_path, max_bytes=700)
    account = budget.Budget()
    for i, size in enumerate((100 * MB, 300 * MB)):
        for _ in range(2):  # opened twice, counted once
            account.opened(os.stat_result((0, i, 0, 0, 0, 0, size, 0, 0, 0)))
    assert account.limit == 1600 * MB
    with account.lent(1600 * MB), pytest.raises(budget.OverBudgetError, match=r"1.6 GB.*limit is 1.6 GB.*4GB"):
        account.take(1)
    account.give(1)
    account.take(1600 * MB)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1GB"])
def test_limits_that_are_none(limit):
    with pytest.raises(ValueError, match="max_bytes must be a number of bytes above 0 or None, got"):
        load_data("glyphs", max_bytes=limit)


def test_the_limit_is_raised_by_an_option(tmp_path, capsys):
    packed_npz(tmp_path / "set.npz", (100, 5000))
    source, target = str(tmp_path / "set.npz"), str(tmp_path / "copy")
    for argv in (["verify", source], ["convert", source, target + ".npz"], ["show", source]):
        assert main(["data", *argv, "--max-bytes", "100kB"]) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert "takes at least 4 MB, and the limit is 100 kB; if you trust the file, raise it: --max-bytes 1GB" in line
        assert main(["data", *argv, "--max-bytes", "20MB"]) == (2 if argv[0] == "show" else 0)
        assert "max-bytes" not in capsys.readouterr().err
    assert main(["data", "verify", source, "--max-bytes", "much"]) == 2
    assert "--max-bytes: expected a size like 500MB or 4GB, got 'much'" in capsys.readouterr().err
    for function, arguments in ((verify, [source]), (convert, [source, target])):
        with pytest.raises(DataError, match="takes at least 4 MB"):
            function(*arguments, max_bytes=100_000)
    for verb in (["train", "--data", source], ["report", "m.npz"], ["evaluate", "m.npz"], ["predict", "m.npz", source]):
        main([*verb, "--max-bytes", "0"])
        assert "--max-bytes: expected a size" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    "argv", ["predict {} x.npz", "evaluate {}", "report {}", "train --data {}", "data verify {}", "data show {}"]
)
def test_named_pipes_are_not_opened(tmp_path, capsys, argv):
    """Opening one would wait for a writer."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert main(argv.format(pipe).split() + ["--backend", "reference"] * argv.startswith("train")) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "expected a regular file, got a named pipe" in line


def test_links_that_lead_nowhere_are_left_out_with_a_warning(tmp_path):
    pil = pytest.importorskip("PIL.Image")
    for label in "01":
        (tmp_path / label).mkdir()
        for i in range(2):
            pil.fromarray(X[i]).save(tmp_path / label / f"{i}.png")
    try:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
    except OSError:
        pytest.skip("needs symbolic links")
    with pytest.warns(UserWarning, match="a file was left out: loop: the link leads nowhere"):
        assert len(load_data(tmp_path)[0]) == 4
    (tmp_path / "1" / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.warns(UserWarning, match=r"2 files were left out, such as loop: the link leads nowhere"):
        assert len(load_data(tmp_path)[0]) == 4


def idx_floats(values):
    values = np.asarray(values, ">f4")
    return b"\0\0\x0d" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (idx_floats([[1, 2], [3, np.nan]]), "images must be finite, got nan in row 1, column 1"),
        (idx_floats([0.5, np.inf]), "y must be finite, got inf in row 1"),
        (idx_floats(np.zeros((0, 3, 3))), "expected at least one row and one column, got shape .0, 3, 3."),
        (idx_bytes(np.zeros(0, np.uint8)), "expected at least one row and one column, got shape .0,."),
        (idx_bytes(np.zeros((3, 0), np.uint8)), "expected at least one row and one column, got shape .3, 0."),
    ],
)
def test_verify_says_what_is_wrong_with_idx_files(path, capsys, content, words):
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        verify(path)
    assert main(["data", "verify", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_verify_tells_labels_from_values(path):
    path.write_bytes(idx_floats([0.5, 1.5]))
    assert "values: 2 float32" in str(verify(path))
    path.write_bytes(idx_bytes(np.uint8([0, 3])))
    found = verify(path)
    assert found.n_classes == 4
    assert "labels: 2 uint8" in str(found)
