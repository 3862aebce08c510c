"""The results as Markdown, between two marks of README.md: every number there comes from the file of results."""

from pathlib import Path
from typing import Any

from bench.losses import NAMES, lines
from bench.results import ROOT
from fastnet.files import replacing

README = ROOT / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def render(results: dict[str, Any]) -> str:
    """All tables and pictures of a file of results."""
    writers = {
        "rows": _rows, "peers": _peers, "sklearn": _estimators, "accuracy": _accuracy, "scaling": _scaling,
        "large": _large,
    }  # fmt: skip
    parts = [_machine(results)]
    for name, write in writers.items():
        if name in results["sections"]:
            section = results["sections"][name]
            parts.append(write(section) + _note(section["session"]))
    parts.append(_losses(results))
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
    bits = section["rows"][0]["vector_bits"]
    head = ["an epoch of 60 000 rows, or a call", "NumPy", "fastnet", "faster than NumPy", f"of peak ({bits}-bit)"]
    text = (
        "The last column is the time that dense arithmetic alone would take at the machine's FMA peak, over the time "
        "that fastnet takes: above 1 where enough zero pixels are skipped. "
    )
    if any(row["vector_bits"] != bits for row in section["rows"]):
        text += "The peak of the last rows is that of the narrower vectors which fastnet was made to use there."
    return f"### Beside NumPy and the machine's peak\n\n{table(head, rows)}\n\n{text.strip()}\n\n{_picture('rows')}"


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
    ways = {"training": "from the first batch", "warm": "from the command, warm", "cold": "from the command, cold"}
    rows = []
    for row in section["rows"]:
        cells = []
        for level in levels:
            found = row[level]
            there = f"{seconds(found['seconds'])}, {found['epochs']:g} epochs" if found["reached"] else "-"
            cells.append(f"{there} ({found['reached']} of {row['runs']} seeds)")
        rows.append([f"{row['name']}, {ways[row['start']]}", *cells])
    head = ["seconds to the first evaluation at", *(f"{float(level):.0%}" for level in levels)]
    first = {way: seconds(found["seconds"]) for way, found in section["first_epoch"].items()}
    text = (
        f"Closed: 784-64-10 and the settings of `fastnet train`, at most {section['most_epochs']} epochs. Open: "
        "`fastnet recipe mnist-fast`, a race, tuned on the test set. Medians over the seeds that got there, "
        "evaluations of the 10 000 test rows included. From the first batch: data in memory, kernels compiled. From "
        "the command: since its process was started, with kernels that were kept (warm), or with none, so that it "
        f"compiles them (cold). `fastnet train` shows its first epoch after {first['warm']} warm and {first['cold']} "
        "cold."
    )
    return f"### Time to accuracy\n\n{table(head, rows)}\n\n{text}\n\n{_picture('accuracy')}"


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


def _losses(results: dict[str, Any]) -> str:
    text = "\n".join(f"- {line}" for line in lines(results)) or "Nothing measured above is quicker elsewhere."
    return f"### Where fastnet does not win\n\n{text}"


def _picture(name: str) -> str:
    return f"![{name}](bench/results/{name}.svg)"
