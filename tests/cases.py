"""The table of the named kernels: kernel -> oracle -> input maker -> tolerance. Tests and benches run from it.

A maker takes a generator, a shape (n rows, fan_in, fan_out) and a dtype, and gives the kernel's outputs, its other
arguments, and its size: the largest sum of absolute terms behind an entry of an output. It grows with the length of
the sum. A sum, in whatever order, is off by a few eps of that: the tolerance is ULPS * eps * size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet.functions import ACTIVATIONS, EXP, HIDDEN, IDENTITY, SIGMOID

ULPS = 4
Shape = tuple[int, int, int]
# Single numbers, primes, less and more than a block of each kind, batches that no number of threads divides.
SHAPES: tuple[Shape, ...] = ((1, 1, 1), (1, 7, 3), (13, 1, 5), (2, 17, 1), (31, 129, 10), (64, 33, 29), (7, 300, 131))
BENCH_SHAPES: tuple[Shape, ...] = ((128, 784, 64), (128, 512, 512), (10, 784, 30))


@dataclass(frozen=True)
class Arguments:
    """Of one call: outputs, which come first, then inputs and scalars; ``size`` as above, for each output."""

    outputs: list[np.ndarray]
    inputs: list[Any]
    sizes: list[float]

    def tolerances(self, dtype: Any) -> list[float]:
        """The largest error of each output that rounding explains."""
        return [ULPS * float(np.finfo(dtype).eps) * size for size in self.sizes]

    def wider(self, dtype: Any) -> "Arguments":
        """The same call with all floating arrays of another dtype, copied."""
        inputs = [a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in self.inputs]
        return Arguments([a.astype(dtype) for a in self.outputs], inputs, self.sizes)


Maker = Callable[[np.random.Generator, Shape, Any], Arguments]


@dataclass(frozen=True)
class Case:
    """One row of the table. ``kernel`` is the name in fastnet.kernels and, the oracle, in fastnet.reference.

    in_place : the outputs hold values that the kernel starts from. variants : what distinguishes rows of one kernel.
    """

    kernel: str
    make: Maker
    in_place: bool = False
    variant: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.kernel, self.variant)))


def _normal(rng, shape, dtype, factor=1.0):
    return (factor * rng.standard_normal(shape)).astype(dtype)


def _largest(a) -> float:
    return float(np.max(np.abs(a)))


def _activated(Z, activation):
    """What the derivative is computed from: f(Z), but of gelu Z."""
    return {
        "identity": Z,
        "sigmoid": 1 / (1 + np.exp(-Z)),
        "tanh": np.tanh(Z),
        "relu": np.maximum(Z, 0),
        "leaky_relu": np.where(Z > 0, Z, 0.01 * Z),
        "gelu": Z,
    }[activation]


def _forward(activation: str) -> Maker:
    def make(rng, shape, dtype):
        n, fan_in, fan_out = shape
        A, b = _normal(rng, (n, fan_in), dtype), _normal(rng, fan_out, dtype)
        W = _normal(rng, (fan_in, fan_out), dtype, fan_in**-0.5)
        size = _largest(np.abs(A) @ np.abs(W) + np.abs(b)) + 1
        code = ACTIVATIONS[activation]
        size *= _largest(np.exp(A @ W + b)) if code == EXP else 1
        return Arguments([np.zeros((n, fan_out), dtype)], [A, W, b, code], [size])

    return make


def _backward(*activation: str) -> Maker:
    def make(rng, shape, dtype):
        n, fan_in, fan_out = shape
        delta_next, W = _normal(rng, (n, fan_out), dtype), _normal(rng, (fan_in, fan_out), dtype)
        A = _activated(_normal(rng, (n, fan_in), dtype), activation[0] if activation else "sigmoid").astype(dtype)
        size = _largest(np.abs(delta_next) @ np.abs(W.T))
        codes = [ACTIVATIONS[name] for name in activation]
        return Arguments([np.zeros((n, fan_in), dtype)], [delta_next, W, A, *codes], [size])

    return make


def _loss(targets: str, *scalars: int) -> Maker:
    def make(rng, shape, dtype):
        n, _, k = shape
        Z, scale = _normal(rng, (n, k), dtype, 5.0), 1 / n
        y = rng.integers(k if k > 1 else 2, size=n) if targets == "labels" else rng.random((n, k)).astype(dtype)
        size = _largest(Z) + 1
        return Arguments(
            [np.zeros(n, dtype), np.zeros((n, k), dtype)], [Z, y, scale, *scalars], [k * size**2, scale * size]
        )

    return make


def _cross_entropy(rng, shape, dtype):
    n, _, k = shape
    Z, y = _normal(rng, (n, k), dtype, 5.0), rng.integers(k, size=n)
    size = _largest(Z) + k
    return Arguments([np.zeros(n, dtype), np.zeros((n, k), dtype)], [Z, y, 1 / n], [size, size / n])


def _weight_gradient(rng, shape, dtype):
    n, fan_in, fan_out = shape
    A, delta = _normal(rng, (n, fan_in), dtype), _normal(rng, (n, fan_out), dtype)
    return Arguments([np.zeros((fan_in, fan_out), dtype)], [A, delta], [_largest(np.abs(A.T) @ np.abs(delta))])


def _bias_gradient(rng, shape, dtype):
    n, _, fan_out = shape
    delta = _normal(rng, (n, fan_out), dtype)
    return Arguments([np.zeros(fan_out, dtype)], [delta], [_largest(np.abs(delta).sum(axis=0))])


def _update(moments: int, *scalars: float) -> Maker:
    def make(rng, shape, dtype):
        w, g = _normal(rng, shape[1:], dtype), _normal(rng, shape[1:], dtype)
        state = [np.abs(_normal(rng, shape[1:], dtype)) for _ in range(moments)]
        size = max(map(_largest, [w, g, *state])) ** 2 + 1
        return Arguments([w, *state], [g, *scalars], [size] * (1 + moments))

    return make


CASES = (
    *(Case("dense_forward", _forward(name), variant=name) for name in ACTIVATIONS),
    Case("softmax_cross_entropy", _cross_entropy),
    Case("binary_cross_entropy", _loss("labels"), variant="labels"),
    Case("binary_cross_entropy", _loss("rows"), variant="rows"),
    Case("mse", _loss("labels", IDENTITY), variant="identity-labels"),
    Case("mse", _loss("rows", SIGMOID), variant="sigmoid-rows"),
    *(Case("dense_backward", _backward(name), variant=name) for name in HIDDEN),
    Case("sigmoid_backward", _backward()),
    Case("weight_gradient", _weight_gradient),
    Case("bias_gradient", _bias_gradient),
    Case("sgd_update", _update(0, 0.3), in_place=True),
    Case("momentum_update", _update(1, 0.3, 0.9, False, False), in_place=True, variant="classical"),
    Case("momentum_update", _update(1, 0.3, 0.9, True, False), in_place=True, variant="ema"),
    Case("momentum_update", _update(1, 0.3, 0.9, False, True), in_place=True, variant="nesterov"),
    Case("momentum_update", _update(1, 0.3, 0.9, True, True), in_place=True, variant="ema-nesterov"),
    Case("adam_update", _update(2, 0.01, 0.9, 0.999, 1e-8, 3), in_place=True),
)
