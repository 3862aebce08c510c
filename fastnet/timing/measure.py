"""One row of a result: contestants raced against each other and against the machine's peak, checked first."""

import os
from typing import Any

from fastnet.engine.peak import Peak
from fastnet.machine import vector_bits
from fastnet.timing.cases import Work
from fastnet.timing.race import race


class Peaks:
    """Bursts of FMAs on all threads and on one, made once for each dtype."""

    def __init__(self, threads: int):
        self.threads = threads
        self._made: dict[tuple[str, int], Peak] = {}

    def get(self, dtype: str, threads: int | None = None) -> Peak:
        """The burst for this dtype; ``threads`` None is all."""
        key = dtype, threads or self.threads
        if key not in self._made:
            self._made[key] = Peak(*key)
        return self._made[key]


def measure(work: Work, peaks: Peaks, *, rounds: int, patience: float) -> dict[str, Any]:
    """Race fastnet, NumPy and the peak on ``work``.

    Returns what goes into a file: seconds (per epoch or call) of each contestant, and the paired ratios: "numpy", how
    many times faster than NumPy; "peak", the share of the machine's FMA rate that dense arithmetic would need, above 1
    where zeros are skipped.
    """

    def warm(name: str) -> None:
        if name == "peak":
            peak.run()  # woken threads need some milliseconds to find a core each
            peak.run()
        else:
            work.warm(name)

    work.check()
    dtype = work.case.dtype if hasattr(work, "case") else "float32"
    peak = peaks.get(dtype)
    before = os.times()
    found = race(work.contestants() | {"peak": peak.run}, rounds=rounds, patience=patience, warm=warm)
    used = os.times()
    seconds = {name: found.summary(name) for name in found.seconds if name != "peak"}
    for values in seconds.values():
        values["median"], values["min"] = values["median"] * work.scale, values["min"] * work.scale
    ratios = {name: found.ratio("fastnet", name) for name in seconds if name != "fastnet"}
    ratios["peak"] = found.ratio("fastnet", "peak", work.flops / peak.flops)
    return {
        "name": work.name, "label": work.label, "unit": work.unit, "dtype": dtype, "flops": work.flops * work.scale,
        "threads": _threads(work), "vector_bits": vector_bits(), "seconds": seconds, "ratios": ratios,
        "peak_flops": peak.flops / found.summary("peak")["median"],
        "others": found.others, "disturbed": found.disturbed, "cpu_seconds": round(used.user - before.user, 2),
    }  # fmt: skip


def _threads(work: Work) -> int | None:
    """Threads that fastnet chose."""
    stepper = getattr(work, "steppers", {}).get("fastnet")
    return getattr(stepper, "threads", None)
