"""Network.from_arrays: weights of other libraries, and shapes that do not fit together."""

import numpy as np
import pytest

from fastnet import Network


@pytest.fixture
def arrays(rng):
    """W and b of a network 6-5-3 in float32."""
    shapes = ((6, 5), (5, 3))
    return [rng.standard_normal(s, np.float32) for s in shapes], [rng.standard_normal(s[1], np.float32) for s in shapes]


def test_weights_are_copied(arrays):
    W, b = arrays
    names = ["a", "b", "c"]
    net = Network.from_arrays(W, b, hidden="relu", output="sigmoid", input_scale=0.5, class_names=names)
    assert (net.sizes, net.hidden, net.output, net.dtype) == ([6, 5, 3], "relu", "sigmoid", np.float32)
    assert (net.input_scale, net.class_names) == (0.5, tuple(names))
    for l in range(2):
        np.testing.assert_array_equal(net.W[l], W[l])
        np.testing.assert_array_equal(net.b[l], b[l])
    W[0][:] = 0
    assert net.W[0].all()


def test_outputs_are_those_of_the_layers(arrays, rng):
    W, b = arrays
    X = rng.standard_normal((9, 6), np.float32)
    Z = np.tanh(X @ W[0] + b[0]) @ W[1] + b[1]
    net = Network.from_arrays(W, b, hidden="tanh", output="identity")
    np.testing.assert_allclose(net.predict(X), Z, rtol=1e-4, atol=1e-5)


def test_transposed_weights(arrays):
    W, b = arrays
    net = Network.from_arrays([array.T for array in W], b, transposed=True)
    np.testing.assert_array_equal(net.params, Network.from_arrays(W, b).params)


def test_square_weights_are_not_guessed(rng):
    W, b = [rng.standard_normal((4, 4))] * 2, [np.zeros(4)] * 2
    np.testing.assert_array_equal(Network.from_arrays(W, b).W[0], W[0])
    np.testing.assert_array_equal(Network.from_arrays(W, b, transposed=True).W[0], W[0].T)


def test_layers_without_a_bias(arrays):
    W, b = arrays
    net = Network.from_arrays(W, [None, b[1]])
    assert not net.b[0].any()
    assert net.b[1].all()
    assert net.dtype == np.float32


@pytest.mark.parametrize(
    ("weights", "biases", "dtype"),
    [
        (np.float32, np.float32, "float32"),
        (np.float16, np.float32, "float32"),
        (np.float64, np.float32, "float64"),
        (np.float32, np.float64, "float64"),
        (np.int64, np.float32, "float64"),
        (">f4", "f4", "float32"),
    ],
)
def test_the_dtype_follows(arrays, weights, biases, dtype):
    W, b = arrays
    net = Network.from_arrays([a.astype(weights) for a in W], [a.astype(biases) for a in b])
    assert net.dtype == dtype
    np.testing.assert_array_equal(net.W[0], W[0].astype(weights))


def test_lists_of_numbers():
    net = Network.from_arrays([[[1, 2], [3, 4]]], [[5, 6]], output="identity")
    assert net.params.tolist() == [1, 2, 3, 4, 5, 6]
    assert net.dtype == np.float64


class Tensor:
    """What NumPy can read as an array but is none."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


def test_other_libraries_arrays(arrays):
    W, b = arrays
    net = Network.from_arrays([Tensor(a) for a in W], tuple(Tensor(a) for a in b))
    np.testing.assert_array_equal(net.params, Network.from_arrays(W, b).params)


def wrong(W, b, **settings):
    with pytest.raises((ValueError, TypeError)) as caught:
        Network.from_arrays(W, b, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_shapes_that_do_not_fit(arrays):
    W, b = arrays
    told = wrong([a.T for a in W], b)
    assert told.startswith("W[1] must have a fan_in of 6, the fan_out of W[0], got shape (3, 5), where W has (fan_in,")
    assert told.endswith(": pass transposed=True")
    assert wrong(W, b, transposed=True).endswith("where W has (fan_out, fan_in): pass transposed=False")
    assert wrong([W[0], W[0]], b).endswith("got shape (6, 5), where W has (fan_in, fan_out)")
    assert "b[1] must have shape (3,), the fan_out of W[1], got (5,)" in wrong(W, [b[0], b[0]])
    assert "got (5, 1)" in wrong(W, [b[0][:, None], b[1]])
    assert "b must hold 2 vectors (or None), one for each array of W, got 1" in wrong(W, b[:1])
    assert wrong([], []) == "W must hold an array for each layer, got none"
    assert "W[0] must have two axes, fan_in and fan_out, got shape (5,); W is a list" in wrong(W[0], b)
    assert "got shape (3, 3, 2, 2)" in wrong([np.zeros((3, 3, 2, 2))], [np.zeros(2)])
    assert "got shape (0, 2)" in wrong([np.zeros((0, 2))], [np.zeros(2)])


def test_values_that_are_no_weights(arrays):
    W, b = arrays
    assert "W[1] must hold real numbers, got text" in wrong([W[0], np.full((5, 3), "x")], b)
    assert "W[1] must be an array of numbers, got None" in wrong([W[0], None], b)
    W[1][2, 1] = np.nan
    assert "W[1] must be finite, got nan in row 2, column 1" in wrong(W, b)
    b[0][3] = np.inf
    W[1][2, 1] = 0
    assert "b[0] must be finite, got inf" in wrong(W, b)
    assert "hidden must be one of" in wrong([np.eye(6), W[0]], [np.zeros(6), np.zeros(5)], hidden="relux")
    assert "softmax' needs at least 2 outputs" in wrong([np.ones((3, 1))], [np.ones(1)])
