"""A Debian for aarch64 in a folder, whose programs qemu runs."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from platforms.skipped import Skipped, must_pass

SUITE, PYTHON = "bookworm", "3.11"  # and the Python that it has
MIRROR = "http://deb.debian.org/debian"
PACKAGES = ("numpy", "numba", "scikit-learn", "pytest", "pytest-benchmark", "hypothesis")
PARTS = ("fastnet", "tests", "bench", "pyproject.toml", "README.md")
ENVIRONMENT = {
    "QEMU_CPU": "cortex-a72",  # under qemu's default processor OpenBLAS gives NaN
    "PYTHONPATH": "/fastnet:/packages",
    "NUMBA_CACHE_DIR": "/kernels",
    "HOME": "/root",
}


def prepared(folder: Path, root: Path) -> tuple[str, ...]:
    """The command that runs pytest there, on a copy of ``root``; raises Skipped where there can be none."""
    _refuse()
    if not (folder / "packages/numba").is_dir():
        _make(folder)
    if subprocess.run(["chroot", str(folder), "/bin/true"], capture_output=True, check=False).returncode:
        raise Skipped("programs for aarch64 do not start: register qemu-aarch64-static with binfmt_misc, flag F")
    _copy(root, folder / "fastnet")
    return "chroot", str(folder), "/usr/bin/env", "--chdir=/fastnet", "/usr/bin/python3", "-m", "pytest", "-q"


def _refuse() -> None:
    if platform.system() != "Linux":
        raise Skipped("it needs Linux")
    if platform.machine() == "aarch64":
        raise Skipped("this is aarch64")
    if os.geteuid() != 0:
        raise Skipped("chroot needs root")
    for program in ("qemu-aarch64-static", "debootstrap", "chroot"):
        if shutil.which(program) is None:
            raise Skipped(f"{program} is not installed (Debian: qemu-user-static, debootstrap)")


def _make(folder: Path) -> None:
    """Unpack Debian's packages and the wheels. Nothing of it is run, which would take qemu an hour."""
    include = "--include=python3,libgomp1"
    download = ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", include, SUITE, str(folder), MIRROR]
    must_pass(download, "debootstrap failed")
    for package in sorted((folder / "var/cache/apt/archives").glob("*.deb")):
        unpack = 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --keep-directory-symlink --overwrite'
        must_pass(["sh", "-c", unpack, str(package), str(folder)], f"{package.name} cannot be unpacked")
    tags = [f"--platform=manylinux{tag}_aarch64" for tag in ("2014", "_2_17", "_2_27", "_2_28")]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "packages")]
    install += [*tags, f"--python-version={PYTHON}", "--only-binary=:all:", *PACKAGES]
    must_pass(install, "pip found no wheels for aarch64")


def _copy(root: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for part in PARTS:
        if (root / part).is_dir():
            shutil.copytree(root / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / part, target / part)
