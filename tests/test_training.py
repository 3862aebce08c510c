"""The driver: batches, schedules, callbacks, divergence, Ctrl-C; and that both backends train the same network."""

import numpy as np
import pytest

import fastnet
from fastnet import engine, reference


@pytest.fixture
def digits(rng):
    """Pixels (300, 70), a fifth of them not zero, with labels that depend on them."""
    X = np.where(rng.random((300, 70)) < 0.2, rng.integers(1, 256, (300, 70)), 0).astype(np.uint8)
    return X, X.reshape(300, 5, 14).sum(axis=2, dtype=np.int64).argmax(axis=1)


def network(dtype="float32", hidden="sigmoid", output="softmax"):
    return fastnet.Network([70, 9, 5], hidden=hidden, output=output, dtype=dtype, seed=3)


@pytest.mark.parametrize(
    "optimizer",
    [
        fastnet.SGD(0.5),
        fastnet.Momentum(0.3, ema=True),
        fastnet.Momentum(0.1),
        fastnet.Momentum(0.1, nesterov=True),
        fastnet.Adam(0.01),
    ],
)
@pytest.mark.parametrize(("hidden", "output", "loss"), [("sigmoid", "softmax", None), ("tanh", "sigmoid", "mse")])
@pytest.mark.filterwarnings("ignore:Training went nowhere")  # a few steps at any rate: what counts is that both agree
def test_backends_train_the_same_network(digits, optimizer, hidden, output, loss):
    nets, losses = [], []
    for backend in ("numba", "reference"):
        net = network("float64", hidden, output)
        history = fastnet.train(
            net, *digits, epochs=2, batch_size=32, optimizer=optimizer, loss=loss, l2=1e-3, schedule="cosine",
            validation=digits, seed=7, backend=backend,
        )  # fmt: skip
        nets.append(net)
        losses.append([(e.loss, e.val_loss, e.val_accuracy) for e in history.epochs])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=0, atol=1e-7)
    assert np.abs(nets[0].params - network("float64", hidden, output).params).max() > 1e-3


def test_same_seed_same_bits_on_any_number_of_threads(digits):
    results = []
    for threads in (1, 2, 3, None):
        net = network()
        fastnet.train(net, *digits, epochs=2, batch_size=48, seed=1, threads=threads)
        results.append(net.params.copy())
    assert all((r == results[0]).all() for r in results)


@pytest.mark.parametrize("batch_size", [1, 7, 300, 1000])
def test_every_row_is_visited_once_an_epoch(digits, monkeypatch, batch_size):
    seen = []
    run = engine.Stepper.run

    def record(self, order, coefficients):
        seen.extend(order.tolist())
        return run(self, order, coefficients)

    monkeypatch.setattr(engine.Stepper, "run", record)
    fastnet.train(network(), *digits, epochs=2, batch_size=batch_size, optimizer=fastnet.SGD(0.01), seed=5)
    first, second = seen[:300], seen[300:]
    assert sorted(first) == sorted(second) == list(range(300))
    assert (first != second) == (batch_size < 300)


def test_the_schedule_is_a_factor_of_lr(digits):
    asked, nets = [], [network(), network()]

    def half(done):
        asked.append(done)
        return 0.5

    fastnet.train(nets[0], *digits, epochs=2, batch_size=100, optimizer=fastnet.SGD(0.8), schedule=half, seed=0)
    fastnet.train(nets[1], *digits, epochs=2, batch_size=100, optimizer=fastnet.SGD(0.4), seed=0)
    assert (nets[0].params == nets[1].params).all()
    np.testing.assert_allclose(asked, np.arange(6) / 6)


def test_callbacks_stop_the_run_and_may_change_weights(digits):
    net, changed = network(), []

    def reset(net, epoch):
        net.W[0][:] = 0
        changed.append(epoch.epoch)
        return epoch.epoch == 2

    history = fastnet.train(net, *digits, epochs=5, optimizer=fastnet.SGD(1e-30), seed=0, callbacks=[reset])
    assert changed == [1, 2]
    assert len(history.epochs) == 2
    assert (net.W[0] == 0).all()


def test_a_diverged_run_leaves_the_last_finite_epoch(digits):
    X, y = digits[0].astype(np.float32), digits[1]
    net = network(hidden="relu")
    kept = []

    def keep(net, epoch):
        kept.append(net.params.copy())

    factor = [1.0] * 3 + [1e30] * 30  # three batches are an epoch
    with pytest.raises(fastnet.NonFiniteLossError) as caught:
        fastnet.train(
            net, X, y, epochs=9, batch_size=100, optimizer=fastnet.SGD(1e-6), seed=0, callbacks=[keep],
            schedule=lambda done: factor[round(done * 27)],
        )  # fmt: skip
    assert caught.value.epoch == 2
    assert (net.params == kept[0]).all()


def test_ctrl_c_keeps_the_weights_reached(digits, monkeypatch):
    net, calls = network(), []
    run = engine.Stepper.run

    def interrupted(self, order, coefficients):
        calls.append(len(coefficients))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(self, order, coefficients)

    monkeypatch.setattr(engine.Stepper, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fastnet.train(net, *digits, batch_size=10, optimizer=fastnet.SGD(0.1), seed=0)
    assert np.abs(net.params - network().params).max() > 1e-6


def test_forms_of_labels(digits):
    X, y = digits
    results = []
    for form in (y, y[:, None], np.eye(5)[y], np.eye(5)[y][:, :, None]):
        net = network()
        fastnet.train(net, X, form, epochs=1, seed=2)
        results.append(net.params.copy())
    assert all((r == results[0]).all() for r in results)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"l2": float("nan")}, "l2"),
        ({"loss": "hinge"}, "loss"),
        ({"loss": "mse"}, "softmax"),
        ({"backend": "numpa"}, "did you mean 'numba'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"threads": 0}, "threads"),
    ],
)
def test_bad_settings(digits, change, word):
    with pytest.raises(ValueError, match=word):
        fastnet.train(network(), *digits, **change)


@pytest.mark.parametrize("lr", [0, -1, float("nan"), float("inf"), "4"])
def test_bad_learning_rates(lr):
    for optimizer in (fastnet.SGD, fastnet.Momentum, fastnet.Adam):
        with pytest.raises(ValueError, match="lr"):
            optimizer(lr)


def test_bad_data(digits):
    X, y = digits
    for bad_X, bad_y, word in (
        (X.T, y, "transposed"),
        (X[:, :60], y, "70"),
        (X, y[:-1], "y"),
        (X, y + 5, "y"),
        (np.where(X == 0, np.nan, X), y, "nan"),
        (np.full(X.shape, 1e300), y, "X"),
    ):
        with pytest.raises(ValueError, match=word):
            fastnet.train(network(), bad_X, bad_y)


def test_saved_networks_come_back(digits, tmp_path):
    net = network("float64", "tanh", "sigmoid")
    net.save(tmp_path / "a.npz")
    again = fastnet.Network.load(tmp_path / "a.npz")
    assert (again.params == net.params).all()
    assert repr(again) == repr(net)
    np.testing.assert_array_equal(again.predict(digits[0]), net.predict(digits[0]))
    damaged = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(damaged[: len(damaged) // 2])
    with pytest.raises(fastnet.DataError, match=r"b\.npz"):
        fastnet.Network.load(tmp_path / "b.npz")


def test_one_row_many_rows_and_the_oracle_predict_the_same(digits):
    X, _ = digits
    net = network()
    wanted = reference.predict(net.sizes, net.activations, net.params, X)
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(net.predict_proba(X), wanted, **tolerance)
    np.testing.assert_allclose(net.predict_proba(X[:1]), wanted[:1], **tolerance)
    frozen = X[:3].copy()
    frozen.flags.writeable = False
    np.testing.assert_allclose(net.predict_proba(frozen), wanted[:3], **tolerance)
    np.testing.assert_array_equal(net.predict(X[:2]), wanted[:2].argmax(axis=1))
    np.testing.assert_array_equal(net.predict((X / 255)[:50]), wanted[:50].argmax(axis=1))
