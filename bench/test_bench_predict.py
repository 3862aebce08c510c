"""Prediction through the public interface, compiled and in NumPy: checked first, then timed."""

import pytest

from fastnet.timing.cases import PredictWork


@pytest.mark.parametrize("side", ["fastnet", "numpy"])
@pytest.mark.parametrize("rows", [1, 100, 10_000])
def test_predict_proba(benchmark, digits, rows, side):
    work = PredictWork(f"predict-{rows}", digits, rows, calls=1)
    work.check()
    work.warm(side)
    benchmark.group = work.label
    benchmark(work.contestants()[side])
