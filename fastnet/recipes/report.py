"""What a recipe prints besides its document's lines: the list, and the published result beside the one obtained."""

from collections.abc import Mapping
from statistics import fmean

from fastnet.recipes.race import FAIR_ROWS, Lap, Result
from fastnet.recipes.recipe import Recipe, figure
from fastnet.recipes.running import Comparison, Spread
from fastnet.terminal import fold

NOTHING = "-"


def describe(recipe: Recipe) -> str:
    """A recipe in a few lines, for the list."""
    published = [f"{name} {text}" for name, text in recipe.published.items() if text]
    if recipe.seconds:
        published.append(f"{recipe.seconds:g} s")
    lines = heading(recipe)
    if recipe.settings:
        lines.append("settings: " + ", ".join(f"{name} {_value(value)}" for name, value in recipe.settings.items()))
    if recipe.document:
        lines.append("published: " + (", ".join(published) or "no figures"))
    lines += [f"beside it: {name}" for name in recipe.beside]
    return fold("\n    ".join(lines))


def describe_in_full(recipe: Recipe) -> str:
    """A recipe with all that is known of it."""
    parts = [describe(recipe), purposes(recipe)]
    if recipe.notes:
        parts.append(_listed("notes:", recipe.notes))
    return "\n\n".join(parts)


def purposes(recipe: Recipe) -> str:
    """The lines on what a recipe does differently on purpose."""
    return _listed("different on purpose:", recipe.differences)


def _listed(title: str, texts: tuple[str, ...]) -> str:
    return fold("\n".join([title, *(f"- {text}" for text in texts)]), "  ")


def heading(recipe: Recipe) -> list[str]:
    """The first lines on a recipe: its name, what it is and where it comes from."""
    return [f"{recipe.name}: {recipe.title}", *([f"from {recipe.document}"] if recipe.document else [])]


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def table(recipe: Recipe, obtained: Mapping[str, Spread], seconds: list[float]) -> str:
    """Published and obtained figures with their differences; over several seeds with the lowest and highest."""
    several = len(seconds) > 1
    found = ["mean", "lowest", "highest"] if several else ["obtained"]
    rows = [["", "published", *found, "difference"]]
    for name, spread in obtained.items():
        text = recipe.published.get(name)
        values = [spread.mean, spread.lowest, spread.highest] if several else [spread.mean]
        difference = NOTHING if text is None else _number(name, spread.mean - figure(text), "+")
        rows.append([name, text or NOTHING, *(_number(name, value) for value in values), difference])
    values = [fmean(seconds), min(seconds), max(seconds)] if several else seconds
    theirs, faster = NOTHING, NOTHING
    if recipe.seconds:
        theirs, faster = f"{recipe.seconds:g}", f"{recipe.seconds / values[0]:.3g} times as fast"
    rows.append(["seconds", theirs, *(f"{s:.2f}" for s in values), faster])
    return aligned(rows)


def aligned(rows: list[list[str]]) -> str:
    """Rows of words in columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[f"{word:>{width}}" for word, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *words[1:]]) for row, words in zip(rows, padded, strict=True))


def _number(name: str, value: float, sign: str = "") -> str:
    return f"{value:{sign}.2%}" if name.endswith("accuracy") else f"{value:{sign}.4f}"


def against(comparison: Comparison, rows: int) -> str:
    """The line on plain NumPy. rows : of the recipe's epoch."""
    part = "" if comparison.rows == rows else f" (measured on {comparison.rows} of them)"
    seconds, numpy = (rows / comparison.rows * s for s in (comparison.seconds, comparison.numpy_seconds))
    return fold(
        f"an epoch of {rows} rows{part}: {seconds:.3f} s, plain NumPy {numpy:.3f} s: "
        f"{comparison.ratio:.1f} times as fast; losses differ by {comparison.loss_difference:.0e} of their value"
    )


def lap_line(recipe: Recipe, lap: Lap) -> str:
    """The line on one seed of a race."""
    last = lap.outcome.history.epochs[-1]
    reached = f"{recipe.target:.1%}" if lap.reached else "not there"
    return fold(
        f"seed {lap.outcome.args.seed}: {reached} after {lap.outcome.seconds:.3f} s, in epoch {last.epoch}: "
        f"{last.val_accuracy:.2%}; fair choice: epoch {lap.fair_epoch}, {lap.fair_accuracy:.2%}"
    )


def race_lines(recipe: Recipe, result: Result) -> str:
    """The lines on all seeds of a race."""
    time = f"median {result.seconds_to_98:.3f} s" if result.seconds_to_98 is not None else "no median"
    return fold(
        f"seconds to {recipe.target:.1%} of the test set, evaluations included: {time}, "
        f"{result.reached} of {result.seeds} seeds got there\n"
        f"test accuracy at the epoch that {FAIR_ROWS} held-out training rows choose: {result.fair_accuracy:.2%} (mean)"
    )
