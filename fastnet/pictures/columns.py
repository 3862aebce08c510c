"""What the columns of a table are worth to a network."""

from typing import TYPE_CHECKING

import numpy as np

from fastnet.pictures.style import BLUE, GREY, WIDTH, Picture, class_labels, panels, styled

if TYPE_CHECKING:
    from fastnet.importance import Importance

SCORES = {"accuracy": "accuracy", "r2": "R²"}


@styled
def importance(found: "Importance", *, most: int = 20) -> Picture:
    """A bar for each column, as long as its mean drop of the score, the longest first.

    found : of `fastnet.permutation_importance`. most : columns that are shown. The whiskers reach one standard
    deviation of the repeats to either side.
    """
    g = len(found.names)
    order = np.argsort(-found.mean, kind="stable")[:most]
    labels = class_labels(g, found.names)
    figure, (axis,) = panels(width=WIDTH, height=1.0 + 0.2 * len(order))
    whiskers = {"ecolor": "black", "elinewidth": 1, "capsize": 2}
    axis.barh(range(len(order)), found.mean[order], xerr=found.std[order], color=BLUE, height=0.7, error_kw=whiskers)
    axis.axvline(0, color=GREY, lw=0.8)
    axis.set_yticks(range(len(order)), [labels[i] for i in order])
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    if found.measure == "accuracy":
        axis.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
    some = f"\n{len(order)} of {g} columns, the most important" if len(order) < g else ""
    axis.set(xlabel=f"drop of {SCORES[found.measure]} when shuffled{some}", title="Permutation importance")
    return figure
