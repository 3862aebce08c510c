"""How much memory loading takes beside the arrays that result (NumPy's allocations are traced too)."""

import gzip
import io
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from data_makers import idx_bytes, images, labels

from fastnet.data import load_data

N = 20_000
X, Y = images(N, 28, 28), labels(N, 10)
X[:, :14] = 0  # as compressible as digits
SIZE = X.size
MB = 1_000_000


def traced_peak(path):
    tracemalloc.start()
    sets = load_data(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(sets[0].X[-1], X.reshape(N, -1)[-1])
    return peak


def compressed_idx():
    return gzip.compress(idx_bytes(X), 1)


def compressed_npz():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x_train=X, y_train=Y, x_test=X[:100], y_test=Y[:100])
    return buffer.getvalue()


def csv_text():
    buffer = io.StringIO()
    np.savetxt(buffer, np.column_stack([Y, X.reshape(N, -1)])[:, :], "%d", ",")
    return buffer.getvalue().encode()


def float_npy():
    buffer = io.BytesIO()
    np.savez(buffer, X=X.astype(np.float64), y=Y)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "extra"),
    [
        (lambda: idx_bytes(X), 4 * MB),
        (compressed_idx, 6 * MB),
        (compressed_npz, 30 * MB),
        (csv_text, 60 * MB),
        (float_npy, 30 * MB),
    ],
    ids=["idx", "idx.gz", "npz", "csv", "float npz"],
)
def test_little_more_than_the_array(tmp_path, make, extra):
    path = tmp_path / "data"
    path.write_bytes(make())
    assert traced_peak(path) < SIZE + extra


@pytest.mark.parametrize(("dtype", "n"), [(np.uint8, 8000), (np.float32, 4000), (np.float64, 2000)])
def test_a_text_pickle_takes_less_than_its_size(tmp_path, dtype, n):
    path = tmp_path / "data"
    inputs = X[-n:].reshape(n, -1, 1).astype(dtype)
    path.write_bytes(pickle.dumps({"count": n, "labels": np.eye(10)[Y[-n:]][:, :, None], "inputs": inputs}, 0))
    assert traced_peak(path) < 0.6 * path.stat().st_size + 10 * MB


def test_the_three_parts_of_a_pickle_are_joined_in_place(tmp_path):
    path = tmp_path / "data"
    n = 8000
    F = (X[:n].reshape(n, -1) / 256).astype(np.float32)
    parts = ((F[:6000], Y[:6000]), (F[6000:], Y[6000:n]), (F[:10], Y[:10]))
    path.write_bytes(gzip.compress(pickle.dumps(parts, 2), 1))
    tracemalloc.start()
    train, _ = load_data(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(train.X, F)
    assert peak < 1.7 * F.nbytes + 10 * MB  # not 2: the second part is there for a while


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_machine_with_too_little_memory_gives_one_line(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(idx_bytes(X), 1))
    code = (
        "import resource, sys; from fastnet.data import load_data; from fastnet.errors import DataError\n"
        "import mmap; now = int(open('/proc/self/statm').read().split()[0]) * mmap.PAGESIZE\n"
        "resource.setrlimit(resource.RLIMIT_AS, (now + 12_000_000, now + 12_000_000))\n"
        "try: load_data(sys.argv[1])\nexcept DataError as error: print(error)"
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: does not fit into the memory of this machine\n"


def test_every_public_name_is_there():
    import fastnet.data

    assert set(fastnet.data.__all__) == set(fastnet.data._MODULES)
    for name in dir(fastnet.data):
        assert callable(getattr(fastnet.data, name))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        fastnet.data.nothing  # noqa: B018


def test_importing_is_light():
    shown = "print(*sys.modules)"
    code = f"import sys, fastnet.data.arrays; {shown}; from fastnet.data import load_data; {shown}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = map(set, map(str.split, done.stdout.splitlines()))
    assert not first & {"zipfile", "hashlib", "fastnet.data.load"}
    assert "fastnet.data.load" in second
    assert not second & {"numba", "scipy", "sklearn", "h5py", "PIL", "matplotlib", "urllib.request", "ssl"}
