"""Pickles: arrays with states that do not fit, references, programs that pickle would never write."""

import pickle
import random
import struct

import numpy as np

from fuzzing.changes import gzipped, honest_shape, length, shape

MODULES = (
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy",
    "_codecs",
    "builtins",
    "os",
)
FUNCTIONS = ("_reconstruct", "scalar", "_frombuffer", "ndarray", "dtype", "encode", "bytes", "system", "eval")
OPCODES = b"(0123.NIJKLMFGSTUBCVX]aelt)\x85\x86\x87}dsupqrghjcRb\x80\x88\x89\x8a\x8b\x8c\x8d\x8e\x93\x94\x95\x96"
KEYS = ("X", "y", "data", "labels", "x_train", "y_train", "x_test", "inputs", "train", "test", "count", "a")


def pickles(rng: random.Random) -> dict[str, bytes]:
    """One pickle, plain or packed."""
    kind = rng.random()
    if kind < 0.3:
        data = pickle.dumps(_content(rng), rng.randrange(6))
    elif kind < 0.75:
        data = Program(rng).text()
    elif kind < 0.9:
        data = _many(rng)
    else:
        data = b"\x80\x04" + bytes(rng.choice(OPCODES) for _ in range(rng.randrange(60))) + b"."
    return {"file": gzipped(rng, data) if rng.random() < 0.3 else data}


def _array(rng: random.Random) -> np.ndarray:
    dims = honest_shape(rng)
    return np.array(np.random.default_rng(rng.randrange(99)).integers(0, 256, dims)).astype(
        rng.choice(["u1", "f4", "f8", ">f8", "i8", "?", "i1", "U2", "O"])
    )


def _content(rng: random.Random):
    """What a data set may be, or nearly."""
    if rng.random() < 0.4:
        X = (
            np.arange(24)
            .reshape(rng.choice([(6, 4), (3, 2, 4), (4, 6, 1)]))
            .astype(rng.choice(["u1", "f4", ">f8", "?"]))
        )
        X, y = rng.choice([X, np.asfortranarray(X)]), np.arange(len(X)) % 3
        return rng.choice(
            [(X, y), {"X": X, "y": y.tolist()}, ((X, y),) * 3, list(zip(X, y.tolist(), strict=True)), X.tolist()]
        )
    n, X = rng.randint(1, 9), _array(rng)
    y = rng.choice([np.arange(len(X)) % 3, [i % 3 for i in range(len(X))], np.zeros(n), rng.random(), None])
    shared = [X] * rng.choice([2, 30, 3000])
    row = [rng.choice([0, 1.5, True, 10**30, None])] * rng.choice([1, 8, 300])
    return rng.choice(
        [
            {rng.choice(KEYS): rng.choice([X, y, shared, [row] * n]) for _ in range(rng.randint(1, 5))},
            (X, y),
            ((X, y), (X, y), (X, y)),
            ((X, y), (_array(rng), y)),
            [(x, 1) for x in X],
            [[row] * rng.choice([1, 9, 300])] * rng.choice([1, 9, 1000]),
            shared,
            [(X, y)] * rng.choice([1, 20, 5000]),
            {"train": (X, y), "test": (X, shared)},
        ]
    )


def _many(rng: random.Random) -> bytes:
    """A few instructions again and again: objects, references, levels of lists that grow by a factor."""
    repeats = rng.choice([100, 10_000, 300_000, 1_000_000])
    piece = rng.choice(
        [b"N0", b"]0", b"K\1", b"]", b"}", b"(", b")", b"2", b"]q\0", b"\x8c\3abc", b"\x94", b"(t", b"G" + bytes(8)]
    )
    if rng.random() < 0.5:
        return b"\x80\x04(" + b"N" + piece * repeats + rng.choice([b"l.", b"t.", b"", b"."])
    n, levels = rng.choice([2, 10, 100, 1000]), rng.randint(2, 9)
    data = b"\x80\x02](" + b"K\1" * n + b"eq\0"
    for level in range(levels):
        data += b"](" + b"h%c" % level * n + b"eq%c" % (level + 1)
    return data + rng.choice([b".", b"\x86.", b"\x8c\1X\x86.", b"}" + b"\x8c\1Xh%c" % levels + b"s."])


class Program:
    """Writes instructions that build arrays, with parts that may not fit, and keeps count of the memo."""

    def __init__(self, rng: random.Random):
        self.rng, self.memo = rng, 0

    def text(self) -> bytes:
        """The pickle."""
        return b"\x80\x04" + self._value(3) + b"."

    def _keep(self, data: bytes) -> bytes:
        self.memo += 1
        return data + b"\x94"

    def _reference(self) -> bytes:
        return b"h" + bytes([self.rng.randrange(self.memo)]) if 0 < self.memo < 256 else b"N"

    def _value(self, depth: int) -> bytes:
        makers = [self._number, self._string, self._made, self._reference]
        if depth:
            makers += [self._list, self._dict, self._tuple] * 2 + [self._made] * 2
        maker = self.rng.choice(makers)
        return maker(depth) if maker in (self._list, self._dict, self._tuple) else maker()

    def _number(self) -> bytes:
        value = self.rng.choice([0, 1, 255, 2**31 - 1, -1])
        return self.rng.choice(
            [b"K\5", b"J" + struct.pack("<i", value), b"G" + struct.pack(">d", value / 3), b"\x88", b"N"]
        )

    def _string(self) -> bytes:
        n = self.rng.choice([0, 1, 8, 64, 1000, 100_000])
        told = n if self.rng.random() < 0.97 else length(self.rng)
        code, layout = self.rng.choice([(b"X", "<I"), (b"B", "<I"), (b"\x8d", "<Q"), (b"\x8e", "<Q"), (b"\x96", "<Q")])
        return self._keep(code + struct.pack(layout, told) + b"a" * n)

    def _made(self) -> bytes:
        """An array, which NumPy reads as it was meant; or a call that has something else in some place."""
        rng = self.rng
        module, name = rng.choice(MODULES), rng.choice(FUNCTIONS)
        if rng.random() < 0.8:
            module, name = "numpy.core.multiarray", "_reconstruct"
        dims = honest_shape(rng) if rng.random() < 0.8 else shape(rng)
        n = int(np.prod(dims, dtype=object)) if rng.random() < 0.9 else length(rng)
        code = rng.choice(["u1", "f4", "f8", "i8", "b1", "O", "U3"])
        data = min(n, 10_000) * int(code[1:] or 8)
        call = f"c{module}\n{name}\n".encode() + b"cnumpy\nndarray\nK\0\x85C\1b\x87R"
        dtype = b"cnumpy\ndtype\n" + b"U" + bytes([len(code)]) + code.encode() + b"\x89\x88\x87R"
        dtype += b"(K\3U\1" + rng.choice([b"<", b">", b"|", b"?"]) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        axes = b"(" + b"".join(b"\x8a\6" + axis.to_bytes(6, "little") for axis in dims) + b"t"
        content = b"B" + struct.pack("<I", data) + bytes(data)
        if rng.random() < 0.2:
            content = self._reference()
        state = b"(K\1" + axes + dtype + rng.choice([b"\x89", b"\x89", b"\x88"]) + content + b"tb"
        return self._keep(call + state)

    def _list(self, depth: int) -> bytes:
        items = [self._value(depth - 1) for _ in range(self.rng.randint(1, 4))]
        items *= self.rng.choice([1, 1, 1, 50])
        return (
            self._keep(b"](" + b"".join(items)[: 1 << 20] + b"e")
            if len(items) < 20
            else b"](" + self._repeated() + b"e"
        )

    def _repeated(self) -> bytes:
        return self._reference() * self.rng.choice([10, 1000, 30_000])

    def _dict(self, depth: int) -> bytes:
        data = b"}("
        for _ in range(self.rng.randint(1, 4)):
            key = self.rng.choice(KEYS).encode()
            data += b"U" + bytes([len(key)]) + key + self._value(depth - 1)
        return self._keep(data + b"u")

    def _tuple(self, depth: int) -> bytes:
        n = self.rng.randint(1, 3)
        return self._keep(b"".join(self._value(depth - 1) for _ in range(n)) + bytes([0x84 + n]))
