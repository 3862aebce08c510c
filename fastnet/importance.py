"""Permutation importance: how much worse a network becomes when a column of X no longer tells anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet import functions as f
from fastnet import hints
from fastnet.backends import Backend
from fastnet.data.arrays import check_rows
from fastnet.errors import whole
from fastnet.network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 10_000
Groups = Sequence[str] | Mapping[str, Sequence[int]]


@dataclass(frozen=True, eq=False)
class Importance:
    """The result of `permutation_importance`.

    names : (g,) of the columns or groups, in the order of X or of ``groups``. drops : float64 (g, repeats), the score
    without a shuffled column minus the score with it. score : of the rows as they are. measure : "accuracy" or "r2".
    rows : how many of them were looked at.
    """

    names: tuple[str, ...]
    drops: np.ndarray
    score: float
    measure: str
    rows: int

    @property
    def mean(self) -> np.ndarray:
        """(g,) mean drop of each column over the repeats: about 0 where the network does without the column."""
        return self.drops.mean(axis=1)

    @property
    def std(self) -> np.ndarray:
        """(g,) standard deviation of the drops over the repeats."""
        return self.drops.std(axis=1)

    def plot(self, *, most: int = 20) -> "Figure":
        """Bars of the ``most`` important columns, as `fastnet.pictures.importance`. Needs the extra ``plot``."""
        from fastnet.pictures import importance

        return importance(self, most=most)


@hints.hinted("permutation_importance")
def permutation_importance(
    net: Network,
    X: Any,
    y: Any,
    *,
    groups: Groups | None = None,
    repeats: int = 5,
    seed: Any = 0,
    max_rows: int = MOST_ROWS,
) -> Importance:
    """Measure how far accuracy (R squared of a regression) drops when one column of ``X`` is shuffled.

    The method is that of Breiman, "Random Forests", Machine Learning 45 (2001), section 10, for any network: the values
    of a column are permuted among the rows, which keeps their distribution and cuts their tie to ``y``. Rows that were
    not trained on show what the network uses on new data. Columns that tell the same share their importance: each alone
    may look as if it did not matter.

    X : (n, d), n at least 2, and y : (n,) or (n, k), as for `Network.evaluate`. Both stay as they are.
    groups : columns to permute together, such as those of a one-hot category. Either d names, where columns of one name
        are a group, or a mapping from names to column numbers; columns in no group are not permuted. None takes
        ``net.preprocess.groups`` if the network has them, else each column alone under its number.
    repeats : permutations of each column. A repeat permutes all columns alike, so that they can be compared.
    seed : of the permutations and of the rows drawn, anything that numpy.random.default_rng takes.
    max_rows : of more rows so many are drawn at random; memory is that of two copies of them.

    Raises ValueError or TypeError as `Network.evaluate` does, and on groups that do not fit X.
    """
    repeats, max_rows, rng = whole("repeats", repeats), whole("max_rows", max_rows), np.random.default_rng(seed)
    columns = _check_groups(column_groups(net) if groups is None else groups, net.sizes[0])
    X, y = _own_rows(net, X, y, max_rows, rng)
    measure = "r2" if net.is_regression else "accuracy"
    evaluate = Backend("numba", net, f.LOSSES[net.default_loss()]).evaluator(X, y)
    score = getattr(evaluate(), measure)
    orders = [rng.permutation(len(X)) for _ in range(repeats)]
    drops = np.empty((len(columns), repeats))
    for drop, chosen in zip(drops, columns.values(), strict=True):
        kept = X[:, chosen]
        for repeat, order in enumerate(orders):
            X[:, chosen] = kept[order]  # the evaluator reads X where it is
            drop[repeat] = score - getattr(evaluate(), measure)
        X[:, chosen] = kept
    return Importance(tuple(columns), drops, score, measure, len(X))


def column_groups(net: Network) -> Groups:
    """The groups of the table that the network learned from, else a name for each column: its number from 0 on."""
    groups = None if net.preprocess is None else net.preprocess.groups
    return [str(i) for i in range(net.sizes[0])] if groups is None else groups


def _own_rows(net: Network, X: Any, y: Any, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Checked copies of the rows, or of ``most`` of them, as the kernels take them."""
    X = check_rows(X, width=net.sizes[0])
    if min(len(X), most) < 2:
        raise ValueError(f"X and max_rows must give at least 2 rows to shuffle, got {len(X)} and {most}")
    y = net.check_targets(y, len(X), net.default_loss())
    rows = np.sort(rng.choice(len(X), most, replace=False)) if len(X) > most else np.arange(len(X))
    return net.check_inputs(X[rows]), y[rows]


def _check_groups(groups: Groups, d: int) -> dict[str, np.ndarray]:
    """Column numbers int64 by name of the group."""
    if isinstance(groups, Mapping):
        found = {str(name): _check_columns(name, chosen, d) for name, chosen in groups.items()}
    else:
        names = [] if isinstance(groups, str) else list(groups)
        if len(names) != d:
            raise ValueError(f"groups must be a name for each of {d} columns or a mapping, got {groups!r:.60}")
        columns: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            columns.setdefault(str(name), []).append(i)
        found = {name: np.array(chosen) for name, chosen in columns.items()}
    if not found:
        raise ValueError("groups must hold at least one group, got none: None takes each column alone")
    return found


def _check_columns(name: str, chosen: Sequence[int], d: int) -> np.ndarray:
    """Numbers of columns of X as an array."""
    try:
        numbers = [index(number) for number in chosen]
    except TypeError:
        raise TypeError(f"groups[{name!r}] must be a sequence of column numbers, got {chosen!r:.60}") from None
    if not numbers or min(numbers) < 0 or max(numbers) >= d:
        raise ValueError(f"groups[{name!r}] must be column numbers from 0 to {d - 1}, got {chosen!r:.60}")
    return np.array(numbers)
