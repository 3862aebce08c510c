"""The file of results: one JSON of one machine, in sections, each of which knows when and how it was measured. The last
results of other kinds of machines lie beside it, a file each.
"""

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from fastnet.files import replacing
from fastnet.timing import machine
from fastnet.timing.cases import MNIST, Digits, EpochWork
from fastnet.timing.measure import Peaks, measure
from fastnet.timing.peak import measure as measure_peak

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).resolve().parent / "results"
FILE = FOLDER / "results.json"
OTHERS = FOLDER / "others"
FORMAT = 2


def load(path: Path = FILE) -> dict[str, Any] | None:
    """The results in a file; None if there is none."""
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["format"] != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}, got {content['format']}; remove it and measure anew")
    return content


def save(content: dict[str, Any], path: Path = FILE) -> None:
    """Write results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(json.dumps(content, indent=1, allow_nan=False).encode() + b"\n")


def aside(facts: dict[str, Any], folder: Path = OTHERS) -> Path:
    """Where the results of this kind of machine lie while the file has those of another."""
    return folder / f"{machine.key(facts)}.json"


def of_kind(facts: dict[str, Any], path: Path = FILE, folder: Path = OTHERS) -> dict[str, Any] | None:
    """The results of this kind of machine so far, or None; those of another, if the file has them, are put aside."""
    content = load(path)
    if content is not None and machine.key(content["machine"]) != machine.key(facts):
        save(content, aside(content["machine"], folder))
        return load(aside(facts, folder))
    return content


def with_others(content: dict[str, Any], folder: Path = OTHERS) -> dict[str, Any]:
    """Results with a list "others" of those of other kinds of machines, in the order of their names."""
    found = [load(path) for path in sorted(folder.glob("*.json"))]
    others = [other for other in found if other and machine.key(other["machine"]) != machine.key(content["machine"])]
    return content | {"others": others}


def merged(old: dict[str, Any] | None, facts: dict[str, Any], sections: dict[str, Any]) -> dict[str, Any]:
    """New sections, and those of ``old`` that were not measured again, if they come from the same kind of machine."""
    kept = old["sections"] if old and machine.key(old["machine"]) == machine.key(facts) else {}
    return {"format": FORMAT, "machine": facts, "sections": kept | sections}


def session(digits: Digits, peaks: Peaks, quick: bool) -> dict[str, Any]:
    """What every section of one run is anchored by: time, commit, load, the FMA peak and a float32 NumPy epoch."""
    threads = peaks.threads
    anchor = measure(EpochWork(MNIST, digits), peaks, rounds=3, patience=4)
    peak = {
        dtype: {str(n): round(measure_peak(dtype, n) / 1e9, 2) for n in sorted({1, threads})}
        for dtype in ("float32", "float64")
    }
    return {
        "taken": machine.now(), "commit": _commit(), "quick": quick, "data": digits.facts(),
        "load_average": machine.load_average(), "others": anchor["others"], "disturbed": anchor["disturbed"],
        "peak_gflops": peak, "numpy_epoch": anchor["seconds"]["numpy"], "fastnet_epoch": anchor["seconds"]["fastnet"],
        "python": platform.python_version(),
    }  # fmt: skip


def _commit() -> str | None:
    """The commit that is measured, with a + if the files differ from it; None outside of a repository."""
    ask = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=10"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
