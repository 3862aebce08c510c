"""Network: the sizes, the activations and one flat vector of parameters."""

import json
import operator
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fastnet import functions as f
from fastnet.data.arrays import check_finite, check_labels, check_targets, check_X
from fastnet.errors import DataError, one_of

FORMAT = 1  # of a saved network
SLACK = 1 << 16  # bytes: more than a description or an array's header takes
INITS = ("lecun", "he", "glorot", "normal")
_OUTPUT_NAMES = tuple(dict.fromkeys(output for output, _ in f.PAIRS))


@dataclass(frozen=True)
class Evaluation:
    """Mean loss (without L2) and accuracy, a share of 1, of a network on labelled rows."""

    loss: float
    accuracy: float


class Network:
    """A multi-layer perceptron.

    sizes : numbers of inputs, of each hidden layer's units, of outputs.
    hidden : "sigmoid", "relu", "tanh" or "identity". output : "softmax", "sigmoid" or "identity".
    init : of W[l], fan_in x fan_out, from the normal distribution with variance 1/fan_in ("lecun"), 2/fan_in ("he"),
        2/(fan_in + fan_out) ("glorot") or 1 ("normal"). Biases are zero, with "normal" standard normal too.
    dtype : "float32" or "float64". seed : of the initial weights, anything that numpy.random.default_rng takes.

    params (n_params,) holds all parameters; W[l] (fan_in, fan_out) and b[l] (fan_out,) are views of it, to be read and
    written. The same seed gives the same weights in both dtypes, but for rounding.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        hidden: str = "sigmoid",
        output: str = "softmax",
        init: str = "lecun",
        dtype: Any = "float32",
        seed: Any = None,
    ):
        self.sizes = _check_sizes(sizes)
        self.hidden = one_of("hidden", hidden, f.HIDDEN)
        self.output = one_of("output", output, _OUTPUT_NAMES)
        self.activations = _codes(self.hidden, self.output, len(self.sizes) - 1)
        self.dtype = _check_dtype(dtype)
        one_of("init", init, INITS)
        self._adopt(np.empty(sum((a + 1) * b for a, b in self._shapes()), self.dtype))
        self._initialise(init, np.random.default_rng(seed))

    @classmethod
    def from_layers(cls, layers: Sequence[Sequence[Any]], **settings: Any) -> "Network":
        """A network from rows ["FullyConnected", units, activation]; the first, of the inputs, has activation None.

        All hidden layers must have one activation. ``settings`` are init, dtype and seed, as for Network.
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
        hidden = {row[2] for row in rows[1:-1]}
        if len(hidden) > 1:
            raise ValueError(
                f"all hidden layers must have one activation, got {', '.join(map(repr, sorted(map(str, hidden))))}"
            )
        return cls(
            [row[1] for row in rows], hidden=hidden.pop() if hidden else "sigmoid", output=rows[-1][2], **settings
        )

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
        """``X`` as the kernels take it: (n, d) uint8, or floats of the network's dtype."""
        X = check_X(X, width=self.sizes[0], name=name)
        if X.dtype in (np.uint8, self.dtype):
            return X
        with np.errstate(over="ignore"):
            X = X.astype(self.dtype)
        check_finite(X, name)  # what is finite in float64 may not be in float32
        return X

    def check_targets(self, y: Any, n: int, loss: str, name: str = "y") -> np.ndarray:
        """``y`` as the kernels take it with that loss: labels (n,) int64, or rows (n, k) of the network's dtype."""
        if loss == "cross_entropy":
            return check_labels(y, n, self.sizes[-1], name)
        y = check_targets(y, n, self.sizes[-1], name)
        return y if y.dtype == np.int64 else y.astype(self.dtype, copy=False)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Outputs (n, k) for X (n, d): probabilities with softmax and sigmoid, values with identity."""
        from fastnet import engine

        return engine.predict(self.sizes, self.activations, self.params, self.check_inputs(X))

    def predict(self, X: Any) -> np.ndarray:
        """Classes (n,) int64 for X (n, d): the largest output; with a single output, whether it is above one half."""
        from fastnet import engine

        X = self.check_inputs(X)
        return engine.classify(self.sizes, self.activations, self.params, X)

    def evaluate(self, X: Any, y: Any, *, loss: str | None = None) -> Evaluation:
        """Mean loss and accuracy on labelled rows; ``loss`` follows the output layer if it is None."""
        from fastnet import engine

        name = check_pair(self, loss)
        X = self.check_inputs(X)
        evaluator = engine.Evaluator(self.sizes, self.activations, self.dtype, X, loss=f.LOSSES[name])
        return Evaluation(*evaluator.evaluate(self.params, self.check_targets(y, len(X), name)))

    def save(self, path: str | os.PathLike) -> None:
        """Write the network as .npz: W0, b0, W1, ... and a JSON description; a failed save leaves no half file."""
        from fastnet.files import replacing

        arrays = {f"W{l}": W for l, W in enumerate(self.W)} | {f"b{l}": b for l, b in enumerate(self.b)}
        about = {
            "format": FORMAT,
            "sizes": self.sizes,
            "hidden": self.hidden,
            "output": self.output,
            "dtype": self.dtype.name,
        }
        with replacing(path) as file:
            np.savez(file, fastnet=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Network":
        """Read a network that `save` wrote; DataError on anything else."""
        try:
            return cls._load(Path(path))
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; expected a network saved by Network.save") from None
        except Exception as error:  # a damaged file may raise anything from zlib, zipfile, numpy or json
            raise DataError(f"{path}: expected a network saved by Network.save: {error}") from None

    @classmethod
    def _load(cls, path: Path) -> "Network":
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info.file_size for info in archive.infolist()}
        if "fastnet.npy" not in members:
            raise DataError(f"{path}: expected a network saved by Network.save, got a zip file without its description")
        if members["fastnet.npy"] > SLACK:
            raise DataError(f"{path}: expected a short description of a network, got {members['fastnet.npy']} bytes")
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["fastnet"][()]))
            if about["format"] > FORMAT:
                raise DataError(
                    f"{path}: format {about['format']} is newer than this fastnet, which reads up to {FORMAT}"
                )
            sizes = _check_sizes(about["sizes"])
            dtype = _check_dtype(about["dtype"])
            n_params = sum((a + 1) * b for a, b in pairwise(sizes))
            if n_params * dtype.itemsize > path.stat().st_size:  # `save` does not compress
                raise DataError(f"{path}: expected {n_params} parameters, the file is too short for them")
            network = cls.__new__(cls)
            network.sizes, network.dtype = sizes, dtype
            network.hidden = one_of("hidden", about["hidden"], f.HIDDEN)
            network.output = one_of("output", about["output"], _OUTPUT_NAMES)
            network.activations = _codes(network.hidden, network.output, len(sizes) - 1)
            network._adopt(np.empty(n_params, dtype))
            for l, views in enumerate(zip(network.W, network.b, strict=True)):
                for name, view in zip("Wb", views, strict=True):
                    if members[f"{name}{l}.npy"] > view.nbytes + SLACK:
                        raise DataError(f"{path}: {name}{l} must have {view.size} numbers, got more")
                    array = stored[f"{name}{l}"]
                    if array.shape != view.shape or array.dtype != dtype:
                        raise DataError(
                            f"{path}: {name}{l} must be {dtype} {view.shape}, got {array.dtype} {array.shape}"
                        )
                    view[:] = array
        return network

    def __repr__(self) -> str:
        return f"Network({self.sizes}, hidden={self.hidden!r}, output={self.output!r}, dtype={self.dtype.name!r})"

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


def _codes(hidden: str, output: str, layers: int) -> tuple[int, ...]:
    return (f.ACTIVATIONS[hidden],) * (layers - 1) + (f.ACTIVATIONS[output],)


def _check_sizes(sizes: Sequence[int]) -> list[int]:
    try:
        checked = [operator.index(n) for n in sizes]
    except TypeError:
        raise TypeError(f"sizes must be a sequence of whole numbers, got {sizes!r}") from None
    if len(checked) < 2 or min(checked) < 1:
        raise ValueError(f"sizes must hold at least inputs and outputs, each at least 1, got {checked}")
    return checked


def _check_dtype(dtype: Any) -> np.dtype:
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    return np.dtype(one_of("dtype", name, ("float32", "float64")))
