"""Settings of a training on a table, by its size."""

from typing import Any


def defaults(n_rows: int) -> dict[str, Any]:
    """Settings by the names of `fastnet.settings`."""
    return {
        "hidden": [64],
        "activation": "relu",
        "init": "he",
        "optimizer": "adam",
        "lr": 1e-3,
        "batch_size": 32,
        "epochs": 30,
    }
