"""Networks with identity output: values, R squared and root mean squared error instead of classes and accuracy."""

import numpy as np
import pytest
from sklearn.metrics import mean_poisson_deviance, r2_score

import fastnet
from fastnet.metrics import RegressionScore, r_squared


@pytest.fixture(params=[1, 3])
def table(request, rng):
    """X (200, 10) and targets of one output (n,) or of three (n, 3), which lie far from zero."""
    X = rng.standard_normal((200, 10))
    T = np.tanh(X @ rng.standard_normal((10, request.param))) + 2 + np.arange(request.param)
    return X, T[:, 0] if request.param == 1 else T


def network(y, dtype="float64"):
    return fastnet.Network([10, 16, y[0].size], hidden="tanh", output="identity", dtype=dtype, seed=1)


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_regression_predicts_and_evaluates_values(table, dtype, backend):
    X, y = table
    net = network(y, dtype)
    assert net.is_regression
    history = fastnet.train(
        net, X, y, epochs=60, batch_size=20, optimizer=fastnet.Adam(0.01), seed=0, backend=backend,
        validation=(X[:50], y[:50]), evaluate_train=True,
    )  # fmt: skip
    for rows in (1, 2, 200):
        values = net.predict(X[:rows])
        assert (values.shape, values.dtype) == (y[:rows].shape, np.dtype(dtype))
        np.testing.assert_array_equal(values, net.predict_proba(X[:rows]).reshape(values.shape))
    found = net.evaluate(X, y)
    assert found == fastnet.RegressionEvaluation(found.loss, found.r2, found.rmse)
    assert not hasattr(found, "accuracy")
    y = y.astype(dtype).astype(float)
    error = net.predict(X) - y
    assert found.r2 == pytest.approx(r2_score(y, net.predict(X).astype(float)), rel=1e-12)
    assert found.r2 > 0.9
    assert found.rmse == pytest.approx(np.sqrt(np.mean(np.square(error, dtype=float))), rel=1e-6)
    assert found.loss == pytest.approx(np.square(error, dtype=float).sum() / (2 * len(X)), rel=1e-6)
    last = history.epochs[-1]
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    assert (last.train_loss, last.train_r2) == pytest.approx((found.loss, found.r2), rel=tolerance)
    held_out = net.evaluate(X[:50], y[:50])
    assert (last.val_loss, last.val_r2) == pytest.approx((held_out.loss, held_out.r2), rel=tolerance)
    assert last.val_accuracy is last.train_accuracy is None


def test_backends_agree_on_a_regression(table):
    X, y = table
    courses = []
    for backend in ("numba", "reference"):
        history = fastnet.train(network(y), X, y, epochs=3, seed=0, backend=backend, validation=(X, y))
        courses.append([(e.loss, e.val_loss, e.val_r2) for e in history.epochs])
    np.testing.assert_allclose(courses[0], courses[1], rtol=1e-9)


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
def test_sigmoid_outputs_remain_classes(rng, loss):
    X, y = rng.standard_normal((50, 10)), rng.integers(0, 3, 50)
    net = fastnet.Network([10, 3], output="sigmoid", seed=0)
    history = fastnet.train(net, X, y, epochs=1, loss=loss, validation=(X, y))
    assert not net.is_regression
    assert net.predict(X).dtype == np.int64
    assert isinstance(net.evaluate(X, y, loss=loss), fastnet.Evaluation)
    assert history.epochs[0].val_r2 is None
    assert history.epochs[0].val_accuracy == net.evaluate(X, y).accuracy


def test_a_poisson_regression_gives_values(rng):
    X = rng.standard_normal((300, 10))
    y = rng.poisson(np.exp(0.3 * X[:, 0] + 1))
    net = fastnet.Network([10, 1], output="exp", dtype="float64", seed=0)
    fastnet.train(net, X, y, epochs=30, optimizer=fastnet.Adam(0.02), seed=0)
    found = net.evaluate(X, y)
    values = net.predict(X)
    assert values.shape == (300,)
    assert found.r2 == pytest.approx(r2_score(y, values))
    constant = np.mean(y - y * np.log(np.maximum(y, 1)))
    assert found.loss == pytest.approx(mean_poisson_deviance(y, values) / 2 + constant)


@pytest.mark.parametrize(
    ("y", "predicted"),
    [
        ([[1.0], [1.0]], [[1.0], [1.0]]),
        ([[1.0], [1.0]], [[1.0], [2.0]]),
        ([[1.0, 5], [3, 5]], [[1.0, 5], [2, 5]]),
        ([[1.0, 5], [3, 5]], [[1.0, 4], [2, 5]]),
    ],
)
def test_constant_targets_as_in_scikit_learn(y, predicted):
    y, predicted = np.array(y), np.array(predicted)
    assert RegressionScore(y, y.shape[1], 2).of(predicted)[1] == r2_score(y, predicted)


def test_a_constant_that_rounds_and_a_single_row():
    y = np.full((1000, 1), 0.1)
    assert y.mean() != 0.1
    assert RegressionScore(y, 1, 2).of(y + 1)[1] == 0
    assert np.isnan(RegressionScore(y[:1], 1, 2).of(y[:1])[1])
    assert r_squared(np.array([np.inf]), np.array([1.0])) == -np.inf


def test_scores_in_blocks(rng, monkeypatch):
    y, A = rng.standard_normal((2, 50, 3))
    whole = RegressionScore(y, 3, 2).of(A)
    monkeypatch.setattr("fastnet.metrics.BLOCK", 21)
    assert RegressionScore(y, 3, 2).of(A) == pytest.approx(whole, rel=1e-12)


def test_labels_are_one_hot_rows_to_several_outputs(rng):
    X, y = rng.standard_normal((40, 10)), rng.integers(0, 3, 40)
    net = fastnet.Network([10, 3], output="identity", seed=0)
    fastnet.train(net, X, y, epochs=1)
    assert net.evaluate(X, y) == net.evaluate(X, np.eye(3)[y])
    assert net.evaluate(X, y).r2 == pytest.approx(r2_score(np.eye(3)[y], net.predict(X)))


def test_large_whole_targets_keep_their_digits():
    net = fastnet.Network([2, 1], output="identity", dtype="float64", seed=0)
    assert net.check_targets([2**24 + 1, 0], 2, "mse")[0, 0] == 2**24 + 1
