"""HDF5 files."""

import io
import math
import random

import numpy as np

from fuzzing.changes import length

NAMES = ("X", "y", "x_train", "y_train", "x_test", "y_test", "train/x", "train/y", "test/x", "a")
DTYPES = ("u1", "i1", "f2", "f4", ">f8", "f8", "i8", "?", "S3", "c8", [("a", "f4")], "u8")


def hdf5(rng: random.Random) -> dict[str, bytes]:
    """Data sets of any shape, with fill values, chunks, filters, links and types that are not read."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=rng.choice(["earliest", "latest"])) as file:
        n = rng.randint(1, 9)
        for name in rng.sample(NAMES, rng.randint(1, 5)):
            try:
                _add(rng, file, name, n)
            except Exception:
                continue  # what HDF5 itself refuses
    return {"file": buffer.getvalue()}


def _add(rng: random.Random, file, name: str, n: int) -> None:
    import h5py

    kind = rng.random()
    if kind < 0.35:
        file[name] = (
            np.arange(n * 3).reshape(n, 3).astype(rng.choice(["u1", "f4", "f8"]))
            if "x" in name.lower()
            else np.arange(n)
        )
    elif kind < 0.85:
        dims = tuple(max(1, length(rng)) for _ in range(rng.randint(1, 4)))
        chunks = rng.choice([None, True, tuple(rng.choice([1, 1, 10, 1000, d]) for d in dims)])
        settings = {"compression": rng.choice([None, "gzip", "lzf"]), "shuffle": True} if chunks else {}
        added = file.create_dataset(
            name, dims, rng.choice(DTYPES), chunks=chunks, fillvalue=rng.choice([None, 0, 1, 200]), **settings
        )
        if added.size < 1 << 20 and added.size < 5000 * math.prod(added.chunks or dims) and rng.random() < 0.5:
            added[...] = rng.choice([0, 1, 255])
    elif kind < 0.9:
        file[name] = rng.choice([h5py.SoftLink("/X"), h5py.SoftLink("/"), h5py.ExternalLink("/etc/passwd", "/")])
    elif kind < 0.95:
        file.create_dataset(name, (3,), rng.choice([h5py.string_dtype(), h5py.vlen_dtype("f4"), h5py.ref_dtype]))
    else:
        file.create_dataset(name, (n, 3), "u1", external=[("/etc/passwd", 0, 3 * n)])
