"""Where fastnet does not win, in sentences; every number comes from the file of results."""

from collections.abc import Iterator
from typing import Any

NAMES = {"numpy": "NumPy", "jax": "JAX", "torch": "PyTorch", "keras": "Keras", "scikit-learn": "scikit-learn"}
FAR = 0.5  # share of the peak below which a row is named
DOUBLED = 0.8  # of the ideal: a number of threads that speeds a network up by less is named

Sections = dict[str, Any]


def lines(results: dict[str, Any]) -> list[str]:
    """One sentence for each way in which something else is, or could be, quicker."""
    found: list[str] = []
    for look in (_slower, _closest, _below_peak, _threads, _one_thread, _scaling, _rows, _start):
        found += look(results["sections"], results["machine"])
    return found


def ratios(sections: Sections) -> Iterator[tuple[float, str, str, bool]]:
    """(ratio, row, other contestant, too noisy) of every paired race with other software."""
    for name in ("rows", "peers", "sklearn"):
        for row in sections.get(name, {"rows": []})["rows"]:
            for other, ratio in row["ratios"].items():
                if other in NAMES:
                    yield ratio["median"], row["label"], NAMES[other], ratio["noisy"]


def _slower(sections: Sections, _) -> list[str]:
    return [
        f"{label}: {other} takes {ratio:.2f} of fastnet's time{' (too noisy to be sure)' if noisy else ''}."
        for ratio, label, other, noisy in ratios(sections)
        if ratio < 1
    ]


def _closest(sections: Sections, _) -> list[str]:
    ahead = [found for found in ratios(sections) if found[0] >= 1]
    if not ahead:
        return []
    ratio, label, other, _noisy = min(ahead)
    return [f"The smallest lead is {ratio:.2f} times as fast as {other}, at {label}."]


def _below_peak(sections: Sections, _) -> list[str]:
    shares = [(row["ratios"]["peak"]["median"], row["label"]) for row in sections.get("rows", {"rows": []})["rows"]]
    below = sorted(share for share in shares if share[0] < 1)
    if not below:
        return []
    text = f"Dense arithmetic at the machine's peak would be faster in {len(below)} of {len(shares)} rows."
    far = ", ".join(f"{label} ({share:.2g})" for share, label in below if share < FAR)
    return [f"{text} fastnet reaches less than {FAR:.0%} of the peak at {far}." if far else text]


def _threads(sections: Sections, _) -> list[str]:
    curves, found = sections.get("scaling", {"curves": {}})["curves"], []
    for name, label in (("threads", "784-64-10"), ("threads-wide", "784-512-512-10")):
        points = curves.get(name, [])
        for point in points[-1:]:
            gain = points[0]["fastnet"] / point["fastnet"]
            if gain < DOUBLED * point["x"]:
                found.append(f"With {point['x']} threads, {label} is only {gain:.2f} times as fast as with one.")
    return found


def _one_thread(sections: Sections, machine: dict[str, Any]) -> list[str]:
    """Rows that fastnet chose one thread for, where there were more."""
    rows = sections.get("rows", {"rows": []})["rows"] if machine["threads"] > 1 else []
    alone = [row["label"] for row in rows if row["threads"] == 1]
    return [f"A second thread does not help at {', '.join(alone)}."] if alone else []


def _scaling(sections: Sections, _) -> list[str]:
    found = []
    for name, points in sections.get("scaling", {"curves": {}})["curves"].items():
        slower = [_spaced(p["x"]) for p in points if p.get("numpy", p["fastnet"]) < p["fastnet"]]
        if slower:
            found.append(f"NumPy is faster at {name} {', '.join(slower)} of the curves above.")
    return found


def _rows(sections: Sections, _) -> list[str]:
    """Sets whose rows cost more than those of a tenth of the set."""
    points = sections.get("large", {"rows": {"points": []}})["rows"]["points"]
    return [
        f"In a set of {_spaced(p['rows'])} rows, a row takes {p['tenfold'] / 10:.2f} times as long as in one of "
        f"{_spaced(p['rows'] // 10)}."
        for p in points
        if not p.get("linear", True) and not p["noisy"]
    ]


def _start(sections: Sections, _) -> list[str]:
    if not {"accuracy", "rows"} <= sections.keys():
        return []
    seconds = sections["accuracy"]["first_epoch"]["cold"]["seconds"]
    row = sections["rows"]["rows"][0]
    epochs = seconds / row["seconds"]["numpy"]["median"]
    text = f"The first `fastnet train` on a machine compiles and needs {seconds:.1f} s until its first epoch ends"
    return [f"{text}. NumPy trains {epochs:.0f} epochs of {row['label']} in that time."]


def _spaced(n: int) -> str:
    return f"{n:,}".replace(",", " ")
