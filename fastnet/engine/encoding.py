"""Floats that bytes can stand for: pixels divided by 255, digits divided by 16, counts, ones and zeros.

Zero skipping reads X once or twice an epoch and does little else. Bytes, with a table of what each is worth, are a
quarter of the memory (an epoch of MNIST through 784-64-10: 57 ms with floats, 33 with bytes). The table holds the very
floats, so the bits of all results are the same.
"""

import mmap
from typing import Any

import numpy as np

from fastnet.calls import ELEMENTS_PER_CALL
from fastnet.engine.threads import run_parallel
from fastnet.kernels.step.encode import encode

# Elements of X from which encoding pays. One pass over 1.2 million elements, as by partial_fit, takes as long either
# way (784-64-10: 2.3 ms); five passes over a million are 25 % faster with bytes.
WORTHWHILE = 2**20
FIRST_LOOK = 2**15  # elements
PAGE = 2**12  # bytes


def is_mapped(X: Any) -> bool:
    """Whether X is (a view of) a mapped file, which may be larger than the memory there is for its codes."""
    while X is not None:
        if isinstance(X, mmap.mmap):
            return True
        X = X.obj if isinstance(X, memoryview) else getattr(X, "base", None)
    return False


def is_worthwhile(X: np.ndarray) -> bool:
    """Whether X are floats, in memory, and enough of them."""
    return X.dtype.kind == "f" and X.size >= WORTHWHILE and not is_mapped(X)


def find_palette(X: np.ndarray) -> tuple[np.ndarray, np.floating] | None:
    """(table, inverse) such that table[x inverse, rounded] may well be x for every x of X (n, d), or None.

    A sample of the rows decides. table : (256,) of the dtype of X.
    """
    number = X.dtype.type
    sample = X[:: max(1, X.size // FIRST_LOOK)]
    values = sample[sample != 0]
    # Code 1 is the smallest value. NaN, negative and denormal ones (which the kernels take for zero) end here.
    if not values.size or not values.min() >= np.finfo(X.dtype).tiny:
        return None
    smallest = values.min()
    inverse = number(1) / smallest
    if float(values.max()) * float(inverse) > 255.4:
        return None
    codes = (values * inverse + number(0.5)).astype(np.uint8)
    # Codes that are not in the sample are worth a quotient or a product, whichever suits the others.
    k = np.arange(256).astype(X.dtype)
    table = k / max(number(1), np.rint(inverse))
    if (table[codes] != values).any():
        table = k * smallest
    table[codes] = values
    return None if (table[codes] != values).any() else (table, inverse)


def encoded(X: np.ndarray, palette: tuple[np.ndarray, np.floating], threads: int) -> np.ndarray | None:
    """uint8 codes (n,) with table[codes] == X (n,), or None if the palette does not hold all of X."""
    codes, wrong = np.empty(X.shape, np.uint8), np.zeros(1, np.uint8)
    # One thread asks for the pages. Two threads get other pages in each fit, and every page has to come from the host
    # of a virtual machine once: the first five encodings of MNIST took 75 ms each, with one thread 20.
    codes[::PAGE] = 0
    for start in range(0, len(X), ELEMENTS_PER_CALL):
        part = slice(start, start + ELEMENTS_PER_CALL)
        run_parallel(threads, encode, codes[part], wrong, X[part], *palette, threads)
        if wrong[0]:
            return None
    return codes
