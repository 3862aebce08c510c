"""Floats that stand for bytes (pixels divided by 255, counts, ones and zeros): written as bytes, each one verified."""

import numpy as np
from numba import carray, prange

from fastnet.kernels.jit import parallel_entry, serial
from fastnet.kernels.lanes import at

BLOCK = 1024  # elements between two looks at whether it is worth going on; floats and codes of a block stay in L1


@serial
def encode_block(codes, X, begin, n, scale, table):
    """codes[k] = x scale, rounded, of elements begin <= k < begin + n; 1 if a table value is not its x, else 0.

    Two loops, or LLVM would not vectorize the first: MNIST takes 17 ms on two threads this way, 26 in one loop.
    """
    c, x, values = carray(at(codes, begin), (n,)), carray(at(X, begin), (n,)), carray(at(table, 0), (256,))
    number = table.dtype.type
    for k in range(n):
        code = x[k] * scale + number(0.5)
        c[k] = np.uint8(np.int32(code if (code >= number(0)) & (code < number(256)) else number(0)))  # NaN is neither
    wrong = np.int32(0)
    for k in range(n):
        wrong |= np.int32(x[k] != values[c[k]])
    return wrong


@serial
def share_of_codes(thread, threads, codes, wrong, X, scale, table):
    """One thread's blocks, until somebody finds a wrong one."""
    n = X.shape[0]
    blocks = (n + BLOCK - 1) // BLOCK
    for b in range(blocks * thread // threads, blocks * (thread + 1) // threads):
        if wrong[0]:
            break
        if encode_block(codes, X, b * BLOCK, min(BLOCK, n - b * BLOCK), scale, table):
            wrong[0] = 1


@parallel_entry
def encode(codes, wrong, X, scale, table, threads):
    """codes : uint8 (n,), such that table[codes] == X (n,). wrong : uint8 (1,), set to 1 if there are none, as soon as
    that is seen; ``codes`` then holds anything.

    table : values of the 256 codes, of the dtype of X, k / scale or near it.
    """
    if threads == 1:
        share_of_codes(np.int64(0), threads, codes, wrong, X, scale, table)
    else:
        for t in prange(threads):
            share_of_codes(np.int64(t), threads, codes, wrong, X, scale, table)
