"""Augment: its words, the motions of both Steppers against each other and against known images, and their bits."""

import math

import numpy as np
import pytest
from engine_makers import Problem, check_against_oracle, pieces

from fastnet import engine, reference
from fastnet.augmentation import Augment, parse
from fastnet.engine.augmenting import Augmenter
from fastnet.engine.inputs import Inputs
from fastnet.functions import ADAM, BINARY_CROSS_ENTROPY, MOMENTUM
from fastnet.kernels.step.records import DENSE, SKIP, Batch
from fastnet.reference.augment import MovedRows, motions, moved

SHAPE = (8, 9)
FREE = Augment(shift=2.5, rotate=40, shape=SHAPE)
BASE = Problem((72, 33, 10), rule=MOMENTUM)
IMAGES = ("pixels", "few pixels", "floats", "few floats")


@pytest.mark.parametrize(
    ("text", "shift", "rotate"),
    [
        ("shift,rotate", 2, 10),
        ("shift", 2, 0),
        ("rotate=7.5", 0, 7.5),
        ("shift=3", 3, 0),
        (" shift = 2 , rotate=15 ", 2, 15),
        ("rotate=0,shift", 2, 0),
    ],
)
def test_words(text, shift, rotate):
    assert parse(text) == Augment(shift, rotate)


@pytest.mark.parametrize("text", ["", "shift,", "turn=3", "shift=", "shift=two", "shift=1,shift=2", "shift;rotate"])
def test_other_words(text):
    with pytest.raises(ValueError, match=r'augment must be like "shift,rotate", "shift=3" or'):
        parse(text)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shift": -1}, "shift of Augment must be a number of pixels from 0 to 1e+06, got -1"),
        ({"shift": 1e38}, "shift of Augment must be"),
        ({"shift": math.inf}, "shift of Augment must be"),
        ({"shift": True}, "got True"),
        ({"rotate": 181}, "rotate of Augment must be a number of degrees from 0 to 180, got 181"),
        ({"rotate": math.nan}, "rotate of Augment must be"),
        ({"rotate": "10"}, "got '10'"),
        ({"shape": 28}, "shape of Augment must be (height, width)"),
        ({"shape": (28, 0)}, "got (28, 0)"),
        ({"shape": (2.5, 2)}, "got (2.5, 2)"),
        ({"shape": (1, 2, 3)}, "got (1, 2, 3)"),
    ],
)
def test_bad_settings(settings, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are checked below
        Augment(**settings)
    assert words in str(caught.value)


def test_shapes():
    assert Augment().for_width(784) == Augment(shape=(28, 28))
    assert Augment(shape=[8, 9]).for_width(72).shape == (8, 9)
    for augment in (Augment(), Augment(shape=(9, 9))):
        with pytest.raises(ValueError, match=r"augment needs rows of X that are square images or shape="):
            augment.for_width(72)


def engine_rows(X, order, augment, seed=0, first=0, threads=1):
    """The rows of ``order`` as the engine moves them."""
    inputs = Inputs(X, X.dtype if X.dtype.kind == "f" else "float32")
    nothing = np.empty(0)
    batch = Batch(*inputs.arrays, np.arange(len(X)), nothing, nothing)
    got = Augmenter(augment, inputs, seed, threads).batch(batch, order, first + np.arange(len(order)), threads)
    np.testing.assert_array_equal(got.labels, order)
    return got.X.reshape(len(order), -1)


def oracle_rows(X, order, augment, seed=0, first=0):
    out = np.empty((len(order), X.shape[1]), X.dtype if X.dtype.kind == "f" else "float32")
    MovedRows(X, augment, seed, 1.0).take(out, order, first)
    return out


def sample(rng, dtype, n, width):
    X = rng.integers(256, size=(n, width)) * (rng.random((n, width)) < 0.4)
    return X.astype("uint8") if dtype == "uint8" else (X / 255).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("shape", [(28, 28), (8, 9), (1, 13), (13, 1), (1, 1), (5, 40)])
@pytest.mark.parametrize(("shift", "rotate"), [(2, 10), (0, 180), (1.5, 0), (100, 90)])
def test_rows_agree_with_the_oracle(rng, dtype, shape, shift, rotate):
    augment = Augment(shift, rotate, shape)
    X, order = sample(rng, dtype, 40, shape[0] * shape[1]), rng.integers(40, size=60)
    wanted = oracle_rows(X, order, augment, seed=7, first=2**33)
    for threads in (1, 2, 3):
        got = engine_rows(X, order, augment, seed=7, first=2**33, threads=threads)
        assert got.dtype == dtype
        if dtype == "uint8":  # where a value is near a half, the two round it differently
            assert np.abs(got - wanted).max() <= 1
            assert (got != wanted).mean() < 1e-3
        else:
            np.testing.assert_allclose(got, wanted, rtol=0, atol=200 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_the_largest_motions_leave_the_image(rng, dtype):
    X, far = sample(rng, dtype, 9, 72), Augment(1e6, 180, SHAPE)
    assert not engine_rows(X, np.arange(9), far).any()
    assert not oracle_rows(X, np.arange(9), far).any()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_no_motion_changes_nothing(rng, dtype):
    X, order = sample(rng, dtype, 9, 72), np.array([3, 3, 8, 0])
    still = Augment(0, 0, SHAPE)
    np.testing.assert_array_equal(engine_rows(X, order, still), X[order])
    np.testing.assert_array_equal(oracle_rows(X, order, still), X[order])


def test_known_motions():
    image = np.zeros((1, 3, 4))
    image[0, 0, 1], image[0, 2, 3] = 8, 4
    zero, one = np.zeros(1), np.ones(1)
    down = np.zeros((1, 3, 4))
    down[0, 1, 1] = 8  # the other leaves at the bottom
    np.testing.assert_array_equal(moved(image, one, zero, zero), down)
    np.testing.assert_array_equal(moved(image, 1e9 * one, zero, zero), 0)
    half = np.zeros((1, 3, 4))
    half[0, 0, 1:3], half[0, 2, 3] = 4, 2
    np.testing.assert_array_equal(moved(image, zero, 0.5 * one, zero), half)
    np.testing.assert_allclose(moved(image, zero, zero, np.pi * one), image[:, ::-1, ::-1], atol=1e-12)
    square = np.arange(9.0).reshape(1, 3, 3)
    np.testing.assert_allclose(moved(square, zero, zero, np.pi / 2 * one), np.rot90(square, axes=(1, 2)), atol=1e-12)


def test_motions_are_even_and_independent():
    n = 20_000
    draws = np.array(motions(3, np.arange(n), 2.0, 10.0)) / [[2], [2], [np.deg2rad(10)]]
    assert 0.999 < np.abs(draws).max(axis=1).min() <= np.abs(draws).max() < 1
    assert np.abs(draws.mean(axis=1)).max() < 5 / np.sqrt(3 * n)
    np.testing.assert_allclose((draws**2).mean(axis=1), 1 / 3, atol=5 * np.sqrt(4 / 45 / n))
    others = np.array(motions(4, np.arange(n), 1.0, 180 / np.pi))
    for a, b in [(draws[0], draws[1]), (draws[0], draws[2]), (draws[0][1:], draws[0][:-1]), (draws[0], others[0])]:
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(n)


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("batch_size", [7, 16])
def test_steps_agree_with_the_oracle(kind, batch_size):
    problem = BASE.but(kind=kind, dtype="float64", n=40, batch_size=batch_size, weighted=True)
    if kind.endswith("floats"):
        check_against_oracle(problem, augment=FREE, seed=5)
        check_against_oracle(problem.but(rule=ADAM), augment=FREE, seed=5, dropout=0.3, smoothing=0.1)
        return
    p = pieces(problem)
    got, wanted = p.run(engine, np.nan, augment=FREE, seed=5), p.run(reference, augment=FREE, seed=5)
    for a, b in zip(got, wanted, strict=True):  # some pixel is 1 of 255 apart
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
    assert np.abs(got[1] - p.run(reference)[1]).max() > 2e-3


def test_targets_go_with_their_rows():
    problem = BASE.but(kind="floats", dtype="float64", loss=BINARY_CROSS_ENTROPY, targets="rows", n=30)
    check_against_oracle(problem, augment=FREE)
    check_against_oracle(problem.but(targets="labels"), augment=FREE)


@pytest.mark.parametrize("batch_size", [600, 1100])
def test_chunks_and_gradients_agree_with_the_oracle(batch_size):
    problem = BASE.but(kind="floats", dtype="float64", n=batch_size + 4, batch_size=batch_size)
    check_against_oracle(problem, augment=FREE)
    p = pieces(problem)
    steppers = [p.stepper(module, augment=FREE, seed=3) for module in (engine, reference)]
    for s in steppers:
        s.run(p.order, p.coefficients)
    (loss, _, gradient), (wanted_loss, _, wanted) = (s.gradient(p.order, 1 / problem.n, 0.0) for s in steppers)
    assert loss == pytest.approx(wanted_loss, rel=1e-10)
    np.testing.assert_allclose(gradient, wanted, atol=1e-10)


@pytest.mark.parametrize("kind", IMAGES)
def test_bits_do_not_depend_on_threads_or_calls(kind, monkeypatch):
    p = pieces(BASE.but(kind=kind, n=310, batch_size=100))
    first = p.run(engine, np.nan, threads=1, augment=FREE, seed=3)
    assert p.stepper(engine).strategy.input == (SKIP if kind.startswith("few") else DENSE)
    for threads in (2, 3, None):
        for a, b in zip(first, p.run(engine, 1e30, threads=threads, augment=FREE, seed=3), strict=True):
            np.testing.assert_array_equal(a, b)
    monkeypatch.setattr("fastnet.engine.augmenting.BUFFER", 1)  # one batch at a time
    for a, b in zip(first, p.run(engine, threads=2, augment=FREE, seed=3), strict=True):
        np.testing.assert_array_equal(a, b)
    piecemeal = p.stepper(engine, threads=2, augment=FREE, seed=3)
    for _ in range(2):
        for i in range(len(p.coefficients)):
            piecemeal.run(p.order[i * 100 :], p.coefficients[i : i + 1])
    piecemeal.store()
    np.testing.assert_array_equal(piecemeal.params, first[1])
    assert (p.run(engine, augment=FREE, seed=4)[1] != first[1]).any()


def test_every_epoch_moves_anew_and_no_step_at_all_is_fine():
    p = pieces(BASE.but(n=20, batch_size=20))
    still = np.zeros_like(p.coefficients)
    still[:, 0] = 1 / 20
    for module in (engine, reference):
        s = p.stepper(module, augment=FREE)
        assert s.run(np.arange(0), p.coefficients[:0]).shape == (0, 2)
        losses = [s.run(p.order, still)[0, 0] for _ in range(2)]
        assert s.rows_seen == 40
        assert abs(losses[0] - losses[1]) > 1e-4


def test_what_cannot_move():
    for module in (engine, reference):
        with pytest.raises(ValueError, match=r"augment needs X as a dense array of images, got a sparse matrix"):
            pieces(BASE.but(kind="csr")).stepper(module, augment=FREE)
        with pytest.raises(ValueError, match="augment needs rows of X that are square images"):
            pieces(BASE).stepper(module, augment=Augment())
