"""The oracle is itself proved: finite differences, one example worked by hand, textbook formulas, limits."""

import ast
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from fastnet import reference
from fastnet.functions import (
    ACTIVATIONS,
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    EXP,
    GELU,
    HIDDEN,
    IDENTITY,
    LEAKY_RELU,
    LOSSES,
    MSE,
    PAIRS,
    POISSON,
    RELU,
    SGD,
    SIGMOID,
    SOFTMAX,
    TANH,
)

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def plain_activation(Z, name):
    """Textbook formulas, float64, for small Z."""
    return {
        "identity": lambda: Z,
        "sigmoid": lambda: 1 / (1 + np.exp(-Z)),
        "tanh": lambda: (np.exp(Z) - np.exp(-Z)) / (np.exp(Z) + np.exp(-Z)),
        "relu": lambda: np.where(Z > 0, Z, 0),
        "leaky_relu": lambda: np.where(Z > 0, Z, 0.01 * Z),
        "gelu": lambda: 0.5 * Z * (1 + np.tanh(np.sqrt(2 / np.pi) * (Z + 0.044715 * Z**3))),
        "softmax": lambda: np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True),
        "exp": lambda: np.exp(Z),
    }[name]()


def plain_row_loss(A, T, name):
    """Row losses from outputs A and targets T (n, k)."""
    return {
        "cross_entropy": lambda: -(T * np.log(A)),
        "binary_cross_entropy": lambda: -(T * np.log(A) + (1 - T) * np.log(1 - A)),
        "mse": lambda: (A - T) ** 2 / 2,
        "poisson": lambda: A - T * np.log(A),
    }[name]().sum(axis=1)


def plain_layers(sizes, params):
    start = 0
    for fan_in, fan_out in pairwise(sizes):
        W = params[start : start + fan_in * fan_out].reshape(fan_in, fan_out)
        yield W, params[start + W.size : start + W.size + fan_out]
        start += W.size + fan_out


def plain_objective(sizes, names, params, X, T, loss, weight, l2):
    """Weighted sum of row losses plus the L2 penalty, and the smallest |Z| of a hidden layer."""
    A, penalty, nearest = X, 0.0, np.inf
    for (W, b), name in zip(plain_layers(sizes, params), names, strict=True):
        Z = A @ W + b
        A, penalty = plain_activation(Z, name), penalty + l2 / 2 * np.sum(W**2)
        nearest = min(nearest, np.abs(Z).min()) if name.endswith("relu") else nearest
    return np.sum(weight * plain_row_loss(A, T, loss)), penalty, nearest


def n_params(sizes):
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def stepper(sizes, names, params, X, targets, loss, **settings):
    settings = {"rule": SGD, "batch_size": X.shape[0], **settings}
    codes = [ACTIVATIONS[name] for name in names]
    return reference.Stepper(sizes, codes, params, X, targets, loss=LOSSES[loss], **settings)


@pytest.mark.parametrize(("hidden", "pair"), list(product(HIDDEN, PAIRS)))
def test_gradient_is_the_finite_difference(rng, hidden, pair):
    output, loss = pair
    sizes, names, n, scale, l2 = [5, 4, 3, 3], [hidden, hidden, output], 11, 0.3, 0.7
    params = 0.6 * rng.standard_normal(n_params(sizes))  # the plain formulas lose digits where outputs saturate
    X, weight, y = rng.standard_normal((n, 5)), rng.random(n) * 3, rng.integers(3, size=n)
    T = np.eye(3)[y] if loss == "cross_entropy" else rng.random((n, 3))
    targets = y if loss == "cross_entropy" else T

    def objective(p):
        return plain_objective(sizes, names, p, X, T, loss, scale * weight, l2)

    value, penalty, nearest = objective(params)
    assert nearest > 1e-3, "a relu too near its kink for a difference of 6e-6"
    step = np.finfo(float).eps ** (1 / 3)  # the error of a central difference is least here, near step**2
    shifts = step * np.eye(params.size)
    expected = [(sum(objective(params + s)[:2]) - sum(objective(params - s)[:2])) / (2 * step) for s in shifts]

    s = stepper(sizes, names, params, X, targets, loss, weight=weight)
    got_value, got_penalty, gradient = s.gradient(np.arange(n), scale, l2)
    np.testing.assert_allclose([got_value, got_penalty], [value, penalty], rtol=1e-12)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=100 * step**2 * max(largest, 1))
    assert np.count_nonzero(np.abs(gradient) > 1e-4 * largest) > params.size / 2


@BOTH
def test_one_step_worked_by_hand(dtype):
    # x = (1, 2), label 1, one sigmoid layer, one softmax layer.
    # W0 = (1  2)  x W0 = (3, 0), b0 = (ln 3 - 3, 0), so z = (ln 3, 0) and a = (3/4, 1/2)
    #      (1 -1)
    # W1 = (4  0)  a W1 = (3 + 1, 2) = (4, 2), b1 = (ln 3 - 4, -2), so z = (ln 3, 0) and p = (3/4, 1/4)
    #      (2  4)  the loss is -ln(1/4) = ln 4
    # delta1 = p - (0, 1) = (3/4, -3/4)
    # dW1 = a^T delta1 = (9/16 -9/16)
    #                    ( 3/8  -3/8)    db1 = delta1
    # delta0 = (delta1 W1^T) a (1 - a) = (3, 3/2 - 3) * (3/16, 1/4) = (9/16, -3/8)
    # dW0 = x^T delta0 = (9/16 -3/8)
    #                    ( 9/8 -3/4)     db0 = delta0
    # With l2 = 1/2 the penalty is 1/4 (1 + 4 + 1 + 1 + 16 + 4 + 16) = 43/4, and W/2 is added to dW.
    ln3 = np.log(3)
    params = np.array([1, 2, 1, -1, ln3 - 3, 0, 4, 0, 2, 4, ln3 - 4, -2], dtype)
    expected = np.array([9 / 16, -3 / 8, 9 / 8, -3 / 4, 9 / 16, -3 / 8, 9 / 16, -9 / 16, 3 / 8, -3 / 8, 3 / 4, -3 / 4])
    decay = np.array([1, 2, 1, -1, 0, 0, 4, 0, 2, 4, 0, 0]) / 2
    X, y = np.array([[1, 2]], dtype), np.array([1])
    s = stepper([2, 2, 2], ["sigmoid", "softmax"], params, X, y, "cross_entropy")
    tolerance = 20 * np.finfo(dtype).eps  # a dozen roundings of numbers up to 4

    loss, penalty, gradient = s.gradient(np.array([0]), 1.0, 0.0)
    np.testing.assert_allclose([loss, penalty], [np.log(4), 0], atol=tolerance)
    np.testing.assert_allclose(gradient, expected, atol=tolerance)
    assert gradient.dtype == dtype

    start = params.copy()
    losses = s.run(np.array([0]), np.array([[1, 0.5, 0, 0.1, 0, 0, 0]]))
    s.store()
    np.testing.assert_allclose(losses, [[np.log(4), 43 / 4]], rtol=tolerance)
    np.testing.assert_allclose(params, start - 0.1 * (expected + decay), atol=tolerance)


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize(("n", "fan_in", "fan_out"), [(1, 1, 1), (1, 7, 3), (13, 1, 5), (31, 17, 1), (64, 33, 29)])
@BOTH
def test_layer_functions_overwrite_their_outputs(rng, dtype, n, fan_in, fan_out, activation):
    code = ACTIVATIONS[activation]
    Z = rng.standard_normal((n, fan_in)).astype(dtype)
    A = Z if activation == "gelu" else plain_activation(Z, activation).astype(dtype)
    W, b, delta_next = (
        rng.standard_normal(shape).astype(dtype) for shape in [(fan_in, fan_out), fan_out, (n, fan_out)]
    )
    A64, W64, b64, next64 = (array.astype(float) for array in (A, W, b, delta_next))
    u, du = np.sqrt(2 / np.pi) * (A64 + 0.044715 * A64**3), np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * A64**2)
    derivative = {
        "identity": 1,
        "sigmoid": A64 * (1 - A64),
        "tanh": 1 - A64**2,
        "relu": A64 > 0,
        "leaky_relu": np.where(A64 > 0, 1, 0.01),
        "gelu": (1 + np.tanh(u)) / 2 + A64 / 2 * du / np.cosh(u) ** 2,
    }[activation]
    # the largest of fan_in, n and fan_out products of standard normals a sum, the summands below 5 * 5
    tolerance = 25 * max(n, fan_in, fan_out) * np.finfo(dtype).eps

    out, delta, dW, db = (np.full(shape, np.nan, dtype) for shape in [(n, fan_out), A.shape, W.shape, fan_out])
    reference.dense_forward(out, A, W, b, code)
    reference.dense_backward(delta, delta_next, W, A, code)
    reference.weight_gradient(dW, A, delta_next)
    reference.bias_gradient(db, delta_next)
    np.testing.assert_allclose(out, plain_activation(A64 @ W64 + b64, activation), atol=tolerance)
    np.testing.assert_allclose(delta, (next64 @ W64.T) * derivative, atol=tolerance)
    np.testing.assert_allclose(dW, A64.T @ next64, atol=tolerance)
    np.testing.assert_allclose(db, next64.sum(axis=0), atol=tolerance)
    if activation == "sigmoid":
        fused = np.full_like(delta, np.nan)
        reference.sigmoid_backward(fused, delta_next, W, A)
        np.testing.assert_array_equal(fused, delta)


@BOTH
@pytest.mark.parametrize(
    ("activation", "Z", "expected"),
    [
        (SIGMOID, [-1e4, -100, 0, 100, 1e4], [0, np.exp(-100), 0.5, 1, 1]),
        (TANH, [-1e4, 0, 1e4, 1e-6, -1e-6], [-1, 0, 1, 1e-6 - 1e-18 / 3, 1e-18 / 3 - 1e-6]),
        (RELU, [-1e4, -1e-30, 0, 1e-30, 1e4], [0, 0, 0, 1e-30, 1e4]),
        (SOFTMAX, [1e4, 1e4, -1e4, 1e4 - 1, 0], np.array([1, 1, 0, np.exp(-1), 0]) / (2 + np.exp(-1))),
        (EXP, [-1e4, -1, 0, 1, 10], [0, np.exp(-1), 1, np.e, np.exp(10)]),
        (LEAKY_RELU, [-1e4, -1, 0, 1e-30, 1e4], [-100, -0.01, 0, 1e-30, 1e4]),
        (GELU, [-1e4, -100, 0, 100, 1e4], [0, 0, 0, 100, 1e4]),
    ],
)
def test_activations_at_their_limits(dtype, activation, Z, expected):
    A = np.array([Z], dtype)
    reference.dense_forward(A, A.copy(), np.eye(5, dtype=dtype), np.zeros(5, dtype), activation)
    assert A.dtype == dtype
    np.testing.assert_allclose(A[0], expected, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


@BOTH
@pytest.mark.parametrize(
    ("Z", "y", "loss", "p"),
    [
        ([1e4, -1e4, 0], 0, 0, [1, 0, 0]),
        ([1e4, -1e4, 0], 1, 2e4, [1, 0, 0]),
        ([-1e4, -1e4, -1e4], 2, np.log(3), [1 / 3, 1 / 3, 1 / 3]),
        ([7.0, 7, 7], 0, np.log(3), [1 / 3, 1 / 3, 1 / 3]),
        ([-9000, -9001, -9500], 1, 1 + np.log1p(np.exp(-1)), [1 / (1 + np.exp(-1)), 1 / (1 + np.e), 0]),
        ([3.0], 0, 0, [1]),
    ],
)
def test_softmax_cross_entropy_at_its_limits(dtype, Z, y, loss, p):
    Z = np.array([Z], dtype)
    row_loss, delta = np.full(1, np.nan, dtype), np.full_like(Z, np.nan)
    reference.softmax_cross_entropy(row_loss, delta, Z, np.array([y]), 0.25)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(row_loss, [loss], rtol=4 * eps)
    np.testing.assert_allclose(delta, 0.25 * (np.array([p]) - np.eye(len(p))[[y]]), atol=2 * eps)
    assert abs(delta.sum()) <= len(p) * eps


@BOTH
def test_binary_cross_entropy_at_its_limits(dtype):
    Z = np.array([[1e4], [1e4], [-1e4], [-1e4], [0], [-50], [50]], dtype)
    T = np.array([[1], [0], [0], [1], [0.25], [0], [1]], dtype)
    loss, delta = np.full(7, np.nan, dtype), np.full_like(Z, np.nan)
    reference.binary_cross_entropy(loss, delta, Z, T, 2.0)
    # log(1 + exp(-50)) = exp(-50) to double precision: not lost beside 1
    np.testing.assert_allclose(
        loss, [0, 1e4, 0, 1e4, np.log(2), np.exp(-50), np.exp(-50)], rtol=8 * np.finfo(dtype).eps
    )
    np.testing.assert_allclose(
        delta[:, 0], [0, 2, 0, -2, 0.5, 2 * np.exp(-50), 0], atol=np.finfo(dtype).tiny, rtol=8 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("code", [CROSS_ENTROPY, BINARY_CROSS_ENTROPY, MSE, POISSON])
def test_losses_leave_logits_and_targets_alone(rng, code):
    Z, y = rng.standard_normal((6, 4)), rng.integers(4, size=6)
    T = np.eye(4)[y]
    kept = Z.copy()
    outputs = []
    for targets in [y] if code == CROSS_ENTROPY else [y, T]:
        loss, delta = np.full(6, np.nan), np.full_like(Z, np.nan)
        arguments = (loss, delta, Z, targets, 0.5)
        if code == MSE:
            reference.mse(*arguments, SIGMOID)
        else:
            functions = {
                CROSS_ENTROPY: reference.softmax_cross_entropy,
                BINARY_CROSS_ENTROPY: reference.binary_cross_entropy,
                POISSON: reference.poisson,
            }
            functions[code](*arguments)
        outputs.append(np.column_stack([loss, delta]))
    np.testing.assert_array_equal(Z, kept)
    np.testing.assert_array_equal(T, np.eye(4)[y])
    np.testing.assert_array_equal(outputs[0], outputs[-1])  # labels stand for their one-hot rows
    assert np.abs(outputs[0]).min() > 1e-5


@BOTH
def test_mse_is_half_the_squared_distance(dtype):
    loss, delta = np.empty(2, dtype), np.empty((2, 2), dtype)
    Z, T = np.array([[0, np.log(3)], [1, -2]], dtype), np.array([[1, 0], [0, 0]], dtype)
    reference.mse(loss, delta, Z, T, 0.5, IDENTITY)
    np.testing.assert_allclose(loss, [(1 + np.log(3) ** 2) / 2, 2.5], rtol=1e-6)
    np.testing.assert_allclose(delta, [[-0.5, np.log(3) / 2], [0.5, -1]], rtol=1e-6)
    # sigmoid(0, ln 3) = (1/2, 3/4); delta = (a - t) a (1 - a) = (-1/2 * 1/4, 3/4 * 3/16)
    reference.mse(loss, delta, Z, T, 1.0, SIGMOID)
    np.testing.assert_allclose(loss[0], (1 / 4 + 9 / 16) / 2, rtol=1e-6)
    np.testing.assert_allclose(delta[0], [-1 / 8, 9 / 64], rtol=1e-6)


def test_poisson_by_hand():
    loss, delta = np.empty(2), np.empty((2, 1))
    reference.poisson(loss, delta, np.array([[0.0], [np.log(2)]]), np.array([[3.0], [1.0]]), 0.5)
    np.testing.assert_allclose(loss, [1, 2 - np.log(2)])
    np.testing.assert_allclose(delta, [[(1 - 3) / 2], [(2 - 1) / 2]])


def test_imports_numpy_and_the_codes_only():
    allowed = {"numpy", "collections.abc", "itertools", "typing", "fastnet.functions"}
    found = set()
    for path in Path(reference.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module)
    assert "numpy" in found
    assert {name for name in found if not name.startswith("fastnet.reference.")} <= allowed
