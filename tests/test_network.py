"""Network: initial weights, views, predictions, and model files that may be anything."""

import copy
import io
import json
import os
import pickle
import threading
import zipfile

import numpy as np
import pytest

import fastnet
from fastnet import DataError, Network, reference
from fastnet.functions import RELU, SOFTMAX, TANH

BASE = [12, 8, 5, 3]


@pytest.fixture
def net():
    return Network(BASE, hidden="tanh", init="glorot", dtype="float64", seed=138)


@pytest.fixture
def X(rng):
    return rng.standard_normal((20, 12))


# Making


def test_params_and_their_views(net):
    assert [W.shape for W in net.W] == [(12, 8), (8, 5), (5, 3)]
    assert [b.shape for b in net.b] == [(8,), (5,), (3,)]
    flat = np.concatenate([a.ravel() for pair in zip(net.W, net.b, strict=True) for a in pair])
    np.testing.assert_array_equal(net.params, flat)
    net.W[1][2, 3] = 7
    net.b[0][:] = 5
    assert np.count_nonzero(net.params == 7) == 1
    assert np.count_nonzero(net.params == 5) == 8
    with pytest.raises(TypeError):
        net.W[0] = np.zeros((12, 8))  # would leave params as they are


@pytest.mark.parametrize(
    ("init", "variance"), [("lecun", 1 / 400), ("he", 2 / 400), ("glorot", 2 / 700), ("normal", 1.0)]
)
def test_initial_weights(init, variance):
    net = Network([400, 300], init=init, seed=1)
    assert net.W[0].var() == pytest.approx(variance, rel=0.02)
    assert abs(net.W[0].mean()) < 0.01 * variance**0.5
    assert net.b[0].any() == (init == "normal")


def test_a_seed_gives_the_same_weights_in_both_dtypes():
    a, b, other = (Network(BASE, dtype=d, seed=s) for d, s in (("float32", 3), ("float64", 3), ("float64", 4)))
    np.testing.assert_array_equal(a.params, b.params.astype(np.float32))
    assert a.params.dtype == np.float32
    assert (b.params != other.params).mean() > 0.8


@pytest.mark.parametrize("sizes", [(3, 2), np.array([3, 4, 2]), [np.int32(3), 2]])
def test_sizes_of_any_kind(sizes):
    assert Network(sizes).sizes == [int(n) for n in sizes]


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype(np.float64), "float64"])
def test_dtypes_of_any_kind(dtype):
    assert Network([2, 2], dtype=dtype).params.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"sizes": [3]}, ValueError, "sizes must hold at least inputs and outputs"),
        ({"sizes": []}, ValueError, "sizes must hold"),
        ({"sizes": [3, 0, 2]}, ValueError, "each at least 1, got [3, 0, 2]"),
        ({"sizes": [3, -1]}, ValueError, "at least 1"),
        ({"sizes": [3, 2.5]}, TypeError, "sizes must be a sequence of whole numbers"),
        ({"sizes": "784"}, TypeError, "sizes must be a sequence of whole numbers"),
        ({"sizes": 5}, TypeError, "sizes must be a sequence of whole numbers"),
        ({"hidden": "sigmod"}, ValueError, "did you mean 'sigmoid'?"),
        ({"hidden": "softmax"}, ValueError, "sigmoid, relu, tanh, identity, leaky_relu, gelu, got 'softmax'"),
        ({"hidden": None}, ValueError, "hidden must be one of"),
        ({"sizes": [3, 4, 5, 2], "hidden": ["relu", "thanh"]}, ValueError, "hidden[1] must be one of sigmoid, relu"),
        ({"sizes": [3, 4, 5, 2], "hidden": ["relu", "thanh"]}, ValueError, "did you mean 'tanh'?"),
        ({"sizes": [3, 4, 5, 2], "hidden": ["relu"]}, ValueError, "which are 2 here, got 1: relu"),
        ({"hidden": ["relu"]}, ValueError, "which are 0 here, got 1: relu"),
        ({"output": "soft_max"}, ValueError, "did you mean 'softmax'?"),
        ({"output": "relu"}, ValueError, "output must be one of"),
        ({"init": "xavier"}, ValueError, "init must be one of lecun, he, glorot, normal"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of float32, float64"),
        ({"dtype": np.int32}, ValueError, "dtype must be one of float32, float64, got 'int32'"),
        ({"sizes": [3, 1]}, ValueError, "output 'softmax' needs at least 2 outputs, got 1"),
        ({"input_scale": 0}, ValueError, "input_scale must be a number from 1e-30 to 1e30"),
        ({"input_scale": float("nan")}, ValueError, "input_scale must be a number"),
        ({"input_scale": "1/255"}, ValueError, "got '1/255'"),
        ({"input_scale": True}, ValueError, "got True"),
        ({"class_names": ["a"]}, ValueError, "class_names must be 2 different strings"),
        ({"class_names": ["a", "a"]}, ValueError, "class_names must be 2 different strings"),
        ({"class_names": "ab"}, ValueError, "class_names must be 2 different strings"),
        ({"class_names": [0, 1]}, ValueError, "class_names must be 2 different strings"),
        ({"class_names": ["a", ""]}, ValueError, "class_names must be 2 different strings"),
        ({"class_names": 2}, ValueError, "class_names must be 2 different strings"),
        ({"class_names": ["a", "b\0"]}, ValueError, "class_names must be 2 different strings"),
        ({"class_names": ["a", "b"], "output": "identity"}, ValueError, "class_names must be None for a regression"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error) as caught:
        Network(**({"sizes": [3, 2]} | arguments))
    assert words in str(caught.value)


def test_from_layers():
    layers = [["FullyConnected", 784, None], ["FullyConnected", 30, "sigmoid"], ["FullyConnected", 10, "softmax"]]
    net = Network.from_layers(layers, seed=7, dtype="float64")
    twin = Network([784, 30, 10], hidden="sigmoid", output="softmax", seed=7, dtype="float64")
    assert repr(net) == repr(twin)
    np.testing.assert_array_equal(net.params, twin.params)
    assert Network.from_layers([["FullyConnected", 4, None], ["FullyConnected", 2, "identity"]]).output == "identity"


MIXED = ("relu", "tanh", "gelu", "leaky_relu")


def test_hidden_is_a_name_where_all_layers_have_it():
    sizes = [3, 4, 4, 2]
    assert Network(sizes, hidden=["tanh", "tanh"]).hidden == Network(sizes, hidden="tanh").hidden == "tanh"
    assert Network([3, 2], hidden="relu").hidden == "relu"
    assert Network([3, 2], hidden=[]).hidden == Network([3, 2]).hidden == "sigmoid"
    mixed = Network(sizes, hidden=np.array(["relu", "tanh"]))
    assert mixed.hidden == ("relu", "tanh")
    assert repr(mixed).startswith("Network([3, 4, 4, 2], hidden=('relu', 'tanh'), output='softmax'")
    assert mixed.activations == (RELU, TANH, SOFTMAX)


def test_layers_may_have_different_activations(tmp_path, X):
    net = Network([12, 6, 5, 4, 7, 3], hidden=list(MIXED), dtype="float64", seed=3)
    rows = [["FullyConnected", n, a] for n, a in zip(net.sizes, [None, *MIXED, "softmax"], strict=True)]
    twin = Network.from_layers(rows, dtype="float64", seed=3)
    net.save(tmp_path / "m.npz")
    for other in (twin, Network.load(tmp_path / "m.npz"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert (other.hidden, other.activations) == (MIXED, net.activations)
        same(net, other)
    plain = Network(net.sizes, hidden="relu", dtype="float64", seed=3)
    np.testing.assert_array_equal(plain.params, net.params)
    assert np.abs(plain.predict_proba(X) - net.predict_proba(X)).max() > 1e-3
    for rows in (1, 20):
        wanted = reference.predict(net.sizes, net.activations, net.params, X[:rows].astype("float64"))
        np.testing.assert_allclose(net.predict_proba(X[:rows]), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], "at least one layer, got 0"),
        ([["FullyConnected", 3, None]], "at least one layer, got 1"),
        ([["FullyConnected", 3, None], ["FullyConnected", 3]], "layers[1] must be [kind, units, activation]"),
        ([["FullyConnected", 3, None], ["FullyConected", 3, "softmax"]], "did you mean 'FullyConnected'?"),
        ([["FullyConnected", 3, "relu"], ["FullyConnected", 3, "softmax"]], "layers[0], the inputs, must be None"),
        (
            [["FullyConnected", n, a] for n, a in ((3, None), (3, "relu"), (3, None), (2, "softmax"))],
            "hidden[1] must be one of sigmoid",
        ),
        ([["FullyConnected", 3, None], ["FullyConnected", 3, "softmx"]], "did you mean 'softmax'?"),
    ],
)
def test_bad_layers(layers, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are checked below
        Network.from_layers(layers)
    assert words in str(caught.value)


# Predicting


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_agree_with_the_oracle(X, output, dtype):
    net = Network(BASE, hidden="tanh", output=output, dtype=dtype, init="normal", seed=5)
    wanted = reference.predict(net.sizes, net.activations, net.params, X.astype(dtype))
    limit = 50 * np.finfo(dtype).eps
    for rows in (1, 2, 3, 20):
        proba = net.predict_proba(X[:rows])  # float64 rows for a float32 network, too
        assert proba.dtype == dtype
        np.testing.assert_allclose(proba, wanted[:rows], rtol=limit, atol=limit)
        classes = wanted[:rows].argmax(1)
        np.testing.assert_array_equal(net.predict(X[:rows]), proba if output == "identity" else classes)
    assert np.ptp(net.predict(X)) > 0


def test_forms_of_inputs(net, X):
    wanted = net.predict_proba(X)
    frozen = X.copy()
    frozen.flags.writeable = False
    forms = [frozen, X.tolist(), X[:, :, None], X.reshape(20, 3, 4), np.asfortranarray(X), X.astype(">f8")]
    for form in forms:
        np.testing.assert_array_equal(net.predict_proba(form), wanted)
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 12)
    np.testing.assert_allclose(net.predict_proba(pixels), net.predict_proba(pixels / 255), rtol=1e-12)


def test_one_output():
    net = Network([4, 1], output="sigmoid", seed=2)
    X = np.random.default_rng(1).standard_normal((30, 4))
    for rows in (1, 30):
        classes = net.predict(X[:rows])
        assert classes.dtype == np.int64
        np.testing.assert_array_equal(classes, net.predict_proba(X[:rows])[:, 0] > 0.5)


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        (np.zeros((5, 11)), ValueError, "X must have 12 columns (axis 1), got shape (5, 11)"),
        (np.zeros((12, 5)), ValueError, "looks transposed; pass X.T"),
        (np.zeros(12), ValueError, "one sample is X.reshape(1, -1)"),
        (np.zeros((0, 12)), ValueError, "at least one row"),
        (np.full((5, 12), np.nan), ValueError, "X must be finite, got nan in row 0, column 0"),
        (np.full((5, 12), 1j), TypeError, "complex"),
        ([["a"] * 12], TypeError, "text"),
        (None, TypeError, "X must be an array of numbers, got None"),
    ],
)
def test_bad_inputs(net, bad, error, words):
    for use in (net.predict, net.predict_proba, lambda X: net.evaluate(X, [0] * 5)):
        with pytest.raises(error) as caught:
            use(bad)
        assert words in str(caught.value)


def test_numbers_too_large_for_the_network_are_refused():
    net = Network([2, 2], seed=1)
    with pytest.raises(ValueError, match="X must be finite"):
        net.predict(np.array([[1e300, 0]]))


def test_evaluate(net, X):
    y = np.arange(20) % 3
    found = net.evaluate(X, y)
    loss, accuracy = reference.evaluate(net.sizes, net.activations, net.params, X, y, 0)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    assert found.accuracy == accuracy == np.mean(net.predict(X) == y)
    one_hot = np.eye(3)[y]
    assert net.evaluate(X, one_hot) == net.evaluate(X, one_hot[:, :, None]) == found
    with pytest.raises(ValueError, match="loss must be cross_entropy with an output layer of softmax, got 'mse'"):
        net.evaluate(X, y, loss="mse")
    with pytest.raises(ValueError, match="did you mean 'cross_entropy'"):
        net.evaluate(X, y, loss="crossentropy")
    with pytest.raises(ValueError, match="from 0 to 2, one for each of 3 classes, got 3 in row 4"):
        net.evaluate(X[:5], [0, 1, 2, 0, 3])


# Copies and files


def same(a, b):
    assert repr(a) == repr(b)
    np.testing.assert_array_equal(a.params, b.params)
    assert a.params.dtype == b.params.dtype
    assert a.activations == b.activations
    assert not np.shares_memory(a.params, b.params)
    b.W[0][:] = 1
    assert (b.params[: b.W[0].size] == 1).all()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_views(net, protocol):
    same(net, pickle.loads(pickle.dumps(net, protocol)))
    same(net, copy.deepcopy(net))


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_and_load(tmp_path, output, dtype):
    net = Network(BASE, hidden="relu", output=output, dtype=dtype, seed=9)
    path = tmp_path / "a network"
    net.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a network"]  # nothing beside it, no suffix of its own
    same(net, Network.load(str(path)))
    with np.load(path) as stored:
        np.testing.assert_array_equal(stored["W1"], net.W[1])


def test_a_file_keeps_the_scale_and_the_names(tmp_path, net):
    for scale, names in ((1.0, None), (1 / 16, ["cat", "dog", "zürich\udc80"]), (1 / 255, [str(i) for i in range(3)])):
        net.input_scale, net.class_names = scale, names
        net.save(tmp_path / "m.npz")
        for again in (Network.load(tmp_path / "m.npz"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
            assert again.input_scale == scale
            assert again.class_names == (tuple(names) if names else None)
    many = [f"class number {i} of a great many" for i in range(3000)]
    wide = Network([2, 3000], class_names=np.array(many))
    wide.save(tmp_path / "wide.npz")
    assert Network.load(tmp_path / "wide.npz").class_names == tuple(many)
    with np.load(tmp_path / "wide.npz") as stored:
        assert stored["class_names"].tolist() == many


def test_names_of_the_two_classes_of_one_output():
    assert Network([2, 1], output="sigmoid", class_names=["no", "yes"]).class_names == ("no", "yes")


def test_networks_of_version_0_1_come_back(tmp_path, net):
    path = tmp_path / "m.npz"
    about = {"format": 1, "sizes": net.sizes, "hidden": "tanh", "output": "softmax", "dtype": "float64"}
    arrays = {f"W{l}": W for l, W in enumerate(net.W)} | {f"b{l}": b for l, b in enumerate(net.b)}
    np.savez(path, fastnet=np.array(json.dumps(about)), **arrays)
    state = {k: v for k, v in net.__getstate__().items() if not k.startswith("_")}  # of a pickle
    unpickled = Network.__new__(Network)
    unpickled.__setstate__(state)
    for old in (Network.load(path), unpickled):
        np.testing.assert_array_equal(old.params, net.params)
        assert (old.input_scale, old.class_names) == (1 / 255, None)
        assert old.predict(np.full((1, 12), 255, np.uint8)) == net.predict(np.ones((1, 12)))


def test_a_failed_save_leaves_the_old_file(tmp_path, net, monkeypatch):
    path = tmp_path / "net.npz"
    net.save(path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        net.save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_saving_while_another_reads(tmp_path, net):
    path, errors = tmp_path / "net.npz", []
    net.save(path)
    stop = threading.Event()

    def read():
        while not stop.is_set():
            try:
                Network.load(path)
            except DataError as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        net.save(path)
    stop.set()
    reader.join()
    assert errors == []


def refused(path):
    with pytest.raises(DataError) as caught:
        Network.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_no_networks(tmp_path, net):
    path = tmp_path / "m.npz"
    assert "no such file" in refused(path)
    assert "expected a network saved by Network.save" in refused(tmp_path)
    for content in (b"", b"hello", b"PK\x05\x06" + bytes(18), pickle.dumps(net)):
        path.write_bytes(content)
        assert "expected a network saved by Network.save" in refused(path)
    np.savez(path, X=np.zeros(3))
    assert "without its description" in refused(path)
    np.save(tmp_path / "m.npy", np.zeros(3))
    refused(tmp_path / "m.npy")


def rewritten(path, about=None, arrays=None):
    """The model file with other descriptions or arrays (None drops one)."""
    with np.load(path) as stored:
        members = dict(stored)
    description = json.loads(str(members["fastnet"])) | (about or {})
    members |= arrays or {}
    members["fastnet"] = np.array(json.dumps(description))
    np.savez(path, **{name: a for name, a in members.items() if a is not None})


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"format": 3}, "newer than this fastnet"),
        ({"input_scale": -1}, "input_scale must be"),
        ({"input_scale": None}, "input_scale must be"),
        ({"trained_on": {}}, "integers"),
        ({"format": "x"}, "expected a network"),
        ({"sizes": [12, 8, 5, 4]}, "W2 must be"),
        ({"sizes": [12, 8, 3]}, "W1 must be"),
        ({"sizes": [12]}, "sizes must hold"),
        ({"sizes": [10**9, 10**9]}, "too short"),
        ({"sizes": [12, -8, 3]}, "sizes must hold"),
        ({"sizes": "12"}, "sizes must be"),
        ({"sizes": None}, "sizes must be"),
        ({"hidden": "swish"}, "hidden must be one of"),
        ({"hidden": ["relu", "tanh", "relu"]}, "which are 2 here, got 3"),
        ({"hidden": [["relu"], "relu"]}, "hidden[0] must be one of"),
        ({"hidden": 3}, "hidden must be one of"),
        ({"output": "relu"}, "output must be one of"),
        ({"dtype": "float32"}, "must be float32"),
        ({"dtype": "O"}, "dtype must be one of"),
        ({"dtype": {}}, ""),
    ],
)
def test_descriptions_that_do_not_fit(tmp_path, net, about, words):
    path = tmp_path / "m.npz"
    net.save(path)
    rewritten(path, about=about)
    assert words in refused(path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"W1": None}, "W1"),
        ({"b2": np.zeros(4)}, "b2 must be float64 (3,), got float64 (4,)"),
        ({"W0": np.zeros((8, 12))}, "W0 must be float64 (12, 8), got float64 (8, 12)"),
        ({"W0": np.zeros((12, 8), np.int64)}, "W0 must be"),
        ({"W0": np.zeros((400, 400))}, "W0 must be float64 (12, 8), got float64 (400, 400)"),
        ({"W0": np.array([{}])}, ""),  # a pickle
        ({"class_names": np.array(["a", "b"])}, "class_names must be 3 different strings"),
        ({"class_names": np.arange(3)}, "class_names must be 3 different strings"),
        ({"class_names": np.array([{}])}, ""),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, net, arrays, words):
    path = tmp_path / "m.npz"
    net.save(path)
    rewritten(path, arrays=arrays)
    assert words in refused(path)


def test_weights_of_the_other_byte_order(tmp_path, net):
    path = tmp_path / "m.npz"
    net.save(path)
    rewritten(path, arrays={"W0": net.W[0].astype(net.dtype.newbyteorder())})
    same(net, Network.load(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_opened(tmp_path):
    """Opening a named pipe would wait for a writer."""
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "named pipe"), ("/dev/zero", "device")):
        assert f"expected a regular file, got a {kind}" in refused(path)


def zipped(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(header, data=b""):
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def test_hostile_files(tmp_path, net):
    path = tmp_path / "m.npz"
    net.save(path)
    with zipfile.ZipFile(path) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    huge = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", bytes(64))
    zipped(path, good | {"W0.npy": huge})
    refused(path)
    names = io.BytesIO()
    np.save(names, np.array(["a" * 10**6, "b", "c"]))
    zipped(path, good | {"class_names.npy": names.getvalue()}, zipfile.ZIP_DEFLATED)
    assert "class_names must not be compressed" in refused(path)
    zipped(path, good | {"fastnet.npy": npy("{'descr': '<U9', 'fortran_order': False, 'shape': (10000000,), }")})
    refused(path)
    zipped(path, good | {"fastnet.npy": npy("__import__('os').abort()")})
    refused(path)
    bomb = io.BytesIO()
    np.save(bomb, np.array(" " * 10_000_000))
    zipped(path, good | {"fastnet.npy": bomb.getvalue()}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    assert "short description" in refused(path)
    deep = io.BytesIO()
    np.save(deep, np.array("[" * 10_000))
    zipped(path, good | {"fastnet.npy": deep.getvalue()})
    refused(path)
    zipped(path, good)
    same(net, Network.load(path))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_files_load_right_or_not_at_all(tmp_path, net, rng, method):
    path = tmp_path / "m.npz"
    net.save(path)
    with zipfile.ZipFile(path) as archive:
        zipped(tmp_path / "n.npz", {name: archive.read(name) for name in archive.namelist()}, method)
    good, refusals = (tmp_path / "n.npz").read_bytes(), 0
    for i in range(300):
        data = bytearray(good)
        if i % 3 == 0:
            del data[rng.integers(len(data)) :]
        else:
            for place in rng.integers(len(data), size=rng.integers(1, 4)):
                data[place] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            loaded = Network.load(path)
        except DataError:
            refusals += 1
        else:
            assert repr(loaded) == repr(net)
            np.testing.assert_array_equal(loaded.params, net.params)
    assert refusals > 150


def test_public_names():
    assert fastnet.Network is Network
    assert repr(Network([2, 3])) == "Network([2, 3], hidden='sigmoid', output='softmax', dtype='float32')"
    assert repr(Network([2, 3], input_scale=1)).endswith("dtype='float32', input_scale=1)")
