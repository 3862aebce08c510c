"""Checkpoints."""

import json
import random
import tempfile
from pathlib import Path

import numpy as np

from fastnet.checkpoints import write
from fuzzing.arrays import NAMES, zipped
from fuzzing.networks import packed


def checkpoint(rng: random.Random) -> dict[str, bytes]:
    """One with sums that fit and any content, or a zip file made by hand of what could be one."""
    values = json.loads(rng.choice(["{}", '{"state": [1, 2], "format": 9}', '{"about": null}', '{"a": "\\u0000"}']))
    arrays = {
        name: np.zeros(rng.choice([(0,), (3,), (2, 3), ()]), rng.choice(["f4", "f8", "U3", "?"])) for name in NAMES[:4]
    }
    if rng.random() < 0.6:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder, "step.npz"), values, arrays)
            return {"file": Path(folder, "step.npz").read_bytes()}
    text = rng.choice(["{}", "[" * 5000, '{"format": 1, "sha256": {}}', '{"format": 1, "sha256": {"a": 1}}', "null"])
    arrays |= {"checkpoint": np.frombuffer(text.encode(), np.uint8), "sum": np.zeros(64, np.uint8)}
    return {"file": zipped(rng, [(f"{name}.npy", packed(array)) for name, array in arrays.items()])}
