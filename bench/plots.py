"""The results as pictures, PNG and SVG, made to be read at the width of a page on GitHub, in its dark mode too."""

from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

from bench.losses import NAMES
from bench.results import FOLDER
from bench.tables import COMMANDS

WIDTH = 8.0  # inches; a page shows about 900 pixels
NARROW = 5.5  # inches; can be read on a phone
OURS, THEIRS, IDEAL = "#0b6e99", "#b9c4c9", "#444444"
COLOURS = {"fastnet": OURS, "numpy": "#8f8f8f", "jax": "#c9a227", "torch": "#c8553d", "keras": "#7d5ba6"}


def draw(results: dict[str, Any], folder: Path = FOLDER) -> list[Path]:
    """Draw every section that there is; the files written."""
    import matplotlib

    matplotlib.use("Agg")
    style = {
        # Letters as paths: with another font, which a viewer may put in, labels overlap or are cut.
        "svg.fonttype": "path", "svg.hashsalt": "fastnet", "font.size": 9, "axes.spines.top": False,
        "axes.spines.right": False, "axes.titlesize": 9, "axes.titleweight": "bold", "legend.frameon": False,
        "figure.constrained_layout.w_pad": 0.12, "figure.constrained_layout.h_pad": 0.12,
    }  # fmt: skip
    pictures: dict[str, Callable] = {
        "sklearn": _estimators, "rows": _rows, "peers": _peers, "accuracy": _accuracy, "scaling": _scaling,
        "large": _large,
    }  # fmt: skip
    written = []
    with matplotlib.rc_context(style):
        for name, picture in pictures.items():
            if name in results["sections"]:
                written += _save(picture(results["sections"][name]), folder / name)
    return written


def _save(figure, stem: Path) -> list[Path]:
    from matplotlib import pyplot

    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
    figure.savefig(paths[0], metadata={"Date": None})
    figure.savefig(paths[1], dpi=110)
    pyplot.close(figure)
    return paths


def _figure(height: float, columns: int = 1, rows: int = 1, width: float = WIDTH, **settings):
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width, height), layout="constrained", squeeze=False, **settings)


def _title(axis, text: str, letters: int) -> None:
    """Set a title in lines of so many letters: the layout makes no room for titles that are wider than their panel."""
    axis.set_title(fill(text, letters), loc="left")


def _estimators(section: dict[str, Any]):
    """A bar a setting: times as fast as scikit-learn, the setting written above it."""
    rows = section["rows"][::-1]
    figure, ((axis,),) = _figure(0.55 * len(rows) + 0.5, width=NARROW)
    leads = [row["ratios"]["scikit-learn"]["median"] for row in rows]
    axis.barh(range(len(rows)), leads, color=OURS, height=0.4)
    for i, (row, lead) in enumerate(zip(rows, leads, strict=True)):
        axis.annotate(f"{lead:.1f}", (lead, i), (4, 0), textcoords="offset points", va="center", fontsize=11)
        axis.annotate(row["label"], (0, i + 0.2), (2, 2), textcoords="offset points", va="bottom", fontsize=10)
    axis.set(yticks=[], xticks=[], xlim=(0, 1.12 * max(leads)), ylim=(-0.4, len(rows) - 0.2))
    axis.spines["bottom"].set_visible(False)
    axis.set_title("MLPClassifier.fit, times as fast as scikit-learn", loc="left", fontsize=11)
    return figure


def _rows(section: dict[str, Any]):
    """Two bars a row: times as fast as NumPy, and dense arithmetic at peak."""
    rows = section["rows"][::-1]
    figure, ((left, right),) = _figure(0.32 * len(rows) + 0.9, columns=2, sharey=True)
    labels = [row["label"] for row in rows]
    titles = ("times as fast as NumPy", "share of the FMA peak")
    for axis, kind, title in zip((left, right), ("numpy", "peak"), titles, strict=True):
        medians = [row["ratios"][kind]["median"] for row in rows]
        spread = [row["ratios"][kind]["spread"] * m / 2 for row, m in zip(rows, medians, strict=True)]
        axis.barh(labels, medians, xerr=spread, color=OURS, height=0.6, error_kw={"lw": 1, "ecolor": IDEAL})
        for i, m in enumerate(medians):
            text, end = f"{m:.2f}" if kind == "peak" else f"{m:.1f}", (m + spread[i], i)
            # On white, as the line at 1 may run behind it.
            box = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"}
            axis.annotate(text, end, (4, 0), textcoords="offset points", va="center", fontsize=8, bbox=box)
        axis.axvline(1, color=IDEAL, lw=1, ls="--")
        _title(axis, title, 18)
        axis.margins(x=0.2)
    return figure


def _peers(section: dict[str, Any]):
    """Seconds per epoch of each library, one panel a row."""
    rows = section["rows"]
    figure, axes = _figure(1.55 * -(-len(rows) // 2) + 0.3, columns=2, rows=-(-len(rows) // 2))
    for axis in axes.flat[len(rows) :]:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, rows, strict=False):
        taken = {name: values["median"] * row["scale"] for name, values in row["seconds"].items()}
        names = sorted(taken, key=taken.__getitem__, reverse=True)
        labels, colours = [NAMES.get(n, n) for n in names], [COLOURS[n] for n in names]
        axis.barh(labels, [taken[n] for n in names], color=colours, height=0.65)
        for i, n in enumerate(names):
            text = f"{taken[n]:.2g} s" + (f", {row['ratios'][n]['median']:.1f}x" if n in row["ratios"] else "")
            axis.annotate(text, (taken[n], i), (3, 0), textcoords="offset points", va="center", fontsize=8)
        _title(axis, row["label"], 36)
        axis.margins(x=0.3)
    return figure


def _accuracy(section: dict[str, Any]):
    """Share of the seeds that were at the level after so many seconds: training alone, and the whole command."""
    figure, ((left, right),) = _figure(2.8, columns=2, sharey=True)
    panels = {"training": (left, ""), "warm": (right, "warm"), "cold": (right, "cold")}
    colours = {"closed": OURS, "open": "#c8553d"}
    for row in section["rows"]:
        axis, way = panels[row["start"]]
        for level, line in zip(map(str, section["levels"]), ("--", "-"), strict=True):
            each = row[level].get("each", [])
            if each:
                share = [0, *((i + 1) / row["runs"] for i in range(len(each)))]
                label = f"{COMMANDS[row['name']]}, {float(level):.0%}" if axis is left else None
                axis.step([each[0], *each], share, where="post", color=colours[row["name"]], ls=line, label=label)
                if way and row["name"] == "closed":
                    axis.annotate(way, (each[len(each) // 2], 1.05), ha="center", fontsize=8)
    left.set(title="training alone", ylabel="share of seeds", xlabel="seconds", xlim=(0, None), ylim=(0, 1.15))
    right.set(title="the whole command", xlabel="seconds", xscale="log")
    right.margins(x=0.12)
    _plain(right.xaxis)
    left.legend(fontsize=8)
    return figure


def _ticks(axis, x: list[int]) -> None:
    """Mark a logarithmic axis at the points measured, as far as there is room, and write numbers out."""
    from matplotlib.ticker import NullLocator

    shown = [n for i, n in enumerate(x) if i % -(-len(x) // 6) == 0]
    axis.set_xticks(shown, [f"{n:,}".replace(",", " ") for n in shown])
    axis.xaxis.set_minor_locator(NullLocator())
    _plain(axis.yaxis)


def _plain(axis) -> None:
    """Write the numbers of a logarithmic axis out, at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def _scaling(section: dict[str, Any]):
    """A panel a setting, logarithmic; dashed, dense arithmetic at peak, or perfect sharing among threads."""
    curves = section["curves"]
    panels = {"width": "width of the hidden layer", "depth": "hidden layers of 128", "batch": "rows in a batch"}
    figure, axes = _figure(4.6, columns=2, rows=2)
    for axis, (name, title) in zip(axes.flat, panels.items(), strict=False):
        points = curves[name]
        x = [p["x"] for p in points]
        axis.loglog(x, [p["peak"] for p in points], color=IDEAL, ls="--", lw=1, label="dense, at FMA peak")
        if all("numpy" in p for p in points):
            axis.loglog(x, [p["numpy"] for p in points], color=COLOURS["numpy"], marker="o", ms=3, label="NumPy")
        axis.loglog(x, [p["fastnet"] for p in points], color=OURS, marker="o", ms=3, label="fastnet")
        axis.set(title=title, ylabel="seconds per epoch")
        _ticks(axis, x)
    axis = axes.flat[3]
    for name, label, colour in (("threads", "784-64-10", OURS), ("threads-wide", "784-512-512-10", "#c8553d")):
        x, t = [p["x"] for p in curves[name]], [p["fastnet"] for p in curves[name]]
        axis.plot(x, [t[0] / s for s in t], color=colour, marker="o", ms=3, label=label)
    axis.plot(x, x, color=IDEAL, ls="--", lw=1, label="ideal")
    axis.set(title="threads", ylabel="times as fast as one")
    axis.xaxis.get_major_locator().set_params(integer=True)
    for axis in axes.flat:
        axis.legend(fontsize=8)
    return figure


def _large(section: dict[str, Any]):
    """Seconds and memory against rows."""
    figure, ((left, right),) = _figure(2.5, columns=2)
    points = section["rows"]["points"]
    x, t = [p["rows"] for p in points], [p["seconds"]["median"] for p in points]
    left.loglog(x, [t[0] * n / x[0] for n in x], color=IDEAL, ls="--", lw=1, label="proportional to rows")
    left.loglog(x, t, color=OURS, marker="o", ms=3, label="fastnet")
    left.set(title="rows", ylabel="seconds per epoch")
    left.legend(fontsize=8)
    _ticks(left, x)
    if section["memory"]:
        points = section["memory"]["points"]
        x = [p["rows"] for p in points]
        right.loglog(x, [p["data_mb"] for p in points], color=THEIRS, marker="o", ms=3, label="the data file")
        right.loglog(x, [p["peak_mb"] for p in points], color=OURS, marker="o", ms=3, label="peak memory")
        right.axhline(section["memory"]["limit_mb"], color=IDEAL, ls="--", lw=1, label="limit")
        right.set(title="memory", xlabel="rows", ylabel="MB")
        right.legend(fontsize=8)
        _ticks(right, x)
    else:
        right.set_axis_off()
    return figure
