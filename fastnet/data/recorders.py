"""What pickles of arrays ask for, as stand-ins that only record what they are given until it is checked."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# "f8" and its like: booleans, whole numbers and floats of this platform.
ARRAY_CODES = frozenset(np.dtype(code).str[1:] for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?")


class Array:
    """Stands in for a numpy.ndarray: its data, once they are checked, are in ``data`` as bytes or a bytearray."""

    __slots__ = ("data", "dtype", "fortran", "shape")  # a pickle may have a great many

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.uint8)
        self.fortran = False
        self.data: bytes | bytearray = b""

    def set(self, shape: Any, dtype: Any, fortran: Any, data: Any) -> None:
        """Take the state of an array; it must fit together."""
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 8:
            raise ValueError("expected an array's shape in the pickle, got something else")
        if not isinstance(dtype, DType):
            raise ValueError("expected an array's dtype in the pickle, got something else")
        if isinstance(data, str):
            data = data.encode("latin1")
        if not isinstance(data, bytes | bytearray):
            raise ValueError(f"expected an array's data in the pickle, got {type(data).__name__}")
        expected = dtype.dtype.itemsize * math.prod(shape)
        if len(data) != expected:
            raise ValueError(f"expected {expected} bytes for an array of shape {shape}, got {len(data)}")
        self.shape, self.dtype, self.fortran, self.data = shape, dtype.dtype, bool(fortran), data

    def array(self) -> np.ndarray:
        """The array itself, on the data that are here, in native byte order."""
        flat = np.frombuffer(self.data, self.dtype)
        if not self.dtype.isnative:
            flat = flat.astype(self.dtype.newbyteorder("="))
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


class DType:
    """Stands in for a numpy.dtype of plain numbers."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any):
        code = as_text(code)
        if code not in ARRAY_CODES:
            raise ValueError(f"expected an array of numbers in the pickle, got dtype {code!r}")
        self.dtype = np.dtype(code)

    def set(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2:
            raise ValueError("expected a dtype's state in the pickle, got something else")
        order: Any = as_text(state[1])  # NumPy 2.0 knows the type of literal byte orders only
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"expected a byte order in the pickle, got {order!r}")
        self.dtype = self.dtype.newbyteorder(order)


def as_text(value: Any) -> str:
    """A string, which Python 2 wrote as bytes."""
    if isinstance(value, bytes):
        value = value.decode("latin1")
    if not isinstance(value, str):
        raise ValueError(f"expected a string in the pickle, got {type(value).__name__}")
    return value


def _new_array(*_: Any) -> Array:
    return Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    array = Array()
    array.set(shape, dtype, as_text(order) == "F", data)
    return array


def _encode(text: Any, encoding: Any) -> bytes | bytearray:
    if as_text(encoding).replace("-", "").replace("_", "") not in ("latin1", "iso88591"):
        raise ValueError(f"expected latin1 bytes in the pickle, got {encoding!r}")
    return text if isinstance(text, bytearray) else as_text(text).encode("latin1")


def _scalar(dtype: Any, data: Any) -> Any:
    number = Array()
    number.set((), dtype, False, data)
    return number.array()[()].item()


# The names that pickles of arrays ask for, under the modules that had them over the years.
_NAMES: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("numpy", "ndarray"): None,  # only ever an argument
    ("numpy", "dtype"): lambda code, *_: DType(code),
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): lambda: b"",
    ("builtins", "bytes"): lambda: b"",
}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _new_array
    _NAMES[f"{_core}.multiarray", "scalar"] = _scalar
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class Name:
    """A name that a pickle asked for."""

    __slots__ = ("call",)

    def __init__(self, module: str, name: str):
        if (module, name) not in _NAMES:
            raise ValueError(
                f"this pickle asks for {module}.{name}; only numbers, strings, tuples, lists, dicts and numeric arrays "
                "are read, and nothing of it was run"
            )
        self.call = _NAMES[module, name]
