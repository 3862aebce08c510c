"""The results as Markdown: a line and some tables for README.md, all tables and pictures for bench/README.md.

Every number between the marks of the two pages comes from the files of results.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.losses import NAMES, lines, ratios
from bench.results import ROOT
from fastnet.files import replacing

PAGES = (ROOT / "README.md", ROOT / "bench" / "README.md")


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
    return "\n\n".join([*parts, *map(_elsewhere, results.get("others", []))])


def summary(results: dict[str, Any]) -> str:
    """One line: the smallest and the largest lead over each other library."""
    leads: dict[str, list[float]] = {}
    for ratio, _, other, _ in ratios(results["sections"]):
        leads.setdefault(other, []).append(ratio)
    words = [f"{min(found):.2g} to {max(found):.2g} times as fast as {name}" for name, found in leads.items()]
    if not words:
        return "Nothing has been measured against other libraries yet."
    cpu = results["machine"]["cpu"].replace("(R)", "")
    # The library that most readers come from is named first.
    words.sort(key=lambda text: not text.endswith("scikit-learn"))
    return f"**{', '.join(words)}**, measured on {results['machine']['cores']} cores ({cpu})."


def libraries(results: dict[str, Any]) -> str:
    """The tables of README.md: how many times as long other libraries take, on one kind of machine after another."""
    parts = []
    for content in (results, *results.get("others", [])):
        section = content["sections"].get("peers")
        if section is not None:
            parts += [f"{_kind(content['machine'])}; {_when(section['session'])}:", _leads(section["rows"])]
        if content is results and "rows" in content["sections"]:
            parts += _narrow(content["sections"]["rows"]["rows"])
    return "\n\n".join(parts) or "Other libraries have not been raced yet."


def _leads(rows: list[dict[str, Any]]) -> str:
    """Seconds of an epoch, and how many times as long other libraries take."""
    names = _contestants(rows)
    body = []
    for row in rows:
        leads = [f"{number(row['ratios'][name]['median'])}x" if name in row["ratios"] else "absent" for name in names]
        body.append([row["label"], seconds(row["seconds"]["fastnet"]["median"] * row["scale"]), *leads])
    return table(["one epoch of 60 000 rows", "fastnet", *(NAMES[name] for name in names)], body)


def _narrow(rows: list[dict[str, Any]]) -> list[str]:
    """Cases that were also measured with narrower vectors, beside NumPy; and what they stand for."""
    wide = {row["name"]: row for row in rows if row["vector_bits"] == rows[0]["vector_bits"]}
    narrow = [row for row in rows if row["vector_bits"] != rows[0]["vector_bits"]]
    if not narrow:
        return []
    body = []
    for row in narrow:
        cells = [wide[row["name"]]["label"]]
        for each in (wide[row["name"]], row):
            cells += [f"{number(each['ratios']['numpy']['median'])}x", number(each["ratios"]["peak"]["median"])]
        body.append(cells)
    bits = (rows[0]["vector_bits"], narrow[0]["vector_bits"])
    head = ["times as fast as NumPy; share of the peak", *(f"{n}-bit{what}" for n in bits for what in ("", ", peak"))]
    text = (
        f"The {bits[1]}-bit columns are a stand-in for machines with AVX2: the same machine, with narrower vectors for "
        "fastnet and OpenBLAS. Clock, caches and instructions of such a machine differ."
    )
    return [table(head, body), text]


# The rows of the section "accuracy", by the names that the file of results has for them.
COMMANDS = {"closed": "fastnet train", "open": "fastnet recipe mnist-fast"}
STARTS = {"training": "training alone", "warm": "warm command", "cold": "cold command"}

WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {"summary": summary, "libraries": libraries, "all": render}
MARKED = re.compile(rf"(<!-- bench:({'|'.join(WRITERS)}) -->\n)(.*?)(<!-- bench:end -->)", re.DOTALL)


def update_pages(results: dict[str, Any], pages: tuple[Path, ...] = PAGES) -> None:
    """Write what is between the marks of the pages anew."""
    for path in pages:
        text = with_tables(path.read_text(encoding="utf-8"), results)
        with replacing(path) as file:
            file.write(text.encode())


def with_tables(text: str, results: dict[str, Any] | None) -> str:
    """``text`` with the part between each pair of marks written anew, or empty if there are no results.

    A part begins with the mark ``bench:NAME``, NAME one of WRITERS, and ends with the mark ``bench:end``. Raises
    ValueError if there is no such part.
    """

    def written(part: re.Match[str]) -> str:
        body = f"{WRITERS[part[2]](results)}\n" if results else ""
        return part[1] + body + part[4]

    replaced, parts = MARKED.subn(written, text)
    if not parts:
        raise ValueError(f"expected the marks <!-- bench:{'|'.join(WRITERS)} --> and <!-- bench:end --> in this order")
    return replaced


def publish(name: str, body: str, pages: tuple[Path, ...] = PAGES) -> None:
    """Write what is between the marks ``bench:NAME`` of the pages anew, for results in a file of their own."""
    mark = re.compile(rf"(<!-- bench:{name} -->\n)(.*?)(<!-- bench:end -->)", re.DOTALL)
    for path in pages:
        text = mark.sub(lambda part: f"{part[1]}{body}\n{part[3]}", path.read_text(encoding="utf-8"))
        with replacing(path) as file:
            file.write(text.encode())


def origin(content: dict[str, Any]) -> str:
    """Where and when such results were taken, in small print."""
    m = content["machine"]
    quick = ", in few rounds" if content["quick"] else ""
    return f"<sub>{m['cpu']}, {m['cores']} cores, {content['taken'][:10]}{quick}</sub>"


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


def _kind(m: dict[str, Any]) -> str:
    cpu = f"{m['cpu']} ({m['microarchitecture']})"
    return f"{cpu}, {m['cores']} cores, {m['vector_bits']}-bit vectors, {m['threads']} threads ({m['threading_layer']})"


def _when(session: dict[str, Any]) -> str:
    commit = f", commit {session['commit']}" if session["commit"] else ""
    return session["taken"][:10] + commit


def _all_of(m: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    return f"{_kind(m)}; {m['system']}; {versions}."


def _machine(results: dict[str, Any]) -> str:
    return (
        f"{_all_of(results['machine'])}\n\nThe programs that are compared took turns "
        "within one session. A ratio is the median over pairs of neighbouring runs. ± is half the distance between the "
        "quartiles of these ratios. A ~ marks a ratio that was measured while the machine was too noisy."
    )


def _elsewhere(results: dict[str, Any]) -> str:
    """Tables of another kind of machine."""
    sections = results["sections"]
    parts = ["### On another machine", _all_of(results["machine"])]
    for name, write in {"rows": _main_table, "peers": _races, "sklearn": _estimator_table}.items():
        if name in sections:
            parts.append(write(sections[name]["rows"]) + _note(sections[name]["session"]))
    return "\n\n".join(parts)


def _note(session: dict[str, Any]) -> str:
    """When and under what load a section was measured, in small print."""
    peak = session["peak_gflops"]["float32"]
    peaks = ", ".join(f"{value:.0f} on {n} thread{'s' * (n != '1')}" for n, value in peak.items())
    data = session["data"]["name"] + (" (synthetic)" if session["data"]["synthetic"] else "")
    load = session["load_average"]
    parts = [
        _when(session), data,
        f"FMA peak {peaks} GFLOP/s", f"a NumPy epoch of 784-64-10 {seconds(session['numpy_epoch']['median'])}",
        f"load average {load[0]} at the start" if load else "", "few rounds" if session["quick"] else "",
    ]  # fmt: skip
    return "\n\n<sub>" + "; ".join(part for part in parts if part) + "</sub>"


def _main_table(rows: list[dict[str, Any]]) -> str:
    body = []
    for row in rows:
        times = [seconds(row["seconds"][name]["median"]) for name in ("numpy", "fastnet")]
        body.append([row["label"], *times, ratio(row["ratios"]["numpy"]), ratio(row["ratios"]["peak"], "")])
    return table(["an epoch of 60 000 rows, or a call", "NumPy", "fastnet", "times as fast", "of peak"], body)


def _rows(section: dict[str, Any]) -> str:
    bits = section["rows"][0]["vector_bits"]
    text = (
        f"The last column compares fastnet with the machine's FMA peak, on {bits}-bit vectors. It is the time that "
        "dense arithmetic alone would take at the peak, divided by fastnet's time. It exceeds 1 where fastnet skips "
        "enough zero pixels. "
    )
    if any(row["vector_bits"] != bits for row in section["rows"]):
        text += (
            "The last rows use narrower vectors on purpose, and NumPy's products do, too; their peak is that of the "
            "narrower vectors."
        )
    found = _main_table(section["rows"])
    return f"### Beside NumPy and the machine's peak\n\n{found}\n\n{text.strip()}\n\n{_picture('rows')}"


def _contestants(rows: list[dict[str, Any]]) -> list[str]:
    """The other libraries that were raced in some of the rows."""
    return [name for name in NAMES if any(name in row["ratios"] for row in rows)]


def _races(rows: list[dict[str, Any]]) -> str:
    names, body = _contestants(rows), []
    for row in rows:
        cells = [row["label"], seconds(row["seconds"]["fastnet"]["median"] * row["scale"])]
        for name in names:
            if name in row["ratios"]:
                taken = seconds(row["seconds"][name]["median"] * row["scale"])
                cells.append(f"{taken}<br>{ratio(row['ratios'][name])}")
            else:
                cells.append("absent")
        body.append(cells)
    return table(["an epoch of 60 000 rows", "fastnet", *(NAMES[name] for name in names)], body)


def _peers(section: dict[str, Any]) -> str:
    names = _contestants(section["rows"])
    versions = {k: v for row in section["rows"] for k, v in row["versions"].items() if k in names}
    text = "Versions: " + ", ".join(f"{NAMES[k]} {v}" for k, v in versions.items())
    absent = "".join(f" Absent: {NAMES.get(k, k)} ({v})." for k, v in section["absent"].items())
    rules = (
        ". A cell holds the library's time, and below it how many times fastnet's time that is. Each library runs in a "
        "process of its own, with one thread or with all, whichever is faster. None uses a data loader. JAX compiles a "
        "whole epoch into one scan. Keras uses `jit_compile`."
    )
    races = _races(section["rows"])
    return f"### Beside other libraries\n\n{races}\n\n{text}{rules}{absent}\n\n{_picture('peers')}"


def _estimator_table(rows: list[dict[str, Any]]) -> str:
    body = [
        [row["label"], *(seconds(row["seconds"][n]["median"]) for n in ("scikit-learn", "fastnet")),
         ratio(row["ratios"]["scikit-learn"])]
        for row in rows
    ]  # fmt: skip
    versions = {v for row in rows for k, v in row["versions"].items() if k == "scikit-learn"}
    head = ["`MLPClassifier.fit`", f"scikit-learn {' '.join(sorted(versions))}", "fastnet.sklearn", "times as fast"]
    return table(head, body)


def _estimators(section: dict[str, Any]) -> str:
    return f"### Beside scikit-learn\n\n{_estimator_table(section['rows'])}\n\n{_picture('sklearn')}"


def _accuracy(section: dict[str, Any]) -> str:
    levels = [str(level) for level in section["levels"]]
    rows = []
    for row in section["rows"]:
        cells = []
        for level in levels:
            found = row[level]
            there = f"{seconds(found['seconds'])}, {found['epochs']:g} epochs" if found["reached"] else "-"
            cells.append(f"{there} ({found['reached']} of {row['runs']} seeds)")
        rows.append([f"`{COMMANDS[row['name']]}`, {STARTS[row['start']]}", *cells])
    head = ["time until the test accuracy is", *(f"{float(level):.0%}" for level in levels)]
    first = {way: seconds(found["seconds"]) for way, found in section["first_epoch"].items()}
    text = (
        f"`{COMMANDS['closed']}` trains 784-64-10 with its default settings for at most {section['most_epochs']} "
        f"epochs. `{COMMANDS['open']}` is a race: its settings were tuned on the test set. A time is the median over "
        "the seeds that reached the accuracy. It includes the evaluations on the 10 000 test rows. *Training alone* "
        "starts the clock at the first batch, with the data in memory and the kernels compiled. The other rows start "
        "it with the process of the command. *Warm* commands find compiled kernels on disk, *cold* commands compile "
        f"them first. `fastnet train` shows its first epoch after {first['warm']} when warm and {first['cold']} when "
        "cold."
    )
    return f"### Time to accuracy\n\n{table(head, rows)}\n\n{text}\n\n{_picture('accuracy')}"


def _scaling(section: dict[str, Any]) -> str:
    return (
        "### Scaling\n\nEach panel starts from 784-64-10 with batches of 128 and varies one setting. It shows seconds "
        "per epoch of 60 000 rows. The hidden layers are 128 wide where their number varies. Dashed: the ideal."
        f"\n\n{_picture('scaling')}"
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
    head = ["rows", "epoch", "relative to a tenth", "data file", "peak memory"]
    text = (
        "784-64-10 with batches of 128, trained on synthetic digits that are mapped from a file. The third column is "
        "the time of an epoch, divided by that of a tenth of the rows. Peak memory is resident anonymous memory, "
        "Python included, without the mapped pages of the file."
    )
    return f"### Large sets\n\n{table(head, rows)}\n\n{text}\n\n{_picture('large')}"


def _losses(results: dict[str, Any]) -> str:
    text = "\n".join(f"- {line}" for line in lines(results)) or "Nothing measured above is faster elsewhere."
    return f"### Where fastnet does not win\n\n{text}"


PICTURES = {
    "sklearn": "Bars: times as fast as scikit-learn",
    "rows": "Bars: fastnet beside NumPy and the FMA peak", "peers": "Bars: seconds per epoch of five libraries",
    "accuracy": "Curves: share of seeds at 97% and 98% over time", "scaling": "Curves: seconds per epoch by setting",
    "large": "Curves: seconds and memory by rows",
}  # fmt: skip


def _picture(name: str) -> str:
    return f"![{PICTURES[name]}](results/{name}.svg)"
