"""Values at the edges of what formats can say, and damage to files that were fine."""

import gzip
import random
import zlib
from functools import cache

LENGTHS = (0, 1, 2, 3, 7, 8, 10, 28, 255, 256, 784, 1000, 60_000, 70_000, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
BYTES = (0, 1, 2, 7, 8, 10, 39, 40, 44, 46, 92, 127, 128, 254, 255)
BLOCK = 1 << 24  # zeros in a piece of compressed data


def length(rng: random.Random) -> int:
    """A length that may be a lie: small most often."""
    return rng.randrange(12) if rng.random() < 0.6 else rng.choice(LENGTHS)


def shape(rng: random.Random, most: int = 4) -> tuple[int, ...]:
    """A shape of up to ``most`` axes: small most often."""
    return tuple(length(rng) for _ in range(rng.randint(1, most)))


def honest_shape(rng: random.Random) -> tuple[int, ...]:
    """(n, d) or (n, h, w), small."""
    return tuple(rng.randint(1, 9) for _ in range(rng.randint(2, 3)))


@cache
def _gzipped_zeros(n: int) -> bytes:
    return gzip.compress(bytes(n))


def deflated_zeros(n: int) -> bytes:
    """n zeros as zlib packs them, a thousandth of that; made of one block that can be repeated."""
    ones, zeros = 1, n % 65521  # the two sums of Adler-32
    end = zlib.compress(bytes(n % BLOCK), 9)[2:-4]
    return b"\x78\xda" + _block() * (n // BLOCK) + end + ((zeros << 16) | ones).to_bytes(4, "big")


@cache
def _block() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)


def gzipped(rng: random.Random, data: bytes) -> bytes:
    """The data in a gzip file, at times with a great many bytes of one kind behind them, or twice."""
    kind = rng.random()
    if kind < 0.15:
        return gzip.compress(data) + _gzipped_zeros(BLOCK) * rng.choice([1, 4, 20, 100])
    if kind < 0.3:
        piece = data[-rng.randint(1, 40) :]
        return gzip.compress(data + piece * rng.choice([10, 10_000, 1_000_000 // max(1, len(piece))]))
    return gzip.compress(gzip.compress(data) if kind < 0.33 else data)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The data with a few bytes changed, removed, inserted, repeated, or cut off."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        i, value = rng.randrange(len(changed) + 1), rng.choice([*BYTES, rng.randrange(256)])
        kind = rng.randrange(8)
        if kind < 3 and i < len(changed):
            changed[i] = value if kind else changed[i] ^ 1 << value % 8
        elif kind == 3:
            changed[i : i + rng.choice([1, 4, value])] = b""
        elif kind == 4:
            changed[i:i] = bytes([value])
        elif kind == 5:
            changed[i:i] = changed[i : i + value]
        elif kind == 6:
            changed[i : i + 4] = rng.choice([2**31, 2**32 - 1, 2**24, 0, 1]).to_bytes(4, rng.choice(["big", "little"]))
        elif rng.random() < 0.3:
            del changed[i:]
    return bytes(changed)
