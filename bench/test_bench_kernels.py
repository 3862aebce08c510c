"""Every named kernel and its oracle on the same input, from the table of the tests: checked first, then timed.

`pytest bench --benchmark-enable` times; without the option each runs once, as a test.
"""

import numpy as np
import pytest
from cases import BENCH_SHAPES, CASES

from fastnet import kernels, reference

SIDES = {"fastnet": kernels, "numpy": reference}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("shape", BENCH_SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernel(benchmark, case, shape, side):
    arguments = case.make(np.random.default_rng(138), shape, np.float32)
    outputs = {name: [a.copy() for a in arguments.outputs] for name in SIDES}
    for name, module in SIDES.items():
        getattr(module, case.kernel)(*outputs[name], *arguments.inputs)
    for got, wanted, limit in zip(outputs["fastnet"], outputs["numpy"], arguments.tolerances(np.float32), strict=True):
        assert np.max(np.abs(got - wanted)) <= 2 * limit  # both sides round
    benchmark.group = f"{case} {'x'.join(map(str, shape))}"
    benchmark(getattr(SIDES[side], case.kernel), *outputs[side], *arguments.inputs)
