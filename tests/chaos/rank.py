"""One process of a distributed training, with a fault of its own: python -m chaos.rank FOLDER FAULT RANK SECONDS.

FAULT is none, raise, other-data or no-data; it happens to RANK, the first one after so many seconds. What comes from
outside, as signals do, comes by way of the file of the process's number.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

import fastnet
from fastnet.distributed.steps import SummedSteps

EPOCHS = 60


def data(folder: Path, fault: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows, or what a process with a fault has in their place."""
    if fault == "no-data":
        return np.load(folder / "nowhere.npy"), np.zeros(0)
    rng = np.random.default_rng(1 if fault == "other-data" else 0)
    X = rng.random((3001, 30), np.float32)
    return X, (X @ rng.standard_normal((30, 3))).argmax(1)


def fail_after(seconds: float) -> None:
    """Make a step raise MemoryError after so many seconds."""
    end, whole = time.monotonic() + seconds, SummedSteps._sum

    def failing(self, *arguments):
        if time.monotonic() > end:
            raise MemoryError("no room for a delta")
        return whole(self, *arguments)

    SummedSteps._sum = failing


def main(folder: Path, fault: str, rank: int, seconds: float) -> None:
    """Train, or go on with the training in the folder."""
    team = fastnet.distributed.mpi(silence=3.0)
    (folder / f"process-{team.rank}").write_text(str(os.getpid()))
    mine = fault if team.rank == rank else "none"
    X, y = data(folder, mine)
    if mine == "raise":
        fail_after(seconds)
    kept = folder / "kept"
    if any(kept.glob("step-*")):
        net, _ = fastnet.resume(kept, X, y, validation=(X[:501], y[:501]), distributed=team)
    else:
        net = fastnet.Network([30, 40, 3], hidden="relu", seed=team.rank)
        checkpoint = fastnet.Checkpoint(kept, every="0.1s")
        fastnet.train(
            net, X, y, epochs=EPOCHS, batch_size=500, seed=2, dropout=0.2, validation=(X[:501], y[:501]),
            checkpoint=checkpoint, distributed=team,
        )  # fmt: skip
    if team.rank == 0:
        np.save(folder / "params.npy", net.params)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
