"""Pictures, and folders of them."""

import io
import random
import struct
import zlib

import numpy as np

from fuzzing.changes import damaged, deflated_zeros, length

MODES = ("L", "RGB", "RGBA", "P", "1", "LA", "I;16", "CMYK")


def picture(rng: random.Random) -> dict[str, bytes]:
    """One picture."""
    return {"file": _picture(rng)}


def picture_folder(rng: random.Random) -> dict[str, bytes]:
    """Pictures in a folder, by class or not, by part or not; most of one size."""
    places = rng.choice([["."], ["0", "1"], ["cat", "dog", "."], ["train/a", "train/b", "test/a"], ["train", "test"]])
    base = _made(rng, "png", 8, 8)
    if rng.random() < 0.2:
        base = _png(rng, *rng.choice([(4000, 4000), (1, 10**7), (3000, 1000)]))
    n = rng.choice([1, 3, 40])
    return {
        f"{rng.choice(places)}/{i:03}.{rng.choice(['png', 'png', 'jpg', 'PNG', 'gif', 'txt'])}": (
            base if rng.random() < 0.9 else damaged(rng, base) if rng.random() < 0.5 else _picture(rng)
        )
        for i in range(n)
    }


def _picture(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.4:
        return _png(rng, length(rng), length(rng))
    if kind < 0.5:
        return _bmp(rng)
    return _made(rng, rng.choice(["png", "jpeg", "jpeg", "bmp"]), rng.randint(1, 30), rng.randint(1, 30))


def _made(rng: random.Random, kind: str, width: int, height: int) -> bytes:
    """What Pillow writes."""
    from PIL import Image

    levels = np.frombuffer(rng.randbytes(width * height * 4), np.uint8).reshape(height, width, 4)
    mode = rng.choice(MODES)
    image = Image.fromarray(levels, "RGBA") if mode == "RGBA" else Image.fromarray(levels[..., 0])
    buffer = io.BytesIO()
    settings = {"progressive": rng.random() < 0.5} if kind == "jpeg" else {}
    try:
        image.convert(mode).save(buffer, kind, **settings)
    except (OSError, ValueError):
        buffer = io.BytesIO()
        image.convert("L").save(buffer, kind, **settings)
    data = buffer.getvalue()
    if kind == "jpeg" and rng.random() < 0.2:  # its last pass again and again
        last = data.rindex(b"\xff\xda")
        data = data[:-2] + data[last:-2] * rng.choice([3, 300, 3000]) + data[-2:]
    return data


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(rng: random.Random, width: int, height: int) -> bytes:
    """A PNG with any header, and data that may be of another size: too short, or a great many zeros."""
    bits, kind = rng.choice([1, 2, 4, 8, 16]), rng.choice([0, 2, 3, 4, 6])
    data = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, rng.choice([0, 0, 1])))
    if rng.random() < 0.3:
        bomb = deflated_zeros(1 << 26)
        texts = [b"zTXt", b"k\0\0" + bomb], [b"iCCP", b"k\0\0" + bomb], [b"iTXt", b"k\0\1\0\0\0" + bomb]
        texts += [b"tRNS", rng.randbytes(6)], [b"tEXt", b"k\0" + b"a" * 5000], [b"eXIf", rng.randbytes(50)]
        data += b"".join(_chunk(*rng.choice(texts)) for _ in range(rng.choice([1, 1, 30])))
    if kind == 3:
        data += _chunk(b"PLTE", rng.randbytes(3 * rng.choice([1, 16, 256, 300])))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    size = height * (1 + -(-width * bits * channels // 8))
    zeros = size if size < 1 << 28 and rng.random() < 0.8 else rng.choice([100, 1 << 26])
    return b"\x89PNG\r\n\x1a\n" + data + _chunk(b"IDAT", deflated_zeros(zeros)) + _chunk(b"IEND", b"")


def _bmp(rng: random.Random) -> bytes:
    """A BMP with any header; packed ones name runs of pixels."""
    width, height = length(rng), length(rng)
    bits, packing = rng.choice([(1, 0), (4, 0), (4, 2), (8, 0), (8, 1), (16, 0), (16, 3), (24, 0), (32, 0), (32, 3)])
    colours = rng.choice([0, 2, 16, 256, 2**31])
    head = struct.pack("<IIIHHIIIIII", 40, width, height, 1, bits, packing, 0, 0, 0, colours, 0)
    pixels = rng.choice([b"\xff\0", b"\0\0", b"\0\2\xff\xff", rng.randbytes(50)]) * rng.choice([1, 100, 100_000])
    start = 14 + len(head) + rng.choice([0, 12, 64, 1024])
    body = head.ljust(start - 14, b"\0") + pixels
    return b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, start) + body
