"""The table of a network's layers: its figures are those of the arrays."""

import numpy as np
import pytest

import fastnet
from fastnet import flops, summary
from fastnet import functions as f
from fastnet.timing.cases import Case


def numbers(line):
    """The figures of a line: parameters, bytes, FLOPs, training."""
    cells = [cell for cell in line.split("  ") if cell.strip()]
    return [int(cell.replace(" ", "")) for cell in cells[-4:]]


@pytest.mark.parametrize("sizes", [[3, 2], [784, 64, 10], [5, 7, 11, 1]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_totals_are_those_of_params(sizes, dtype):
    net = fastnet.Network(sizes, output="sigmoid", dtype=dtype, seed=0)
    total = next(line for line in net.summary().splitlines() if line.startswith("total"))
    assert numbers(total)[:2] == [net.params.size, net.params.nbytes]
    assert numbers(total)[2] == sum(2 * W.size for W in net.W)


def test_each_layer_has_its_line():
    text = fastnet.Network([784, 64, 10], hidden="relu", seed=0).summary()
    lines = text.splitlines()
    assert lines[0] == "Network 784-64-10, float32"
    first, last = (next(line for line in lines if line.startswith(start)) for start in ("1 ", "2 "))
    assert "784 x 64" in first
    assert "relu" in first
    assert numbers(first) == [50240, 200960, 2 * 784 * 64, 4 * 784 * 64]
    assert "softmax" in last
    assert numbers(last) == [650, 2600, 2 * 640, 6 * 640]
    assert max(map(len, lines)) <= 80


def test_activations_are_those_of_each_layer():
    net = fastnet.Network([4, 5, 6, 3], hidden="relu", seed=0)
    sigmoid = fastnet.Network([4, 3], output="sigmoid").activations[0]
    net.activations = (net.activations[0], sigmoid, net.activations[2])
    assert [layer.activation for layer in summary.layers(net)] == ["relu", "sigmoid", "softmax", ""]


def test_summary_prints_nothing(capsys):
    assert fastnet.Network([4, 3], seed=0).summary()
    assert capsys.readouterr().out == ""


def test_flops_are_counted_once():
    sizes = (7, 5, 3)
    assert flops.forward(sizes) == [2 * 35, 2 * 15]
    assert flops.training(sizes) == [4 * 35, 6 * 15]
    assert flops.training((7, 3)) == [4 * 21]
    case = Case("small", sizes, "relu", 2, fastnet.SGD(1.0))
    assert case.flops(10) == 10.0 * (4 * 35 + 6 * 15)


def test_large_networks_fit_a_terminal():
    net = fastnet.Network.__new__(fastnet.Network)
    net.sizes, net.activations, net.dtype = [3072, 4096, 10], (f.RELU, f.SOFTMAX), np.dtype("float64")
    net._adopt(np.broadcast_to(np.float64(0), (sum((a + 1) * b for a, b in net._shapes()),)))
    assert max(map(len, net.summary().splitlines())) <= 80
