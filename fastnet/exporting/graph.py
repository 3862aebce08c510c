"""A network as an ONNX graph.

X (batch, d) goes in; probabilities (batch, k) and classes (batch,) come out, or values (batch, k) of a regression.
Integers are brought to floats and multiplied by the network's input_scale first. Layer l has the constants W<l> and
b<l>, the sums Z<l> and the activations A<l>, as in the rest of fastnet.
"""

import json
from collections.abc import Callable, Sequence
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet import __version__, units
from fastnet import functions as f
from fastnet.data.extras import required
from fastnet.errors import one_of
from fastnet.exporting import INPUTS

if TYPE_CHECKING:
    from fastnet.network import Network

OPSET, IR_VERSION = 11, 6  # of ONNX 1.6: with older ones, runtimes do not know the largest of float64 outputs
LARGEST = 2**31 - 2**20  # bytes of parameters: a protocol buffer ends at 2 GiB


class Graph:
    """Nodes and constants of a graph, in the order in which they are added."""

    def __init__(self, onnx: ModuleType, dtype: np.dtype):
        self.onnx, self.dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node and return the name of its output, which is the node's own name, too."""
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        """Add a constant, floats in the type of the graph, and return its name."""
        array = np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def cast(self, value: str, dtype: Any, output: str) -> str:
        """Add a conversion to another type."""
        return self.node("Cast", [value], output, to=self.type_of(dtype))

    def type_of(self, dtype: Any) -> int:
        """ONNX's number of a type."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _operator(name: str, **attributes: Any) -> Callable[[Graph, str, str], str]:
    return lambda graph, Z, A: graph.node(name, [Z], A, **attributes)


def _leaky_relu(graph: Graph, Z: str, A: str) -> str:
    """max(z, 0.01 z). Of the operator LeakyRelu, onnxruntime has float32 only."""
    return graph.node("Max", [Z, graph.node("Mul", [Z, graph.constant(f"{A}_slope", 0.01)], f"{A}_leak")], A)


def _gelu(graph: Graph, Z: str, A: str) -> str:
    """0.5 z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) as z sigmoid(z (c + 0.044715 c z^2)), c = 2 sqrt(2 / pi).

    The operator Gelu came with opset 20.
    """
    c = 2 * np.sqrt(2 / np.pi)
    square = graph.node("Mul", [Z, Z], f"{A}_square")
    bent = graph.node("Mul", [square, graph.constant(f"{A}_cubic", 0.044715 * c)], f"{A}_bent")
    slope = graph.node("Add", [bent, graph.constant(f"{A}_linear", c)], f"{A}_slope")
    gate = graph.node("Sigmoid", [graph.node("Mul", [Z, slope], f"{A}_logit")], f"{A}_gate")
    return graph.node("Mul", [Z, gate], A)


# By the names of fastnet.functions.ACTIVATIONS: adds A = f(Z) to a graph.
ACTIVATIONS: dict[str, Callable[[Graph, str, str], str]] = {
    "identity": _operator("Identity"),
    "sigmoid": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "relu": _operator("Relu"),
    "leaky_relu": _leaky_relu,
    "gelu": _gelu,
    "softmax": _operator("Softmax", axis=1),
    "exp": _operator("Exp"),
}
_NAMES = {code: name for name, code in f.ACTIVATIONS.items()}


def onnx_bytes(network: "Network", inputs: str | None = None) -> bytes:
    """The content of the file, the same bytes for the same network; see `Network.to_onnx` for the rest."""
    onnx = required("onnx", "onnx", "an ONNX file", "export")
    if network.params.nbytes > LARGEST:
        size = f"{network.params.nbytes} bytes of parameters"
        raise ValueError(f"an ONNX file holds at most {LARGEST} bytes of parameters, got {size}: use to_safetensors")
    graph = Graph(onnx, network.dtype)
    kind = input_type(network, inputs)
    outputs = _add_outputs(graph, network, _add_layers(graph, network, _add_inputs(graph, network, kind)))
    made = onnx.helper.make_graph(
        graph.nodes, "fastnet", [_tensor(graph, "X", kind, network.sizes[0])], outputs, graph.constants
    )
    model = onnx.helper.make_model(
        made,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastnet",
        producer_version=__version__,
        doc_string=f"{network!r}: {signature(network, kind)}",
    )
    onnx.helper.set_model_props(model, _metadata(network))
    return model.SerializeToString(deterministic=True)


def input_type(network: "Network", inputs: str | None) -> str:
    """The type of X: ``inputs``, or that of what the network was trained on if it is None."""
    if inputs is not None:
        return one_of("inputs", inputs, INPUTS)
    trained = network.trained_on
    if trained is None or not trained.integers:
        return network.dtype.name
    pixels = network.input_scale == units.PIXEL and round(trained.largest / units.PIXEL) <= 255
    return "uint8" if pixels else "int64"


def signature(network: "Network", inputs: str | None) -> str:
    """What goes in and what comes out, in a line."""
    name, k = ("values" if network.is_regression else "probabilities"), network.sizes[-1]
    classes = "" if network.is_regression else ", classes int64 (batch)"
    outputs = f"{name} {network.dtype.name} (batch, {k}){classes}"
    return f"X {input_type(network, inputs)} (batch, {network.sizes[0]}) -> {outputs}"


def encoded_inputs(network: "Network") -> str | None:
    """What X holds for a network that learned a table, in a line; None for any other network."""
    if network.preprocess is None:
        return None
    names = shorten(", ".join(network.preprocess.feature_names), 120, placeholder=" ...")
    return f"X holds rows that net.preprocess.transform has encoded, {network.sizes[0]} inputs in this order: {names}"


def _add_inputs(graph: Graph, network: "Network", kind: str) -> str:
    """X as the first layer takes it, by the rule of `fastnet.data.arrays.in_units`."""
    floats = "X" if kind == network.dtype.name else graph.cast("X", network.dtype, "X_floats")
    if np.dtype(kind).kind == "f":
        return floats
    return graph.node("Mul", [floats, graph.constant("input_scale", network.input_scale)], "A")


def _add_layers(graph: Graph, network: "Network", A: str) -> str:
    """The layers but for the last activation; returns Z of the last one."""
    Z = ""
    for l, (W, b) in enumerate(zip(network.W, network.b, strict=True)):
        if l:
            A = ACTIVATIONS[_NAMES[network.activations[l - 1]]](graph, Z, f"A{l - 1}")
        Z = graph.node("Gemm", [A, graph.constant(f"W{l}", W), graph.constant(f"b{l}", b)], f"Z{l}")
    return Z


def _add_outputs(graph: Graph, network: "Network", Z: str) -> list[Any]:
    """The outputs. Classes are found from Z, as `Network.predict` does: activations may round to equal numbers."""
    name, k = ("values" if network.is_regression else "probabilities"), network.sizes[-1]
    ACTIVATIONS[_NAMES[network.activations[-1]]](graph, Z, name)
    outputs = [_tensor(graph, name, network.dtype, k)]
    if network.is_regression:
        return outputs
    if k > 1:
        graph.node("ArgMax", [Z], "classes", axis=1, keepdims=0)
    else:
        above = graph.node("Greater", [Z, graph.constant("zero", 0.0)], "above_one_half")
        column = graph.cast(above, np.int64, "classes_column")
        graph.node("Reshape", [column, graph.constant("one_axis", np.array([-1]))], "classes")
    return [*outputs, _tensor(graph, "classes", np.int64)]


def _tensor(graph: Graph, name: str, dtype: Any, *shape: int) -> Any:
    """An input or output with any number of rows."""
    return graph.onnx.helper.make_tensor_value_info(name, graph.type_of(dtype), ["batch", *shape])


def _metadata(network: "Network") -> dict[str, str]:
    names = {} if network.class_names is None else {"class_names": json.dumps(network.class_names)}
    about = {"fastnet": json.dumps(network.description()), **names}
    if network.preprocess is not None:
        about["inputs"] = json.dumps(network.preprocess.feature_names)
    return about
