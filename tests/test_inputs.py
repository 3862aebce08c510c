"""What X is worth to a network: integers in units of its scale, floats as they are, and the warnings about mix-ups."""

import numpy as np
import pytest

from fastnet import engine, reference
from fastnet.functions import CROSS_ENTROPY, N_COEFFICIENTS, SCALE, SGD, SGD_LR, SIGMOID, SOFTMAX

SIZES, ACTIVATIONS = [70, 9, 5], (SIGMOID, SOFTMAX)


@pytest.fixture
def digits(rng):
    """uint8 (300, 70), a fifth of them not zero, with labels that depend on them."""
    X = np.where(rng.random((300, 70)) < 0.2, rng.integers(1, 256, (300, 70)), 0).astype(np.uint8)
    return X, X.reshape(300, 5, 14).sum(axis=2, dtype=np.int64).argmax(axis=1)


def params(dtype):
    n = sum((a + 1) * b for a, b in ((70, 9), (9, 5)))
    return (0.3 * np.random.default_rng(4).standard_normal(n)).astype(dtype)


def one_epoch(module, X, y, dtype, **settings):
    w = params(dtype)
    stepper = module.Stepper(
        SIZES, ACTIVATIONS, w, X, y, loss=CROSS_ENTROPY, rule=SGD, batch_size=100, threads=1, **settings
    )
    coefficients = np.zeros((3, N_COEFFICIENTS))
    coefficients[:, SCALE], coefficients[:, SGD_LR] = 1 / 100, 0.1
    stepper.run(np.arange(300), coefficients)
    stepper.store()
    return w


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1 / 16, 1 / 255])
@pytest.mark.parametrize("dense", [False, True])
def test_bytes_are_worth_the_scale_in_both_backends(digits, dtype, scale, dense):
    X, y = digits
    X = np.maximum(X, 1) if dense else X
    floats = X.astype(dtype) * np.dtype(dtype).type(scale)
    for module in (engine, reference):
        trained = one_epoch(module, X, y, dtype, scale=scale)
        np.testing.assert_array_equal(trained, one_epoch(module, floats, y, dtype))
        assert np.abs(trained - params(dtype)).max() > 1e-4
        for rows in (2, 300):
            found = module.predict(SIZES, ACTIVATIONS, trained, X[:rows], scale=scale)
            np.testing.assert_array_equal(found, module.predict(SIZES, ACTIVATIONS, trained, floats[:rows]))
    for rows in (2, 300):
        classes = engine.classify(SIZES, ACTIVATIONS, trained, X[:rows], scale=scale)
        np.testing.assert_array_equal(classes, engine.classify(SIZES, ACTIVATIONS, trained, floats[:rows]))
    losses = [reference.evaluate(SIZES, ACTIVATIONS, trained, a, y, CROSS_ENTROPY, scale=scale) for a in (X, floats)]
    assert losses[0] == losses[1]
    evaluators = [engine.Evaluator(SIZES, ACTIVATIONS, dtype, a, scale=scale) for a in (X, floats)]
    assert evaluators[0].evaluate(trained, y) == evaluators[1].evaluate(trained, y)
    assert evaluators[0].evaluate(trained, y) == pytest.approx(losses[0], rel=1e-4)
