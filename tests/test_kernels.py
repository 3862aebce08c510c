"""Every named kernel against its oracle, from one table (cases.py)."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from cases import CASES, SHAPES

from fastnet import kernels, reference

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=str)
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=str)
MANY = 3  # threads; where Numba has fewer, test_three_threads has a process of its own


@pytest.fixture(params=range(1, min(MANY, numba.config.NUMBA_NUM_THREADS) + 1))
def threads(request):
    before = numba.get_num_threads()
    numba.set_num_threads(request.param)
    yield request.param
    numba.set_num_threads(before)


def call(module, case, arguments, poison=None):
    """Copies of the outputs that the kernel (or oracle) leaves, started from their values or from poison."""
    outputs = [a.copy() if poison is None else np.full_like(a, poison) for a in arguments.outputs]
    getattr(module, case.kernel)(*outputs, *arguments.inputs)
    return outputs


def expected(case, arguments, dtype):
    """The oracle's answer, computed in a wider type, so that its own rounding does not count."""
    wide = arguments.wider(np.float64 if dtype == np.float32 else np.longdouble)
    return call(reference, case, wide)


def errors(got, wanted):
    return [float(np.max(np.abs(a - b))) for a, b in zip(got, wanted, strict=True)]


@EVERY_CASE
@EVERY_SHAPE
@BOTH
def test_kernel_agrees_with_its_oracle(rng, case, shape, dtype, threads):
    arguments = case.make(rng, shape, dtype)
    poisons = [None, None] if case.in_place else [np.nan, -7.0]
    first, second = (call(kernels, case, arguments, poison) for poison in poisons)
    for a, b in zip(first, second, strict=True):
        assert a.dtype == dtype
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)

    for error, limit in zip(errors(first, expected(case, arguments, dtype)), arguments.tolerances(dtype), strict=True):
        assert error <= limit

    numba.set_num_threads(1)
    for a, b in zip(first, call(kernels, case, arguments, np.nan if not case.in_place else None), strict=True):
        np.testing.assert_array_equal(a, b)


@EVERY_CASE
@BOTH
def test_inputs_are_left_alone(rng, case, dtype):
    arguments = case.make(rng, (13, 70, 11), dtype)
    before = arguments.wider(dtype)
    call(kernels, case, arguments)
    for a, b in zip(arguments.inputs, before.inputs, strict=True):
        np.testing.assert_array_equal(a, b)


@EVERY_CASE
@BOTH
def test_a_wrong_result_is_caught(rng, case, dtype):
    """Nothing is trivially equal: with the last entry of any one input off, an error exceeds the tolerance."""
    arguments = case.make(rng, (31, 129, 10), dtype)
    right = call(kernels, case, arguments)
    for output in right:
        assert np.ptp(output) > 1e-3 * max(1, np.abs(output).max())
    for i, array in enumerate(arguments.inputs):
        unused = (case.kernel, case.variant, i) == ("dense_backward", "identity", 2)
        if unused or not isinstance(array, np.ndarray):
            continue
        wrong = arguments.wider(dtype)
        flat = wrong.inputs[i].reshape(-1)
        flat[-1] = (flat[-1] + 1) % 10 if array.dtype.kind == "i" else 0.5 if flat[-1] <= 0 else -0.5
        found = errors(right, expected(case, wrong, dtype))
        assert any(error > limit for error, limit in zip(found, arguments.tolerances(dtype), strict=True))


@pytest.mark.parametrize("dtype", [np.float32])
@pytest.mark.parametrize("kernel", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_losses_of_extreme_logits(kernel, dtype):
    Z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [0, 0, 0], [3e38, 0, -3e38]], dtype)
    y, loss, delta = np.array([0, 1, 2, 0]), np.full(4, np.nan, dtype), np.full((4, 3), np.nan, dtype)
    getattr(kernels, kernel)(loss, delta, Z, y, 1.0)
    wanted = [np.empty(4), np.empty((4, 3))]
    getattr(reference, kernel)(*wanted, Z.astype(float), y, 1.0)
    np.testing.assert_allclose(loss, wanted[0], rtol=1e-6)
    np.testing.assert_allclose(delta, wanted[1], rtol=1e-6)
    assert np.isfinite(delta).all()


def test_nan_shows():
    Z = np.array([[1, np.nan, 0], [1, 2, 3]], np.float32)
    loss, delta, out = np.empty(2, np.float32), np.empty((2, 3), np.float32), np.empty((2, 3), np.float32)
    kernels.softmax_cross_entropy(loss, delta, Z, np.array([0, 0]), 1.0)
    assert np.isnan(loss).tolist() == [True, False]
    assert np.isnan(delta).all(axis=1).tolist() == [True, False]
    kernels.dense_forward(out, Z, np.eye(3, dtype=np.float32), np.zeros(3, np.float32), 3)
    assert np.isnan(out[0]).any()


def test_every_public_kernel_has_a_row_and_an_oracle():
    named = [(name, getattr(kernels, name)) for name in dir(kernels)]
    public = {name for name, value in named if isinstance(value, numba.core.dispatcher.Dispatcher)}
    assert public == set(kernels.__all__) == {case.kernel for case in CASES}
    for name in public:
        kernel, oracle = getattr(kernels, name), getattr(reference, name)
        assert list(inspect.signature(kernel.py_func).parameters) == list(inspect.signature(oracle).parameters)
        assert kernel.targetoptions["parallel"]
        assert kernel.__doc__


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS >= MANY, reason="the tests above had three threads")
def test_three_threads():
    env = os.environ | {"NUMBA_NUM_THREADS": str(MANY)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*command, "-k", "agrees and 3-"], env=env, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stdout + done.stderr
