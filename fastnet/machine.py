"""What a result depends on beside the settings: processor, threads, versions."""

import os
import platform
import subprocess
from pathlib import Path

from fastnet import __version__


def versions() -> dict[str, str]:
    """Versions of fastnet, Python and the libraries that compute."""
    found = {"fastnet": __version__, "python": platform.python_version()}
    return found | {name: package_version(name) for name in ("numpy", "numba", "llvmlite")}


def package_version(name: str) -> str:
    """The version of an installed package."""
    from importlib import metadata  # slow to import, and rarely needed

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor() -> dict[str, object]:
    """Name of the processor, and how many of its cores this process may use."""
    return {"cpu": _cpu_name(), "architecture": platform.machine(), "cores": usable_cores()}


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    """The processor's own name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "cpu model"):
                return value.strip()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        asked = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if asked.returncode == 0:
            return asked.stdout.strip()
    return platform.processor() or platform.machine()


def threading() -> dict[str, object]:
    """The threads that kernels may use here, and the layer of Numba that runs them."""
    from fastnet.kernels.compile import numba

    return {"threads": numba.get_num_threads(), "threading_layer": threading_layer()}


def threading_layer() -> str:
    """The layer of Numba that runs parallel code in this process: omp, tbb or workqueue."""
    from fastnet.kernels.compile import numba

    numba.get_num_threads()  # starts the threads, which decides
    return numba.threading_layer()


OPENMP = {
    "Linux": "apt install libgomp1 (or dnf install libgomp), or pip install tbb",
    "Darwin": "install Numba and llvm-openmp by conda",
    "Windows": "install Microsoft's Visual C++ redistributable, or pip install tbb",
}


def threading_advice(layer: str, system: str, is_chosen: bool = False) -> str | None:
    """What to know and install where Numba runs its own layer, workqueue; None for the others.

    system : what platform.system() says. is_chosen : by NUMBA_THREADING_LAYER or in the program.
    """
    if layer != "workqueue":
        return None
    remedy = "choose another NUMBA_THREADING_LAYER" if is_chosen else OPENMP.get(system, "install OpenMP")
    return (
        "workqueue takes twenty times as long as OpenMP to start threads, and ends the process when two Python threads "
        f"run parallel code at once: {remedy}"
    )


def vector_bits() -> int:
    """Width of the vector registers that kernels are compiled for."""
    from fastnet.kernels.compile.target import VECTOR_BYTES

    return 8 * VECTOR_BYTES
