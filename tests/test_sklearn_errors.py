"""Bad input: words where scikit-learn crashes, or says nothing."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError

from fastnet.sklearn import MLPClassifier, MLPRegressor, _checks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.RandomState(0)
X = RNG.randn(60, 4)
y = RNG.randint(0, 3, 60)
SMALL = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0}


def test_masked_values():
    masked = np.ma.masked_greater(X, 1)
    with pytest.raises(ValueError, match="X is a masked array"):
        MLPClassifier(**SMALL).fit(masked, y)
    with pytest.raises(ValueError, match="y is a masked array"):
        MLPClassifier(**SMALL).fit(X, np.ma.masked_equal(y, 2))
    fitted = MLPClassifier(**SMALL).fit(np.ma.array(X), y)  # nothing is masked
    with pytest.raises(ValueError, match="X is a masked array"):
        fitted.predict(masked)


def test_dates():
    pandas = pytest.importorskip("pandas")
    dates = np.datetime64("2020-01-01") + RNG.randint(0, 99, (60, 4)).astype("m8[D]")
    mixed = X.astype(object)
    mixed[3, 1] = dates[0, 0]
    for bad in (
        dates,
        dates - dates[0],
        pandas.DataFrame({"a": X[:, 0], "b": dates[:, 0]}),
        dates.astype(object),
        mixed,
    ):
        with pytest.raises(ValueError, match="X holds dates or times"):
            MLPClassifier(**SMALL).fit(bad, y)


def test_weights():
    weight = np.ones(60)
    weight[7] = -0.5
    with pytest.raises(ValueError, match=r"must not be negative, got -0\.5 in row 7"):
        MLPClassifier(**SMALL).fit(X, y, weight)
    with pytest.raises(ValueError, match="zero"):
        MLPClassifier(**SMALL).fit(X, y, np.zeros(60))
    with pytest.raises(ValueError, match="zero"):
        MLPClassifier(**SMALL, class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)
    with pytest.raises(ValueError, match="class_weight must not be negative"):
        MLPClassifier(**SMALL, class_weight={0: -1, 1: 1, 2: 1}).fit(X, y)
    only_first = np.r_[1.0, np.zeros(59)]
    with pytest.raises(ValueError, match="validation rows is zero"):
        MLPRegressor(**SMALL, early_stopping=True).fit(X, y, only_first)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_batches_without_weight_are_skipped(solver):
    weight = np.zeros(60)
    weight[[0, 1, 30, 59]] = 1.0, 2.0, 0.5, 1.0
    settings = {**SMALL, "solver": solver, "batch_size": 7, "shuffle": False}
    model = MLPClassifier(**settings).fit(X, y, weight)
    rows = np.r_[0:7, 28:35, 56:60]  # the batches with some weight
    expected = MLPClassifier(**settings).fit(X[rows], y[rows], weight[rows])
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(["a", 1, 2] * 20, dtype=object), r"y mixes labels of the types int, str"),
        (np.array(["a", None, "b"] * 20, dtype=object), "y contains None"),
        (RNG.randn(60), "Unknown label type"),
        (RNG.randint(0, 3, (60, 2)), "(?i)multioutput"),
        (y[:50], "inconsistent numbers of samples"),
    ],
)
def test_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SMALL).fit(X, labels)


def test_one_hot_labels_get_a_hint():
    with pytest.warns(UserWarning, match=r"looks like one-hot classes.*y\.argmax"):
        MLPClassifier(**SMALL).fit(X, np.eye(3, dtype=int)[y])
    with pytest.warns(UserWarning, match="looks like one-hot classes"):
        MLPClassifier(**SMALL).fit(X, scipy.sparse.csr_array(np.eye(3, dtype=int)[y]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        MLPClassifier(**SMALL).fit(X, RNG.randint(0, 2, (60, 3)))


def test_targets_of_a_regression():
    with pytest.raises(ValueError, match=r"y must hold numbers.*MLPClassifier"):
        MLPRegressor(**SMALL).fit(X, y.astype(str))
    with pytest.raises(ValueError, match=r"must not be negative with loss='poisson', got -1"):
        MLPRegressor("poisson", **SMALL).fit(X, y - 1)


@pytest.mark.parametrize("sizes", [(2.5,), True, (True,), ("5",), [[3]]])
def test_layer_sizes_are_integers(sizes):
    with pytest.raises((ValueError, InvalidParameterError), match="hidden_layer_sizes"):
        MLPClassifier(hidden_layer_sizes=sizes).fit(X, y)


@pytest.mark.parametrize("sizes", [0, -3, (4, 0)])
def test_layer_sizes_are_positive(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        MLPClassifier(hidden_layer_sizes=sizes).fit(X, y)


@pytest.mark.parametrize("estimator", [MLPClassifier(**SMALL), MLPRegressor(**SMALL)])
def test_a_changed_network_is_refused(estimator):
    for change in ({}, {"warm_start": True}):
        model = estimator.set_params(hidden_layer_sizes=5, **change).fit(X, y)
        model.set_params(hidden_layer_sizes=(5, 5))
        with pytest.raises(ValueError, match=r"hidden_layer_sizes is now \(5, 5\), but the fitted network has \(5,\)"):
            model.fit(X, y) if change else model.partial_fit(X, y)


def test_changed_outputs_are_refused():
    model = MLPRegressor(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="y has 2 outputs, but the fitted network has 1"):
        model.partial_fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match="y must be labels"):
        MLPClassifier(**SMALL).fit(X, y).partial_fit(X, np.eye(3, dtype=int)[y])
    with pytest.raises(ValueError, match="validation_data has 2 outputs"):
        MLPRegressor(**SMALL, validation_data=(X, np.c_[y, y])).fit(X, y)


def test_a_changed_loss_is_refused():
    model = MLPRegressor(**SMALL).fit(X, y).set_params(loss="poisson")
    with pytest.raises(
        ValueError, match="loss='poisson' needs exp outputs, but the fitted network has identity outputs"
    ):
        model.partial_fit(X, y)


def test_a_changed_activation_is_a_warning():
    model = MLPClassifier(**SMALL).fit(X, y).set_params(activation="tanh")
    with pytest.warns(UserWarning, match="activation is now 'tanh', but the weights were trained with 'relu'"):
        model.partial_fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.partial_fit(X, y)


def test_callbacks_are_callable():
    with pytest.raises(TypeError, match="callbacks must be callable, got 3"):
        MLPClassifier(**SMALL, callbacks=[3]).fit(X, y)


def test_validation_data_is_checked():
    with pytest.raises(ValueError, match=r"validation_data must be \(X, y\)"):
        MLPClassifier(validation_data=(X,)).fit(X, y)
    with pytest.raises(ValueError, match="4 features"):
        MLPClassifier(validation_data=(X[:, :2], y)).fit(X, y)
    with pytest.raises(ValueError, match="classes not in"):
        MLPClassifier(validation_data=(X, y + 1)).fit(X, y)


def test_divergence_is_reported():
    model = MLPRegressor(**SMALL, solver="sgd", learning_rate_init=50.0, batch_size=60, activation="tanh")
    with pytest.warns(ConvergenceWarning, match=r"Training diverged: the loss went from .* to .* in epoch"):
        model.set_params(max_iter=10).fit(X, y)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.set_params(max_iter=500, activation="identity").fit(X, y)
    assert model.n_iter_ < 500  # it did not go on with weights that are not numbers


def test_a_poisson_loss_that_may_be_negative_is_no_divergence():
    rng = np.random.default_rng(0)
    rates = np.exp(3 + 0.3 * X[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")
        model = MLPRegressor("poisson", hidden_layer_sizes=(), max_iter=50, random_state=0, learning_rate_init=0.05)
        model.fit(X, rng.poisson(rates))
        start = model.loss_
        model.set_params(warm_start=True, max_iter=5).fit(X, rng.poisson(rates))  # its first batch is a good one
    assert 0 < start < 10


def test_huge_targets_are_reported():
    with pytest.warns(ConvergenceWarning, match="Training diverged"):
        MLPRegressor(**SMALL).fit(X, y * 1e200)


@pytest.mark.parametrize(
    "parameter",
    [
        {"gradient_clip": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"weight_decay": -1},
        {"n_threads": 0},
        {"callbacks": 3},
        {"max_time": -1},
        {"class_weight": 1},
    ],
    ids=str,
)
def test_further_parameters_are_checked(parameter):
    with pytest.raises(InvalidParameterError, match=next(iter(parameter))):
        MLPClassifier(**SMALL, **parameter).fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_threads", [None, 1, 2, 7])
def test_large_arrays_are_searched_on_all_threads(dtype, n_threads, monkeypatch):
    monkeypatch.setattr(_checks, "LARGE", 50)
    good = X.astype(dtype)
    assert _checks.surely_finite(good, 2)
    model = MLPClassifier(**SMALL, n_threads=n_threads).fit(good, y)
    good[3:5] = np.finfo(dtype).max  # an infinite sum of finite numbers
    assert not _checks.surely_finite(good, 2)
    assert model.predict(good).shape == (60,)
    assert not _checks.surely_finite(np.array([np.inf, -np.inf] * 30, dtype), 2)  # a sum that is NaN
    for value, place in ((np.nan, (0, 0)), (np.inf, (59, 3)), (-np.inf, (30, 2))):
        bad = X.astype(dtype)
        bad[place] = value
        assert not _checks.surely_finite(bad, 3)
        for call in (model.predict, lambda bad: model.fit(bad, y), lambda bad: model.partial_fit(bad, y)):
            with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
                call(bad)
