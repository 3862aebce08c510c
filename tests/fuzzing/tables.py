"""CSV and MATLAB files."""

import math
import random
import struct
import zlib

from fuzzing.changes import deflated_zeros, gzipped, length, shape

FIELDS = ("0", "255", "12", "256", "-1", "1.5", "", " 3", "nan", '"7"', "1e5", "0x1", "999", "00007", "label", "\u00e9")
HEADERS = ("label,a,b", "a,b,label", "y", '"label","p"', "label", ",,", "1,2,x", "#", "pixel0,pixel1")
CLASSES = (6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
ZEROS = (1 << 16, 1 << 24, 1 << 27, 3 << 27)


def csv(rng: random.Random) -> dict[str, bytes]:
    """A table of small numbers, with lines and fields that are none, plain or packed."""
    width, strange = rng.choice([1, 2, 3, 10, 65, 785]), rng.choice([0, 0, 0.001, 0.1])
    lines = [rng.choice(HEADERS)] if rng.random() < 0.4 else []
    for _ in range(rng.randint(0, 30)):
        fields = [rng.choice(FIELDS) if rng.random() < strange else str(rng.randrange(10)) for _ in range(width)]
        lines.append(",".join(fields))
    end = rng.choice(["\n", "\n", "\r\n", "\r", "\n\n"])
    text = rng.choice(["", "", "\ufeff"]) + end.join(lines) + rng.choice(["", end, end * 3])
    data = text.encode()
    if rng.random() < 0.15:
        piece = rng.choice([b"0,", b"\n", b"0,0\n", b"1", b",", b" ", b"255,255,255\n"])
        data += piece * rng.choice([1000, 100_000, 3_000_000])
    return {"file": gzipped(rng, data) if rng.random() < 0.3 else data}


def matlab(rng: random.Random) -> dict[str, bytes]:
    """Arrays, packed or not, with tags, types and shapes that may not fit."""
    order = rng.choice("<<<>")
    data = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")
    names = rng.sample(["X", "y", "data", "label", "x_train", "y_train", "x_test", "x_val", "a"], rng.randint(1, 4))
    n = rng.randint(1, 9)
    for name in names:
        data += _element(rng, order, name, n)
    return {"file": data}


def _element(rng: random.Random, order: str, name: str, n: int) -> bytes:
    dims: tuple[int, ...] = rng.choice([(5, n), (1, n), (n, 1), (n, 5)])
    if rng.random() < 0.2:
        dims = shape(rng)
    zeros = rng.choice(ZEROS) if rng.random() < 0.15 else 0
    if zeros:
        dims = rng.choice([(zeros, 1), (64, zeros // 64), (1, zeros), (zeros // 2048, 2048)])
    kind = rng.choice([2, 2, 9, 7, 1, 3, 5, 12, 14, 99])
    itemsize = {9: 8, 12: 8, 7: 4, 5: 4, 3: 2}.get(kind, 1)
    size = itemsize * math.prod(dims) if rng.random() < 0.9 else length(rng)
    head = _part(order, 6, struct.pack(order + "II", rng.choice(CLASSES) | rng.choice([0, 0, 0, 0x800]), 0))
    head += _part(order, 5, struct.pack(f"{order}{len(dims)}i", *(min(d, 2**31 - 1) for d in dims)))
    head += _part(order, 1, name.encode())
    content = zeros or min(size, 10_000)
    head += struct.pack(order + "II", kind, (zeros if zeros else size) % 2**32)
    total = len(head) + content + -content % 8
    head = struct.pack(order + "II", 14, total if rng.random() < 0.95 else length(rng)) + head
    if zeros or rng.random() < 0.4:
        packed = _packed(head, content)
        return struct.pack(order + "II", 15, len(packed) if rng.random() < 0.95 else length(rng)) + packed
    return head + rng.randbytes(content) + bytes(-content % 8)


def _part(order: str, kind: int, data: bytes) -> bytes:
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def _packed(head: bytes, zeros: int) -> bytes:
    """zlib's form of the head and zeros behind it; the checksum at the end is wrong where they are many."""
    if zeros < 1 << 20:
        return zlib.compress(head + bytes(zeros))
    return b"\x78\1\0" + struct.pack("<HH", len(head), len(head) ^ 0xFFFF) + head + deflated_zeros(zeros)[2:]
