"""The page of a search for settings: its figures, the best trials, its pictures."""

from typing import TYPE_CHECKING

from fastnet.pictures import search_course, search_importance, search_setting
from fastnet.pictures.searches import searched
from fastnet.report.course import value_text
from fastnet.report.markup import Markup, facts, joined, picture, section, table, tag
from fastnet.report.page import document
from fastnet.tuning.words import listed

if TYPE_CHECKING:
    from fastnet.tuning.interface import Tuned

BEST = 10  # trials in the table


def page(found: "Tuned") -> str:
    """The page as HTML."""
    title = f"fastnet tune: {found.plan.data.name}"
    parts = [_header(found, title), _best(found), _pictures(found), _fixed(found)]
    return document(title, parts, found.plan.data.name)


def _header(found: "Tuned", title: str) -> Markup:
    best = found.best
    assert best.outcome is not None
    states = [trial.state for trial in found.trials if trial.counts]
    figures = [
        (f"best {found.plan.monitor.replace('_', ' ')}", value_text(best.outcome.value)),
        ("trials", str(len(states))),
        ("of them pruned", str(states.count("pruned"))),
    ]
    if found.failures:
        figures.append(("of them failed", listed(found.failures)))
    return tag("header", tag("h1", title), tag("div", facts(figures), class_="figures"))


def _best(found: "Tuned") -> Markup:
    """The settings of the best trials."""
    names = searched(found)
    shown = [(trial, trial.outcome) for trial in found.ranking[:BEST] if trial.outcome is not None]
    rows = [
        [trial.number, value_text(outcome.value), outcome.epochs]
        + [value_text(trial.settings[name]) if name in trial.settings else "" for name in names]
        for trial, outcome in shown
    ]
    head = ["trial", found.plan.monitor.replace("_", " "), "epochs", *(name.replace("_", " ") for name in names)]
    return section("Best trials", table(head, rows))


def _pictures(found: "Tuned") -> Markup:
    images = [picture(search_course(found), "Dots: value by trial")]
    images += [picture(search_setting(found, name), f"Dots: value over {name}") for name in searched(found)]
    if found.importance:
        images.append(picture(search_importance(found), "Bars: importance of each setting"))
    return section("The search", tag("div", joined(images), class_="pictures"))


def _fixed(found: "Tuned") -> Markup:
    given = [(name.replace("_", " "), value_text(value)) for name, value in found.plan.fixed.items()]
    return section("Settings of all trials", facts(given))
