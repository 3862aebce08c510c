"""The gate against regressions: ratios of today beside the committed ones of the same kind of machine.

Ratios alone are compared, fastnet to NumPy and fastnet to the FMA peak, each measured in one session. A ratio that is
lower than the baseline's by more than the noise, or 15 % if the noise is less, has fallen; it fails the check when it
falls again each time that it is measured anew. NumPy and the peak control each other: as far as the one has moved
against the other since the baseline, the machine has changed (its clock, its memory, its neighbours), and not fastnet.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastnet.files import replacing
from fastnet.timing import machine
from fastnet.timing.cases import CASES, Digits, EpochWork
from fastnet.timing.measure import Peaks, measure
from fastnet.timing.race import NOISY

BASELINES = Path(__file__).resolve().parent / "results" / "baselines"
GATED = {"mnist-64": 60_000, "mnist-30-b10": 12_000, "dense-512": 7_680}  # cases, and the rows of one run
ATTEMPTS = 3
LEAST_FALL = 0.15

Ratios = dict[str, dict[str, Any]]  # "case/numpy" and "case/peak": median, spread, disturbed


@dataclass(frozen=True)
class Verdict:
    """One ratio beside its baseline. state : "holds", "fell" or "noisy"."""

    name: str
    before: float
    now: float
    fall: float  # the share that it may fall by
    state: str

    def line(self) -> str:
        """The verdict for the terminal."""
        change = 100 * (self.now / self.before - 1)
        text = f"{self.name:22} {self.before:8.3g} -> {self.now:8.3g}  {change:+6.1f} %"
        return f"{text}  (may fall {100 * self.fall:.0f} %)  {self.state}"


def compare(before: Ratios, now: Ratios) -> list[Verdict]:
    """A verdict on each ratio that both hold."""
    return [_verdict(name, before, now) for name in now if name in before]


def _verdict(name: str, before: Ratios, now: Ratios) -> Verdict:
    old, new = before[name], now[name]
    case = name.partition("/")[0]
    drift = abs(_numpy_share(now, case) / _numpy_share(before, case) - 1)
    fall = max(LEAST_FALL, new["spread"], old["spread"], drift)
    if new["disturbed"]:
        state = "noisy"
    elif new["median"] < old["median"] * (1 - fall):
        state = "fell"
    else:
        state = "noisy" if fall > NOISY else "holds"
    return Verdict(name, old["median"], new["median"], fall, state)


def _numpy_share(ratios: Ratios, case: str) -> float:
    """NumPy's share of the FMA peak."""
    return ratios[f"{case}/peak"]["median"] / ratios[f"{case}/numpy"]["median"]


Measure = Callable[[str], dict[str, Any]]  # from the name of a gated case to a row as fastnet.timing.measure makes it


def measurer(digits: Digits, threads: int, fast: bool) -> Measure:
    """The way that gated cases are measured, each time on buffers of their own."""
    peaks = Peaks(threads)
    rounds, patience = (6, 6.0) if fast else (12, 20.0)

    def one(name: str) -> dict[str, Any]:
        return measure(EpochWork(CASES[name], digits, GATED[name]), peaks, rounds=rounds, patience=patience)

    return one


def ratios_of(measure_case: Measure, names: Iterable[str]) -> Ratios:
    """Measure cases and name their ratios."""
    rows = [measure_case(name) for name in names]
    return {f"{row['name']}/{kind}": ratio for row in rows for kind, ratio in row["ratios"].items()}


def check(facts: dict[str, Any], data: dict[str, Any], measure_case: Measure, folder: Path = BASELINES) -> bool:
    """Measure, compare with the baseline in ``folder`` and print; False if a ratio has fallen, again and again.

    An unknown machine gets its baseline, and passes.
    """
    path = _path(facts, data, folder)
    if not path.exists():
        print(f"gate: no baseline for this machine ({path.stem}) yet")
        _record(path, facts, data, "the first run on this machine", measure_case, repeats=1)
        return True
    before = json.loads(path.read_text(encoding="utf-8"))["ratios"]
    verdicts = {v.name: v for v in compare(before, ratios_of(measure_case, GATED))}
    for _ in range(ATTEMPTS - 1):
        fallen = {name.partition("/")[0] for name, v in verdicts.items() if v.state == "fell"}
        if not fallen:
            break
        again = {v.name: v for v in compare(before, ratios_of(measure_case, sorted(fallen)))}
        verdicts |= {name: v for name, v in again.items() if verdicts[name].state == "fell"}
    for verdict in verdicts.values():
        print("gate:", verdict.line())
    fell = [v.name for v in verdicts.values() if v.state == "fell"]
    if fell:
        print(f"gate: slower than the baseline, {ATTEMPTS} times in a row: {', '.join(fell)}")
        print("gate: if that is the price of something better: scripts/bench --rebase REASON")
        return False
    if any(v.state == "noisy" for v in verdicts.values()):
        print("gate: passed, but the machine is too noisy to conclude on the ratios marked so")
    else:
        print("gate: passed")
    return True


def rebase(
    facts: dict[str, Any], data: dict[str, Any], reason: str, measure_case: Measure, folder: Path = BASELINES
) -> bool:
    """Replace the baseline of this machine; False if it is too noisy for one. The reason stays in the file."""
    return _record(_path(facts, data, folder), facts, data, reason, measure_case, repeats=3)


def _path(facts: dict[str, Any], data: dict[str, Any], folder: Path) -> Path:
    return folder / f"{machine.key(facts)}-{data['name']}.json"


def _record(path: Path, facts, data, reason: str, measure_case: Measure, repeats: int) -> bool:
    """Write the medians of some measurements, with the spread within or between them, whichever is larger."""
    taken = [ratios_of(measure_case, GATED) for _ in range(repeats)]
    ratios = {name: _joined([found[name] for found in taken]) for name in taken[0]}
    noisy = [name for name, ratio in ratios.items() if ratio["disturbed"] or ratio["spread"] > NOISY]
    if noisy:
        print(f"gate: the machine is too noisy for a baseline ({', '.join(noisy)}); nothing is recorded")
        return False
    history = json.loads(path.read_text(encoding="utf-8"))["history"] if path.exists() else []
    history.append({"taken": machine.now(), "reason": reason, "load_average": machine.load_average()})
    content = {"machine": facts, "data": data, "history": history, "ratios": ratios}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")
    print(f"gate: recorded {path.name} ({reason}); commit it to keep it")
    return True


def _joined(found: list[dict[str, Any]]) -> dict[str, Any]:
    medians = sorted(ratio["median"] for ratio in found)
    middle = medians[len(medians) // 2]
    spread = max((medians[-1] - medians[0]) / middle, *(ratio["spread"] for ratio in found))
    return {"median": middle, "spread": round(spread, 4), "disturbed": any(ratio["disturbed"] for ratio in found)}
