"""What X is worth to a network: integers in units of its scale, floats as they are, and the warnings about mix-ups."""

import numpy as np
import pytest

import fastnet
from fastnet import engine, reference, units
from fastnet.functions import CROSS_ENTROPY, N_COEFFICIENTS, SCALE, SGD, SGD_LR, SIGMOID, SOFTMAX

SIZES, ACTIVATIONS = [70, 9, 5], (SIGMOID, SOFTMAX)


@pytest.fixture
def digits(rng):
    """uint8 (300, 70), a fifth of them not zero, with labels that depend on them."""
    X = np.where(rng.random((300, 70)) < 0.2, rng.integers(1, 256, (300, 70)), 0).astype(np.uint8)
    return X, X.reshape(300, 5, 14).sum(axis=2, dtype=np.int64).argmax(axis=1)


def params(dtype):
    n = sum((a + 1) * b for a, b in ((70, 9), (9, 5)))
    return (0.3 * np.random.default_rng(4).standard_normal(n)).astype(dtype)


def one_epoch(module, X, y, dtype, **settings):
    w = params(dtype)
    stepper = module.Stepper(
        SIZES, ACTIVATIONS, w, X, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=100, threads=1, **settings
    )
    coefficients = np.zeros((3, N_COEFFICIENTS))
    coefficients[:, SCALE], coefficients[:, SGD_LR] = 1 / 100, 0.1
    stepper.run(np.arange(300), coefficients)
    stepper.store()
    return w


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1 / 16, 1 / 255])
@pytest.mark.parametrize("dense", [False, True])
def test_bytes_are_worth_the_scale_in_both_backends(digits, dtype, scale, dense):
    X, y = digits
    X = np.maximum(X, 1) if dense else X
    floats = X.astype(dtype) * np.dtype(dtype).type(scale)
    for module in (engine, reference):
        trained = one_epoch(module, X, y, dtype, scale=scale)
        np.testing.assert_array_equal(trained, one_epoch(module, floats, y, dtype))
        assert np.abs(trained - params(dtype)).max() > 1e-4
        for rows in (2, 300):
            found = module.predict(SIZES, ACTIVATIONS, trained, X[:rows], scale=scale)
            np.testing.assert_array_equal(found, module.predict(SIZES, ACTIVATIONS, trained, floats[:rows]))
    for rows in (2, 300):
        classes = engine.classify(SIZES, ACTIVATIONS, trained, X[:rows], scale=scale)
        np.testing.assert_array_equal(classes, engine.classify(SIZES, ACTIVATIONS, trained, floats[:rows]))
    losses = [reference.evaluate(SIZES, ACTIVATIONS, trained, a, y, CROSS_ENTROPY, scale=scale) for a in (X, floats)]
    assert losses[0] == losses[1]
    evaluators = [engine.Evaluator(SIZES, ACTIVATIONS, dtype, a, scale=scale) for a in (X, floats)]
    assert evaluators[0].evaluate(trained, y) == evaluators[1].evaluate(trained, y)
    assert evaluators[0].evaluate(trained, y) == pytest.approx(losses[0], rel=1e-4)


def net_of(scale=1 / 255, dtype="float32", **settings):
    return fastnet.Network(SIZES, dtype=dtype, seed=3, input_scale=scale, **settings)


INTEGERS = ["u1", "i2", ">u2", "i4", "u4", "i8", "u8"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1, 1 / 255, 0.03])
def test_the_same_integers_give_the_same_bits_in_any_type(digits, dtype, scale):
    X, y = digits
    results = []
    for kind in INTEGERS:
        net = net_of(scale, dtype)
        Z = X.astype(kind)
        history = fastnet.train(net, Z, y, epochs=2, seed=1, validation=(Z, y))
        measured = [(e.loss, e.val_loss, e.val_accuracy) for e in history.epochs]
        outputs = [net.predict_proba(Z[:rows]) for rows in (1, 3, 300)]
        results.append((net.params, *outputs, net.predict(Z), measured, net.evaluate(Z, y)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_equal(a, b)
    floats = net_of(scale, dtype)
    scaled = X.astype(dtype) * np.dtype(dtype).type(scale)
    fastnet.train(floats, scaled, y, epochs=2, seed=1)
    np.testing.assert_array_equal(floats.params, results[0][0])
    assert not np.array_equal(net_of(scale, dtype).params, floats.params)


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_integers_are_plain_numbers_with_a_scale_of_1(rng, backend):
    X = rng.integers(-3, 4, (200, 70))
    y = (X[:, 0] > 0).astype(int)
    nets = [net_of(1), net_of()]
    for net, Z in zip(nets, (X, X.astype("f4")), strict=True):
        fastnet.train(net, Z, y, epochs=1, seed=0, backend=backend)
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    np.testing.assert_array_equal(nets[0].predict_proba(X.tolist()), nets[0].predict_proba(X.astype("f4")))


def test_bool_is_the_numbers_0_and_1(rng):
    X = rng.random((5, 70)) < 0.5
    net = net_of()
    np.testing.assert_array_equal(net.predict_proba(X), net.predict_proba(X.astype("f4")))


@pytest.mark.parametrize("largest", [1, 4, 16])
@pytest.mark.parametrize("kind", ["u1", "i8"])
def test_training_on_small_integers_warns(rng, largest, kind):
    X = rng.integers(0, largest + 1, (50, 70)).astype(kind)
    y = rng.integers(0, 5, 50)
    words = f"X holds integers up to {largest}, which as pixels are worth at most"
    with pytest.warns(UserWarning, match=words) as seen:
        fastnet.train(net_of(), X, y, epochs=1)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert "X.astype('float32')" in str(seen[0].message)
    assert "input_scale=1" in str(seen[0].message)


def test_numbers_and_pixels_train_without_warnings(rng, digits):
    X, y = digits
    small = rng.integers(0, 5, X.shape)
    for Z, scale in ((X, 1 / 255), (small, 1), (small, 1 / 4), (small.astype("f4"), 1 / 255), (small > 2, 1 / 255)):
        net = net_of(scale)
        fastnet.train(net, Z, y, epochs=1)  # a warning is an error here
        net.evaluate(Z, y)


@pytest.mark.parametrize("use", ["predict", "predict_proba", "evaluate", "validation", "train"])
def test_other_units_than_those_trained_on_warn(tmp_path, digits, use):
    X, y = digits

    def apply(net, Z):
        if use == "evaluate":
            net.evaluate(Z, y[: len(Z)])
        elif use == "validation":
            fastnet.train(net, trained, y, epochs=1, validation=(Z, y[: len(Z)]))
        elif use == "train":
            fastnet.train(net, Z, y[: len(Z)], epochs=1)
        else:
            getattr(net, use)(Z)

    for trained, asked, words in (
        (X, X.astype("f4"), r"floats far beyond what the network was trained on, .*, or .* / 255"),
        (X.astype("f8"), X, r"integers, which count as .* / 255, but the network was trained on floats up to 255"),
        (X.astype("f8"), X.astype("i8"), r"was trained on floats up to 255: pass .*astype\('float32'\)"),
    ):
        net = net_of()
        fastnet.train(net, trained, y, epochs=1, optimizer=fastnet.SGD(1e-4))
        net.save(tmp_path / "a.npz")
        for same in (trained, trained[:1]):
            apply(net, same)
        for again in (net, fastnet.Network.load(tmp_path / "a.npz")):
            for rows in (1, 300):
                with pytest.warns(UserWarning, match=words) as seen:
                    apply(again, asked[:rows])
                assert len(seen) == 1
                assert seen[0].filename == __file__
                if use == "train":
                    break  # and now it knows these


def test_what_fits_the_training_does_not_warn(digits):
    X, y = digits
    net = net_of()
    fastnet.train(net, X // 4, y, epochs=1)
    for fine in (X, X / 255, (X / 255).astype("f4"), X > 100, X.astype("i8")):
        net.predict(fine)
    net = net_of()
    fastnet.train(net, X / 255, y, epochs=1)
    for fine in (X, X / 255, X.astype("i8"), np.zeros_like(X)):
        net.predict(fine)
    net = net_of(1)
    fastnet.train(net, X, y, epochs=1, optimizer=fastnet.SGD(1e-5))
    for fine in (X, X.astype("f4"), 9.0 * X):
        net.predict(fine)


def test_a_warning_does_not_read_a_large_array_again():
    class Counted(np.ndarray):
        looked_at = 0

        def max(self, *args, **kwargs):
            Counted.looked_at += self.size
            return np.asarray(self).max(*args, **kwargs)

        min = max

    X = np.zeros((1 << 20, 70), np.uint8).view(Counted)
    units.look_at(X, 1.0, units.TRAINING_ELEMENTS)
    assert 0 < Counted.looked_at <= 2 * 2 * units.TRAINING_ELEMENTS


def test_scales_are_told_as_one_would_write_them():
    assert units._scaled("X", 1 / 255) == "X / 255"
    assert units._scaled("X", 0.3) == "X * 0.3"
    assert units._scaled("X", 7.0) == "X * 7"
