"""Network: the sizes, the activations and one flat vector of parameters."""

import operator
import os
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet import functions as f
from fastnet import hints, units
from fastnet.data.arrays import check_finite, check_labels, check_rows, check_targets, in_units
from fastnet.errors import one_of

if TYPE_CHECKING:
    from fastnet.tables.preprocess import Preprocess

FORMAT = 2  # of a saved network; 1 had neither a scale nor names
INITS = ("lecun", "he", "glorot", "normal")
_OUTPUT_NAMES = tuple(dict.fromkeys(output for output, _ in f.PAIRS))


@dataclass(frozen=True)
class Evaluation:
    """Mean loss (without L2) and accuracy, a share of 1, of a network on labelled rows."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class RegressionEvaluation:
    """Mean loss (without L2), R squared and root mean squared error of a regression on rows with known values.

    r2 : as scikit-learn's r2_score, the plain mean over the outputs; nan for a single row.
    rmse : the root of the mean over all rows and outputs.
    """

    loss: float
    r2: float
    rmse: float


class Network:
    """A multi-layer perceptron.

    sizes : numbers of inputs, of each hidden layer's units, of outputs.
    hidden : "sigmoid", "relu", "tanh", "identity", "leaky_relu" (slope 0.01) or "gelu" (its form by tanh); or one of
        them for each hidden layer, as in ["relu", "tanh"]. output : "softmax", "sigmoid" or "identity".
    init : of W[l], fan_in x fan_out, from the normal distribution with variance 1/fan_in ("lecun"), 2/fan_in ("he"),
        2/(fan_in + fan_out) ("glorot") or 1 ("normal"). Biases are zero, with "normal" standard normal too.
    dtype : "float32" or "float64". seed : of the initial weights, anything that numpy.random.default_rng takes.
    input_scale : what integers in X are worth, 1/255 as for pixels. They count in units of it, of whatever width they
        are, while floats (and bool, as 0 and 1) are used as they are. 1 makes integers plain numbers.
    class_names : one string for each output, or two for a single output; for reports, `predict` gives numbers.

    With output "identity" the network is a regression: see `is_regression`.

    params (n_params,) holds all parameters; W[l] (fan_in, fan_out) and b[l] (fan_out,) are views of it, to be read and
    written. The same seed gives the same weights in both dtypes, but for rounding.
    """

    # Networks that 0.1 pickled or saved do not have these.
    _input_scale: float = units.PIXEL
    _class_names: tuple[str, ...] | None = None
    _trained_on: units.Inputs | None = None
    _preprocess: "Preprocess | None" = None
    unfinished = False  # whether a signal ended its training

    @hints.hinted("Network")
    def __init__(
        self,
        sizes: Sequence[int],
        *,
        hidden: str | Sequence[str] = "sigmoid",
        output: str = "softmax",
        init: str = "lecun",
        dtype: Any = "float32",
        seed: Any = None,
        input_scale: float = units.PIXEL,
        class_names: Sequence[str] | None = None,
    ):
        self.sizes = _check_sizes(sizes)
        self._choose_activations(hidden, output)
        self.dtype = _check_dtype(dtype)
        self.input_scale, self.class_names = input_scale, class_names
        one_of("init", init, INITS)
        if output == "softmax" and self.sizes[-1] == 1:
            raise ValueError(
                "output 'softmax' needs at least 2 outputs, got 1, which would always be 1: make the last size 2, or "
                "pass output='sigmoid' for two classes, output='identity' for a regression"
            )
        self._adopt(np.empty(sum((a + 1) * b for a, b in self._shapes()), self.dtype))
        self._initialise(init, np.random.default_rng(seed))

    @classmethod
    def from_layers(cls, layers: Sequence[Sequence[Any]], **settings: Any) -> "Network":
        """A network from rows ["FullyConnected", units, activation]; the first, of the inputs, has activation None.

        ``settings`` are init, dtype, seed, input_scale and class_names, as for Network.
        """
        rows = [tuple(layer) for layer in layers]
        if len(rows) < 2:
            raise ValueError(f"layers must hold the inputs and at least one layer, got {len(rows)}")
        for i, row in enumerate(rows):
            if len(row) != 3:
                raise ValueError(f"layers[{i}] must be [kind, units, activation], got {list(row)}")
            one_of(f"kind of layers[{i}]", row[0], ("FullyConnected",))
        if rows[0][2] is not None:
            raise ValueError(f"activation of layers[0], the inputs, must be None, got {rows[0][2]!r}")
        return cls([row[1] for row in rows], hidden=[row[2] for row in rows[1:-1]], output=rows[-1][2], **settings)

    @classmethod
    def from_arrays(
        cls,
        W: Sequence[Any],
        b: Sequence[Any] | None,
        *,
        hidden: Any = "sigmoid",
        output: str = "softmax",
        transposed: bool = False,
        input_scale: float = units.PIXEL,
        class_names: Sequence[str] | None = None,
    ) -> "Network":
        """A network with copies of weights from elsewhere, such as the dense layers of Keras or PyTorch.

        W : for each layer (fan_in, fan_out), as Keras has them; with ``transposed`` (fan_out, fan_in), as the weight of
            PyTorch's Linear. Nothing is guessed from the shapes. b : for each layer (fan_out,), or None for no bias;
            None for none at all.
        hidden, output, input_scale, class_names : as for Network. ``gelu`` is the form by tanh: gelu with
            approximate=True in Keras, approximate="tanh" in PyTorch.

        The network is float32 where all arrays are so (or float16), else float64. Raises ValueError (TypeError where
        the kind of object is wrong) that names the array, on shapes that do not fit together, NaN and infinities.

        Of a Keras model with dense layers::

            W, b = zip(*(layer.get_weights() for layer in model.layers if layer.get_weights()))
            net = Network.from_arrays(W, b, hidden="relu")

        Of a PyTorch model with Linear layers::

            arrays = [parameter.detach().cpu().numpy() for parameter in model.parameters()]
            net = Network.from_arrays(arrays[::2], arrays[1::2], hidden="relu", transposed=True)
        """
        from fastnet.weights import check_layers

        weights, biases = check_layers(W, b, transposed)
        sizes, dtype = [len(weights[0]), *map(len, biases)], weights[0].dtype
        network = cls(
            sizes, hidden=hidden, output=output, dtype=dtype, seed=0, input_scale=input_scale, class_names=class_names
        )
        for view, array in zip(network.W + network.b, weights + biases, strict=True):
            view[:] = array
        return network

    @property
    def input_scale(self) -> float:
        """What integers in X are worth: they count in units of it (see `fastnet.data.arrays.in_units`)."""
        return self._input_scale

    @input_scale.setter
    def input_scale(self, scale: float) -> None:
        self._input_scale = _check_scale(scale)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes 0, 1, ..., or None where they have none but their numbers."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str] | None) -> None:
        self._class_names = None if names is None else self._check_names(names)

    @property
    def preprocess(self) -> "Preprocess | None":
        """How the columns of a table become X, a fitted `fastnet.tables.Preprocess`; None where X is no table.

        It is kept in files. `predict` takes encoded rows: net.predict(net.preprocess.transform(table)).
        """
        return self._preprocess

    @preprocess.setter
    def preprocess(self, preprocess: "Preprocess | None") -> None:
        if preprocess is not None and len(preprocess.feature_names) != self.sizes[0]:
            inputs = f"{len(preprocess.feature_names)} inputs"
            raise ValueError(f"preprocess must make the {self.sizes[0]} inputs of the network, got {inputs}")
        self._preprocess = preprocess

    @property
    def trained_on(self) -> units.Inputs | None:
        """The kind and the largest magnitude of the inputs trained on; None where that is not known."""
        return self._trained_on

    @property
    def is_regression(self) -> bool:
        """Whether the outputs are values (identity, or exp of a Poisson regression) and not classes."""
        return self.output in ("identity", "exp")

    def _choose_activations(self, hidden: str | Sequence[str], output: str) -> None:
        """Take the activations of all layers, if they fit the sizes."""
        names = _check_hidden(hidden, len(self.sizes) - 2)
        different = len(set(names)) > 1
        self.hidden = names if different else hidden if isinstance(hidden, str) else (*names, "sigmoid")[0]
        self.output = one_of("output", output, _OUTPUT_NAMES)
        self.activations = tuple(f.ACTIVATIONS[name] for name in (*names, self.output))

    def _check_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """The names as a tuple, if they fit the outputs."""
        if self.is_regression:
            raise ValueError(f"class_names must be None for a regression (output {self.output!r}), got {names!r}")
        expected = max(2, self.sizes[-1])
        found = tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else ()
        # NumPy drops zeros at the end of a string: such a name would not come back from a file.
        fine = all(isinstance(name, str) and name and not name.endswith("\0") for name in found)
        if not fine or len(set(found)) != len(found) or len(found) != expected:
            got = reprlib.repr(names if isinstance(names, str) else found or names)
            raise ValueError(f"class_names must be {expected} different strings, one for each class, got {got}")
        return tuple(map(str, found))

    def _shapes(self) -> list[tuple[int, int]]:
        return list(pairwise(self.sizes))

    def _adopt(self, params: np.ndarray) -> None:
        """Make ``params`` the parameters, and the views of it."""
        self.params = params
        W, b = [], []
        start = 0
        for fan_in, fan_out in self._shapes():
            end = start + fan_in * fan_out
            W.append(params[start:end].reshape(fan_in, fan_out))
            b.append(params[end : end + fan_out])
            start = end + fan_out
        self.W, self.b = tuple(W), tuple(b)  # not lists: an assignment to W[0] would leave params as they are

    def _initialise(self, init: str, rng: np.random.Generator) -> None:
        for W, b in zip(self.W, self.b, strict=True):
            fan_in, fan_out = W.shape
            variance = {"lecun": 1 / fan_in, "he": 2 / fan_in, "glorot": 2 / (fan_in + fan_out), "normal": 1.0}[init]
            W[:] = rng.standard_normal(W.shape) * np.sqrt(variance)
            b[:] = rng.standard_normal(b.shape) if init == "normal" else 0

    def default_loss(self) -> str:
        """The loss that belongs to the output layer."""
        return next(loss for output, loss in f.PAIRS if output == self.output)

    def check_inputs(self, X: Any, name: str = "X") -> np.ndarray:
        """``X`` as the kernels take it: (n, d) uint8, or floats of the network's dtype.

        Warns if X looks as if it were in other units than those that the network was trained on.
        """
        rows = check_rows(X, width=self.sizes[0], name=name)
        checked = in_units(rows, self.input_scale, self.dtype)
        check_finite(checked, name)  # what is finite in float64 may not be in float32
        if self._trained_on is not None:
            inputs = units.look_at(rows, self.input_scale, units.ELEMENTS)
            units.warn_of_other_units(inputs, self._trained_on, self.input_scale, name)
        return checked

    def units_of(self, rows: np.ndarray) -> units.Inputs:
        """The units of rows (n, d), of any type, to train on."""
        return units.look_at(rows, self.input_scale, units.TRAINING_ELEMENTS)

    def note_training_inputs(self, inputs: units.Inputs, *, warns: bool = True) -> None:
        """Remember the units of rows to train on; warn of integers that hardly are pixels."""
        if warns:
            units.warn_of_small_integers(inputs, self.input_scale, "X")
        self._trained_on = inputs.after(self._trained_on)

    def check_targets(self, y: Any, n: int, loss: str, name: str = "y") -> np.ndarray:
        """``y`` as the kernels take it with that loss: labels (n,) int64, or rows (n, k) of the network's dtype."""
        if loss == "cross_entropy":
            return check_labels(y, n, self.sizes[-1], name)
        y = check_targets(y, n, self.sizes[-1], name)
        return y if y.dtype == np.int64 else y.astype(self.dtype, copy=False)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Outputs (n, k) for X (n, d): probabilities with softmax and sigmoid, values of a regression."""
        from fastnet import engine

        X = self.check_inputs(X)
        return engine.predict(self.sizes, self.activations, self.params, X, scale=self.input_scale)

    def predict(self, X: Any) -> np.ndarray:
        """Classes (n,) int64 for X (n, d): the largest output; with a single output, whether it is above one half.

        A regression gives its values, of the network's dtype: (n,) of a single output, else (n, k).
        """
        from fastnet import engine

        if self.is_regression:
            values = self.predict_proba(X)
            return values[:, 0] if self.sizes[-1] == 1 else values
        X = self.check_inputs(X)
        return engine.classify(self.sizes, self.activations, self.params, X, scale=self.input_scale)

    # Type checkers know of one result only: a union would have them refuse every use of either.
    def evaluate(self, X: Any, y: Any, *, loss: str | None = None) -> Evaluation | Any:
        """Evaluation, mean loss and accuracy on labelled rows; of a regression RegressionEvaluation, with r2 and rmse.

        ``loss`` follows the output layer if it is None.
        """
        from fastnet.backends import evaluate

        return evaluate(self, X, y, loss)

    def summary(self) -> str:
        """A table of the layers: shapes, activations, parameters, bytes and FLOPs. Nothing is printed."""
        from fastnet import summary

        return summary.text(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters by the names that they have in files: W0, W1, ..., b0, b1, ...; views, not copies."""
        return {f"W{l}": W for l, W in enumerate(self.W)} | {f"b{l}": b for l, b in enumerate(self.b)}

    def description(self) -> dict[str, Any]:
        """What a file says about the network besides its arrays and the names of its classes; JSON can hold it."""
        return {
            "format": FORMAT,
            "sizes": list(self.sizes),
            "hidden": self.hidden,
            "output": self.output,
            "dtype": self.dtype.name,
            "input_scale": self.input_scale,
            "trained_on": None if self._trained_on is None else asdict(self._trained_on),
            **({"unfinished": True} if self.unfinished else {}),
            **({} if self._preprocess is None else {"preprocess": self._preprocess.description()}),
        }

    @classmethod
    def from_description(cls, about: dict[str, Any], size: int) -> "Network":
        """A network of that `description`, whose parameters are zero.

        size : of the file that it comes from, in bytes; ValueError if the parameters would need more.
        """
        network = cls.__new__(cls)
        network._describe(about)
        n_params = sum((a + 1) * b for a, b in network._shapes())
        if n_params * network.dtype.itemsize > size:
            raise ValueError(f"the file is too short for {n_params} parameters")
        network._adopt(np.zeros(n_params, network.dtype))
        return network

    def save(self, path: str | os.PathLike) -> None:
        """Write the network as .npz: W0, b0, W1, ..., class_names if it has any, and a JSON description.

        A failed save leaves no half file.
        """
        from fastnet.saving import write

        write(self, path)

    def to_onnx(self, path: str | os.PathLike, *, inputs: str | None = None) -> None:
        """Write the network as an ONNX model (opset 11), for runtimes in any language. Needs the extra ``export``.

        The model takes X (batch, d), any number of rows. It gives probabilities (batch, k) and classes (batch,) int64;
        a regression gives values (batch, k). They are of the network's dtype. The metadata hold the description that
        `save` writes, as ``fastnet``, and the class_names, both as JSON. For tables X are encoded rows, those of
        ``preprocess.transform``: text is not in the graph, and the description says how columns become X.

        inputs : type of X, "uint8" or "int64" for integers, which the model multiplies by input_scale, "float32" or
            "float64" for floats, which it uses as they are. None takes what the network was trained on: uint8 after
            pixels, int64 after other integers, otherwise (or where it is not known) floats of the network's dtype.

        The same network gives the same bytes. A failed write leaves no half file. Raises ImportError without onnx,
        ValueError on other ``inputs`` and on parameters beyond 2 GiB, which ONNX files cannot hold.
        """
        from fastnet.exporting.graph import onnx_bytes
        from fastnet.files import replacing

        content = onnx_bytes(self, inputs)
        with replacing(path) as file:
            file.write(content)

    def to_safetensors(self, path: str | os.PathLike) -> None:
        """Write the network as safetensors: W0, b0, W1, ... as in the .npz of `save`. Needs the extra ``export``.

        The metadata entry ``fastnet`` holds the description and class_names as JSON. `from_arrays` makes a network of
        such arrays again. The same network gives the same bytes. A failed write leaves no half file. Raises
        ImportError without safetensors.
        """
        from fastnet.exporting.tensors import safetensors_bytes
        from fastnet.files import replacing

        content = safetensors_bytes(self)
        with replacing(path) as file:
            file.write(content)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Network":
        """Read a network that `save` wrote; DataError on anything else."""
        from fastnet.saving import read

        return read(cls, path)

    def _describe(self, about: dict[str, Any]) -> None:
        """Take everything but the arrays from the description in a file."""
        self.sizes, self.dtype = _check_sizes(about["sizes"]), _check_dtype(about["dtype"])
        self._choose_activations(about["hidden"], about["output"])
        self.unfinished = bool(about.get("unfinished", False))
        if about["format"] > 1:
            self.input_scale = about["input_scale"]
            trained = about["trained_on"]
            if trained is not None:
                self._trained_on = units.Inputs(bool(trained["integers"]), float(trained["largest"]))
        if about.get("preprocess") is not None:
            from fastnet.tables.preprocess import Preprocess

            self.preprocess = Preprocess.from_description(about["preprocess"])

    def __repr__(self) -> str:
        scale = "" if self.input_scale == units.PIXEL else f", input_scale={self.input_scale:g}"
        names = f"hidden={self.hidden!r}, output={self.output!r}, dtype={self.dtype.name!r}"
        return f"Network({self.sizes}, {names}{scale})"

    if not TYPE_CHECKING:  # type checkers would take any attribute for one that there is

        def __getattr__(self, name: str) -> Any:
            raise hints.no_attribute("Network", name, dir(type(self)))

    def __getstate__(self) -> dict:
        return {key: value for key, value in self.__dict__.items() if key not in ("W", "b")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._adopt(self.params)


def check_pair(network: Network, loss: str | None) -> str:
    """The name of the loss, ``loss`` or the output layer's own; ValueError if the two do not go together."""
    if loss is None:
        return network.default_loss()
    one_of("loss", loss, f.LOSSES)
    if (network.output, loss) not in f.PAIRS:
        fitting = ", ".join(name for output, name in f.PAIRS if output == network.output)
        raise ValueError(f"loss must be {fitting} with an output layer of {network.output}, got {loss!r}")
    return loss


def _check_hidden(hidden: Any, layers: int) -> tuple[str, ...]:
    """The name of the activation of each hidden layer, from one name for all or a sequence of names."""
    if isinstance(hidden, str) or not isinstance(hidden, Iterable):
        return (one_of("hidden", hidden, f.HIDDEN),) * layers
    names = tuple(str(one_of(f"hidden[{i}]", name, f.HIDDEN)) for i, name in enumerate(hidden))
    if len(names) != layers:
        raise ValueError(
            f"hidden must be one activation, or one for each hidden layer, which are {layers} here, got {len(names)}: "
            f"{', '.join(names)}"
        )
    return names


def _check_sizes(sizes: Sequence[int]) -> list[int]:
    try:
        checked = [operator.index(n) for n in sizes]
    except TypeError:
        raise TypeError(
            f"sizes must be a sequence of whole numbers, as in Network([784, 64, 10]), got {sizes!r}"
        ) from None
    if len(checked) < 2 or min(checked) < 1:
        raise ValueError(f"sizes must hold at least inputs and outputs, each at least 1, got {checked}")
    return checked


def _check_dtype(dtype: Any) -> np.dtype:
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    return np.dtype(one_of("dtype", name, ("float32", "float64")))


def _check_scale(scale: float) -> float:
    number = isinstance(scale, int | float | np.number) and not isinstance(scale, bool)
    # Beyond, products with integers would leave the range of float32.
    if not (number and 1e-30 <= scale <= 1e30):
        raise ValueError(f"input_scale must be a number from 1e-30 to 1e30, what an integer is worth, got {scale!r}")
    return float(scale)
