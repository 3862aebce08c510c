"""A reader of pickles that can build numbers, strings, tuples, lists, dicts and numeric arrays, and nothing else.

Pickles are programs. This one runs their few harmless instructions itself: a name that a pickle asks for never becomes
anything but one of the recorders below, which keep what they are given until it is checked. Long strings, in which
arrays keep their data, are decoded in pieces: a text pickle needs little more memory than its arrays.
"""

import codecs
import struct
import sys
from typing import Any

import numpy as np

from fastnet.data.recorders import Array, DType, Name, as_text
from fastnet.data.source import PIECE, Source, data_error

INSTRUCTION = 48  # bytes for what most of them make: a number, and its place in a list
OBJECT = 48  # bytes more for a list, a tuple, a dict or a place in the memo
KEYS = 10_000  # in a dict
MEMO = 1 << 32  # places that pickle can name
WORD = 1 << 60  # hashes of numbers below are all different

_MARK = object()


class Unpickler:
    """Runs one pickle of a Source. ``load`` returns what it builds, with Arrays where it has arrays."""

    def __init__(self, source: Source):
        self._source, self._budget = source, source.budget
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The object that the pickle describes."""
        read, take, run = self._source.stream.read, self._budget.take, _RUN
        while True:
            take(INSTRUCTION)
            code = read(1)
            if code == b".":
                return self._pop()
            action = run.get(code)
            if action is None:
                what = f"an instruction {code!r} that arrays do not need" if code else "the end of the file"
                raise ValueError(f"expected a pickle of arrays, got {what}")
            action(self)

    # what comes after an instruction in the file

    def _exactly(self, n: int) -> bytes:
        return self._source.exactly(n, "a pickle")

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._exactly(struct.calcsize(layout)))[0]

    def _line(self) -> bytes:
        line = self._source.stream.readline(PIECE)
        if not line.endswith(b"\n"):
            raise data_error(self._source.path, "truncated: the pickle ends within a line, or a line is far too long")
        return line.strip()

    def _bytes(self, n: int) -> bytes | bytearray:
        """n bytes of a string; long ones straight into a bytearray."""
        if n < 0 or n > self._source.limit:
            raise ValueError(f"truncated: expected {n} more bytes in the pickle than the file can hold")
        self._budget.take(n)
        if n <= PIECE:
            return self._exactly(n)
        data = bytearray(n)
        self._source.fill(np.frombuffer(data, np.uint8), "a pickle")
        return data

    # the stack

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise ValueError("expected a pickle of arrays, got one that takes more than it has")
        return self._stack.pop()

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _push_object(self, value: Any) -> None:
        self._budget.take(OBJECT)
        self._stack.append(value)

    def _push_sized(self, value: str | bytes) -> None:
        """Push a string that is in memory already, or nearly: it is short, or was made of one that is."""
        self._budget.take(sys.getsizeof(value))
        self._stack.append(value)

    def _since_mark(self) -> list[Any]:
        stack = self._stack
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                items = stack[i + 1 :]
                del stack[i:]
                return items
        raise ValueError("expected a pickle of arrays, got one without a mark")

    def _tuple(self, n: int) -> None:
        items = [self._pop() for _ in range(n)]
        self._push_object(tuple(reversed(items)))

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1] if self._stack else None
        if not isinstance(target, list):
            raise ValueError("expected a list to append to in the pickle, got something else")
        target.extend(items)

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1] if self._stack else None
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("expected a dict and pairs for it in the pickle, got something else")
        if len(target) + len(items) // 2 > KEYS:
            raise ValueError(f"expected at most {KEYS} keys in a dict of the pickle, got more")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | bytes | int) or (isinstance(key, int) and not -WORD < key < WORD):
                raise ValueError(f"expected strings or numbers as keys in the pickle, got {type(key).__name__}")
            target[key] = value

    def _dict(self) -> None:
        items = self._since_mark()
        self._push_object({})
        self._update(items)

    def _keep(self, index: int) -> None:
        if not self._stack or not 0 <= index < MEMO:
            raise ValueError("expected something to remember in the pickle, got nothing")
        self._budget.take(OBJECT)
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise ValueError(f"expected an earlier object of the pickle, got the unknown number {index}")
        self._stack.append(self._memo[index])

    # names

    def _global(self) -> None:
        module, name = self._line(), self._line()
        self._push_object(Name(module.decode("latin1"), name.decode("latin1")))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._push_object(Name(as_text(module), as_text(name)))

    def _reduce(self) -> None:
        args, name = self._pop(), self._pop()
        if not isinstance(name, Name) or name.call is None or not isinstance(args, tuple):
            raise ValueError("expected a pickle of arrays, got one that calls something else")
        if args and isinstance(args[0], str):  # encoded to bytes
            self._budget.take(len(args[0]))
        try:
            self._push_object(name.call(*args))
        except TypeError:
            raise ValueError("expected a pickle of arrays, got one with other arguments") from None

    def _build(self) -> None:
        state = self._pop()
        target = self._stack[-1] if self._stack else None
        if isinstance(target, DType):
            target.set(state)
        elif isinstance(target, Array) and isinstance(state, tuple) and len(state) in (4, 5):
            self._budget.take(len(state[-1]) if isinstance(state[-1], str) else 0)  # encoded to bytes
            target.set(*state[-4:])
        else:
            raise ValueError("expected a pickle of arrays, got one that sets the state of something else")

    # strings of the text protocol

    def _string(self) -> None:
        """A Python 2 string in quotes with backslash escapes, on one line."""
        rest = self._source.stream.readline(PIECE)
        quote, rest, out = rest[:1], rest[1:], bytearray()
        while not rest.endswith(b"\n"):
            # The end may be an unfinished escape, or the closing quote with its line end still to come.
            cut = _last_whole_escape(rest, len(rest) - 4)
            self._add(out, _unescaped(rest[:cut]))
            rest = rest[cut:] + self._more()
        rest = rest.rstrip(b"\r\n")
        if quote not in (b"'", b'"') or not rest.endswith(quote):
            raise ValueError("expected a string in quotes in the pickle, got something else")
        self._add(out, _unescaped(rest[:-1]))
        self._push(out if len(out) > PIECE else bytes(out))

    def _unicode(self) -> None:
        """Text with \\u escapes on one line; bytes pickled by Python 3 with protocol 0 are such text."""
        rest = self._source.stream.readline(PIECE)
        out: bytearray | None = None
        while not rest.endswith(b"\n"):
            cut = rest.rfind(b"\\", max(0, len(rest) - 12))
            cut = len(rest) - 1 if cut < 0 else cut
            out = bytearray() if out is None else out
            self._add(out, rest[:cut].decode("raw_unicode_escape").encode("latin1"))
            rest = rest[cut:] + self._more()
        last = rest.rstrip(b"\r\n").decode("raw_unicode_escape")
        if out is None:
            self._push_sized(last)
        else:
            self._add(out, last.encode("latin1"))
            self._push(out)

    def _add(self, out: bytearray, piece: bytes) -> None:
        """Make a string longer."""
        self._budget.take(len(piece))
        out += piece

    def _more(self) -> bytes:
        more = self._source.stream.readline(PIECE)
        if not more:
            raise data_error(self._source.path, "truncated: the pickle ends within a string")
        return more

    def _utf8(self, n: int) -> None:
        """Text; where it is long, bytes that Python 3 wrote as text with protocol 1 or 2."""
        if n <= PIECE:
            self._push_sized(self._exactly(n).decode("utf-8", "surrogatepass"))
            return
        if n > self._source.limit:
            raise ValueError(f"truncated: expected {n} more bytes in the pickle than the file can hold")
        decoder, out = codecs.getincrementaldecoder("utf-8")(), bytearray()
        while n:
            piece = self._exactly(min(n, PIECE))
            n -= len(piece)
            self._add(out, decoder.decode(piece, final=not n).encode("latin1"))
        self._push(out)

    def _long(self, size: int) -> None:
        if not 0 <= size <= 64:
            raise ValueError(f"expected a number in the pickle, got one of {size} bytes")
        self._push(int.from_bytes(self._exactly(size), "little", signed=True))

    def _int_line(self) -> None:
        line = self._line()
        self._push({b"00": False, b"01": True}[line] if line in (b"00", b"01") else _int(line))


def _int(line: bytes) -> int:
    if len(line) > 64:
        raise ValueError(f"expected a number in the pickle, got {len(line)} digits")
    return int(line.rstrip(b"L"))


def _last_whole_escape(text: bytes, end: int) -> int:
    """The largest cut <= end of a text with backslash escapes that splits none of them; the text begins whole."""
    end = max(end, 0)
    backslash = text.rfind(b"\\", 0, end)
    if backslash < 0:
        return end
    if (backslash + 1 - len(text[: backslash + 1].rstrip(b"\\"))) % 2 == 0:  # the second of a pair
        return end
    length = 4 if text[backslash + 1 : backslash + 2] == b"x" else 2
    return end if backslash + length <= end else backslash


def _unescaped(text: bytes) -> bytes:
    return text.decode("unicode_escape").encode("latin1") if b"\\" in text else text


_RUN: dict[bytes, Any] = {
    b"\x80": lambda u: u._exactly(1),
    b"\x95": lambda u: u._exactly(8),
    b"(": lambda u: u._push(_MARK),
    b"0": lambda u: u._pop(),
    b"1": lambda u: u._since_mark(),
    b"2": lambda u: u._push(u._stack[-1] if u._stack else u._pop()),
    b"N": lambda u: u._push(None),
    b"\x88": lambda u: u._push(True),
    b"\x89": lambda u: u._push(False),
    b"I": Unpickler._int_line,
    b"L": lambda u: u._push(_int(u._line())),
    b"J": lambda u: u._push(u._number("<i")),
    b"K": lambda u: u._push(u._number("<B")),
    b"M": lambda u: u._push(u._number("<H")),
    b"\x8a": lambda u: u._long(u._number("<B")),
    b"\x8b": lambda u: u._long(u._number("<i")),
    b"F": lambda u: u._push(float(u._line())),
    b"G": lambda u: u._push(u._number(">d")),
    b"S": Unpickler._string,
    b"T": lambda u: u._push(u._bytes(u._number("<i"))),
    b"U": lambda u: u._push(u._bytes(u._number("<B"))),
    b"B": lambda u: u._push(u._bytes(u._number("<I"))),
    b"C": lambda u: u._push(u._bytes(u._number("<B"))),
    b"\x8e": lambda u: u._push(u._bytes(u._number("<Q"))),
    b"\x96": lambda u: u._push(u._bytes(u._number("<Q"))),
    b"V": Unpickler._unicode,
    b"X": lambda u: u._utf8(u._number("<I")),
    b"\x8c": lambda u: u._utf8(u._number("<B")),
    b"\x8d": lambda u: u._utf8(u._number("<Q")),
    b"]": lambda u: u._push_object([]),
    b"a": lambda u: u._extend([u._pop()]),
    b"e": lambda u: u._extend(u._since_mark()),
    b"l": lambda u: u._push_object(u._since_mark()),
    b")": lambda u: u._push(()),
    b"t": lambda u: u._push_object(tuple(u._since_mark())),
    b"\x85": lambda u: u._tuple(1),
    b"\x86": lambda u: u._tuple(2),
    b"\x87": lambda u: u._tuple(3),
    b"}": lambda u: u._push_object({}),
    b"d": Unpickler._dict,
    b"s": lambda u: u._update([u._pop(), u._pop()][::-1]),
    b"u": lambda u: u._update(u._since_mark()),
    b"p": lambda u: u._keep(_int(u._line())),
    b"q": lambda u: u._keep(u._number("<B")),
    b"r": lambda u: u._keep(u._number("<I")),
    b"\x94": lambda u: u._keep(len(u._memo)),
    b"g": lambda u: u._recall(_int(u._line())),
    b"h": lambda u: u._recall(u._number("<B")),
    b"j": lambda u: u._recall(u._number("<I")),
    b"c": Unpickler._global,
    b"\x93": Unpickler._stack_global,
    b"R": Unpickler._reduce,
    b"b": Unpickler._build,
}
