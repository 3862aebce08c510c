"""The machine that a measurement belongs to, and how busy others keep it meanwhile."""

import os
import platform
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.machine import processor, threading, usable_cores, vector_bits, versions

OTHERS_LIMIT = 0.10  # share of the cores that others may use before a measurement counts as disturbed


def facts() -> dict[str, Any]:
    """Processor, vector width, threads, threading layer, system and versions."""
    import llvmlite.binding as llvm

    return {
        **processor(), "microarchitecture": llvm.get_host_cpu_name(), "vector_bits": vector_bits(), **_threads(),
        "system": f"{platform.system()} {platform.release()}", "versions": versions(),
    }  # fmt: skip


def _threads() -> dict[str, Any]:
    """Threads that kernels may use, and Numba's threading layer, which it knows after a first parallel kernel only."""
    from fastnet.kernels import bias_gradient

    try:
        return threading()
    except ValueError:
        bias_gradient(np.empty(1, np.float32), np.ones((1, 1), np.float32))  # the smallest
        return threading()


def key(machine: dict[str, Any]) -> str:
    """What the baselines of one kind of machine are called: processor and threads."""
    words = f"{machine['cpu']} {machine['microarchitecture']} {machine['threads']} threads"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def load_average() -> list[float] | None:
    """Processes that wanted to run, over 1, 5 and 15 minutes; None where the system does not count them."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None


class Others:
    """How much of this process's cores other processes (and other virtual machines) used.

    ``pids`` are further processes that belong to the measurement. Linux counts in hundredths of a second; elsewhere the
    answer is None: nobody knows.
    """

    def __init__(self, pids: tuple[int, ...] = ()):
        self.pids = pids
        self.restart()

    def restart(self) -> None:
        self._wall, self._busy, self._own = time.perf_counter(), _busy(), _own(self.pids)

    def share(self) -> float | None:
        """Share of the cores, 0 to 1, since the last `restart`."""
        busy = _busy()
        if busy is None or self._busy is None:
            return None
        seconds = (busy - self._busy) - (_own(self.pids) - self._own)
        return max(0.0, seconds / (time.perf_counter() - self._wall) / usable_cores())


_STAT = Path("/proc/stat")


def _busy() -> float | None:
    """Seconds that the cores of this process were busy since the machine started, stolen time included."""
    if not _STAT.exists():
        return None
    cores = {f"cpu{i}" for i in os.sched_getaffinity(0)}
    ticks = 0
    for line in _STAT.read_text(encoding="utf-8").splitlines():
        name, *columns = line.split()
        if name in cores:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, columns[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _own(pids: tuple[int, ...]) -> float:
    """CPU seconds of this process and of those in ``pids``."""
    used = os.times()
    total = used.user + used.system
    for pid in pids:
        path = Path(f"/proc/{pid}/stat")
        if path.exists():
            columns = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            total += (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")
    return total
