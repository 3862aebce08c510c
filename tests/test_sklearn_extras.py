"""What scikit-learn's classes do not have: further parameters, and conversions."""

import _thread
import pickle
import signal
import threading
import time

import numpy as np
import pytest
import sklearn
import sklearn.neural_network
from scipy import sparse
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from fastnet import Log, Network
from fastnet.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_classification(200, 8, n_informative=5, n_classes=3, weights=[0.7, 0.2, 0.1], random_state=0)
X_reg, y_reg = make_regression(200, 8, random_state=0)
y_reg /= y_reg.std()
SMALL = {"hidden_layer_sizes": 10, "max_iter": 8, "random_state": 0, "batch_size": 50}


@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.5, 2: 3.0}])
def test_class_weight_is_a_sample_weight(class_weight):
    weight = compute_sample_weight(class_weight, y)
    expected = MLPClassifier(**SMALL).fit(X, y, weight)
    got = MLPClassifier(**SMALL, class_weight=class_weight).fit(X, y)
    plain = MLPClassifier(**SMALL).fit(X, y)
    assert got.loss_curve_ == expected.loss_curve_ != plain.loss_curve_
    doubled = MLPClassifier(**SMALL, class_weight=class_weight).fit(X, y, np.full(len(y), 2.0))
    np.testing.assert_allclose(doubled.loss_curve_[-1], MLPClassifier(**SMALL).fit(X, y, 2 * weight).loss_curve_[-1])


def test_class_weight_in_partial_fit():
    weight = compute_sample_weight({0: 0.5}, y)
    expected = MLPClassifier(**SMALL).partial_fit(X, y, weight, classes=[0, 1, 2])
    got = MLPClassifier(**SMALL, class_weight={0: 0.5}).partial_fit(X, y, classes=[0, 1, 2])
    assert got.loss_ == expected.loss_
    with pytest.raises(ValueError, match=r"balanced.*needs all rows"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_validation_data(solver):
    model = MLPClassifier(**SMALL, solver=solver, validation_data=(X[:60], y[:60])).fit(X[60:], y[60:])
    assert len(model.validation_loss_curve_) == model.n_iter_
    assert model.validation_loss_curve_[-1] == pytest.approx(log_loss(y[:60], model.predict_proba(X[:60])))
    assert model.validation_loss_curve_[-1] < model.validation_loss_curve_[0]
    without = MLPClassifier(**SMALL, solver=solver).fit(X[60:], y[60:])
    assert without.loss_ == model.loss_
    assert without.validation_loss_curve_ is None


@pytest.mark.parametrize(
    ("estimator", "target", "expected"),
    [
        (MLPRegressor(**SMALL), y_reg, lambda model, T: 0.5 * np.mean((model.predict(X_reg) - T) ** 2)),
        (MLPClassifier(**SMALL), y == 1, lambda model, T: log_loss(T, model.predict_proba(X_reg))),
        (
            MLPRegressor("poisson", **SMALL),
            np.round(np.abs(y_reg)) + 1,
            lambda model, T: np.mean(T * np.log(T / model.predict(X_reg)) - T + model.predict(X_reg)),
        ),
    ],
    ids=["squared_error", "binary", "poisson"],
)
def test_validation_loss(estimator, target, expected):
    weight = np.ones(len(target))
    model = estimator.set_params(validation_data=(X_reg, target, weight)).fit(X_reg, target)
    assert model.validation_loss_curve_[-1] == pytest.approx(expected(model, target))
    assert model.validation_loss_curve_[-1] < model.validation_loss_curve_[0]


def test_early_stopping_on_validation_data():
    model = MLPClassifier(**SMALL, early_stopping=True, validation_data=(X[:60], y[:60])).fit(X[60:], y[60:])
    assert max(model.validation_scores_) == model.best_validation_score_ == model.score(X[:60], y[:60])
    assert model.t_ == 140 * model.n_iter_  # nothing more was set aside
    split = MLPClassifier(**SMALL, early_stopping=True).fit(X, y)
    assert len(split.validation_loss_curve_) == split.n_iter_


def test_regressors_early_stopping_score():
    model = MLPRegressor(**SMALL, early_stopping=True, validation_data=(X_reg[:60], y_reg[:60]))
    model.fit(X_reg[60:], y_reg[60:])
    assert model.best_validation_score_ == pytest.approx(model.score(X_reg[:60], y_reg[:60]))


@pytest.mark.parametrize("settings", [{}, {"solver": "sgd"}, {"solver": "sgd", "momentum": 0}], ids=str)
def test_gradient_clip(settings):
    plain = MLPRegressor(**SMALL, **settings).fit(X_reg, y_reg)
    never = MLPRegressor(**SMALL, **settings, gradient_clip=1e9).fit(X_reg, y_reg)
    np.testing.assert_allclose(never.loss_curve_, plain.loss_curve_, rtol=1e-9)
    wild = {**SMALL, "solver": "sgd", "learning_rate_init": 0.9, "max_iter": 20}
    clipped = MLPRegressor(**wild, gradient_clip=0.1).fit(X_reg, y_reg)
    assert clipped.loss_ < clipped.loss_curve_[0]
    with pytest.raises(ValueError, match="non-finite"):
        MLPRegressor(**wild).fit(10 * X_reg, y_reg)


def test_one_clipped_step_by_hand():
    settings = {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "alpha": 0, "random_state": 0, "max_iter": 1}
    start = MLPRegressor(**settings, learning_rate_init=1e-30).fit(X_reg, y_reg)
    error = (start.predict(X_reg) - y_reg) / len(y_reg)
    gradient = np.r_[X_reg.T @ error, error.sum()]
    limit = np.linalg.norm(gradient) / 2
    step = MLPRegressor(**settings, learning_rate_init=0.1, gradient_clip=limit).fit(X_reg, y_reg)
    before = np.r_[start.coefs_[0].ravel(), start.intercepts_[0]]
    after = np.r_[step.coefs_[0].ravel(), step.intercepts_[0]]
    np.testing.assert_allclose(before - after, 0.1 * gradient / 2, rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_dropout(solver):
    def fit(**settings):
        return MLPClassifier(**{**SMALL, "solver": solver, "dropout": 0.5, **settings}).fit(X, y)

    model = fit()
    for same in ({}, {"n_threads": 1}, {"n_threads": 3}, {"validation_data": (X, y)}):
        assert fit(**same).loss_curve_ == model.loss_curve_
    for other in ({"dropout": 0.0}, {"dropout": 0.4}, {"random_state": 1}):
        assert fit(**other).loss_curve_ != model.loss_curve_
    assert fit(dropout=0.0).loss_curve_ == MLPClassifier(**SMALL, solver=solver).fit(X, y).loss_curve_
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))  # nothing is dropped here
    first = model.loss_
    assert model.partial_fit(X, y).loss_ not in (first, model.partial_fit(X, y).loss_)


def test_dropout_keeps_a_wide_network_from_learning_noise_by_heart():
    rng = np.random.default_rng(0)
    noise, labels = rng.standard_normal((100, 20)), rng.integers(0, 2, 100)
    settings = {"hidden_layer_sizes": 100, "max_iter": 100, "random_state": 0, "learning_rate_init": 0.01}
    gaps = []
    for dropout in (0.0, 0.8):
        model = MLPClassifier(**settings, dropout=dropout, validation_data=(noise, labels)).fit(noise, labels)
        gaps.append(model.validation_loss_curve_[-1])
    assert gaps[0] < 0.1 * gaps[1] < 0.1 * np.log(2)


def test_one_step_with_dropout_by_hand():
    settings = {"hidden_layer_sizes": 50, "solver": "sgd", "momentum": 0, "alpha": 0, "random_state": 0, "max_iter": 1}
    start = MLPRegressor(**settings, activation="identity", learning_rate_init=1e-30).fit(X_reg[:1], y_reg[:1])
    step = MLPRegressor(**settings, activation="identity", dropout=0.5).fit(X_reg[:1], y_reg[:1])
    moved = (step.coefs_[1] != start.coefs_[1]).ravel()
    assert 10 < moved.sum() < 40
    A = 2 * (X_reg[0] @ start.coefs_[0] + start.intercepts_[0]) * moved
    error = A @ start.coefs_[1] + start.intercepts_[1] - y_reg[0]
    np.testing.assert_allclose(start.coefs_[1] - step.coefs_[1], 1e-3 * A[:, None] * error, rtol=1e-6, atol=1e-12)
    back = 2 * error * start.coefs_[1].ravel() * moved
    np.testing.assert_allclose(start.coefs_[0] - step.coefs_[0], 1e-3 * np.outer(X_reg[0], back), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("setting", [{"dropout": 0.1}, {"gradient_clip": 1.0}, {"weight_decay": 0.1}], ids=str)
def test_settings_of_batches_are_refused_with_lbfgs(setting):
    with pytest.raises(ValueError, match=f"{next(iter(setting))}=.* needs solver='sgd' or 'adam'"):
        MLPClassifier(solver="lbfgs", **setting).fit(X, y)


@pytest.mark.parametrize("clip", [None, 1e9])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_weight_decay_by_hand(solver, clip):
    settings = {
        **SMALL,
        "solver": solver,
        "max_iter": 1,
        "batch_size": 200,
        "learning_rate_init": 0.1,
        "gradient_clip": clip,
    }
    plain = MLPRegressor(**settings).fit(X_reg, y_reg)
    decayed = MLPRegressor(**settings, weight_decay=0.3).fit(X_reg, y_reg)
    start = MLPRegressor(**{**settings, "learning_rate_init": 1e-30}).fit(X_reg, y_reg)
    for W, W_decayed, W_start in zip(plain.coefs_, decayed.coefs_, start.coefs_, strict=True):
        np.testing.assert_allclose(W - W_decayed, 0.1 * 0.3 * W_start, rtol=1e-6, atol=1e-12)
    for b, b_decayed in zip(plain.intercepts_, decayed.intercepts_, strict=True):
        np.testing.assert_allclose(b_decayed, b, rtol=1e-12)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks(solver):
    seen = []

    def watch(model):
        seen.append((model.n_iter_, model.loss_, model.score(X, y)))
        return model.n_iter_ == 4

    model = MLPClassifier(**SMALL, solver=solver, callbacks=[watch, lambda model: None]).fit(X, y)
    assert [n for n, _, _ in seen] == [1, 2, 3, 4]
    assert model.n_iter_ == 4
    assert seen[-1][1:] == (model.loss_, model.score(X, y))
    expected = MLPClassifier(**{**SMALL, "max_iter": 4}, solver=solver).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])


def test_logs_are_callbacks_of_networks(tmp_path):
    with pytest.raises(TypeError, match=r"fastnet\.Log is a callback of fastnet\.train"):
        MLPClassifier(callbacks=Log(tmp_path / "run.csv")).fit(X, y)


def test_a_callback_may_change_the_weights():
    def prune(model):
        model.coefs_[0][0, :] = 0

    model = MLPClassifier(**{**SMALL, "max_iter": 1}, callbacks=prune).fit(X, y)
    assert not model.coefs_[0][0].any()
    after = MLPClassifier(**SMALL, callbacks=prune).fit(X, y)
    assert not after.coefs_[0][0].any()
    assert after.loss_curve_[1:] != MLPClassifier(**SMALL).fit(X, y).loss_curve_[1:]


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_max_time(solver):
    def dawdle(model):
        time.sleep(0.02)

    model = MLPClassifier(solver=solver, max_iter=10_000, max_time=0.05, callbacks=dawdle, tol=0)
    with pytest.warns(ConvergenceWarning, match="max_time"):
        model.fit(X, y)
    assert 1 <= model.n_iter_ <= 3


def test_interrupt_keeps_the_weights():
    def interrupt(model):
        if model.n_iter_ == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model = MLPClassifier(**SMALL, callbacks=interrupt).fit(X, y)
    expected = MLPClassifier(**{**SMALL, "max_iter": 3}).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert model.n_iter_ == 3


def test_an_interrupted_lbfgs_keeps_the_last_iterate(monkeypatch):
    """Not a point that was only tried on the way to the next one."""
    from fastnet.sklearn import _lbfgs

    evaluate, seen = _lbfgs.Objective.__call__, []

    def interrupted(self, params):
        seen.append(params.copy())
        if len(seen) == 12:
            raise KeyboardInterrupt
        return evaluate(self, params)

    iterates = []
    model = MLPClassifier(solver="lbfgs", random_state=0, callbacks=lambda m: iterates.append(m.coefs_[0].copy()))
    monkeypatch.setattr(_lbfgs.Objective, "__call__", interrupted)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model.fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], iterates[-1])
    assert model.n_iter_ == len(iterates)


def test_an_interrupt_leaves_no_epoch_half_recorded(monkeypatch):
    from fastnet.sklearn._stochastic import Fit

    record = Fit._record_score

    def interrupted(self, score):
        if self.model.n_iter_ == 3:
            signal.raise_signal(signal.SIGINT)
        record(self, score)

    monkeypatch.setattr(Fit, "_record_score", interrupted)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model = MLPClassifier(**SMALL, early_stopping=True).fit(X, y)
    assert len(model.loss_curve_) == len(model.validation_scores_) == model.n_iter_ == 3


def test_control_c_ends_a_fit():
    timer = threading.Timer(0.3, _thread.interrupt_main)
    model = MLPClassifier(hidden_layer_sizes=50, max_iter=10**9, n_iter_no_change=np.inf)
    timer.start()
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model.fit(X, y)
    assert model.n_iter_ >= 1
    assert np.isfinite(model.coefs_[0]).all()
    assert len(model.predict(X)) == len(X)


def test_the_number_of_threads_changes_no_bit():
    curves = [MLPClassifier(**SMALL, n_threads=threads).fit(X, y).loss_curve_ for threads in (1, 2, 3, None)]
    assert curves[0] == curves[1] == curves[2] == curves[3]


@pytest.mark.skipif(not hasattr(MLPClassifier, "set_callbacks"), reason="this scikit-learn has no callbacks")
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_scikit_learns_callbacks(solver):
    class Recorder:
        def __init__(self):
            self.begun, self.ended, self.scores, self.torn_down = 0, 0, [], False

        def setup(self, estimator, context):
            assert context.max_subtasks == 8

        def teardown(self, estimator, context):
            self.torn_down = True

        def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
            self.begun += 1

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
            self.ended += 1
            if context.parent is not None:
                self.scores.append(fitted_estimator.score(X, y))
            return estimator.n_iter_ == 5

    recorder = Recorder()
    model = MLPClassifier(**SMALL, solver=solver).set_callbacks(recorder).fit(X, y)
    assert recorder.begun == recorder.ended == 6  # five epochs and the fit itself
    assert recorder.torn_down
    assert model.n_iter_ == len(recorder.scores) == 5
    assert recorder.scores[-1] == model.score(X, y)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("target", [y, y == 1, np.c_[y == 1, y > 0]], ids=["multiclass", "binary", "multilabel"])
def test_classifier_to_scikit_learn_and_back(target, solver):
    ours = MLPClassifier(**SMALL, solver=solver, class_weight=None, n_threads=1).fit(X, target)
    theirs = ours.to_sklearn()
    assert type(theirs) is sklearn.neural_network.MLPClassifier
    back = MLPClassifier.from_sklearn(theirs)
    for model in (theirs, back):
        np.testing.assert_array_equal(model.predict(X), ours.predict(X))
        np.testing.assert_allclose(model.predict_proba(X), ours.predict_proba(X), rtol=1e-9)
    theirs.coefs_[0][:] = 0
    assert ours.coefs_[0].any()
    assert back.coefs_[0].any()
    if solver == "adam":
        back.partial_fit(X, target)
        theirs.partial_fit(X, target)


def test_regressor_from_scikit_learn_and_back():
    if "loss" not in sklearn.neural_network.MLPRegressor().get_params():
        with pytest.raises(ValueError, match="does not know loss='poisson'"):
            MLPRegressor("poisson", **SMALL).fit(X_reg, np.abs(y_reg)).to_sklearn()
        return
    theirs = sklearn.neural_network.MLPRegressor(loss="poisson", **SMALL).fit(X_reg, np.abs(y_reg))
    ours = MLPRegressor.from_sklearn(theirs)
    assert (ours.loss, ours.n_iter_, ours.loss_curve_) == ("poisson", 8, theirs.loss_curve_)
    np.testing.assert_allclose(ours.predict(X_reg), theirs.predict(X_reg), rtol=1e-12)
    np.testing.assert_allclose(ours.to_sklearn().predict(X_reg), theirs.predict(X_reg), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [y, y == 1, np.c_[y == 1, y > 0]], ids=["multiclass", "binary", "multilabel"])
def test_classifier_to_network_and_back(target, dtype):
    model = MLPClassifier(**SMALL, activation="logistic").fit(X.astype(dtype), target)
    network = model.to_network()
    assert (network.dtype, network.sizes, network.hidden) == (dtype, [8, 10, model.n_outputs_], "sigmoid")
    outputs = network.predict_proba(X.astype(dtype))
    np.testing.assert_array_equal(outputs[:, -1], model.predict_proba(X.astype(dtype))[:, -1])
    classes = model.classes_ if target.ndim == 1 else None
    back = MLPClassifier.from_network(network, classes, alpha=0.5)
    assert (back.hidden_layer_sizes, back.activation, back.alpha) == ((10,), "logistic", 0.5)
    np.testing.assert_array_equal(back.predict(X.astype(dtype)), model.predict(X.astype(dtype)))
    back.partial_fit(X.astype(dtype), target)
    assert np.isfinite(back.loss_)


def test_softmax_over_two_classes():
    network = Network([8, 4, 2], output="softmax", dtype="float64", seed=1)
    model = MLPClassifier.from_network(network, ["no", "yes"])
    np.testing.assert_array_equal(model.predict(X) == "yes", network.predict(X) == 1)
    np.testing.assert_array_equal(model.predict_proba(X), network.predict_proba(X))
    assert model.partial_fit(X, np.where(y == 1, "yes", "no")).loss_ < 2


@pytest.mark.parametrize("hidden", ["gelu", "leaky_relu", ("relu", "tanh")])
def test_networks_that_scikit_learn_cannot_express(hidden):
    with pytest.raises(ValueError, match="must have one activation, identity, sigmoid, tanh or relu, in all hidden"):
        MLPClassifier.from_network(Network([8, 4, 4, 2], hidden=hidden))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_regressor_to_network_and_back(loss):
    model = MLPRegressor(loss, **SMALL).fit(X_reg, np.abs(y_reg))
    back = MLPRegressor.from_network(model.to_network())
    assert back.loss == loss
    np.testing.assert_array_equal(back.predict(X_reg), model.predict(X_reg))


PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8)).astype(np.uint8)
FORMS = [PIXELS, PIXELS.astype("i8"), PIXELS.tolist(), PIXELS / 255, (PIXELS / 255).astype("f4"), PIXELS > 99]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_integers_mean_the_same_to_a_network_and_an_estimator_made_of_it(tmp_path, scale, dtype):
    sizes = {"softmax": [8, 4, 3], "sigmoid": [8, 4, 1]}
    for output, layers in sizes.items():
        network = Network(layers, output=output, dtype=dtype, seed=3, input_scale=scale)
        model = MLPClassifier.from_network(network)
        for again in (model, pickle.loads(pickle.dumps(model)), model.to_network()):
            for form in FORMS:
                np.testing.assert_array_equal(again.predict(form), network.predict(form))
                ours, theirs = again.predict_proba(form)[:, -1], network.predict_proba(form)[:, -1]
                np.testing.assert_array_equal(ours, theirs)
        assert model.to_network().input_scale == scale
    network = Network([8, 4, 2], output="identity", dtype=dtype, seed=1, input_scale=scale)
    model = MLPRegressor.from_network(network)
    for form in (PIXELS, PIXELS.astype("i4"), sparse.csr_array(PIXELS)):
        np.testing.assert_allclose(model.predict(form), network.predict(PIXELS), rtol=1e-4)
    assert np.ptp(model.predict(PIXELS)) > 0.01


def test_a_network_from_an_estimator_takes_integers_as_scikit_learn_does():
    target = np.where(PIXELS[:, 0] > 99, "yes", "no")
    model = MLPClassifier(**SMALL).fit(PIXELS, target)
    network = model.to_network()
    assert (network.input_scale, network.class_names) == (1.0, ("no", "yes"))
    for form in (PIXELS, PIXELS.astype("i8"), PIXELS.astype("f4"), PIXELS.astype("f8")):
        np.testing.assert_allclose(network.predict_proba(form)[:, 0], model.predict_proba(form)[:, 1], rtol=1e-6)
        assert (np.array(network.class_names)[network.predict(form)] == model.predict(form)).all()
    back = MLPClassifier.from_network(network)
    assert back.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(back.predict(PIXELS), model.predict(PIXELS))
    unsorted = Network([8, 2], class_names=["yes", "no"])
    assert MLPClassifier.from_network(unsorted).classes_.tolist() == [0, 1]
    assert MLPClassifier(**SMALL).fit(X, y).to_network().class_names is None
    assert MLPRegressor(**SMALL).fit(X_reg, y_reg).to_network().class_names is None


@pytest.mark.parametrize("how", ["partial_fit", "warm_start"])
def test_training_goes_on_in_the_units_of_the_network(how):
    network, target = Network([8, 4, 3], seed=1, dtype="float64"), np.arange(60) % 3
    models = [MLPClassifier.from_network(network, random_state=0, max_iter=2, warm_start=True) for _ in range(3)]
    for model, form in zip(models, (PIXELS, PIXELS.astype("i8"), PIXELS * (1 / 255)), strict=True):
        (model.partial_fit if how == "partial_fit" else model.fit)(form, target)
    assert models[0].loss_curve_ == models[1].loss_curve_ == models[2].loss_curve_
    np.testing.assert_array_equal(models[0].coefs_[0], models[2].coefs_[0])
    new, model = MLPClassifier(**SMALL).fit(PIXELS, target), MLPClassifier.from_network(network, **{})
    model.set_params(**new.get_params()).fit(PIXELS, target)  # new weights: all of it as in scikit-learn
    assert model.loss_curve_ == new.loss_curve_
    np.testing.assert_array_equal(model.predict_proba(PIXELS), new.predict_proba(PIXELS))
    assert model.to_network().input_scale == 1


def test_scikit_learns_class_cannot_keep_a_scale():
    network = Network([8, 4, 3], seed=1, dtype="float64")
    with pytest.warns(UserWarning, match=r"takes them as plain numbers: give its estimator X \* 0\.00392157") as seen:
        theirs = MLPClassifier.from_network(network).to_sklearn()
    assert seen[0].filename == __file__
    np.testing.assert_allclose(theirs.predict_proba(PIXELS * (1 / 255)), network.predict_proba(PIXELS), rtol=1e-9)
    network.input_scale = 1
    theirs = MLPClassifier.from_network(network).to_sklearn()
    np.testing.assert_allclose(theirs.predict_proba(PIXELS), network.predict_proba(PIXELS), rtol=1e-9)


def test_conversions_refuse_strangers():
    softmax, identity = Network([2, 2]), Network([2, 2], output="identity")
    with pytest.raises(ValueError, match="classifier needs softmax or sigmoid outputs, the network's are identity"):
        MLPClassifier.from_network(identity)
    with pytest.raises(ValueError, match="regressor needs identity or exp outputs, the network's are softmax"):
        MLPRegressor.from_network(softmax)
    with pytest.raises(ValueError, match="2 different labels in ascending order"):
        MLPClassifier.from_network(softmax, ["b", "a"])
    with pytest.raises(TypeError, match=r"MLPClassifier\.from_sklearn takes .* got MLPRegressor"):
        MLPClassifier.from_sklearn(sklearn.neural_network.MLPRegressor())
    with pytest.raises(NotFittedError):
        MLPClassifier.from_sklearn(sklearn.neural_network.MLPClassifier())
    with pytest.raises(NotFittedError):
        MLPRegressor().to_sklearn()
