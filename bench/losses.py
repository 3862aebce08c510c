"""Where fastnet does not win: what the results say against it, in sentences, every number from the file of results."""

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


def _ratios(sections: Sections) -> Iterator[tuple[float, str, str, bool]]:
    """(ratio, row, other contestant, too noisy) of every paired race with other software."""
    for name in ("rows", "peers", "sklearn"):
        for row in sections.get(name, {"rows": []})["rows"]:
            for other, ratio in row["ratios"].items():
                if other in NAMES:
                    yield ratio["median"], row["label"], NAMES[other], ratio["noisy"]


def _slower(sections: Sections, _) -> list[str]:
    return [
        f"{label}: {other} takes {ratio:.2f} of fastnet's time{' (too noisy to be sure)' if noisy else ''}."
        for ratio, label, other, noisy in _ratios(sections)
        if ratio < 1
    ]


def _closest(sections: Sections, _) -> list[str]:
    ahead = [found for found in _ratios(sections) if found[0] >= 1]
    if not ahead:
        return []
    ratio, label, other, _noisy = min(ahead)
    return [f"The smallest lead is {ratio:.2f}x, over {other}: {label}."]


def _below_peak(sections: Sections, _) -> list[str]:
    shares = [(row["ratios"]["peak"]["median"], row["label"]) for row in sections.get("rows", {"rows": []})["rows"]]
    below = sorted(share for share in shares if share[0] < 1)
    if not below:
        return []
    text = f"Dense arithmetic at the machine's peak would be quicker in {len(below)} of {len(shares)} rows"
    far = ", ".join(f"{label} ({share:.2g})" for share, label in below if share < FAR)
    return [f"{text}; fastnet is below {FAR:.0%} of it at {far}." if far else f"{text}."]


def _threads(sections: Sections, _) -> list[str]:
    curves, found = sections.get("scaling", {"curves": {}})["curves"], []
    for name, label in (("threads", "784-64-10"), ("threads-wide", "784-512-512-10")):
        points = curves.get(name, [])
        for point in points[-1:]:
            gain = points[0]["fastnet"] / point["fastnet"]
            if gain < DOUBLED * point["x"]:
                found.append(f"On {point['x']} threads {label} is only {gain:.2f} times as fast as on one.")
    return found


def _one_thread(sections: Sections, machine: dict[str, Any]) -> list[str]:
    """Rows that fastnet chose one thread for, where there were more."""
    rows = sections.get("rows", {"rows": []})["rows"] if machine["threads"] > 1 else []
    alone = [row["label"] for row in rows if row["threads"] == 1]
    return [f"A second thread does not help at {', '.join(alone)}."] if alone else []


def _scaling(sections: Sections, _) -> list[str]:
    found = []
    for name, points in sections.get("scaling", {"curves": {}})["curves"].items():
        slower = [f"{p['x']:,}".replace(",", " ") for p in points if p.get("numpy", p["fastnet"]) < p["fastnet"]]
        if slower:
            found.append(f"NumPy is quicker at {name} {', '.join(slower)} of the curves above.")
    return found


def _rows(sections: Sections, _) -> list[str]:
    """Sets whose rows cost more than those of a tenth of the set."""
    points = sections.get("large", {"rows": {"points": []}})["rows"]["points"]
    return [
        f"A row of {p['rows']:,} costs {p['tenfold'] / 10:.2f} times".replace(",", " ") + " one of a tenth as many."
        for p in points
        if not p.get("linear", True) and not p["noisy"]
    ]


def _start(sections: Sections, _) -> list[str]:
    if not {"accuracy", "rows"} <= sections.keys():
        return []
    seconds = sections["accuracy"]["first_epoch"]["cold"]["seconds"]
    row = sections["rows"]["rows"][0]
    epochs = seconds / row["seconds"]["numpy"]["median"]
    text = f"On a machine that has never run it, `fastnet train` needs {seconds:.1f} s to its first epoch, compiling"
    return [f"{text}: NumPy trains {epochs:.0f} epochs of {row['label']} in that time."]
