"""Recipe: a document's system as settings, and what the document says came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A system that somebody published, as settings of ``fastnet train``.

    title, document : the system in a few words, and where it comes from; empty if from here.
    settings : those that differ from the defaults of ``fastnet train``, by name.
    held_out : what is evaluated after each epoch, "test" or "validation" rows.
    log : what the document prints after an epoch; the fields are those of ``fastnet.recipes.logs.fields``.
    published : measure (of ``fastnet.recipes.running.MEASURES``) to the figure as the document prints it, or None.
    seconds : that the document reports for all epochs, or None.
    differences : where this is not what the document did, and why.
    notes : what else there is to say, such as what the document's options are called here.
    beside : what else the document tries, by name: the settings that differ from ``settings``.
    report : whether the run ends in a classification report.
    target : of a race: the test accuracy to reach. seeds : how many of them are run unless told otherwise.
    """

    name: str
    title: str
    document: str
    settings: Mapping[str, Any]
    log: str
    published: Mapping[str, str | None]
    held_out: str = "test"
    seconds: float | None = None
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    report: bool = False
    target: float | None = None
    seeds: int = 1


def figure(text: str) -> float:
    """The number in a published figure; "98%" is 0.98."""
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)
