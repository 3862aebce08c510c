"""What a recipe prints besides its document's lines: the list, and the published result beside the one obtained."""

from collections.abc import Mapping
from statistics import fmean

from fastnet.recipes.recipe import Recipe, figure
from fastnet.recipes.running import Comparison, Spread

NOTHING = "-"


def describe(recipe: Recipe) -> str:
    """A recipe in a few lines, for the list."""
    published = [f"{name} {text}" for name, text in recipe.published.items() if text]
    if recipe.seconds:
        published.append(f"{recipe.seconds:g} s")
    lines = [f"{recipe.name}: {recipe.title}", f"from {recipe.document}"]
    if recipe.settings:
        lines.append("settings: " + ", ".join(f"{name} {_value(value)}" for name, value in recipe.settings.items()))
    lines.append("published: " + (", ".join(published) or "no figures"))
    lines += [f"beside it: {name}" for name in recipe.beside]
    return "\n    ".join(lines)


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def table(recipe: Recipe, obtained: Mapping[str, Spread], seconds: list[float]) -> str:
    """Published and obtained figures with their differences; over several seeds with the lowest and highest."""
    several = len(seconds) > 1
    head = ["", "published", "mean" if several else "obtained", *(["lowest", "highest"] if several else []), "difference"]
    rows = [head]
    for name, spread in obtained.items():
        text = recipe.published.get(name)
        values = [spread.mean, spread.lowest, spread.highest] if several else [spread.mean]
        difference = NOTHING if text is None else _number(name, spread.mean - figure(text), "+")
        rows.append([name, text or NOTHING, *(_number(name, value) for value in values), difference])
    values = [fmean(seconds), min(seconds), max(seconds)] if several else seconds
    faster = f"{recipe.seconds / values[0]:.0f} times as fast" if recipe.seconds else NOTHING
    rows.append(["seconds", f"{recipe.seconds:g}" if recipe.seconds else NOTHING, *(f"{s:.2f}" for s in values), faster])
    return aligned(rows)


def aligned(rows: list[list[str]]) -> str:
    """Rows of words in columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(word.rjust(width) for word, width in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


def _number(name: str, value: float, sign: str = "") -> str:
    return f"{value:{sign}.2%}" if name.endswith("accuracy") else f"{value:{sign}.4f}"


def against(comparison: Comparison, rows: int) -> str:
    """The line on plain NumPy. rows : of the recipe's epoch."""
    part = "" if comparison.rows == rows else f" (measured on {comparison.rows} of them)"
    scale = rows / comparison.rows
    return (
        f"an epoch of {rows} rows{part}: {scale * comparison.seconds:.3f} s, plain NumPy {scale * comparison.numpy_seconds:.3f} s: "
        f"{comparison.ratio:.1f} times as fast; losses differ by {comparison.loss_difference:.0e} of their value"
    )
