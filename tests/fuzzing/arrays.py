"""IDX, .npy and .npz files, and folders of IDX files."""

import io
import math
import random
import struct
import zipfile

import numpy as np

from fuzzing.changes import deflated_zeros, gzipped, honest_shape, shape

ITEMSIZES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}
DESCRIPTIONS = (
    *("|u1", "|i1", "<i2", ">i4", "<i8", "<f4", ">f8", "<f8", "<f2", "|b1", "<f16", "<c8", "<U3", "|S2", "<U0"),
    *("|O", "|V8", "<U500000000", "<M8[s]", "xx", "<f3", "(2,3)<f4", "<u8"),
)
NAMES = ("X", "y", "x_train", "y_train", "x_test", "y_test", "x_val", "class_names", "synthetic", "arr_0", "../X", "a")
KNOWN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ZEROS = (1 << 20, 1 << 26, 1 << 28, 3 << 28)


def idx(rng: random.Random) -> dict[str, bytes]:
    """One IDX file, plain or packed."""
    return {"file": _packed(rng, _idx(rng))}


def idx_folder(rng: random.Random) -> dict[str, bytes]:
    """IDX files under the names of MNIST's, some missing, some packed, some of the wrong kind."""
    n = rng.randint(1, 5)
    files = {}
    for name in KNOWN:
        if rng.random() < 0.9:
            dims = (n, 3, 4) if "images" in name else (n,)
            fine = struct.pack(f">2xBB{len(dims)}I", 8, len(dims), *dims) + rng.randbytes(math.prod(dims))
            content = fine if rng.random() < 0.7 else _idx(rng)
            gz = rng.random() < 0.3
            files[f"{name}.gz" if gz else name] = gzipped(rng, content) if gz else content
    return files


def _idx(rng: random.Random) -> bytes:
    code = rng.choice([*ITEMSIZES, 0x0A])
    dims = honest_shape(rng) if rng.random() < 0.5 else shape(rng)
    size = ITEMSIZES.get(code, 1) * math.prod(dims)
    content = rng.randbytes(min(size, 5000)) if rng.random() < 0.7 else bytes(min(size, 1 << 22))
    ndim = len(dims) if rng.random() < 0.95 else rng.randrange(256)
    return (
        b"\0\0" + bytes([code, ndim]) + struct.pack(f">{len(dims)}I", *dims) + content + b"\0" * (rng.random() < 0.05)
    )


def npy(rng: random.Random) -> dict[str, bytes]:
    """A .npy file, plain or packed, at times with labels beside it."""
    files = {"X.npy": _packed(rng, _npy(rng))}
    if rng.random() < 0.3:
        files["y.npy"] = _npy(rng)
    return files


def _packed(rng: random.Random, data: bytes) -> bytes:
    return gzipped(rng, data) if rng.random() < 0.3 else data


def _npy(rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        buffer = io.BytesIO()
        kind = rng.choice(["u1", "i1", "f4", "f8", ">f4", "i8", "?", "U3", "S2", "f2"])
        dims = honest_shape(rng) if rng.random() < 0.7 else honest_shape(rng)[:1]
        array = np.array([rng.choice([0, 1, 7, 200, 255]) for _ in range(math.prod(dims))]).reshape(dims).astype(kind)
        np.save(buffer, array if rng.random() < 0.8 else np.asfortranarray(array))
        return buffer.getvalue()
    head = header(rng, rng.choice(DESCRIPTIONS), shape(rng))
    return head + (rng.randbytes(rng.randrange(2000)) if rng.random() < 0.7 else bytes(rng.choice([1 << 16, 1 << 21])))


def header(rng: random.Random, description: str, dims: tuple[int, ...]) -> bytes:
    """The beginning of a .npy file, which may lie about its length or hold no literal at all."""
    told = rng.choice([repr(dims)] * 9 + ["(-1, 3)", "(True, 2)", "(1.5,)", "None", "[" * 200, "3"])
    order = rng.choice(["False", "False", "True", "0", "None"])
    text = f"{{'descr': {description!r}, 'fortran_order': {order}, 'shape': {told}, }}"
    if rng.random() < 0.05:
        text = rng.choice(["__import__('os').abort()", "(" * 5000, "", "{" + " " * 60_000 + "}", "9" * 9000, "[],"])
    major = rng.choice([1, 1, 1, 2, 3])
    layout = "<H" if major == 1 else "<I"
    size = len(text) % 2**16 if rng.random() < 0.95 else rng.choice([0, 1, 2**16 - 1])
    return b"\x93NUMPY" + bytes([major, 0]) + struct.pack(layout, size) + text.encode()


def npz(rng: random.Random) -> dict[str, bytes]:
    """An .npz file, of NumPy's or put together by hand."""
    if rng.random() < 0.3:
        return {"file": _honest_npz(rng)}
    members = [(f"{name}.npy", _npy(rng)) for name in rng.sample(NAMES, rng.randint(1, 5))]
    if rng.random() < 0.1:
        members.append((rng.choice(["X.npz", "X.npy", "a.txt"]), _honest_npz(rng)))
    if rng.random() < 0.1:
        members *= 2
    return {"file": zipped(rng, members)}


def _honest_npz(rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    n, d = rng.randint(1, 9), rng.randint(1, 9)
    X, y = np.array([rng.random() for _ in range(n * d)]).reshape(n, d), np.arange(n) % 3
    save = rng.choice([np.savez, np.savez_compressed])
    save(buffer, x_train=X.astype(rng.choice(["f4", "f8"])), y_train=y, x_test=X, y_test=rng.choice([y, np.eye(3)[y]]))
    return buffer.getvalue()


def zipped(rng: random.Random, members: list[tuple[str, bytes]]) -> bytes:
    """A zip file made by hand: any method, and sizes that may be lies. Members may go on in a great many zeros."""
    content, table = b"", b""
    for name, data in members:
        method, packed, size = _member(rng, data)
        crc = zipfile.crc32(data) if rng.random() < 0.95 else 0
        told = size if rng.random() < 0.9 else rng.choice([0, 1, len(packed), 2**31, 2**32 - 1])
        fields = struct.pack("<HHHHIIIHH", 0, method, 0, 33, crc, len(packed), told, len(name), 0)
        table += b"PK\1\2" + struct.pack("<HH", 20, 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(content))
        table += name.encode()
        content += b"PK\3\4" + struct.pack("<H", 20) + fields + name.encode() + packed
    n = len(members)
    return content + table + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, n, n, len(table), len(content), 0)


def _member(rng: random.Random, data: bytes) -> tuple[int, bytes, int]:
    """(method, packed data, size) of a member."""
    import bz2
    import zlib

    kind = rng.random()
    if kind < 0.4:
        return 0, data, len(data)
    if kind < 0.7:
        return 8, zlib.compress(data)[2:-4], len(data)
    if kind < 0.75:
        return 12, bz2.compress(data), len(data)
    if kind < 0.78:
        return 14, data, len(data)
    n = rng.choice(ZEROS)
    dims = rng.choice([(n,), (n // 64, 64), (n // 2048, 2048), (1, n), (n, 1)])
    kind, itemsize = rng.choice([("|u1", 1), ("|u1", 1), ("<f8", 8), ("<f4", 4), ("|b1", 1), ("|S4", 4)])
    dims = (*dims[:-1], max(1, dims[-1] // itemsize))
    text = f"{{'descr': '{kind}', 'fortran_order': {rng.choice([True, False])}, 'shape': {dims}, }}".encode()
    head = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text
    # A stored block of the header, then the blocks of the zeros.
    stored = b"\0" + struct.pack("<HH", len(head), len(head) ^ 0xFFFF) + head
    return 8, stored + deflated_zeros(n)[2:-4], len(head) + n
