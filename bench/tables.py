"""The results as Markdown, between two marks of README.md: every number there comes from the file of results."""

from pathlib import Path
from typing import Any

from bench.results import ROOT
from fastnet.files import replacing

README = ROOT / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
NAMES = {"numpy": "NumPy", "jax": "JAX", "torch": "PyTorch", "keras": "Keras", "scikit-learn": "scikit-learn"}


def render(results: dict[str, Any]) -> str:
    """All tables and pictures of a file of results."""
    writers = {
        "rows": _rows, "peers": _peers, "sklearn": _estimators, "accuracy": _accuracy, "startup": _startup,
        "scaling": _scaling, "large": _large,
    }  # fmt: skip
    parts = [_machine(results)]
    for name, write in writers.items():
        if name in results["sections"]:
            section = results["sections"][name]
            parts.append(write(section) + _note(section["session"]))
    parts.append(_losses(results["sections"]))
    return "\n\n".join(parts)


def update_readme(results: dict[str, Any], path: Path = README) -> None:
    """Put the tables where README.md has its marks."""
    text = path.read_text(encoding="utf-8")
    with replacing(path) as file:
        file.write(with_tables(text, results).encode())


def with_tables(text: str, results: dict[str, Any] | None) -> str:
    """``text`` with what is between the marks replaced by the tables, by nothing if there are no results."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the marks {BEGIN} and {END} in this order")
    tables = f"\n{render(results)}\n" if results else "\n"
    return before + BEGIN + tables + END + after


def number(x: float) -> str:
    """Three digits."""
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"


def seconds(x: float) -> str:
    """A time in a unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if x * factor >= 0.1 or unit == "us":
            return f"{number(x * factor)} {unit}"
    raise AssertionError(x)


def ratio(found: dict[str, Any], unit: str = "x") -> str:
    """A ratio with its spread; ~ marks one that the machine was too noisy for."""
    return f"{'~' if found['noisy'] else ''}{number(found['median'])}{unit} ±{50 * found['spread']:.0f} %"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _machine(results: dict[str, Any]) -> str:
    m = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    return (
        f"{m['cpu']} ({m['microarchitecture']}), {m['cores']} cores, {m['vector_bits']}-bit vectors, {m['threads']} "
        f"threads ({m['threading_layer']}); {m['system']}; {versions}. Contestants took turns in one session; ratios "
        "are medians of pairs, ± half the distance of their quartiles; ~ marks what the machine was too noisy for. "
        "`scripts/bench` measures all of this anew and writes this part of the page."
    )


def _note(session: dict[str, Any]) -> str:
    """When and under what load a section was measured, in small print."""
    peak = session["peak_gflops"]["float32"]
    peaks = ", ".join(f"{value:.0f} on {n} thread{'s' * (n != '1')}" for n, value in peak.items())
    data = session["data"]["name"] + (" (synthetic)" if session["data"]["synthetic"] else "")
    load = session["load_average"]
    parts = [
        session["taken"][:10], f"commit {session['commit']}" if session["commit"] else "", data,
        f"FMA peak {peaks} GFLOP/s", f"a NumPy epoch of 784-64-10 {seconds(session['numpy_epoch']['median'])}",
        f"load average {load[0]} before" if load else "", "few rounds" if session["quick"] else "",
    ]  # fmt: skip
    return "\n\n<sub>" + "; ".join(part for part in parts if part) + "</sub>"


def _rows(section: dict[str, Any]) -> str:
    rows = []
    for row in section["rows"]:
        times = [seconds(row["seconds"][name]["median"]) for name in ("numpy", "fastnet")]
        rows.append([row["label"], *times, ratio(row["ratios"]["numpy"]), ratio(row["ratios"]["peak"], "")])
    head = ["an epoch of 60 000 rows, or a call", "NumPy", "fastnet", "faster than NumPy", "dense at peak / fastnet"]
    text = (
        "The last column is the time that dense arithmetic alone would take at the machine's FMA peak, over the time "
        "that fastnet takes: above 1 where zero pixels are skipped."
    )
    return f"### Beside NumPy and the machine's peak\n\n{table(head, rows)}\n\n{text}\n\n{_picture('rows')}"


def _peers(section: dict[str, Any]) -> str:
    names = [name for name in NAMES if any(name in row["ratios"] for row in section["rows"])]
    rows = []
    for row in section["rows"]:
        cells = [row["label"], seconds(row["seconds"]["fastnet"]["median"] * row["scale"])]
        for name in names:
            if name in row["ratios"]:
                taken = seconds(row["seconds"][name]["median"] * row["scale"])
                cells.append(f"{taken}, {ratio(row['ratios'][name])}")
            else:
                cells.append("absent")
        rows.append(cells)
    head = ["an epoch of 60 000 rows", "fastnet", *(NAMES[name] for name in names)]
    versions = {k: v for row in section["rows"] for k, v in row["versions"].items() if k in names}
    text = "How many times faster fastnet is than " + ", ".join(f"{NAMES[k]} {v}" for k, v in versions.items())
    absent = "".join(f" Absent: {NAMES.get(k, k)} ({v})." for k, v in section["absent"].items())
    rules = (
        ". Each runs in a process of its own, on one thread or on all, whichever is quicker; no data loader; JAX "
        "compiles a whole epoch into one scan, Keras uses `jit_compile`."
    )
    return f"### Beside other libraries\n\n{table(head, rows)}\n\n{text}{rules}{absent}\n\n{_picture('peers')}"


def _estimators(section: dict[str, Any]) -> str:
    rows = [
        [row["label"], *(seconds(row["seconds"][n]["median"]) for n in ("scikit-learn", "fastnet")),
         ratio(row["ratios"]["scikit-learn"])]
        for row in section["rows"]
    ]  # fmt: skip
    versions = {v for row in section["rows"] for k, v in row["versions"].items() if k == "scikit-learn"}
    head = ["`MLPClassifier.fit`", f"scikit-learn {' '.join(sorted(versions))}", "fastnet.sklearn", "faster"]
    return f"### Beside scikit-learn\n\n{table(head, rows)}"


def _accuracy(section: dict[str, Any]) -> str:
    levels = [str(level) for level in section["levels"]]
    words = {
        "closed": "closed: 784-64-10 and the settings of `fastnet train`",
        "open": "open: `fastnet recipe mnist-fast`, a race, tuned on the test set",
    }
    rows = []
    for row in section["rows"]:
        cells = [words[row["name"]]]
        for level in levels:
            found = row.get(level, {"reached": 0})
            there = f"{seconds(found['seconds'])}, {found['epochs']:g} epochs" if found["reached"] else "-"
            cells.append(there + (f" ({found['reached']} of {row['runs']} seeds)" if level in row else ""))
        rows.append(cells)
    head = ["seconds to the first evaluation at", *(f"{float(level):.0%}" for level in levels)]
    text = (
        "Kernels compiled, data in memory; medians over the seeds that got there (closed: within 30 epochs); "
        "evaluations of the 10 000 test rows are included."
    )
    return f"### Time to accuracy\n\n{table(head, rows)}\n\n{text}\n\n{_picture('accuracy')}"


def _startup(section: dict[str, Any]) -> str:
    cold, warm = section["cold"], section["warm"]
    levels = [f"{float(level):.0%} after {seconds(s)}" for level, s in cold["reached"].items() if s]
    later = f"; the same run is at {' and at '.join(levels)}" if levels else ""
    return (
        "### Start-up\n\n"
        f"`fastnet train` shows its first epoch {seconds(cold['first_epoch'])} after its start on a machine that has "
        f"never run it, reading the data and compiling all kernels included{later}. From then on its first epoch is "
        f"there after {seconds(warm['first_epoch'])} (median of {warm['runs']})."
    )


def _scaling(section: dict[str, Any]) -> str:
    return (
        "### Scaling\n\nSeconds per epoch of 60 000 rows when one setting of 784-64-10, batch 128, is varied (depth: "
        f"hidden layers of 128); dashed, the ideal.\n\n{_picture('scaling')}"
    )


def _large(section: dict[str, Any]) -> str:
    rows = []
    memory = {point["rows"]: point for point in (section["memory"] or {"points": []})["points"]}
    points = {point["rows"]: point for point in section["rows"]["points"]}
    for n in sorted(memory.keys() | points.keys()):
        m, p = memory.get(n), points.get(n)
        time = seconds(p["seconds"]["median"]) if p else seconds(m["epoch_seconds"]) if m else "-"
        held = (f"{m['data_mb']:.0f} MB", f"{m['peak_mb']:.0f} MB") if m else ("-", "-")
        growth = f"{'~' if p['noisy'] else ''}{p['tenfold']:.2f}x" if p and "tenfold" in p else "-"
        rows.append([f"{n:,}".replace(",", " "), time, growth, *held])
    head = ["rows", "epoch", "cost of ten times the rows", "data, mapped", "peak of memory held"]
    text = "784-64-10, batch 128, on drawn digits in a file. Memory held is resident anonymous memory, Python included."
    return f"### Large sets\n\n{table(head, rows)}\n\n{text}\n\n{_picture('large')}"


def _losses(sections: dict[str, Any]) -> str:
    """Where fastnet does not win: every ratio below 1 that was measured."""
    found = []
    for name in ("rows", "peers", "sklearn"):
        for row in sections.get(name, {"rows": []})["rows"]:
            for other, r in row["ratios"].items():
                if other != "peak" and r["median"] < 1:
                    found.append(f"{row['label']}: {NAMES[other]} takes {r['median']:.2f} of the time")
    points = sections.get("scaling", {"curves": {}})["curves"]
    for name, curve in points.items():
        slower = [str(p["x"]) for p in curve if p.get("numpy", p["fastnet"]) < p["fastnet"]]
        if slower:
            found.append(f"{name} {', '.join(slower)}: NumPy is quicker")
    text = "\n".join(f"- {line}" for line in found) or "Nothing measured above is quicker elsewhere."
    return f"### Where fastnet does not win\n\n{text}"


def _picture(name: str) -> str:
    return f"![{name}](bench/results/{name}.svg)"
