"""Floats that bytes can stand for (pixels divided by 255, counts): written as bytes, each one verified."""

import numpy as np
from numba import carray, prange

from fastnet.kernels.compile.jit import entry, parallel, serial
from fastnet.kernels.vector.pointers import at
from fastnet.kernels.vector.shapes import cut

BLOCK = 1024  # elements between two looks at whether it is worth going on; floats and codes of a block stay in L1


@serial
def encode_block(codes, X, table, inverse, begin, n):
    """codes[k] = x inverse, rounded, of elements begin <= k < begin + n; 1 if a table value is not its x, else 0.

    Two loops, or LLVM would not vectorize the first: MNIST takes 17 ms on two threads this way, 26 in one loop.
    """
    c, x, values = carray(at(codes, begin), (n,)), carray(at(X, begin), (n,)), carray(at(table, 0), (256,))
    number = table.dtype.type
    for k in range(n):
        code = x[k] * inverse + number(0.5)
        c[k] = np.uint8(np.int32(code if (code >= number(0)) & (code < number(256)) else number(0)))  # NaN is neither
    wrong = np.int32(0)
    for k in range(n):
        wrong |= np.int32(x[k] != values[c[k]])
    return wrong


@serial
def codes_of_thread(codes, wrong, X, table, inverse, threads, thread):
    """One thread's blocks, until somebody finds a wrong one."""
    n = X.shape[0]
    blocks = cut((n + BLOCK - 1) // BLOCK, 1, threads, thread)
    for b in range(blocks.start, blocks.stop):
        if wrong[0]:
            break
        if encode_block(codes, X, table, inverse, b * BLOCK, min(BLOCK, n - b * BLOCK)):
            wrong[0] = 1


@parallel
def codes_of_all(codes, wrong, X, table, inverse, threads):
    """All threads' blocks at once."""
    for t in prange(threads):
        codes_of_thread(codes, wrong, X, table, inverse, threads, np.int64(t))


@entry
def encode(codes, wrong, X, table, inverse, threads):
    """Fill codes, uint8 (n,), so that table[codes] == X (n,).

    wrong : uint8 (1,), set to 1 as soon as an element turns out to have no code; ``codes`` then holds anything.
    table : values of the 256 codes, of the dtype of X, k / inverse or near it.
    """
    if threads == 1:
        codes_of_thread(codes, wrong, X, table, inverse, threads, np.int64(0))
    else:
        codes_of_all(codes, wrong, X, table, inverse, threads)
