"""Damaged files of every format give valid arrays or a DataError, nothing else."""

import functools
import gzip
import importlib.util
import io
import pickle

import numpy as np
import pytest
from data_makers import idx_bytes, images, labels, python2_dict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastnet.data import load_data
from fastnet.errors import DataError

X, Y = images(4, 8, 8), labels(4)
FLAT = X.reshape(4, -1)


def npz_bytes(save):
    buffer = io.BytesIO()
    save(buffer, x_train=X / 255, y_train=Y, x_test=np.asfortranarray(X / 256), y_test=np.eye(3)[Y])
    return buffer.getvalue()


def npy_bytes():
    buffer = io.BytesIO()
    np.save(buffer, FLAT)
    return buffer.getvalue()


def hdf5_bytes():
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["x_train"], file["y_train"] = X.astype("f4"), Y
        file.create_dataset("x_test", data=X, chunks=True, compression="gzip")
        file["y_test"] = Y[:, None]
    return buffer.getvalue()


def mat_bytes(compressed):
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {"data": FLAT.T, "label": Y[None]}, do_compression=compressed)
    return buffer.getvalue()


def picture_bytes(kind):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(X[0]).save(buffer, format=kind)
    return buffer.getvalue()


def text_npz_bytes():
    buffer = io.BytesIO()
    np.savez(buffer, X=FLAT, y=np.array(["cat", "dog", "fox", "cat"]), class_names=np.array(["a", "b"]))
    return buffer.getvalue()


def csv_bytes():
    rows = np.column_stack([Y, FLAT]).tolist()
    return "".join(f"{','.join(map(str, row))}\n" for row in [["label", *range(64)], *rows]).encode()


MAKERS = {
    "idx": lambda: idx_bytes(X),
    "idx.gz": lambda: gzip.compress(idx_bytes(X)),
    "npy": npy_bytes,
    "npz": lambda: npz_bytes(np.savez),
    "npz compressed": lambda: npz_bytes(np.savez_compressed),
    "python 2 pickle": lambda: python2_dict(X, Y),
    "pickle 0": lambda: pickle.dumps(((FLAT / 255, Y), (FLAT / 256, Y), (FLAT / 255, Y)), 0),
    "pickle 2": lambda: pickle.dumps({"data": FLAT / 255, "labels": Y.tolist()}, 2),
    "pickle 5": lambda: pickle.dumps(((FLAT, Y), (FLAT, Y)), 5),
    "pickle.gz": lambda: gzip.compress(pickle.dumps((FLAT, Y))),
    "csv": csv_bytes,
    "hdf5": hdf5_bytes,
    "mat": lambda: mat_bytes(False),
    "mat compressed": lambda: mat_bytes(True),
    "text npz": text_npz_bytes,
    "png": lambda: picture_bytes("png"),
    "jpeg": lambda: picture_bytes("jpeg"),
    "bmp": lambda: picture_bytes("bmp"),
}
NEEDS = {"hdf5": "h5py", "mat": "scipy", "mat compressed": "scipy"} | dict.fromkeys(["png", "jpeg", "bmp"], "PIL")

# (where, what): a byte is overwritten, removed or inserted; a piece is cut out, repeated or cut off.
changes = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["byte", "bit", "remove", "insert", "cut", "repeat", "end"]),
        st.sampled_from([0, 1, 2, 7, 8, 10, 39, 40, 46, 92, 127, 128, 254, 255]) | st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def changed(data, steps):
    data = bytearray(data)
    for where, how, value in steps:
        i = int(where * len(data))
        if not data:
            break
        if how == "byte":
            data[i] = value
        elif how == "bit":
            data[i] ^= 1 << value % 8
        elif how == "remove":
            del data[i]
        elif how == "insert":
            data.insert(i, value)
        elif how == "cut":
            del data[i : i + value]
        elif how == "repeat":
            data[i:i] = data[i : i + value]
        else:
            del data[i:]
    return bytes(data)


@functools.cache
def made(name):
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"needs {NEEDS[name]}")
    return MAKERS[name]()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "file"


@pytest.mark.parametrize("name", MAKERS)
def test_undamaged_files(path, name):
    path.write_bytes(made(name))
    assert (load_data(path)[0].X >= 0).all()


@pytest.mark.parametrize("name", MAKERS)
@settings(deadline=None, derandomize=True, max_examples=120, suppress_health_check=list(HealthCheck))
@given(steps=changes)
@pytest.mark.filterwarnings("ignore:.* picture")  # a changed bit may be a colour or a transparent pixel
def test_damaged_files(path, name, steps):
    path.write_bytes(changed(made(name), steps))
    try:
        sets = load_data(path)
    except DataError as error:
        told = str(error)
        if told.startswith(str(path)) and told.isprintable():
            return
        raise
    for set_ in sets:
        if set_ is not None:
            assert set_.X.ndim == 2
            assert set_.X.dtype in (np.uint8, np.float32, np.float64)
            assert set_.X.flags.c_contiguous
            assert np.isfinite(set_.X).all()
            if set_.holds_values:
                assert len(set_.y) == len(set_.X)
                assert set_.y.dtype in (np.float32, np.float64)
                assert np.isfinite(set_.y).all()
            elif set_.y is not None:
                assert set_.y.shape == (len(set_.X),)
                assert set_.y.dtype == np.int64
                assert 0 <= set_.y.min() <= set_.y.max() < set_.n_classes
