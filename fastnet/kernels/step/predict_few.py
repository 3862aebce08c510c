"""Outputs for a row or two, on the plain weights: packing them for the tiles would cost more than the work."""

from numba import carray

from fastnet.functions import SOFTMAX
from fastnet.kernels.compile.jit import entry, serial
from fastnet.kernels.vector.activations import activate
from fastnet.kernels.vector.denormals import flush_denormals, restore_denormals
from fastnet.kernels.vector.pointers import at, lanes
from fastnet.kernels.vector.softmax import softmax_rows


@serial
def add_row(z, w, x, n):
    """z += x w, for vectors of n numbers."""
    target, row = carray(z, (n,)), carray(w, (n,))
    for j in range(n):
        target[j] += x * row[j]


@entry
def predict_few(outputs, params, sizes, activations, X, scratch, chosen):
    """outputs (n, k) = the network's outputs for X (n, d), with params flat as in Network.

    scratch (4, padded): two vectors of activations, zeros, and at [3, 0] what a byte of X is worth, at [3, 1] and
    [3, 2] room; all of params' dtype. chosen (1,) int64 is -1.
    """
    state = flush_denormals()
    lane, scale, k = lanes(params), scratch[3, 0], sizes[-1]
    for r in range(X.shape[0]):
        start = 0
        for layer in range(activations.shape[0]):
            fan_in, fan_out = sizes[layer], sizes[layer + 1]
            vectors = (fan_out + lane - 1) // lane
            a, z = scratch[layer & 1], scratch[1 - (layer & 1)]
            z[: vectors * lane] = 0
            for i in range(fan_in):
                x = params.dtype.type(X[r, i]) * scale if layer == 0 else a[i]
                if x != 0:
                    add_row(at(z, 0), at(params, start + i * fan_out), x, fan_out)
            start += fan_in * fan_out
            for j in range(fan_out):
                z[j] += params[start + j]
            start += fan_out
            if activations[layer] == SOFTMAX:
                scratch[3, 1] = 1
                softmax_rows(at(z, 0), vectors * lane, at(scratch[3], 1), at(scratch[3], 2), at(chosen, 0), 1, k)
            else:
                activate(at(z, 0), vectors * lane, at(scratch[2], 0), 1, vectors, activations[layer])
        for j in range(k):
            outputs[r, j] = z[j]
    restore_denormals(state)
