"""Checkpoints."""

import copy
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fastnet import Checkpoint, Network, checkpoints, resume, train
from fastnet.errors import DataError
from fuzzing.arrays import zipped
from fuzzing.networks import packed

X, Y = np.arange(60, dtype=np.float32).reshape(20, 3) / 60, np.arange(20) % 2
ODD = [
    None,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x" * 1000,
    [],
    [[]],
    {},
    {"kind": "Adam"},
    {"kind": "dict", "items": 3},
    True,
]


@cache
def _kept() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The last checkpoint of a short run."""
    with tempfile.TemporaryDirectory() as folder:
        net = Network([3, 4, 2], seed=1, class_names=["a", "b"])
        train(net, X, Y, epochs=2, seed=1, patience=5, validation=(X, Y), backend="reference", checkpoint=folder)
        return checkpoints.read(checkpoints.checkpoints(folder)[0])


def checkpoint(rng: random.Random) -> dict[str, bytes]:
    """One of another description or other arrays with sums that fit, or a zip file made by hand."""
    values, arrays = copy.deepcopy(_kept())
    for _ in range(rng.choice([0, 1, 1, 2, 9])):
        _change(rng, values)
    if rng.random() < 0.3:
        name = rng.choice([*arrays, "moments7", "best"])
        arrays[name] = np.zeros(rng.choice([(0,), (3,), (2, 3), (), (10**6,)]), rng.choice(["f4", "f8", "U3", "?"]))
    if rng.random() < 0.1:
        del arrays[rng.choice(list(arrays))]
    if rng.random() < 0.7:
        with tempfile.TemporaryDirectory() as folder:
            checkpoints.write(Path(folder, "step.npz"), values, arrays)
            return {"file": Path(folder, "step.npz").read_bytes()}
    text = rng.choice(
        ["{}", "[" * 5000, "[]," * 10**6, '{"format": 1, "sha256": {}}', '{"format": 1, "sha256": 1}', "null"]
    )
    about = np.frombuffer(text.encode(), np.uint8)
    sum_ = np.frombuffer(checkpoints._sum(about).encode(), np.uint8)
    members = arrays | {"checkpoint": about, "sum": rng.choice([sum_, sum_[::-1]])}
    return {"file": zipped(rng, [(f"{name}.npy", packed(array)) for name, array in members.items()])}


def _change(rng: random.Random, values: Any) -> None:
    """Put something odd somewhere into values for JSON, or leave something out."""
    while True:
        key = rng.choice(list(values) if isinstance(values, dict) else range(len(values)))
        if not (isinstance(values[key], dict | list) and values[key] and rng.random() < 0.8):
            break
        values = values[key]
    if isinstance(values, dict) and rng.random() < 0.3:
        del values[key]
    else:
        values[key] = copy.deepcopy(rng.choice(ODD))


def gone_on_with(path: Path) -> Any:
    """What `fastnet.resume` makes of it."""
    folder = path.parent / "kept"
    folder.mkdir()
    path.rename(folder / "step-000000000002.npz")
    try:
        return resume(folder, X, Y, validation=(X, Y), checkpoint=Checkpoint(path.parent / "next"))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
