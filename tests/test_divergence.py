"""Runs that end finite and have learned nothing are told; runs that merely learn little are not."""

import pickle
import warnings

import numpy as np
import pytest

import fastnet
from fastnet import functions as f
from fastnet.data.glyphs import make_glyphs
from fastnet.divergence import Watch, _least_losses, _row_losses

BACKENDS = pytest.mark.parametrize("backend", ["numba", "reference"])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Drawn digits as pixels (2000, 784), and their labels."""
    train, _ = fastnet.load_data(make_glyphs(2000, 1, tmp_path_factory.mktemp("data") / "glyphs"))
    return train.X, train.y


def train(X, y, sizes=None, hidden="sigmoid", output="softmax", init="lecun", **settings):
    net = fastnet.Network(sizes or [X.shape[1], 64, int(y.max()) + 1], hidden=hidden, output=output, init=init, seed=1)
    return fastnet.train(net, X, y, seed=1, **settings)


def ema(lr):
    return fastnet.Momentum(lr, ema=True)


@BACKENDS
@pytest.mark.parametrize("hidden", ["sigmoid", "relu"])
@pytest.mark.parametrize("optimizer", [ema(1000.0), ema(1e4), fastnet.SGD(1e4), fastnet.Adam(1000.0)], ids=str)
def test_learning_rates_that_are_far_too_high(pictures, hidden, optimizer, backend):
    words = r"Training diverged: .*Standardise X .*, or choose a smaller lr"
    with pytest.warns(fastnet.DivergenceWarning, match=words):
        history = train(*pictures, hidden=hidden, optimizer=optimizer, epochs=3, backend=backend)
    assert history.diverged


@BACKENDS
@pytest.mark.parametrize("hidden", ["sigmoid", "relu"])
def test_pixels_as_floats_at_the_rate_of_the_command_line(pictures, hidden, backend):
    X, y = pictures
    # Batches of 4: of larger ones the last bits would decide whether the loss grows enough under saturated sigmoids.
    settings = {"hidden": hidden, "optimizer": ema(4.0), "batch_size": 4, "epochs": 3}
    with pytest.warns(fastnet.DivergenceWarning) as seen:
        history = train(X.astype("f4"), y, backend=backend, **settings)
    assert history.diverged
    assert len(seen) == 1
    assert seen[0].filename == __file__


def test_a_regression_and_labels_that_are_not_exclusive(rng):
    X = rng.standard_normal((500, 10)).astype("f4")
    with pytest.warns(fastnet.DivergenceWarning):
        train(X, X[:, :1], [10, 20, 1], "tanh", "identity", optimizer=fastnet.Adam(100.0))
    with pytest.warns(fastnet.DivergenceWarning):
        train(X, X[:, :3] > 0, [10, 20, 3], "tanh", "sigmoid", optimizer=fastnet.SGD(1e4))


def quiet(*arguments, **settings):
    """Train; a run that went nowhere may say so, but not that it diverged."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Training went nowhere")
        history = train(*arguments, **settings)
    assert not history.diverged
    return history


@pytest.mark.parametrize("epochs", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 10, 128, 500])
@pytest.mark.parametrize("optimizer", [None, fastnet.Adam(0.01), ema(0.1), fastnet.SGD(1e-7)], ids=str)
@pytest.mark.parametrize("init", ["lecun", "normal"])
def test_noise_and_rare_classes_do_not_diverge(rng, optimizer, batch_size, epochs, init):
    X = rng.standard_normal((500, 20)).astype("f4")
    rare = np.r_[1, np.zeros(499, int)]
    quiet(X, rng.integers(0, 10, 500), init=init, epochs=epochs, batch_size=batch_size, optimizer=optimizer)
    history = quiet(X, rare, init=init, epochs=epochs, batch_size=batch_size, optimizer=optimizer)
    assert np.isfinite(history.epochs[-1].loss)


def went_nowhere(*arguments, **settings):
    """Whether a run that did not diverge says that it went nowhere."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        history = train(*arguments, **settings)
    assert not history.diverged
    return [str(warning.message)[:21] for warning in seen] == ["Training went nowhere"]


@BACKENDS
def test_a_table_that_is_not_standardised(rng, backend):
    scale = 10.0 ** rng.integers(-3, 4, 30)
    X = (rng.standard_normal((500, 30)) + 3) * scale
    y = (X[:, 0] > 3 * scale[0]).astype(int)
    assert went_nowhere(X, y, hidden="relu", epochs=9, backend=backend)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    assert not went_nowhere(X, y, hidden="relu", epochs=9, backend=backend)


def test_values_far_from_zero(rng):
    X = rng.standard_normal((500, 5))
    y = 150 + X[:, 0]
    assert went_nowhere(X, y, [5, 20, 1], "relu", "identity")
    assert not went_nowhere(X, y - 150, [5, 20, 1], "relu", "identity", epochs=30)


def test_noise_goes_nowhere_quietly(rng):
    X = rng.standard_normal((2000, 20))
    for k in (2, 10):
        y = rng.integers(0, k, 2000)
        for optimizer in (None, ema(0.5), fastnet.SGD(0.1)):
            assert not went_nowhere(X, y, optimizer=optimizer, epochs=3)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_tiny_data_does_not_diverge(rng, n):
    X, y = rng.standard_normal((n, 5)), np.arange(n) % 3
    quiet(X, y, [5, 8, 3])
    quiet(X, y, [5, 3], optimizer=ema(4.0), epochs=30)
    quiet(X, 1e3 + rng.standard_normal(n), [5, 8, 1], "relu", "identity")


def test_learning_digits_does_not_diverge(pictures):
    quiet(*pictures, optimizer=ema(4.0), epochs=3)
    quiet(*pictures, hidden="relu", epochs=2, schedule="one_cycle", optimizer=fastnet.Momentum(0.1))
    quiet(*pictures, [784, 30, 10], output="sigmoid", loss="mse", batch_size=10, optimizer=fastnet.SGD(3.0), epochs=2)
    quiet(pictures[0].astype("f4"), pictures[1], epochs=3)


def test_training_goes_on_without_an_alarm(pictures):
    X, y = pictures
    net = fastnet.Network([784, 30, 10], seed=0)
    for _ in range(3):
        assert not fastnet.train(net, X, y, epochs=3, optimizer=ema(2.0), seed=0).diverged


def test_a_run_that_recovers_is_not_told(pictures):
    factor = [1.0] * 8 + [30.0] * 8 + [0.3] * 500
    run = {"hidden": "relu", "optimizer": ema(1.0), "epochs": 20, "schedule": lambda done: factor[int(done * 320)]}
    losses = [e.loss for e in quiet(*pictures, **run).epochs]
    assert losses[-1] < 2 < 12 < max(losses)


def test_a_large_penalty_is_no_divergence(rng):
    X, y = rng.standard_normal((200, 20)), rng.integers(0, 3, 200)
    history = quiet(X, y, optimizer=fastnet.SGD(1e-6), l2=10.0)
    assert history.epochs[-1].loss > 100


def test_a_run_has_diverged_if_its_loss_grew_and_it_learned_nothing():
    watch, counts = Watch(), np.array([128, 128])
    watch.epoch(1, np.array([2.0, 1.0]), counts)
    watch.epoch(2, np.array([30.0, 10.0]), counts)
    labels = np.arange(256) % 10
    assert "went from 2 in the first batch to 30 in epoch 2" in watch.verdict(labels, f.CROSS_ENTROPY, 10)[0]
    watch.epoch(3, np.array([1.0, 1.0]), counts)
    assert watch.verdict(labels, f.CROSS_ENTROPY, 10) is None


def test_batches_of_few_rows_are_taken_together():
    losses = np.ones(300)
    losses[7] = 100
    losses[299] = 1000  # the last batches, too few by themselves, go with those before
    watch = Watch()
    watch.epoch(1, losses[:290], np.ones(290, int))
    assert watch.highest == pytest.approx((127 + 100) / 128)
    watch.epoch(2, losses, np.ones(300, int))
    assert watch.highest == pytest.approx((171 + 1000) / 172)


@pytest.mark.parametrize("loss", [f.CROSS_ENTROPY, f.BINARY_CROSS_ENTROPY, f.MSE, f.POISSON])
def test_the_mean_is_the_best_constant(rng, loss):
    T = np.eye(3)[rng.integers(0, 3, 60)] if loss != f.POISSON else rng.poisson(2.0, (60, 3)).astype(float)
    mean = T.mean(axis=0)
    best = _row_losses(T, mean, loss).mean()
    for _ in range(20):
        other = np.clip(mean + 0.1 * rng.standard_normal(3), 0.01, None)
        other = other / other.sum() if loss == f.CROSS_ENTROPY else other.clip(0.01, 0.99 if loss < 2 else None)
        assert _row_losses(T, other, loss).mean() > best
    assert (_row_losses(T, mean, loss) >= _least_losses(T, loss)).all()
    assert _least_losses(np.array([[0.0, 1]]), f.POISSON) == [1]


def test_a_poisson_loss_may_be_negative(rng):
    X = rng.standard_normal((500, 5))
    y = rng.poisson(np.exp(3 + 0.3 * X[:, 0])).astype(float)
    history = quiet(X, y, [5, 1], output="exp", optimizer=fastnet.Adam(0.05), epochs=30)
    assert history.epochs[-1].loss < 0


def test_histories_of_old_pickles_have_not_diverged():
    assert fastnet.History().diverged is False
    assert pickle.loads(pickle.dumps(fastnet.History([], 2))) == fastnet.History([], 2)
