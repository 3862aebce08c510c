"""Floats that are bytes in disguise: the same bits as from the floats, and nothing taken for what it is not."""

import numpy as np
import pytest
from engine_makers import Problem, pieces

from fastnet import engine
from fastnet.engine import encoding, strategy
from fastnet.engine import inputs as engine_inputs
from fastnet.functions import ADAM, MOMENTUM, SGD
from fastnet.kernels.step.encode import BLOCK
from fastnet.kernels.step.records import SKIP

DTYPES = ["float32", "float64"]
BASE = Problem((130, 70, 10), kind="few floats")
# What few of all numbers 0..255 may have become on their way into floats.
DISGUISES = {
    "quotients": lambda k: k / k.dtype.type(255),
    "products": lambda k: k * k.dtype.type(1 / 255),
    "rounded twice": lambda k: (k.astype(np.float64) / 255).astype(k.dtype),
    "raw": lambda k: k,
    "sixteenths": lambda k: np.floor(k / 15) / k.dtype.type(16),
    "ones": np.sign,
    "every second": lambda k: np.floor(k / 2) * 2 / k.dtype.type(255),
    "any few": lambda k: np.sign(k) * k.dtype.type(0.3) + (k > 100) * k.dtype.type(np.pi),
    "negative zeros": lambda k: np.where(k == 0, -k, k / k.dtype.type(3)),
}


def numbers(rng, n, d, dtype, density=0.1):
    """(n, d) numbers 0..255, few of them not 0; 1 is among the first rows."""
    X = rng.integers(1, 256, size=(n, d)) * (rng.random((n, d)) < density)
    X[:, 0] = 1
    return X.astype(dtype)


def is_plain(found):
    """Whether X reaches the kernels as it is, not encoded."""
    return found.table[255] == found.table.dtype.type(255) * found.table.dtype.type(1 / 255)


def runs(p, monkeypatch, **settings):
    """Losses, weights and moments from bytes and from floats."""
    found = []
    for least, kind in ((0, np.uint8), (2**62, p.X.dtype)):
        monkeypatch.setattr(encoding, "WORTHWHILE", least)
        stepper = p.stepper(engine, **settings)
        assert stepper.inputs.arrays[0].dtype == kind
        assert stepper.strategy.input == SKIP
        found.append(p.run(engine, np.nan, **settings))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_bytes_and_floats_train_to_the_same_bits(dtype, disguise, rng, monkeypatch):
    p = pieces(BASE.but(dtype=dtype, n=300, batch_size=128, rule=MOMENTUM, l2=0.01))
    p.X = DISGUISES[disguise](numbers(rng, 300, 130, dtype))
    before = p.X.copy()
    for threads in (1, 2):
        from_bytes, from_floats = runs(p, monkeypatch, threads=threads)
        for a, b in zip(from_bytes, from_floats, strict=True):
            assert (a == b).all()
        assert np.abs(from_bytes[1] - p.params).max() > 1e-3
    assert np.array_equal(p.X, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "change",
    [
        {"rule": SGD, "batch_size": 16},  # sample by sample
        {"rule": ADAM, "batch_size": 40, "n": 111, "weighted": True},
        {"rule": MOMENTUM, "n": 700, "batch_size": 600},  # several chunks
        {"rule": SGD, "n": 300, "batch_size": 128, "sizes": (784, 64, 10)},  # in halves
        {"rule": SGD, "batch_size": 1, "n": 5, "sizes": (64, 10)},
    ],
    ids=str,
)
def test_every_way_of_a_batch_through_the_first_layer(dtype, change, rng, monkeypatch):
    p = pieces(BASE.but(dtype=dtype, **change))
    p.X = DISGUISES["quotients"](numbers(rng, *p.X.shape, dtype))
    for threads in (1, 2, 3):
        for a, b in zip(*runs(p, monkeypatch, threads=threads), strict=True):
            assert (a == b).all()
    monkeypatch.setattr(encoding, "WORTHWHILE", 0)
    gradients = [p.stepper(engine).gradient(p.order, 0.1, 0.2)]
    monkeypatch.setattr(encoding, "WORTHWHILE", 2**62)
    gradients.append(p.stepper(engine).gradient(p.order, 0.1, 0.2))
    assert gradients[0][:2] == gradients[1][:2]
    assert (gradients[0][2] == gradients[1][2]).all()


def test_large_sets_go_without_halves_as_bytes_and_as_floats(rng, monkeypatch):
    p = pieces(BASE.but(rule=SGD, n=300, batch_size=128, sizes=(784, 64, 10)))
    p.X = DISGUISES["quotients"](numbers(rng, *p.X.shape, "float32"))
    for far, halves in ((p.X.size, True), (p.X.size - 1, False)):
        monkeypatch.setattr(strategy, "FAR", far)
        assert p.stepper(engine).strategy.halves == halves
        for a, b in zip(*runs(p, monkeypatch, threads=2), strict=True):
            assert (a == b).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK + 7])
def test_codes(dtype, n, rng):
    k = numbers(rng, n, 1, dtype, density=0.5)
    X = DISGUISES["quotients"](k)
    table, inverse = encoding.find_palette(X)
    assert table.dtype == dtype
    for threads in (1, 2, 3):
        codes = encoding.encoded(X.ravel(), (table, inverse), threads)
        assert codes.dtype == np.uint8
        assert (codes == k.ravel()).all()
        for wrong in (np.nan, np.inf, -np.inf, -1.0, 1.5 / 255, 256 / 255, 1e30, -1e30, np.nextafter(X[0, 0], 2)):
            for place in {0, n // 2, n - 1}:
                spoiled = X.ravel().copy()
                spoiled[place] = wrong
                assert encoding.encoded(spoiled, (table, inverse), threads) is None


def test_codes_of_more_than_one_call(rng, monkeypatch):
    monkeypatch.setattr(encoding, "ELEMENTS_PER_CALL", 1000)
    k = numbers(rng, 3333, 1, "float32")
    found = encoding.find_palette(k)
    assert (encoding.encoded(k.ravel(), found, 2) == k.ravel()).all()
    k[-1] = 0.5
    assert encoding.encoded(k.ravel(), found, 2) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("disguise", ["quotients", "products", "raw", "ones"])
def test_values_that_the_sample_lacks(dtype, disguise, rng, monkeypatch):
    monkeypatch.setattr(encoding, "FIRST_LOOK", 10_000)  # half of the rows
    k = np.zeros((1000, 20), dtype)
    k[:, 0] = 1
    k[rng.permutation(1000)[:256], 7] = np.arange(256)
    X = DISGUISES[disguise](k)
    found = encoding.find_palette(X)
    codes = encoding.encoded(X.ravel(), found, 1)
    assert (found[0][codes].reshape(X.shape) == X).all()


def normal(rng):
    return rng.standard_normal((200, 130))


REFUSED = {
    "nothing but zeros": lambda rng: np.zeros((200, 130)),
    "noise": lambda rng: np.maximum(normal(rng) - 1, 0),
    "negative": lambda rng: np.sign(normal(rng)) * (normal(rng) > 1),
    "257 values": lambda rng: np.arange(200 * 130).reshape(200, 130) % 257.0,
    "too many": lambda rng: np.floor(np.exp(normal(rng) * 3)),
    "too close": lambda rng: np.floor(np.maximum(normal(rng), 0)) + (normal(rng) > 2) * 1.2,
    "NaN": lambda rng: np.where(normal(rng) > 1, np.nan, 0),
    "infinite": lambda rng: np.where(normal(rng) > 1, np.inf, np.sign(np.maximum(normal(rng) - 1, 0))),
    "denormal": lambda rng: np.sign(np.maximum(normal(rng) - 1, 0)) * np.float64(1e-40),
    "huge": lambda rng: np.sign(np.maximum(normal(rng) - 1, 0)) * 1e38 + (normal(rng) > 2) * 1e-30,
}  # fmt: skip


@pytest.mark.parametrize("refused", REFUSED)
def test_other_floats_have_no_palette(refused, rng):
    X = REFUSED[refused](rng)
    assert encoding.find_palette(X.astype(np.float32)) is None
    if refused == "denormal":
        X *= 1e-270
    assert encoding.find_palette(X) is None


def test_other_floats_are_trained_on_as_they_are(rng, monkeypatch):
    """Also where the sample promised bytes."""
    p = pieces(BASE.but(n=300, batch_size=33))
    p.X = DISGUISES["quotients"](numbers(rng, 300, 130, "float32"))
    p.X[1, 5] = 0.3
    monkeypatch.setattr(encoding, "FIRST_LOOK", 130 * 100)
    monkeypatch.setattr(encoding, "WORTHWHILE", 0)
    assert encoding.find_palette(p.X) is not None
    stepper = p.stepper(engine)
    assert is_plain(stepper.inputs)
    assert stepper.inputs.arrays[0].dtype == np.float32
    assert np.isfinite(stepper.run(p.order, p.coefficients)).all()


def test_files_in_memory_pixels_and_dense_data_are_left_alone(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "WORTHWHILE", 0)
    X = numbers(rng, 300, 130, "float32")
    p = pieces(BASE.but(n=300))
    X.tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", np.float32, "r", shape=X.shape)
    for form in (mapped, np.asarray(mapped)[10:290], np.frombuffer(mapped, np.float32).reshape(300, 130)):
        assert encoding.is_mapped(form)
        p.X = form
        p.order = np.arange(len(form))
        assert is_plain(p.stepper(engine).inputs)
    for form in (X, X[5:], mapped + 0, np.array(mapped), np.frombuffer(X.tobytes(), np.float32).reshape(300, 130)):
        assert not encoding.is_mapped(form)
    for form in (X.astype(np.uint8), numbers(rng, 300, 130, "float32", density=0.8)):
        p.X = form
        stepper = p.stepper(engine)
        assert is_plain(stepper.inputs)
        assert stepper.inputs.data.dtype == form.dtype
    p.X = X
    p.X.flags.writeable = False
    assert not is_plain(p.stepper(engine).inputs)


def test_an_estimator_encodes_once(rng, monkeypatch):
    pytest.importorskip("sklearn")
    from fastnet.sklearn import MLPClassifier

    calls = []

    def counted(*arguments):
        calls.append(1)
        return encoding.encoded(*arguments)

    monkeypatch.setattr(engine_inputs, "encoded", counted)
    X = DISGUISES["quotients"](numbers(rng, 300, 130, "float32"))
    y = rng.integers(3, size=300)
    models = []
    for least in (0, 2**62):
        monkeypatch.setattr(encoding, "WORTHWHILE", least)
        model = MLPClassifier((20,), max_iter=5, random_state=0, tol=0, n_iter_no_change=99)
        with pytest.warns(UserWarning, match="Maximum iterations"):
            models.append(model.fit(X, y))
    assert calls == [1]
    assert models[0].loss_curve_ == models[1].loss_curve_
    for a, b in zip(models[0].coefs_, models[1].coefs_, strict=True):
        assert (a == b).all()
