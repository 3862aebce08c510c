"""Pickles: every protocol and layout that data come in, and hostile ones, which must run nothing."""

import gzip
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from data_makers import images, labels, python2_array, python2_dict, python2_string

from fastnet.data import budget, load_data, source, unpickler
from fastnet.data.unpickler import Unpickler
from fastnet.errors import DataError

X, Y = images(10), labels(10)
FLAT = X.reshape(10, -1)
FLOATS = (FLAT / 256).astype(np.float32)


def load_bytes(tmp_path, data):
    path = tmp_path / "data.bin"
    path.write_bytes(data)
    return load_data(path)


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "|u1", "<i8", ">f8", ">i2"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_document_001_of_python_2(tmp_path, dtype, line_end):
    data = python2_dict(FLAT, Y, dtype=dtype).replace(b"\n", line_end)
    set_, none = load_bytes(tmp_path, data)
    assert none is None
    assert set_.X.dtype == np.uint8
    np.testing.assert_array_equal(set_.X, FLAT)
    np.testing.assert_array_equal(set_.y, Y)
    assert set_.n_classes == 3


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "f4", ">f8", "i8"])
def test_every_protocol_of_python_3(tmp_path, protocol, order, dtype):
    content = {"count": np.int64(10), "inputs": np.array(FLAT[:, :, None].astype(dtype), order=order), "labels": Y}
    set_, _ = load_bytes(tmp_path, pickle.dumps(content, protocol))
    assert set_.X.dtype == np.uint8
    np.testing.assert_array_equal(set_.X, FLAT)
    np.testing.assert_array_equal(set_.y, Y)


def test_the_three_parts_of_mnist_pkl_gz(tmp_path):
    y = Y.astype(np.int64)
    parts = ((FLOATS[:5], y[:5]), (FLOATS[5:8], y[5:8]), (FLOATS[8:], y[8:]))
    for protocol in (0, 2, 5):
        train, test = load_bytes(tmp_path, gzip.compress(pickle.dumps(parts, protocol)))
        np.testing.assert_array_equal(train.X, FLOATS[:8])
        np.testing.assert_array_equal(train.y, y[:8])
        np.testing.assert_array_equal(test.X, FLOATS[8:])
        np.testing.assert_array_equal(test.y, y[8:])
        assert train.X.dtype == np.float32
        assert train.n_classes == test.n_classes == 3


def test_other_layouts(tmp_path):
    pairs = [(x[:, None], np.eye(3)[y][:, None]) for x, y in zip(FLOATS, Y, strict=True)]
    for content in (
        (FLOATS, Y),
        [FLOATS, Y],
        {"data": FLOATS.tolist(), "target": Y.tolist()},
        {b"data": FLOATS, b"labels": np.eye(3, dtype=np.uint8)[Y]},
        pairs,
        list(zip(FLOATS, Y.tolist(), strict=True)),
    ):
        set_, none = load_bytes(tmp_path, pickle.dumps(content, 2))
        assert none is None
        np.testing.assert_array_equal(set_.X.astype(np.float32), FLOATS)
        np.testing.assert_array_equal(set_.y, Y)
    for content in (
        ((FLOATS[:6], Y[:6]), (FLOATS[6:], Y[6:])),
        {"train": (FLOATS[:6], Y[:6]), "test": (FLOATS[6:], Y[6:])},
        {
            "training_images": FLOATS[:6],
            "training_labels": Y[:6],
            "test_images": FLOATS[6:],
            "test_labels": Y[6:],
        },
    ):
        train, test = load_bytes(tmp_path, pickle.dumps(content, 4))
        np.testing.assert_array_equal(train.X, FLOATS[:6])
        np.testing.assert_array_equal(test.y, Y[6:])
    alone, _ = load_bytes(tmp_path, pickle.dumps(FLOATS))
    assert alone.y is None


@pytest.mark.parametrize("piece", [5, 7, 16, 64, 1000])
def test_long_strings_are_decoded_in_pieces(tmp_path, monkeypatch, piece):
    """Wherever a piece ends, in an escape or before the closing quote, the bytes are the same."""
    monkeypatch.setattr(unpickler, "PIECE", piece)
    path = tmp_path / "p"
    for content in (bytes(range(256)), b"\\" * 99, b"'" * 50, b"x\\'\n\r" * 30, b"\\x41'\"" * 20, b"\0" * 100):
        for pickled in (
            b"S" + python2_string(content) + b"\n.",
            b"S" + python2_string(content) + b"\r\n.",
            pickle.dumps(content, 0),
            pickle.dumps(content, 1),
            pickle.dumps(content, 3),
            pickle.dumps(bytearray(content), 5),
        ):
            if piece < 16 and not pickled.startswith(b"S"):
                continue  # the names in these are longer than such a line may be
            path.write_bytes(pickled)
            with source.Source(path) as opened:
                assert bytes(Unpickler(opened).load()) == content


class Evil:
    def __init__(self, call, *args):
        self.reduced = call, args

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
def test_hostile_pickles_run_nothing(tmp_path, protocol):
    mark = tmp_path / "ran"
    for call in (
        Evil(exec, f"open({str(mark)!r}, 'w')"),
        Evil(open, str(mark), "w"),
        Evil(np.save, str(mark), np.zeros(3)),
        Evil(eval, "1"),
    ):
        with pytest.raises(DataError, match=r"asks for .* nothing of it was run"):
            load_bytes(tmp_path, pickle.dumps({"inputs": FLOATS, "labels": call}, protocol))
    assert not mark.exists()


ARRAY = python2_array(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "asks for os.system"),
        (b"cnumpy\nload\n(S'x'\ntR.", "asks for numpy.load"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "asks for __builtin__.eval"),
        (b"(S'true'\nios\nsystem\n.", "instruction b'i'"),
        (b"(cos\nsystem\nS'true'\no.", "asks for os.system"),
        (b"(dp0\nPsomething\n.", "instruction b'P'"),
        (b"\x80\x02\x82\x01.", r"instruction b'\\x82'"),
        (b"cnumpy\nndarray\n(I3\ntR.", "calls something else"),
        (b"(lp0\n(I1\ntR.", "calls something else"),
        (b"(I1\nI2\nR.", "expected a pickle of arrays"),
        (ARRAY[:-1] + b".", "expected lists of numbers"),
        (ARRAY.replace(b"'f8'", b"'O8'") + b".", "expected an array of numbers in the pickle, got dtype 'O8'"),
        (ARRAY.replace(b"'f8'", b"'S8'") + b".", "got dtype 'S8'"),
        (ARRAY.replace(b"'f8'", b"'f9'") + b".", "got dtype 'f9'"),
        (ARRAY.replace(b"(I2\nI3\nt", b"(I2\nI4\nt") + b".", r"64 bytes for an array of shape \(2, 4\), got 48"),
        (ARRAY.replace(b"(I2\nI3\nt", b"(I-2\nI-3\nt") + b".", "expected an array's shape"),
        (ARRAY.replace(b"(I2\nI3\nt", b"(I999999999999\nI999999999999\nt") + b".", "expected 79999999999"),
        (ARRAY.replace(b"(I2\nI3\nt", b"(F2.0\nI3\nt") + b".", "expected an array's shape"),
        (ARRAY.replace(b"S'<'", b"S'x'") + b".", "expected a byte order"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.", "truncated: expected 1099511627776 more bytes"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.", "truncated"),
        (b"\x80\x02T\xff\xff\xff\xffabc.", "truncated"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "expected a number in the pickle, got one of 2147483647 bytes"),
        (b"\x80\x02r\xff\xff\xff\xff.", "expected something to remember"),
        (b"\x80\x02]r\xff\xff\xff\xff.", "got list"),
        (b"(dp0\nS'a'\n", "the end of the file"),
        (b"(dp0\nS'a", "truncated"),
        (b"(dp0\nS'a\n.", "string in quotes"),
        (b"(dp0\nI" + b"9" * 5000 + b"\n.", "digits"),
        (b"(dp0\nIabc\n.", "invalid literal"),
        (b"(dp0\ng7\n.", "unknown number 7"),
        (b"(lp0\n.", "expected a dict, a tuple or a list of arrays in the pickle, got list"),
        (b"(dp0\n.", "expected arrays named X and y"),
        (b"(dp0\n.junk", "expected the end of the file after the pickle"),
        (b"(lp0\n(lp1\nS'a'\ns.", "expected a dict and pairs"),
        (b"((I1\ntI1\nd.", "keys"),
        (b"]2a.", "expected lists of numbers|lists"),
        (pickle.dumps((FLOATS, Y[:-1])), "expected as many labels as images, got 10 images and 9 labels"),
        (pickle.dumps((FLOATS.T, Y)), r"images of shape \(20, 10\) with labels of shape \(10,\) look transposed"),
        (pickle.dumps((FLOATS, np.eye(3)[Y].T)), r"labels of shape \(3, 10\) for 10 images look transposed"),
        (pickle.dumps((np.full((2, 3), np.nan), [0, 1])), "images must be finite, got nan in row 0"),
        (pickle.dumps((FLOATS, Y - np.float64("nan"))), "y must be finite, got nan in row 0"),
        (pickle.dumps((FLOATS, np.zeros((10, 3, 2)))), r"expected labels \(n,\)|labels must have shape"),
        (pickle.dumps({"inputs": FLOATS, "x": FLOATS}), "several"),
        (pickle.dumps({"a": FLOATS, "b": FLOATS}), "expected arrays named X and y, or .*, got 'a', 'b'"),
        (pickle.dumps({"labels": Y}), "labels"),
        (pickle.dumps([[1, 2], [3, 4], [5]]), "expected lists of one length in the pickle, got 2 and 1"),
        (pickle.dumps([[1, 2], ["a", 3]]), "lists of numbers"),
        (pickle.dumps(3), "expected one of|expected a dict"),
        (pickle.dumps(((FLOATS, Y), (FLOATS.astype("f8"), Y), (FLOATS, Y))), "parts of one shape and type"),
    ],
)
def test_bad_pickles(tmp_path, data, message):
    with pytest.raises(DataError, match=message) as caught:
        load_bytes(tmp_path, data)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "y", [Y - 0.5, -1 - Y.astype(int), Y + np.int64(10**6), np.eye(3)[Y] * 2, np.stack([Y, Y], 1) / np.float32(4)]
)
def test_numbers_that_cannot_be_labels_are_values(tmp_path, y):
    set_, _ = load_bytes(tmp_path, pickle.dumps((FLOATS, y)))
    assert set_.holds_values
    assert set_.n_classes == 0
    assert set_.y.dtype == (np.float32 if y.dtype == np.float32 else np.float64)
    np.testing.assert_array_equal(set_.y, y)


def test_truncated_anywhere(tmp_path):
    content = X[:2, :2, :2], Y[:2]
    for data in (python2_dict(*content), pickle.dumps(content, 2), pickle.dumps(content, 5)):
        for end in range(len(data)):
            with pytest.raises(DataError):
                load_bytes(tmp_path, data[:end])


def test_nested_lists_cannot_blow_up(tmp_path, monkeypatch):
    """Ten lists of ten times the one before stand for 10^9 numbers in a hundred bytes."""
    data = b"\x80\x02](" + b"K\x01" * 1000 + b"eq\x00"
    for level in (0, 1):
        data += b"](" + b"h%c" % level * 1000 + b"eq" + bytes([level + 1])
    monkeypatch.setattr(budget, "ALWAYS", 8_000_000)
    tracemalloc.start()
    with pytest.raises(DataError, match="takes at least 16 GB"):
        load_bytes(tmp_path, data + b".")
    with pytest.raises(DataError, match="takes at least 8 MB"):
        load_bytes(tmp_path, b"\x80\x02" + b"]0" * 60_000 + b".")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_claims_allocate_nothing(tmp_path):
    tracemalloc.start()
    for data in (
        b"\x80\x04\x8e" + struct.pack("<Q", 2**33) + b"abc.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"abc.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
    ):
        with pytest.raises(DataError, match="truncated"):
            load_bytes(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
