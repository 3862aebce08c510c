"""The oracle's whole step: chunks, row formats, weights, moments, evaluation, and how much memory it takes."""

import tracemalloc
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from fastnet import reference
from fastnet.functions import (
    ADAM,
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    EXP,
    IDENTITY,
    MOMENTUM,
    MSE,
    POISSON,
    RELU,
    SGD,
    SIGMOID,
    SOFTMAX,
    TANH,
)
from fastnet.reference import CHUNK_ROWS

SIZES, ACTIVATIONS = [12, 9, 7, 4], [SIGMOID, TANH, SOFTMAX]
N_PARAMS = 12 * 9 + 9 + 9 * 7 + 7 + 7 * 4 + 4
# scale, l2, decay and then what the rule needs
ROWS = {
    SGD: [1 / 16, 0.01, 0.003, 0.2, 0, 0, 0],
    MOMENTUM: [1 / 16, 0.01, 0.003, 0.9, 0.1, 0.3, 0.02],
    ADAM: [1 / 16, 0.01, 0.003, 0.9, 0.99, 1e-6, 0.01],
}
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
RULES = pytest.mark.parametrize("rule", [SGD, MOMENTUM, ADAM])


@pytest.fixture
def params(rng):
    return rng.standard_normal(N_PARAMS)


def make(params, X, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=16, **settings):
    return reference.Stepper(SIZES, ACTIVATIONS, params, X, y, loss=loss, rule=rule, batch_size=batch_size, **settings)


def data(rng, n, dtype=np.float64):
    return rng.standard_normal((n, 12)).astype(dtype), rng.integers(4, size=n)


def csr(X, index_dtype=np.int32):
    """The four attributes of a CSR matrix; the columns of a row in falling order, the first stored as two halves."""
    values, columns, starts = [], [], [0]
    for row in X:
        stored = np.flatnonzero(row)[::-1]
        values += [*row[stored], *row[stored[:1]] / 2]
        columns += [*stored, *stored[:1]]
        if len(stored):
            values[starts[-1]] /= 2
        starts.append(len(values))
    indices, indptr = (np.array(array, index_dtype) for array in (columns, starts))
    return SimpleNamespace(data=np.array(values, X.dtype), indices=indices, indptr=indptr, shape=X.shape)


def weights_only():
    """1 where the flat vector holds a weight, 0 where it holds a bias."""
    return np.concatenate([np.repeat([1.0, 0.0], [i * o, o]) for i, o in pairwise(SIZES)])


def textbook_step(rule, row, w, moments, g):
    _, l2, decay, *rest = row
    mask = weights_only()
    g = g + l2 * mask * w
    w = w * (1 - decay * mask)
    if rule == SGD:
        return w - rest[0] * g, ()
    if rule == MOMENTUM:
        beta, gain, step_velocity, step_gradient = rest
        v = beta * moments[0] + gain * g
        return w - (step_velocity * v + step_gradient * g), (v,)
    beta1, beta2, eps, lr_t = rest
    m, v = beta1 * moments[0] + (1 - beta1) * g, beta2 * moments[1] + (1 - beta2) * g**2
    return w - lr_t * m / (np.sqrt(v) + eps), (m, v)


@RULES
def test_run_is_the_textbook_step_after_step(rng, params, rule):
    X, y = data(rng, 50)
    order, rows = rng.permutation(50), np.array([ROWS[rule]] * 4)
    rows[3, 0] = 1 / 2  # the last batch has 2 rows
    stepper, start = make(params, X, y, rule=rule), params.copy()
    losses = stepper.run(order, rows)
    np.testing.assert_array_equal(params, start)
    stepper.store()

    w, moments = start, tuple(np.zeros(N_PARAMS) for _ in stepper.moments)
    for i, row in enumerate(rows):
        loss, _, g = make(w, X, y).gradient(order[16 * i : 16 * (i + 1)], row[0], 0.0)
        np.testing.assert_allclose(losses[i], [loss, row[1] / 2 * np.sum((weights_only() * w) ** 2)], rtol=1e-12)
        w, moments = textbook_step(rule, row, w, moments, g)
    np.testing.assert_allclose(params, w, rtol=0, atol=1e-13)
    for got, expected in zip(stepper.moments, moments, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)
    assert np.abs(params - start).min() > 1e-7


@RULES
@BOTH
def test_stored_and_loaded_state_goes_on_in_the_same_bits(rng, params, dtype, rule):
    X, y = data(rng, 64, dtype)
    order, rows = rng.permutation(64), np.array([ROWS[rule]] * 4)
    params = params.astype(dtype)
    once = params.copy()
    whole = make(once, X, y, rule=rule)
    whole.run(order, rows)
    whole.store()

    first = make(params, X, y, rule=rule)
    first.run(order[:32], rows[:2])
    first.store()
    second = make(params, X, y, rule=rule)
    for moment, stored in zip(second.moments, first.moments, strict=True):
        moment[:] = stored
    second.load()
    second.run(order[32:], rows[2:])
    second.store()
    np.testing.assert_array_equal(params, once)
    assert once.dtype == dtype
    assert all(moment.any() for moment in whole.moments)


def test_load_takes_changed_weights(rng, params):
    X, y = data(rng, 10)
    stepper = make(params, X, y)
    before = stepper.gradient(np.arange(10), 0.1, 0.0)[2]
    params *= 0.5
    np.testing.assert_array_equal(stepper.gradient(np.arange(10), 0.1, 0.0)[2], before)
    stepper.load()
    after = stepper.gradient(np.arange(10), 0.1, 0.0)[2]
    np.testing.assert_array_equal(after, make(params, X, y).gradient(np.arange(10), 0.1, 0.0)[2])
    assert np.abs(after - before).max() > 1e-5


def test_full_batch_is_the_sum_of_its_parts(rng, params):
    n = 2 * CHUNK_ROWS + 17
    X, y = data(rng, n)
    order = rng.permutation(n)
    stepper = make(params, X, y, batch_size=n)
    loss, penalty, gradient = stepper.gradient(order, 1 / n, 0.3)
    cuts = np.split(order, [1, 400, CHUNK_ROWS + 5, n - 100])
    parts = [stepper.gradient(part, 1 / n, 0.0) for part in cuts]
    mask = weights_only()
    assert loss == pytest.approx(sum(part[0] for part in parts), rel=1e-13)
    assert penalty == pytest.approx(0.15 * np.sum(params[mask == 1] ** 2), rel=1e-13)
    expected = sum(part[2] for part in parts) + 0.3 * mask * params
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-14 * n)
    assert np.abs(gradient).max() > 1e-2

    losses = stepper.run(order, np.array([[1 / n, 0.3, 0, 0.5, 0, 0, 0]]))
    start = params.copy()
    stepper.store()
    assert losses.tolist() == [[loss, penalty]]
    np.testing.assert_allclose(params, start - 0.5 * gradient, rtol=0, atol=1e-15 * n)


def test_order_may_repeat_rows_beyond_the_size_of_X(rng, params):
    X, y = data(rng, 3)
    stepper = make(params, X, y)
    loss, _, gradient = stepper.gradient(np.array([0, 1, 2, 0, 1, 2, 2]), 1.0, 0.0)
    weighted = make(params, X, y, weight=np.array([2.0, 2.0, 3.0])).gradient(np.arange(3), 1.0, 0.0)
    assert loss == pytest.approx(weighted[0], rel=1e-13)
    np.testing.assert_allclose(gradient, weighted[2], rtol=0, atol=1e-13)
    assert np.abs(gradient).max() > 1e-2


def assert_same_results(params, y, order, X, other):
    """X and the other form of it give the same bits, in training and in prediction."""
    loss, penalty, gradient = make(params, X, y).gradient(order, 0.1, 0.1)
    expected_loss, expected_penalty, expected = make(params, other, y).gradient(order, 0.1, 0.1)
    assert (loss, penalty) == (expected_loss, expected_penalty)
    np.testing.assert_array_equal(gradient, expected)
    assert np.abs(gradient).max() > 1e-3
    outputs, expected = (reference.predict(SIZES, ACTIVATIONS, params, rows) for rows in (X, other))
    np.testing.assert_array_equal(outputs, expected)
    assert np.ptp(outputs, axis=0).min() > 1e-3


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@BOTH
def test_sparse_rows_equal_dense_rows(rng, params, dtype, index_dtype):
    X, y = data(rng, 40, dtype)
    X *= rng.random(X.shape) < 0.3
    X[[0, 17, 39]] = 0
    params, order = params.astype(dtype), rng.permutation(40)
    sparse = csr(X, index_dtype)
    assert sparse.data.size > np.count_nonzero(X) > 50
    assert_same_results(params, y, order, sparse, X)


@BOTH
def test_scipy_matrices_are_taken(rng, params, dtype):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data(rng, 20, dtype)
    X[X < 1] = 0
    params = params.astype(dtype)
    for kind in (sparse.csr_matrix, sparse.csr_array):
        assert_same_results(params, y, np.arange(20), kind(X), X)


@BOTH
def test_pixels_are_255ths(rng, params, dtype):
    X = rng.integers(256, size=(40, 12), dtype=np.uint8)
    y, params, order = rng.integers(4, size=40), params.astype(dtype), rng.permutation(40)
    floats = X.astype(dtype) * dtype(1 / 255)
    assert floats.min() == 0
    assert floats.max() == 1
    assert_same_results(params, y, order, X, floats)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_mapped_and_read_only_rows(rng, params, tmp_path, dtype):
    X = rng.integers(5, size=(30, 12)).astype(dtype)
    y, params, order = rng.integers(4, size=30), params.astype(np.float32), rng.permutation(30)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    assert_same_results(params, y, order, mapped, X)


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, BINARY_CROSS_ENTROPY, MSE])
def test_weights_count_as_repeated_rows(rng, params, loss):
    X, y = data(rng, 20)
    activations = [RELU, TANH, SOFTMAX if loss == CROSS_ENTROPY else SIGMOID]
    weight = rng.integers(4, size=20).astype(float)
    settings = {"loss": loss, "rule": SGD, "batch_size": 20}
    weighted = reference.Stepper(SIZES, activations, params, X, y, weight=weight, **settings)
    repeated = reference.Stepper(SIZES, activations, params, X, y, **settings)
    scale = 1 / weight.sum()
    got = weighted.gradient(np.arange(20), scale, 0.1)
    expected = repeated.gradient(np.repeat(np.arange(20), weight.astype(int)), scale, 0.1)
    np.testing.assert_allclose(got[:2], expected[:2], rtol=1e-13)
    np.testing.assert_allclose(got[2], expected[2], rtol=0, atol=1e-13)
    unweighted = repeated.gradient(np.arange(20), 1 / 20, 0.1)
    assert np.abs(got[2] - unweighted[2]).max() > 1e-5


@pytest.mark.parametrize(
    ("output", "loss"), [(SIGMOID, BINARY_CROSS_ENTROPY), (SIGMOID, MSE), (IDENTITY, MSE), (EXP, POISSON)]
)
def test_labels_stand_for_their_one_hot_rows(rng, params, output, loss):
    X, y = data(rng, 20)
    activations = [SIGMOID, TANH, output]
    got, expected = (
        reference.Stepper(SIZES, activations, params, X, T, loss=loss, rule=SGD, batch_size=20).gradient(
            np.arange(20), 0.05, 0.0
        )
        for T in (y, np.eye(4)[y])
    )
    np.testing.assert_array_equal(got[2], expected[2])
    assert reference.evaluate(SIZES, activations, params, X, y, loss) == reference.evaluate(
        SIZES, activations, params, X, np.eye(4)[y], loss
    )


def test_evaluate_is_the_mean_loss_and_the_share_of_right_rows(rng, params):
    n = CHUNK_ROWS + 3
    X, y = data(rng, n)
    outputs = reference.predict(SIZES, ACTIVATIONS, params, X)
    assert outputs.shape == (n, 4)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-14)
    loss, accuracy = reference.evaluate(SIZES, ACTIVATIONS, params, X, y, CROSS_ENTROPY)
    assert loss == pytest.approx(-np.log(outputs[np.arange(n), y]).mean(), rel=1e-13)
    assert accuracy == np.mean(outputs.argmax(axis=1) == y)
    assert loss == pytest.approx(make(params, X, y).gradient(np.arange(n), 1 / n, 0.0)[0], rel=1e-13)
    assert 0.1 < accuracy < 0.9


def test_one_sigmoid_output_is_the_probability_of_class_1():
    # z = x: the first three rows are right, 0.1 is called class 1 but is of class 0
    sizes, params, X = [1, 1], np.array([1.0, 0.0]), np.array([[-3.0], [-1e-9], [2.0], [0.1]])
    y = np.array([0, 0, 1, 0])
    for targets in (y, y[:, None].astype(float)):
        loss, accuracy = reference.evaluate(sizes, [SIGMOID], params, X, targets, BINARY_CROSS_ENTROPY)
        assert accuracy == 0.75
        p = 1 / (1 + np.exp(-X[:, 0]))
        assert loss == pytest.approx(-np.log([1 - p[0], 1 - p[1], p[2], 1 - p[3]]).mean())
    assert np.isnan(reference.evaluate(sizes, [IDENTITY], params, X, y[:, None] * 1.0, MSE)[1])


def test_divergence_shows_in_the_losses_alone(rng, params):
    X, y = data(rng, 64, np.float32)
    network = (SIZES, [RELU, RELU, SOFTMAX], params.astype(np.float32), X)
    stepper = reference.Stepper(*network, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=16)
    losses = stepper.run(np.arange(64), np.array([[1, 0, 0, 1e30, 0, 0, 0]] * 4))
    assert np.isfinite(losses[0, 0])
    assert not np.isfinite(losses[-1, 0])

    network[2][:] = 1e30  # finite weights, infinite outputs
    stepper.load()
    assert not np.isfinite(stepper.gradient(np.arange(64), 1.0, 0.1)[0])
    assert not np.isfinite(reference.evaluate(*network, y, CROSS_ENTROPY)[0])
    assert not np.isfinite(reference.predict(*network)).all()


def peak_bytes(work):
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_no_float_copy_of_X(rng):
    X = np.zeros((40 * CHUNK_ROWS, 200), np.uint8)
    y, params = np.zeros(len(X), np.int64), rng.standard_normal(201 * 4).astype(np.float32)
    network = ([200, 4], [SOFTMAX], params, X)
    stepper = reference.Stepper(*network, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=len(X))
    rows = np.array([[1 / len(X), 0, 0, 0.1, 0, 0, 0]])
    order = np.arange(len(X))
    limit = X.nbytes / 2
    assert peak_bytes(lambda: stepper.run(order, rows)) < limit
    assert peak_bytes(lambda: stepper.gradient(order, 1.0, 0.1)) < limit
    assert peak_bytes(lambda: reference.predict(*network)) < limit
    assert peak_bytes(lambda: reference.evaluate(*network, y, CROSS_ENTROPY)) < limit
    assert peak_bytes(lambda: X.astype(np.float32)) > limit


def test_learns_mnist(rng, mnist):
    train, test = mnist
    sizes, activations = [784, 64, 10], [SIGMOID, SOFTMAX]
    weights = [rng.standard_normal((i + 1) * o) / np.sqrt(i) for i, o in ((784, 64), (64, 10))]
    params = np.concatenate(weights).astype(np.float32)
    stepper = reference.Stepper(
        sizes, activations, params, train.X, train.y, loss=CROSS_ENTROPY, rule=MOMENTUM, batch_size=128
    )
    rows = np.tile([1 / 128, 0, 0, 0.9, 0.1, 4.0, 0], (len(train.X) // 128, 1))
    stepper.run(rng.permutation(len(train.X)), rows)
    stepper.store()
    loss, accuracy = reference.evaluate(sizes, activations, params, test.X, test.y, CROSS_ENTROPY)
    assert accuracy > 0.94
    assert loss < 0.2
