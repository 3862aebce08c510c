"""The parts of a report that are about the run: settings, curves, speed, environment."""

from typing import Any

from fastnet.pictures import learning_rate, loss, score
from fastnet.pictures.courses import changes_lr, has_score
from fastnet.report.markup import Markup, facts, note, picture, section, tag
from fastnet.report.material import Material
from fastnet.summary import grouped

ENDS = {
    "patience": "it had not become better for long enough",
    "time_limit": "its time was over",
    "callback": "a callback asked for it",
}


def settings(material: Material) -> Markup:
    """What the run was told, without what was left open."""
    run = material.run
    if run is None or not run.config:
        return section("Settings", note(material.missing.get("run", "The file holds no settings.")))
    given = [(name.replace("_", " "), value_text(value)) for name, value in run.config.items() if value is not None]
    return section("Settings", facts(given))


def value_text(value: Any) -> str:
    """A setting as words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(value_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_text(item)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def course(material: Material) -> Markup:
    """The curves."""
    run = material.run
    if run is None or not len(run.history):
        return section("Course", note(material.missing.get("run", "The file holds no epochs.")))
    history, of = run.history, run.held_out
    pictures = [picture(loss(history, held_out=of), "Curves: loss by epoch")]
    if has_score(history):
        pictures.append(picture(score(history, held_out=of), "Curves: accuracy or R2 by epoch"))
    if changes_lr(history):
        pictures.append(picture(learning_rate(history), "Curve: learning rate by epoch"))
    stopped = f"The run ended early: {ENDS.get(history.stopped, history.stopped)}." if history.stopped else None
    diverged = "The run diverged." if history.diverged else None
    notes = (_unit_of_losses(run.config), diverged, stopped)
    return section("Course", tag("div", *pictures, class_="pictures"), *(note(text) for text in notes if text))


def _unit_of_losses(config: dict[str, Any]) -> str | None:
    """What the losses of a regression on a table are about."""
    target = config.get("target")
    if target is None or config.get("output") != "identity":
        return None
    return f"The losses are of {target} less its mean, divided by its deviation; other figures are in its own unit."


def speed(material: Material) -> Markup | None:
    """Seconds, rows and share of the peak."""
    seconds, rate, share = material.epoch_seconds, material.rows_per_second, material.peak_share
    if seconds is None:
        return None
    found = [("seconds an epoch, median", f"{seconds:.3g}")]
    found += [("rows a second", grouped(round(rate)))] if rate is not None else []
    found += [("of the machine's FMA peak", f"{share:.0%}")] if share is not None else []
    if share is None:
        text = material.missing.get("peak", "how many rows were trained on is not in the file")
        return section("Speed", facts(found), note(f"Without the share of the machine's FMA peak: {text}."))
    text = (
        "The share counts the multiplications and additions of the dense products and compares them with the peak that "
        "was measured when this page was made, too low a one if the machine was busy. It exceeds 100% where zeros are "
        "skipped."
    )
    return section("Speed", facts(found), note(text))


def environment(material: Material) -> Markup:
    """Processor, threads and versions: of the run, or of the machine that made the page."""
    run = material.run
    if run is None:
        machine, versions, title = material.machine, material.versions, "Environment of this page"
        threads = []
    else:
        machine, versions, title = run.machine, run.versions, "Environment of the run"
        threads = [("threads", run.history.threads), ("threading layer", run.threading_layer or "none")]
    known = [*machine.items(), *threads, *versions.items()]
    return section(title, facts((name, value_text(value)) for name, value in known))
