"""Permutation importance: what is permuted, what is counted, and that nothing is left changed."""

from types import SimpleNamespace

import numpy as np
import pytest

import fastnet
from fastnet.importance import column_groups


@pytest.fixture
def table(rng):
    """X (60, 5) and labels that its first three columns decide."""
    X = rng.standard_normal((60, 5)).astype(np.float32)
    return X, np.argmax(X[:, :3], axis=1)


def classifier():
    """A network whose outputs are the first three of five inputs."""
    net = fastnet.Network([5, 3], seed=0)
    net.W[0][:] = np.eye(5, 3)
    return net


def line(weights):
    """A linear regression with these weights."""
    net = fastnet.Network([len(weights), 1], output="identity", dtype="float64", seed=0)
    net.W[0][:, 0] = weights
    return net


def permuted(net, X, y, columns, orders, measure):
    """The drops of one group of columns, (repeats,), by the plain definition."""
    score, drops = getattr(net.evaluate(X, y), measure), []
    for order in orders:
        changed = X.copy()
        changed[:, columns] = X[order][:, columns]
        drops.append(score - getattr(net.evaluate(changed, y), measure))
    return drops


@pytest.mark.parametrize("kind", ["float32", "uint8", "int64"])
def test_drops_are_those_of_whole_evaluations(table, kind):
    X, y = table
    if kind != "float32":
        X = (20 * X + 100).astype(kind)
        y = np.argmax(X[:, :3], axis=1)  # rounding makes ties
    net = classifier()
    found = fastnet.permutation_importance(net, X, y, repeats=4, seed=7)
    rng = np.random.default_rng(7)
    orders = [rng.permutation(60) for _ in range(4)]
    expected = [permuted(net, X, y, [i], orders, "accuracy") for i in range(5)]
    np.testing.assert_array_equal(found.drops, expected)
    assert (found.names, found.measure, found.rows, found.score) == (("0", "1", "2", "3", "4"), "accuracy", 60, 1.0)
    np.testing.assert_array_equal(found.mean, np.mean(expected, axis=1))
    np.testing.assert_array_equal(found.std, np.std(expected, axis=1))
    assert found.mean[:3].min() > 0.1
    assert not found.drops[3:].any()  # columns that no output looks at


def test_columns_of_a_group_are_permuted_together(table):
    X, y = table
    net = classifier()
    found = fastnet.permutation_importance(net, X, y, groups=["b", "a", "b", "a", "c"], repeats=3, seed=1)
    rng = np.random.default_rng(1)
    orders = [rng.permutation(60) for _ in range(3)]
    assert found.names == ("b", "a", "c")
    for drops, columns in zip(found.drops, ([0, 2], [1, 3], [4]), strict=True):
        np.testing.assert_array_equal(drops, permuted(net, X, y, columns, orders, "accuracy"))
    same = fastnet.permutation_importance(net, X, y, groups={"a": [1, 3], "b": (0, 2)}, repeats=3, seed=1)
    assert same.names == ("a", "b")
    np.testing.assert_array_equal(same.drops, found.drops[[1, 0]])


def test_the_drop_of_r2_is_twice_the_share_of_the_variance(rng):
    """A shuffled column adds the variance of x - x', which is twice its own, to that of the residuals."""
    weights = np.array([3.0, 1.0, 0.0])
    X = rng.standard_normal((20_000, 3))
    found = fastnet.permutation_importance(line(weights), X, X @ weights, repeats=3)
    assert found.measure == "r2"
    assert found.score == pytest.approx(1)
    assert found.rows == 10_000
    # The sample covariance of a column and its shuffled self has the standard error 1 / sqrt(n) = 0.01.
    np.testing.assert_allclose(found.drops, np.repeat([[1.8], [0.2], [0.0]], 3, axis=1), atol=5 * 2 * 0.9 * 0.01)


def test_rows_are_drawn_from_all_and_by_the_seed(rng):
    X = np.repeat(np.arange(500.0)[:, None], 2, axis=1)
    net = line([1.0, 0.0])
    first, again, other = (
        fastnet.permutation_importance(net, X, X[:, 0], max_rows=40, seed=seed).drops for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    drawn = np.sort(np.random.default_rng(3).choice(500, 40, replace=False))
    chosen = fastnet.permutation_importance(net, X, X[:, 0], max_rows=40, seed=3)
    assert chosen.rows == 40
    assert drawn.max() > 400
    assert chosen.score == net.evaluate(X[drawn], X[drawn, 0]).r2


def test_nothing_that_is_given_changes(table):
    X, y = table
    net = classifier()
    before, params = X.copy(), net.params.copy()
    X.flags.writeable = y.flags.writeable = False
    fastnet.permutation_importance(net, X, y)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(net.params, params)
    assert fastnet.permutation_importance(net, X.tolist(), y.tolist(), repeats=1).rows == 60


def test_a_network_of_a_table_knows_its_groups(table):
    X, y = table
    net = classifier()
    assert list(column_groups(net)) == ["0", "1", "2", "3", "4"]
    net.preprocess = SimpleNamespace(feature_names=list("abcde"), groups={"age": [0], "city": [1, 2, 3, 4]})
    assert fastnet.permutation_importance(net, X, y).names == ("age", "city")
    assert fastnet.permutation_importance(net, X, y, groups=list("abcde")).names == tuple("abcde")


@pytest.mark.parametrize(
    ("error", "arguments", "words"),
    [
        (ValueError, {"groups": ["a", "b"]}, "groups must be a name for each of 5 columns"),
        (ValueError, {"groups": "abcde"}, "groups must be a name for each of 5 columns"),
        (ValueError, {"groups": {}}, "at least one group"),
        (ValueError, {"groups": {"a": []}}, r"groups\['a'\] must be column numbers from 0 to 4"),
        (ValueError, {"groups": {"a": [5]}}, r"groups\['a'\] must be column numbers from 0 to 4, got \[5\]"),
        (ValueError, {"groups": {"a": [-1]}}, "from 0 to 4"),
        (TypeError, {"groups": {"a": ["x"]}}, "must be a sequence of column numbers"),
        (TypeError, {"groups": {"a": 3}}, "must be a sequence of column numbers"),
        (ValueError, {"repeats": 0}, "repeats must be a whole number"),
        (ValueError, {"max_rows": 1}, "at least 2 rows"),
        (TypeError, {"n_repeats": 5}, "the word is repeats="),
        (TypeError, {"random_state": 5}, "the word is seed="),
    ],
)
def test_refusals(table, error, arguments, words):
    with pytest.raises(error, match=words) as caught:
        fastnet.permutation_importance(classifier(), *table, **arguments)
    assert "\n" not in str(caught.value)


def test_rows_that_do_not_fit(table):
    X, y = table
    with pytest.raises(ValueError, match="X must have 5 columns"):
        fastnet.permutation_importance(classifier(), X[:, :4], y)
    with pytest.raises(ValueError, match="y must"):
        fastnet.permutation_importance(classifier(), X, y[:-1])
    with pytest.raises(ValueError, match="at least 2 rows to shuffle, got 1"):
        fastnet.permutation_importance(classifier(), X[:1], y[:1])


def test_it_plots_itself(table):
    figure = fastnet.permutation_importance(classifier(), *table).plot(most=2)
    assert len(figure.axes[0].patches) == 2
