"""Networks in files for other programs: ONNX by onnxruntime, safetensors and .npz by their own libraries."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fastnet import Momentum, Network, functions, train
from fastnet.cli.main import main
from fastnet.exporting import SUFFIXES, export, graph

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
safetensors = pytest.importorskip("safetensors")

NAMES = ("sigmoid", "relu", "tanh", "identity", "leaky_relu", "gelu")


def session(path):
    onnx.checker.check_model(str(path), full_check=True)
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def agrees(net, path, X, atol=1e-5, **options):
    """Whether a network and its ONNX file say the same about X."""
    net.to_onnx(path, **options)
    outputs = session(path).run(None, {"X": X})
    assert outputs[0].dtype == net.dtype
    np.testing.assert_allclose(outputs[0], net.predict_proba(X), rtol=1e-5 if net.is_regression else 0, atol=atol)
    if net.is_regression:
        assert len(outputs) == 1
    else:
        np.testing.assert_array_equal(outputs[1], net.predict(X), strict=True)
    return outputs


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.onnx"


@pytest.fixture
def X(rng):
    return rng.standard_normal((40, 12), np.float32)


# ONNX


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", functions.HIDDEN)
@pytest.mark.parametrize(
    ("sizes", "output"),
    [([12, 7, 5], "softmax"), ([12, 6, 5, 3], "sigmoid"), ([12, 6, 1], "sigmoid"), ([12, 6, 6, 2], "identity")],
)
def test_onnx_says_what_the_network_says(path, X, sizes, output, hidden, dtype):
    net = Network(sizes, hidden=hidden, output=output, dtype=dtype, init="normal", seed=3)
    outputs = agrees(net, path, X.astype(dtype), 1e-5 if dtype == "float32" else 1e-12)
    assert np.ptp(outputs[0][:, 0]) > 0
    model = session(path)
    assert [node.name for node in model.get_inputs()] == ["X"]
    names = ["values"] if output == "identity" else ["probabilities", "classes"]
    assert [node.name for node in model.get_outputs()] == names


FORMULAS = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "gelu": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
    "exp": np.exp,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(graph.ACTIVATIONS))
def test_activations_are_their_formulas(name, dtype):
    nodes = graph.Graph(onnx, np.dtype(dtype))
    graph.ACTIVATIONS[name](nodes, "Z", "A")
    ends = [onnx.helper.make_tensor_value_info(end, nodes.type_of(dtype), ["batch", 5]) for end in "ZA"]
    made = onnx.helper.make_graph(nodes.nodes, "one", ends[:1], ends[1:], nodes.constants)
    opset = [onnx.helper.make_opsetid("", graph.OPSET)]
    model = onnx.helper.make_model(made, opset_imports=opset, ir_version=graph.IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    Z = np.linspace(-9, 9, 55, dtype=dtype).reshape(11, 5)
    found = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"Z": Z})[0]
    np.testing.assert_allclose(found, FORMULAS[name](Z), rtol=5e-6 if dtype == np.float32 else 1e-12, atol=1e-6)


def test_there_is_an_operator_for_every_activation():
    assert {*functions.ACTIVATIONS, *NAMES} == set(graph.ACTIVATIONS)


def test_layers_with_activations_of_their_own(path, X):
    """The codes of the layers count, one for each."""
    net = Network([12, 6, 5, 4], hidden="tanh", init="normal", seed=1)
    net.activations = tuple(functions.ACTIVATIONS[name] for name in ("relu", "sigmoid", "softmax"))
    agrees(net, path, X)


def test_one_layer_and_any_number_of_rows(path, X):
    net = Network([12, 3], seed=1)
    for rows in (1, 2, 40):
        agrees(net, path, X[:rows])


def test_a_poisson_regression(path, rng):
    estimators = pytest.importorskip("fastnet.sklearn")
    X = rng.random((60, 3))
    y = rng.poisson(np.exp(X[:, 0] * 2)).astype(float)
    model = estimators.MLPRegressor("poisson", (5,), max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="converge"):
        model.fit(X, y)
    agrees(model.to_network(), path, X, 1e-12)


def kind_of(net, path):
    net.to_onnx(path)
    return session(path).get_inputs()[0].type


def trained(X, scale=1 / 255, dtype="float32"):
    net = Network([X.shape[1], 4, 3], seed=1, input_scale=scale, dtype=dtype)
    train(net, X, np.arange(len(X)) % 3, epochs=1, backend="reference")
    return net


def test_inputs_are_what_the_network_was_trained_on(path, rng):
    pixels = rng.integers(0, 256, (60, 12)).astype(np.uint8)
    assert kind_of(trained(pixels), path) == "tensor(uint8)"
    assert kind_of(trained(pixels.astype(np.int64)), path) == "tensor(uint8)"
    assert kind_of(trained(pixels.astype(np.int32) - 99, 1.0), path) == "tensor(int64)"
    assert kind_of(trained(pixels.astype(np.int32) * 7), path) == "tensor(int64)"
    assert kind_of(trained(pixels / 255), path) == "tensor(float)"
    assert kind_of(trained(pixels / 255, dtype="float64"), path) == "tensor(double)"
    assert kind_of(Network([12, 3], seed=1), path) == "tensor(float)"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inputs", ["uint8", "int64", "float32", "float64"])
def test_inputs_of_every_type(path, rng, inputs, dtype):
    net = Network([12, 8, 3], init="normal", seed=2, dtype=dtype)
    X = rng.integers(0, 256, (30, 12)).astype(inputs)
    agrees(net, path, X / 255 if "float" in inputs and dtype == inputs else X, inputs=inputs)
    with pytest.raises(ValueError, match="inputs must be one of uint8, int64, float32, float64, got 'uint16'"):
        net.to_onnx(path, inputs="uint16")


@pytest.mark.parametrize(
    "settings",
    [
        {"sizes": [784, 32, 10], "hidden": "relu", "init": "he"},
        {"sizes": [784, 24, 16, 10], "hidden": "tanh", "dtype": "float64"},
        {"sizes": [784, 32, 10], "output": "sigmoid"},
        {"sizes": [784, 32, 1], "output": "sigmoid"},
    ],
)
def test_all_test_images(mnist, path, settings):
    data, test = mnist
    net = Network(**settings, seed=1)
    y = data.y if net.sizes[-1] == 10 else data.y % 2
    rate = 4.0 if net.hidden == "sigmoid" else 0.5
    train(net, data.X[:12000], y[:12000], epochs=1, optimizer=Momentum(rate, ema=True), seed=1)
    probabilities, _ = agrees(net, path, test.X, 1e-5 if net.dtype == "float32" else 1e-12)
    assert probabilities.shape == (10000, net.sizes[-1])
    truth = test.y if net.sizes[-1] == 10 else test.y % 2
    assert np.mean(net.predict(test.X) == truth) > 0.7


def test_what_an_onnx_file_says_of_itself(path):
    net = Network([4, 3], class_names=["a", "b", "é"], seed=1)
    net.to_onnx(path)
    model = onnx.load(path)
    assert (model.producer_name, model.ir_version, model.opset_import[0].version) == ("fastnet", 6, 11)
    about = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert about == {"class_names": ["a", "b", "é"], "fastnet": json.loads(json.dumps(net.description()))}
    assert "X float32 (batch, 4) -> probabilities float32 (batch, 3), classes int64 (batch)" in model.doc_string
    Network([4, 3], seed=1).to_onnx(path)
    assert [entry.key for entry in onnx.load(path).metadata_props] == ["fastnet"]


def test_more_than_a_protocol_buffer_holds(path, monkeypatch):
    monkeypatch.setattr(graph, "LARGEST", 100)
    with pytest.raises(ValueError, match="at most 100 bytes of parameters, got 204 bytes of parameters: use to_safet"):
        Network([16, 3], seed=1).to_onnx(path)
    assert not path.exists()


# safetensors and .npz


def test_safetensors_hold_the_arrays(tmp_path):
    net = Network([12, 6, 3], dtype="float64", class_names=["a", "b", "c"], seed=1)
    net.to_safetensors(tmp_path / "net.safetensors")
    with safetensors.safe_open(tmp_path / "net.safetensors", framework="numpy") as file:
        assert sorted(file.keys()) == ["W0", "W1", "b0", "b1"]
        for l in range(2):
            np.testing.assert_array_equal(file.get_tensor(f"W{l}"), net.W[l], strict=True)
            np.testing.assert_array_equal(file.get_tensor(f"b{l}"), net.b[l], strict=True)
        about = json.loads(file.metadata()["fastnet"])
    assert (about["sizes"], about["hidden"], about["class_names"]) == ([12, 6, 3], "sigmoid", ["a", "b", "c"])


def test_npz_is_what_save_writes(tmp_path):
    net = Network([12, 6, 3], seed=1)
    export(net, tmp_path / "net.npz")
    net.save(tmp_path / "saved.npz")
    assert (tmp_path / "net.npz").read_bytes() == (tmp_path / "saved.npz").read_bytes()


SAME = """
import sys
from fastnet import Network
from fastnet.exporting import export
export(Network([12, 6, 5, 3], seed=1, class_names=["a", "b", "c"]), sys.argv[1])
"""


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_the_same_network_gives_the_same_bytes(tmp_path, suffix):
    path, again = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    export(Network([12, 6, 5, 3], seed=1, class_names=["a", "b", "c"]), path)
    subprocess.run([sys.executable, "-c", SAME, str(again)], check=True)
    assert path.read_bytes() == again.read_bytes()


# Errors, and the command


def test_formats_that_do_not_exist(tmp_path):
    net = Network([12, 3], seed=1)
    with pytest.raises(ValueError, match=r"must be one of .onnx, .safetensors, .npz, got '.onx'; did"):
        export(net, tmp_path / "net.onx")
    with pytest.raises(ValueError, match=r"inputs must be None for a .npz file"):
        export(net, tmp_path / "net.npz", inputs="uint8")


@pytest.mark.parametrize(("suffix", "package"), [(".onnx", "onnx"), (".safetensors", "safetensors")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys, suffix, package):
    for name in ("onnx", "safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    Network([12, 3], seed=1).save(tmp_path / "net.npz")
    assert main(["export", str(tmp_path / "net.npz"), str(tmp_path / f"out{suffix}")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"needs {package}, which is not installed: pip install {package}, or" in err
    assert "extra 'export'" in err
    assert not (tmp_path / f"out{suffix}").exists()


@pytest.fixture
def program(tmp_path, capsys):
    """Runs fastnet export on a saved network and returns (exit code, stdout, stderr)."""
    Network([12, 6, 3], seed=1).save(tmp_path / "net.npz")

    def run(name, *options):
        code = main(["export", str(tmp_path / "net.npz"), str(tmp_path / name), *options])
        return code, *capsys.readouterr()

    return run


def test_the_command(program, tmp_path, X):
    net = Network.load(tmp_path / "net.npz")
    for suffix in SUFFIXES:
        code, out, err = program(f"out{suffix}")
        assert (code, err) == (0, "")
        assert out.startswith(f"{tmp_path}")
        assert (tmp_path / f"out{suffix}").exists()
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["W1"], net.W[1])
    assert "X uint8 (batch, 12) -> probabilities float32" in program("pixels.onnx", "--inputs", "uint8")[1]
    assert session(tmp_path / "pixels.onnx").get_inputs()[0].type == "tensor(uint8)"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out.txt"], "OUT: expected a name ending in .onnx, .safetensors, .npz, got"),
        (["out"], "OUT: expected a name ending in"),
        (["out.npz", "--inputs", "uint8"], "--inputs: only an .onnx file computes"),
        (["out.onnx", "--inputs", "uint16"], "--inputs: the value must be one of uint8, int64"),
        (["nowhere/out.onnx"], "OUT: cannot write"),
    ],
)
def test_what_the_command_refuses(program, arguments, words):
    code, out, err = program(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
