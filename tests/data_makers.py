"""Data files written by other means than fastnet's own: struct, gzip, hand-made pickles."""

import gzip
import struct
from pathlib import Path

import numpy as np


def images(n=6, h=5, w=4, seed=0):
    """uint8 (n, h, w) that holds 0 and 255."""
    X = np.random.default_rng(seed).integers(0, 256, (n, h, w), dtype=np.uint8)
    X[0, 0, :2] = 0, 255
    return X


def labels(n=6, k=3):
    """uint8 (n,) with every class."""
    return (np.arange(n) % k).astype(np.uint8)


def idx_bytes(array):
    """An IDX file of bytes."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx_folder(folder: Path, gz=False, n_test=3, dot=False):
    """The four files under their MNIST names; returns (X, y, X test, y test)."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = images(), labels(), images(n_test, seed=1), labels(n_test)
    names = "train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"
    for name, array in zip(names, arrays, strict=True):
        stem = name.replace("-idx", ".idx") if dot else name
        data = idx_bytes(array)
        path = folder / f"{stem}-ubyte{'.gz' if gz else ''}"
        path.write_bytes(gzip.compress(data) if gz else data)
    return arrays


def python2_string(data: bytes) -> bytes:
    """What repr of a Python 2 str gives."""
    quote = b'"' if b"'" in data and b'"' not in data else b"'"
    special = {9: b"\\t", 10: b"\\n", 13: b"\\r", 92: b"\\\\", ord(quote): b"\\" + quote}
    plain = (special.get(c) or (bytes([c]) if 32 <= c < 127 else b"\\x%02x" % c) for c in data)
    return quote + b"".join(plain) + quote


def python2_array(array) -> bytes:
    """A NumPy array as Python 2 writes it with protocol 0 (without the memo, which is optional)."""
    shape = b"".join(b"I%d\n" % length for length in array.shape)
    kind = array.dtype.str[1:].encode()
    order = b"|" if array.dtype.itemsize == 1 else array.dtype.str[:1].encode()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(" + shape + b"tcnumpy\ndtype\n"
        b"(S'" + kind + b"'\nI0\nI1\ntR(I3\nS'" + order + b"'\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"S" + python2_string(array.tobytes()) + b"\ntb"
    )


def python2_dict(X, y, k=3, dtype="<f8") -> bytes:
    """Document 001's pickle: count, one-hot labels (n, k, 1), inputs (n, d, 1)."""
    inputs = X.reshape(len(X), -1, 1).astype(dtype)
    hot = np.eye(k)[y][:, :, None]
    return (
        b"(dp0\nS'count'\np1\nI%d\nsS'labels'\np2\n" % len(X)
        + python2_array(hot)
        + b"sS'inputs'\np3\n"
        + python2_array(inputs)
        + b"s."
    )
