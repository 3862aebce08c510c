"""Saved networks."""

import io
import json
import random
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from fastnet import Network
from fuzzing.arrays import zipped

SETTINGS = {
    "format": [1, 2, 3, 0, -1, 1.5, "2", None],
    "sizes": [
        [3, 4, 2],
        [3, 4],
        [3, 2**31, 2],
        [10**9, 10**9],
        [3, 0, 2],
        [],
        "342",
        [3, 4, 2.0],
        [1] * 3000,
        [3, [4], 2],
    ],
    "hidden": ["relu", "sigmoid", "x", ["relu"], ["relu"] * 9, None, 3, {}, "exp"],
    "output": ["softmax", "sigmoid", "identity", "exp", None, [], "relu"],
    "dtype": ["float32", "float64", "O", "f4", {}, None, "float16"],
    "input_scale": [1.0, 0, -1, None, "1", 1e300, True],
    "trained_on": [None, {}, {"integers": 1, "largest": 1e400}, [], {"integers": [], "largest": "x"}],
}


@cache
def _saved(dtype: str, names: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.npz")
        class_names = ["a", "b"] if names else None
        Network([3, 4, 2], hidden="relu", dtype=dtype, seed=1, class_names=class_names).save(path)
        return path.read_bytes()


def network(rng: random.Random) -> dict[str, bytes]:
    """A network of another description or other arrays, and zip files made by hand."""
    good = _saved(rng.choice(["float32", "float64"]), rng.random() < 0.5)
    if rng.random() < 0.2:
        return {"file": good}
    with np.load(io.BytesIO(good)) as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays["fastnet"]))
    for name in rng.sample(list(SETTINGS), rng.randint(0, 2)):
        about[name] = rng.choice(SETTINGS[name])
    text = json.dumps(about)
    if rng.random() < 0.1:
        text = rng.choice(["[" * 5000, "{}", "[]", "null", "9" * 5000, text + " " * 100_000, text.replace("3", "NaN")])
    arrays["fastnet"] = np.array(text)
    if rng.random() < 0.3:
        name = rng.choice([*arrays, "W9", "x"])
        arrays[name] = rng.choice(
            [np.zeros((3, 4)), np.zeros(10**6), np.array(["x" * 9] * 3), np.array(1), np.zeros((0, 4))]
        )
    if rng.random() < 0.1:
        del arrays[rng.choice(list(arrays))]
    if rng.random() < 0.6:
        buffer = io.BytesIO()
        rng.choice([np.savez, np.savez_compressed])(buffer, **arrays)
        return {"file": buffer.getvalue()}
    return {"file": zipped(rng, [(f"{name}.npy", packed(array)) for name, array in arrays.items()])}


def packed(array: np.ndarray) -> bytes:
    """An array as a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
