"""Early stopping, plateaus, time limits, callbacks between steps; penalties and weights, each against the oracle."""

import numpy as np
import pytest

import fastnet
from fastnet.driver.stopping import MONITORS, Patience, rises
from fastnet.driver.weights import row_weights
from fastnet.schedules import Plateau


@pytest.fixture
def digits(rng):
    """Pixels (300, 70), a fifth of them not zero, with labels that depend on them."""
    X = np.where(rng.random((300, 70)) < 0.2, rng.integers(1, 256, (300, 70)), 0).astype(np.uint8)
    return X, X.reshape(300, 5, 14).sum(axis=2, dtype=np.int64).argmax(axis=1)


def network(dtype="float32", hidden="sigmoid", output="softmax", sizes=(70, 9, 5)):
    return fastnet.Network(list(sizes), hidden=hidden, output=output, dtype=dtype, seed=3)


SETTINGS = {
    "dropout": {"dropout": 0.3},
    "clip_norm": {"clip_norm": 0.05},
    "weight_decay": {"weight_decay": 0.5},
    "label_smoothing": {"label_smoothing": 0.2},
    "class_weight": {"class_weight": {0: 3, 2: 0.5}},
    "balanced": {"class_weight": "balanced"},
    "sample_weight": {"sample_weight": np.arange(300) % 3},
    "warmup": {"warmup": 0.5, "schedule": "one_cycle"},
    "plateau": {"schedule": Plateau(patience=1, min_delta=10)},
    "step": {"schedule": "step:every=1,factor=0.5"},
    "inverse": {"schedule": "inverse"},
    "augment": {"augment": fastnet.Augment(shift=1, rotate=20, shape=(7, 10))},
    "all": {
        "dropout": 0.2, "clip_norm": 0.5, "weight_decay": 0.1, "label_smoothing": 0.1, "class_weight": "balanced",
        "sample_weight": np.ones(300), "warmup": 1, "schedule": "cosine", "l2": 1e-3,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("optimizer", [fastnet.SGD(0.3), fastnet.Momentum(0.1), fastnet.Adam(0.01)])
@pytest.mark.filterwarnings("ignore:Training went nowhere")  # a few steps at any rate: what counts is that both agree
def test_backends_agree_step_by_step(digits, name, optimizer):
    losses, params = [], []
    if name == "augment":  # bytes may be rounded either way; test_augmentation has them
        digits = digits[0] / 255, digits[1]
    for backend in ("numba", "reference"):
        net, seen = network("float64"), Steps()
        fastnet.train(
            net, *digits, epochs=3, batch_size=64, optimizer=optimizer, seed=7, backend=backend, callbacks=[seen],
            validation=digits, **SETTINGS[name],
        )  # fmt: skip
        losses.append(seen.losses)
        params.append(net.params)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(params[0], params[1], rtol=1e-9, atol=1e-9)
    assert len(losses[0]) == 15


@pytest.mark.parametrize("name", SETTINGS)
def test_the_bits_are_the_same_on_any_number_of_threads(digits, name):
    found = []
    for threads in (1, 2, 3):
        net = network()
        fastnet.train(net, *digits, epochs=2, batch_size=48, seed=1, threads=threads, **SETTINGS[name])
        found.append(net.params.copy())
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_changes_the_run(digits, name):
    nets = [network(), network()]
    for net, settings in zip(nets, ({}, SETTINGS[name]), strict=True):
        fastnet.train(net, *digits, epochs=3, batch_size=48, optimizer=fastnet.SGD(0.3), seed=1, **settings)
    assert not np.array_equal(nets[0].params, nets[1].params)


class Steps:
    """A callback that notes every step."""

    every = 1

    def __init__(self):
        self.losses, self.steps = [], []

    def __call__(self, net, epoch):
        pass

    def step(self, net, step):
        self.losses.append(step.loss)
        self.steps.append((step.step, step.epoch, step.lr))


def test_steps_are_told(digits):
    seen = Steps()
    history = fastnet.train(network(), *digits, epochs=2, batch_size=100, optimizer=fastnet.SGD(0.1), callbacks=seen)
    assert seen.steps == [(i, 1 + (i > 3), 0.1) for i in range(1, 7)]
    assert np.mean(seen.losses[:3]) == pytest.approx(history[0].loss)


@pytest.mark.parametrize("every", [1, 2, 4, 7])
def test_a_callback_between_steps_may_stop_the_run_and_change_the_weights(digits, every):
    class Stop(Steps):
        def step(self, net, step):
            super().step(net, step)
            net.W[1][:] = 0
            return step.step >= 9

    stop, net = Stop(), network()
    stop.every = every
    history = fastnet.train(net, *digits, epochs=9, batch_size=50, optimizer=fastnet.SGD(1e-30), callbacks=[stop])
    last = -(-9 // every) * every
    assert [step for step, *_ in stop.steps] == list(range(every, last + 1, every))
    assert history.stopped == "callback"
    assert len(history) == -(-last // 6)
    assert (net.W[1] == 0).all()


def test_callbacks_need_a_number_of_steps(digits):
    class Bad(Steps):
        every = 0

    with pytest.raises(ValueError, match="every of the callback Bad must be a whole number"):
        fastnet.train(network(), *digits, callbacks=Bad())


def test_patience_by_hand():
    patience = Patience(2, 0.1, rising=False)
    found = [patience.improves(value) for value in (1.0, 0.95, 0.85, float("nan"), 0.8)]
    assert found == [True, False, True, False, False]
    assert patience.is_over
    assert patience.best == 0.85
    rising = Patience(1, 0.0, rising=True)
    assert [rising.improves(value) for value in (0.5, 0.6, 0.6)] == [True, True, False]
    assert [rises(monitor) for monitor in MONITORS] == [False, True, True, False, False, True, True]


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy", None])
def test_patience_restores_the_best_weights(rng, backend, monitor):
    X, y = rng.standard_normal((120, 20)), rng.integers(0, 2, 120)  # noise: validation gets worse soon
    net, kept = network(sizes=(20, 30, 2), hidden="tanh"), []
    history = fastnet.train(
        net, X[:60], y[:60], epochs=200, batch_size=10, optimizer=fastnet.Adam(0.01), seed=0, backend=backend,
        validation=(X[60:], y[60:]), patience=4, monitor=monitor,
        callbacks=[lambda net, epoch: kept.append(net.params.copy())],
    )  # fmt: skip
    values = [getattr(epoch, monitor or "val_loss") for epoch in history]
    best = int(np.argmax(values) if monitor == "val_accuracy" else np.argmin(values))
    assert history.stopped == "patience"
    assert history.best_epoch == best + 1
    assert len(history) == best + 1 + 4
    assert (net.params == kept[best]).all()


def test_the_best_weights_are_restored_after_the_last_epoch_too(rng):
    X, y = rng.standard_normal((120, 20)), rng.integers(0, 2, 120)
    net = network(sizes=(20, 30, 2), hidden="tanh")
    history = fastnet.train(
        net, X[:60], y[:60], epochs=30, batch_size=10, optimizer=fastnet.Adam(0.01), seed=0, patience=29,
        validation=(X[60:], y[60:]),
    )  # fmt: skip
    assert history.stopped is None
    assert history.best_epoch < 30
    assert net.evaluate(X[60:], y[60:]).loss == history[history.best_epoch - 1].val_loss


def test_a_plateau_lowers_the_rate(digits):
    schedule = Plateau(factor=0.5, patience=2, min_delta=100)  # nothing is ever better
    history = fastnet.train(network(), *digits, epochs=7, optimizer=fastnet.SGD(0.4), schedule=schedule, seed=0)
    assert [epoch.lr for epoch in history] == [0.4, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1]


def test_a_time_limit_ends_a_run_within_an_epoch(digits):
    net, X = network(), np.tile(digits[0], (400, 1))
    history = fastnet.train(net, X, np.tile(digits[1], 400), epochs=10**6, batch_size=10, time_limit=0.3, seed=0)
    assert history.stopped == "time_limit"
    assert np.isfinite(history[-1].loss)
    assert history[-1].seconds > 0


def test_what_patience_needs(digits):
    with pytest.raises(ValueError, match=r"monitor 'val_loss' is not measured.*validation rows"):
        fastnet.train(network(), *digits, patience=3)
    with pytest.raises(ValueError, match="monitor 'val_r2' is not measured"):
        fastnet.train(network(), *digits, patience=3, monitor="val_r2", validation=digits)
    with pytest.raises(ValueError, match="did you mean 'val_loss'"):
        fastnet.train(network(), *digits, patience=3, monitor="val_los", validation=digits)
    assert fastnet.train(network(), *digits, epochs=2, patience=1, monitor="loss").best_epoch is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patience": 0}, "patience must be a whole number"),
        ({"min_delta": -1}, "min_delta must be a finite number at least 0"),
        ({"time_limit": 0}, "time_limit must be a finite number above 0"),
        ({"dropout": 1}, "dropout must be a finite number at least 0 and below 1"),
        ({"dropout": [0.1, 0.2]}, "dropout must be a number, or 1, one per hidden layer, got 2"),
        ({"dropout": [1.5]}, r"dropout\[0\]"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"clip_norm": 0}, "clip_norm must be a finite number above 0"),
        ({"label_smoothing": 1}, "label_smoothing"),
        ({"class_weight": "even"}, "class_weight must be 'balanced', 5 numbers or a dict, got 'even'"),
        ({"class_weight": [1, 2]}, "class_weight must be 5 finite numbers"),
        ({"class_weight": {7: 1}}, "class_weight must name classes from 0 to 4, got 7"),
        ({"class_weight": [0] * 5}, "the weights of all rows are zero"),
        ({"sample_weight": [1, 2]}, "sample_weight must be 300 numbers, one for each row"),
        ({"sample_weight": -np.ones(300)}, "sample_weight must not be negative, got -1 in row 0"),
        ({"sample_weight": np.full(300, np.nan)}, "sample_weight must be finite"),
        ({"augment": "spin"}, "augment"),
        ({"augment": "shift"}, "square"),
        ({"augment": fastnet.Augment(shift=10, shape=(7, 10))}, "shift of augment must be smaller than the images"),
        ({"warmup": 9}, "warmup must be shorter than the run of 9 epochs"),
        ({"monitor": "loss"}, "monitor is for patience or a schedule 'plateau'"),
        ({"min_delta": 0.1}, "min_delta is for patience or a schedule 'plateau'"),
        ({"time_limit": "soon"}, "time_limit: expected a time like 90s"),
        ({"schedule": lambda done: float("nan")}, "schedule must give finite factors from 0 on"),
        ({"schedule": lambda done: -1}, "got a learning rate of -0.001"),
    ],
)
def test_bad_settings(digits, change, words):
    with pytest.raises(ValueError, match=words):
        fastnet.train(network(), *digits, **change)


def test_dropout_needs_hidden_layers(digits):
    with pytest.raises(ValueError, match="dropout is for hidden layers, and the network has none"):
        fastnet.train(network(sizes=(70, 5)), *digits, dropout=0.2)


def test_class_weights_with_a_single_output(rng):
    X, y = rng.standard_normal((60, 4)), rng.integers(0, 2, 60)
    history = fastnet.train(
        network(output="sigmoid", sizes=(4, 3, 1)), X, y, epochs=2, class_weight="balanced", time_limit="1h"
    )
    assert len(history) == 2


def test_what_a_regression_cannot_have(rng):
    X, y = rng.random((30, 4)), rng.random(30)
    for settings, words in (({"label_smoothing": 0.1}, "got 'mse'"), ({"class_weight": "balanced"}, "needs labels")):
        with pytest.raises(ValueError, match=words):
            fastnet.train(network(output="identity", sizes=(4, 3, 1)), X, y, **settings)


def test_row_weights_by_hand():
    y = np.array([0, 0, 0, 1])
    balanced = row_weights(y, 2, "balanced", None, np.dtype("f8"))
    np.testing.assert_allclose(balanced, [4 / 6, 4 / 6, 4 / 6, 2])
    weight = row_weights(y, 2, {1: 3}, [1, 0, 2, 1], np.dtype("f4"))
    np.testing.assert_allclose(weight, np.array([1, 0, 2, 3]) / 1.5, rtol=1e-6)
    np.testing.assert_allclose(row_weights(y[:, None], 1, {1: 3}, None, np.dtype("f8")), [2 / 3, 2 / 3, 2 / 3, 2])
    for size in (1e-50, 1e39):
        np.testing.assert_allclose(row_weights(y, 2, None, np.full(4, size), np.dtype("f4")), [1, 1, 1, 1])
    assert row_weights(y, 2, None, None, np.dtype("f4")) is None


def test_rows_that_weigh_nothing_do_not_count(digits):
    X, y = digits
    nets, weight = [network("float64"), network("float64")], (np.arange(300) < 100).astype(float)
    settings = {"epochs": 4, "batch_size": 300, "optimizer": fastnet.SGD(0.5), "seed": 0}
    histories = [
        fastnet.train(nets[0], X, y, sample_weight=weight, **settings),
        fastnet.train(nets[1], X[:100], y[:100], **settings),
    ]
    assert histories[0][-1].loss == pytest.approx(histories[1][-1].loss)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-9)


def test_balanced_classes_help_the_rare_one(rng):
    X = rng.standard_normal((400, 5))
    y = (X[:, 0] + 0.5 * rng.standard_normal(400) > 1.5).astype(int)
    recalls = []
    for class_weight in (None, "balanced"):
        net = network(sizes=(5, 2))
        fastnet.train(net, X, y, epochs=30, optimizer=fastnet.Adam(0.02), class_weight=class_weight, seed=0)
        recalls.append((net.predict(X) == 1)[y == 1].mean())
    assert recalls[1] > recalls[0] + 0.1


def test_find_lr(digits):
    net = network()
    before = net.params.copy()
    found = fastnet.find_lr(net, *digits, batch_size=300, optimizer=fastnet.Adam(), low=1e-5, high=1e2, seed=0)
    assert (net.params == before).all()
    assert found.lrs[0] == pytest.approx(1e-5)
    assert (np.diff(np.log(found.lrs)) > 0).all()
    assert len(found.lrs) == len(found.losses) == len(found.smoothed) <= 100
    assert 1e-3 < found.suggestion < 1
    with pytest.warns(UserWarning, match=r"the loss still falls at high=0\.001"):
        whole = fastnet.find_lr(net, *digits, batch_size=300, low=1e-6, high=1e-3, seed=0, steps=25)
    assert len(whole.lrs) == 25
    assert whole.lrs[-1] == pytest.approx(1e-3)
    with pytest.raises(TypeError, match="find_lr has no argument 'epochs'"):
        fastnet.find_lr(net, *digits, epochs=3)
    with pytest.raises(ValueError, match="steps must be at least 20"):
        fastnet.find_lr(net, *digits, steps=5)
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        fastnet.find_lr(net, *digits, batch_size=0)
