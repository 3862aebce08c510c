"""The legs: which environment each needs, and which tests it runs."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from platforms import chroot
from platforms.skipped import Skipped, must_pass

ROOT = Path(__file__).resolve().parents[2]
KERNELS = tuple(
    f"tests/test_{name}.py"
    for name in ("kernels", "kernels_micro", "engine", "dropout", "smoothing", "gradient_norm", "inputs", "encoding")
)
THREADS = tuple(
    f"tests/test_{name}.py"
    for name in ("kernels", "engine", "engine_runtime", "training", "systems", "sklearn_processes")
)
EMULATED = tuple(f"tests/test_{name}.py" for name in ("kernels", "kernels_micro", "regression"))
# A processor with 256-bit vectors and without FMA.
NO_FMA = {"NUMBA_CPU_NAME": "sandybridge", "NUMBA_CPU_FEATURES": "+64bit,+cx16,+sse4.2,+popcnt,+avx,-avx2,-fma"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")


@dataclass
class Lab:
    """Where legs find what they need.

    folder : of environments and caches, which are kept. pythons : interpreters beside those on the PATH.
    everything : run all tests where a leg would run those that concern it.
    """

    folder: Path
    pythons: tuple[str, ...] = ()
    everything: bool = False

    def tests(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """The tests that concern a leg, or all."""
        return ("tests",) if self.everything else chosen

    def cache(self, name: str) -> str:
        """A folder for the kernels of a leg."""
        return str(self.folder / "kernels" / name.replace(" ", "-"))


@dataclass(frozen=True)
class Run:
    """A command that runs pytest, without its arguments, and what it needs."""

    command: tuple[str, ...]
    tests: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Leg:
    """One line of the table. prepare : makes its Run; raises Skipped where it cannot be run here."""

    name: str
    kind: str
    prepare: Callable[[Lab], Run]
    is_emulated: bool = False


def pytest_of(python: str | Path) -> tuple[str, ...]:
    """The command of an interpreter's pytest."""
    return str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"


def lanes(number: int) -> Leg:
    """Vectors of so many float32 lanes."""

    def prepare(lab: Lab) -> Run:
        return Run(pytest_of(sys.executable), lab.tests(KERNELS), {"FASTNET_LANES": str(number)})

    return Leg(f"{number} lanes", "lanes", prepare)


def _without_fma(lab: Lab) -> Run:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise Skipped(f"{platform.machine()} has FMA always")
    return Run(pytest_of(sys.executable), lab.tests(KERNELS), NO_FMA)


def layer(name: str) -> Leg:
    """A threading layer of Numba."""

    def prepare(lab: Lab) -> Run:
        python, env = sys.executable, {"NUMBA_THREADING_LAYER": name}
        if name == "tbb" and not _loads(python, env):
            inside = _environment(lab, python, "tbb", ("--editable", f"{ROOT}[test]", "tbb"))
            # The wheel puts the library there, where the loader does not look by itself.
            python, env = str(inside), env | {"LD_LIBRARY_PATH": str(inside.parents[1] / "lib")}
        if not _loads(python, env):
            raise Skipped(f"this Numba has no layer {name} here")
        return Run(pytest_of(python), lab.tests(THREADS), env)

    return Leg(name, "layers", prepare)


def _loads(python: str, env: dict[str, str]) -> bool:
    """Whether Numba finds the threading layer that is asked for."""
    program = "import numba; numba.get_num_threads()"
    done = subprocess.run([python, "-c", program], env=os.environ | env, capture_output=True, check=False)
    return done.returncode == 0


def _environment(lab: Lab, python: str, name: str, packages: tuple[str, ...]) -> Path:
    """The interpreter of a virtual environment with these packages."""
    folder = lab.folder / "environments" / name
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not inside.exists():
        must_pass([python, "-m", "venv", str(folder)], "the environment cannot be made")
    install = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    must_pass([*install, *packages], "pip could not install it")
    return inside


def _oldest(lab: Lab) -> Run:
    constraints, python = ROOT / "tests" / "oldest.txt", find_python("3.11", lab.pythons)
    if not constraints.exists():
        raise Skipped("there is no tests/oldest.txt")
    packages = ("--editable", f"{ROOT}[test]", "--constraint", str(constraints))
    return Run(pytest_of(_environment(lab, python, "oldest", packages)), ("tests",))


def _newest(lab: Lab) -> Run:
    packages = ("--upgrade", "--upgrade-strategy", "eager", "--editable", f"{ROOT}[test]")
    return Run(pytest_of(_environment(lab, sys.executable, "newest", packages)), ("tests",))


def python_of(version: str) -> Leg:
    """A Python: the one at hand as it is, another one with the newest dependencies that it can have."""

    def prepare(lab: Lab) -> Run:
        python: str | Path = sys.executable
        if version != ".".join(map(str, sys.version_info[:2])):
            python = _environment(lab, find_python(version, lab.pythons), version, ("--editable", f"{ROOT}[test]"))
        return Run(pytest_of(python), ("tests",))

    return Leg(f"Python {version}", "pythons", prepare)


def find_python(version: str, beside: tuple[str, ...] = ()) -> str:
    """An interpreter of that version, on the PATH, of pyenv, or one of those given."""
    known = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [*beside, shutil.which(f"python{version}"), sys.executable]
    candidates += sorted(map(str, known.glob(f"{version}*/bin/python")))
    for candidate in filter(None, candidates):
        if version_of(candidate) == version:
            return candidate
    raise Skipped(f"no Python {version} is installed")


def version_of(python: str) -> str:
    """ "3.11" of an interpreter; empty where it does not run."""
    program = "import sys; print('{}.{}'.format(*sys.version_info))"
    try:
        asked = subprocess.run([python, "-c", program], capture_output=True, encoding="utf-8", check=False)
    except OSError:
        return ""
    return asked.stdout.strip()


def _aarch64(lab: Lab) -> Run:
    return Run(chroot.prepared(lab.folder / "aarch64", ROOT), EMULATED, chroot.ENVIRONMENT)


LEGS = (
    *(lanes(number) for number in (4, 8, 16)),
    Leg("no FMA", "fma", _without_fma),
    *(layer(name) for name in ("omp", "tbb", "workqueue")),
    Leg("oldest", "dependencies", _oldest),
    Leg("newest", "dependencies", _newest),
    *(python_of(version) for version in PYTHONS),
    Leg("aarch64", "aarch64", _aarch64, is_emulated=True),
)
KINDS = tuple(dict.fromkeys(leg.kind for leg in LEGS))
