"""The numbers of scikit-learn: loss curves, scores and predictions from the same random state."""

import inspect
import itertools

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network

import fastnet.sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, D = 150, 7
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


def _problems() -> dict:
    rng = np.random.RandomState(0)
    X = rng.randn(N, D)
    y = X @ rng.randn(D) + rng.randn(N)
    classes = np.digitize(y, [-1, 1])
    return {
        "X": X,
        "weight": rng.rand(N) + 0.1,
        "multiclass": ("MLPClassifier", np.array([3, 10, 20])[classes], {}),
        "binary": ("MLPClassifier", classes == 1, {}),
        "multilabel": ("MLPClassifier", (rng.rand(N, 4) > 0.5).astype(int), {}),
        "regression": ("MLPRegressor", y, {}),
        "two outputs": ("MLPRegressor", np.c_[y, X[:, 0] ** 2], {}),
        "poisson": ("MLPRegressor", rng.poisson(np.exp(X[:, 0])), {"loss": "poisson"}),
    }


PROBLEMS = _problems()
TASKS = tuple(PROBLEMS)[2:]
SETTINGS = {
    "adam": {},
    "adam, sizes": {"hidden_layer_sizes": (6, 5, 4), "batch_size": 17, "beta_1": 0.5, "epsilon": 1e-3},
    "adam, linear": {"hidden_layer_sizes": (), "batch_size": 1},
    "adam, in order": {"shuffle": False, "alpha": 0.5},
    "adam, early stopping": {"early_stopping": True, "batch_size": 20},
    "sgd, nesterov": {"solver": "sgd", "batch_size": 32},
    "sgd, classical": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3, "batch_size": 40},
    "sgd, adaptive": {"solver": "sgd", "momentum": 0, "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1},
    "sgd, early stopping": {"solver": "sgd", "early_stopping": True, "validation_fraction": 0.3, "batch_size": 50},
    "sgd, all rows": {"solver": "sgd", "batch_size": N, "alpha": 0},
}


def both(task: str, **settings):
    """The same estimator of scikit-learn and of fastnet."""
    name, _, own = PROBLEMS[task]
    settings = {"max_iter": 10, "random_state": 3, "hidden_layer_sizes": 12, **own, **settings}
    upstream = getattr(sklearn.neural_network, name)
    if own and not own.keys() <= upstream().get_params().keys():
        pytest.skip(f"this scikit-learn does not know {own}")
    return upstream(**settings), getattr(fastnet.sklearn, name)(**settings)


def weights_of(turn: int) -> tuple[np.ndarray, ...]:
    """The third argument of fit at every other turn, where this scikit-learn takes one."""
    takes_weights = "sample_weight" in inspect.signature(sklearn.neural_network.MLPClassifier.fit).parameters
    return (PROBLEMS["weight"],) if turn % 2 and takes_weights else ()


def assert_same_course(theirs, ours):
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    assert ours._no_improvement_count == theirs._no_improvement_count
    for name in ("validation_scores_", "best_validation_score_", "best_loss_", "loss_"):
        if getattr(theirs, name) is None:
            assert getattr(ours, name) is None
        else:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-12)
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def assert_same_predictions(theirs, ours, X):
    for method in ("predict_proba", "predict"):
        if hasattr(theirs, method):
            expected = getattr(theirs, method)(X)
            got = getattr(ours, method)(X)
            assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9)
            else:
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("task", TASKS)
def test_loss_curve(task, name):
    X, y = PROBLEMS["X"], PROBLEMS[task][1]
    # every activation meets every setting, with weights and without, spread over the tasks
    turn = list(SETTINGS).index(name) + TASKS.index(task)
    weight = weights_of(turn)
    activation = ACTIVATIONS[turn // 2 % 4]
    theirs, ours = both(task, activation=activation, learning_rate_init=0.01, **SETTINGS[name])
    theirs.fit(X, y, *weight)
    ours.fit(X, y, *weight)
    assert len(ours.loss_curve_) > 2
    assert_same_course(theirs, ours)
    assert_same_predictions(theirs, ours, X)


@pytest.mark.parametrize(("task", "activation"), list(zip(TASKS, itertools.cycle(ACTIVATIONS), strict=False)))
@pytest.mark.parametrize("weighted", [False, True])
def test_lbfgs(task, activation, weighted):
    X, y = PROBLEMS["X"], PROBLEMS[task][1]
    weight = weights_of(weighted)
    theirs, ours = both(task, activation=activation, solver="lbfgs", alpha=0.1)
    theirs.fit(X, y, *weight)
    ours.fit(X, y, *weight)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    assert ours.n_iter_ == theirs.n_iter_
    assert not hasattr(ours, "loss_curve_")


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_sparse(task, solver, container):
    X = np.where(PROBLEMS["X"] > 0.8, PROBLEMS["X"], 0)
    y = PROBLEMS[task][1]
    theirs, ours = both(task, solver=solver, early_stopping=True)
    theirs.fit(container(X), y)
    ours.fit(container(X), y)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6 if solver == "lbfgs" else 1e-9)
    if solver != "lbfgs":
        assert_same_predictions(theirs, ours, container(X))


@pytest.mark.parametrize("label", [0, "cat"])
def test_one_class_with_early_stopping(label):
    """The one class is predicted whatever the outputs are."""
    theirs, ours = both("multiclass", early_stopping=True, max_iter=5)
    ours.fit(PROBLEMS["X"], [label] * N)
    assert ours.validation_scores_ == [1.0] * 5
    assert ours.predict(PROBLEMS["X"]).tolist() == [label] * N
    if label == "cat" and sklearn.__version__ == "1.6.0":
        pytest.skip("this scikit-learn looks for NaN among the labels, and fails on text")
    theirs.fit(PROBLEMS["X"], [label] * N)
    assert theirs.validation_scores_ == [1.0] * 5
    assert_same_course(theirs, ours)
    assert_same_predictions(theirs, ours, PROBLEMS["X"])


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit(task, solver):
    X, y = PROBLEMS["X"], PROBLEMS[task][1]
    theirs, ours = both(task, solver=solver, learning_rate="invscaling", batch_size=20)
    classes = {}
    if task != "regression":
        classes["classes"] = np.arange(4) if task == "multilabel" else np.unique(y)
    for model in (theirs, ours):
        for rows in np.array_split(np.arange(N), 3):
            model.partial_fit(X[rows], y[rows], **classes)
        model.set_params(learning_rate_init=0.5)  # without effect: the optimizer of the first call goes on
        model.partial_fit(X, y)
    assert_same_course(theirs, ours)


@pytest.mark.parametrize("settings", [{}, {"solver": "sgd"}, {"early_stopping": True}], ids=str)
def test_warm_start(settings):
    X, y = PROBLEMS["X"], PROBLEMS["multiclass"][1]
    theirs, ours = both("multiclass", warm_start=True, batch_size=30, **settings)
    for model in (theirs, ours):
        model.fit(X, y).set_params(max_iter=4, tol=1e-6).fit(X, y)
    assert len(ours.loss_curve_) == 14
    assert_same_course(theirs, ours)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_warm_start_that_never_beats_the_best_score(shuffle):
    X, y = PROBLEMS["X"], PROBLEMS["multiclass"][1]
    theirs, ours = both("multiclass", warm_start=True, early_stopping=True, shuffle=shuffle, learning_rate_init=0.05)
    for model in (theirs, ours):
        model.fit(X, y).set_params(learning_rate_init=1e-5).fit(X, y)
        assert max(model.validation_scores_[:10]) == max(model.validation_scores_)
        model.fit(X, y)
    assert_same_course(theirs, ours)
    assert_same_predictions(theirs, ours, X)


def test_coefs_are_the_source_of_truth():
    X, y = PROBLEMS["X"], PROBLEMS["regression"][1]
    theirs, ours = both("regression")
    for model in (theirs, ours):
        model.fit(X, y)
        model.coefs_[0][:, 0] = 1.0
        model.intercepts_[1] = np.array([0.5])
        model.partial_fit(X, y)
    assert_same_course(theirs, ours)
    assert_same_predictions(theirs, ours, X)


@pytest.mark.parametrize("task", ["multiclass", "binary", "regression"])
def test_float32(task):
    X, y = PROBLEMS["X"].astype(np.float32), PROBLEMS[task][1]
    theirs, ours = both(task, batch_size=20)
    theirs.fit(X, y)
    ours.fit(X, y)
    assert {a.dtype for a in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float32)}
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    mixed = ours.predict(X.astype(np.float64))  # computed in the wider of the two types
    assert mixed.dtype == theirs.predict(X.astype(np.float64)).dtype


def test_gradient_has_scikit_learns_layout():
    X = PROBLEMS["X"]
    scratch = [[X, None, None], [None, None], [None, None], [None, None]]
    for task in ("multiclass", "regression"):
        theirs, ours = both(task, solver="lbfgs")
        y = PROBLEMS[task][1]
        theirs.fit(X, y)
        ours.fit(X, y)
        theta = np.hstack([part.ravel() for part in theirs.coefs_ + theirs.intercepts_])
        Y = theirs._label_binarizer.transform(y) if task == "multiclass" else y[:, None]
        arguments = theta, X, Y, *weights_of(1), *scratch
        loss, gradient = ours._loss_grad_lbfgs(*arguments)
        expected_loss, expected = theirs._loss_grad_lbfgs(*arguments)
        assert loss == pytest.approx(expected_loss, rel=1e-12)
        np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "settings", [{}, {"solver": "sgd", "learning_rate": "adaptive"}, {"early_stopping": True}], ids=str
)
def test_stops_when_scikit_learn_stops(settings, capsys):
    X, y = PROBLEMS["X"], PROBLEMS["multiclass"][1]
    patience = {"tol": 0.02, "n_iter_no_change": 2, "max_iter": 200, "learning_rate_init": 0.01, "verbose": True}
    theirs, ours = both("multiclass", **patience, **settings)
    printed = []
    for model in (theirs, ours):
        model.fit(X, y)
        lines = capsys.readouterr().out.splitlines()
        printed.append([line for line in lines if line.startswith(("Iteration", "Validation score:"))])
    assert 3 < theirs.n_iter_ < 200
    assert_same_course(theirs, ours)
    assert printed[0] == printed[1]
