"""One optimisation step of every case, compiled and in NumPy: checked against each other first, then timed."""

import pytest

from fastnet.timing.cases import CASES, EpochWork


@pytest.mark.parametrize("side", ["fastnet", "numpy"])
@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_step(benchmark, digits, case, side):
    work = EpochWork(case, digits, rows=case.batch_size)
    work.check()
    work.warm(side)
    benchmark.group = f"step {case.label}"
    benchmark.extra_info["threads"] = getattr(work.steppers[side], "threads", None)
    benchmark(work.contestants()[side])
