"""What a report is made of: a run, a network and the rows that it is judged on, as far as there are any."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fastnet import flops
from fastnet.data import Dataset
from fastnet.importance import MOST_ROWS, Importance, column_groups, permutation_importance
from fastnet.network import Network
from fastnet.pictures.mistakes import Mistake, mistakes
from fastnet.report.run import Run

AGREEMENT = 1e-3  # of accuracy or R2, between machines
COLUMNS = 500  # of a table: the importance of more is not measured
REPEATS = 5
WORK = 2e11  # FLOPs for the importance of all columns, a few seconds
FEWEST_ROWS = 500  # that say something about a column, however long it takes


@dataclass(frozen=True)
class Judged:
    """What a network says about rows whose truth is known.

    kind : what the rows are called. y : labels (n,), or values (n,) or (n, k). outputs : float (n, k).
    evaluation : as of Network.evaluate.
    """

    dataset: Dataset
    kind: str
    y: np.ndarray
    predicted: np.ndarray
    outputs: np.ndarray
    evaluation: Any

    @classmethod
    def of(cls, network: Network, dataset: Dataset, kind: str, loss: str | None = None) -> "Judged":
        """Predict and evaluate the rows of a Dataset, whose y fits the network."""
        assert dataset.y is not None
        predicted, outputs = network.predict(dataset.X), network.predict_proba(dataset.X)
        evaluation = network.evaluate(dataset.X, dataset.y, loss=loss)
        return cls(dataset, kind, dataset.y, predicted, outputs, evaluation)

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """The rows that are wrong, the most confident first."""
        return mistakes(self.y, self.predicted, self.outputs)


@dataclass(frozen=True)
class Material:
    """All that a report can show. source : the file that it is about.

    machine : this machine's processor, architecture and cores. versions : of the libraries here. peak : FLOP/s of this
    machine on the run's threads, or None. missing : by part ("run", "network", "rows", "peak") why it is absent and how
    to get it.
    """

    source: str
    machine: dict[str, Any]
    versions: dict[str, str]
    run: Run | None = None
    network: Network | None = None
    judged: Judged | None = None
    peak: float | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes, if they have any."""
        return None if self.network is None or self.network.class_names is None else list(self.network.class_names)

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """(h, w) of the inputs, if they are images."""
        # The rows of a table may be taken for images where a square number of columns is all that is known of them.
        table = self.network is not None and self.network.preprocess is not None
        return None if self.judged is None or table else self.judged.dataset.image_shape

    @cached_property
    def importance(self) -> Importance | None:
        """What each column of the rows is worth to the network; None for images, very many columns and one row."""
        if self.network is None or self.judged is None or self.image_shape is not None:
            return None
        columns = len(column_groups(self.network))
        if columns > COLUMNS or len(self.judged.y) < 2:
            return None
        affordable = int(WORK / (columns * REPEATS * sum(flops.forward(self.network.sizes))))
        rows, dataset = min(MOST_ROWS, max(FEWEST_ROWS, affordable)), self.judged.dataset
        return permutation_importance(self.network, dataset.X, dataset.y, repeats=REPEATS, max_rows=rows)

    @property
    def epoch_seconds(self) -> float | None:
        """The median over the whole epochs."""
        history = [] if self.run is None else list(self.run.history)
        most = max((epoch.rows or 0 for epoch in history), default=0)
        whole = [epoch.seconds for epoch in history if (epoch.rows or most) == most]
        seconds = float(np.median(whole)) if whole else 0.0
        return seconds if seconds > 0 else None

    @property
    def rows_per_second(self) -> float | None:
        """Rows trained on in a second of training."""
        rows = None if self.run is None else self.run.rows.get("train")
        if not isinstance(rows, int) or self.epoch_seconds is None:
            return None
        return rows / self.epoch_seconds

    @property
    def peak_share(self) -> float | None:
        """The dense arithmetic of training as a share of the machine's peak; above 1 where zeros are skipped."""
        if self.peak is None or self.network is None or self.rows_per_second is None:
            return None
        return self.rows_per_second * sum(flops.training(self.network.sizes)) / self.peak

    @property
    def doubt(self) -> str | None:
        """A warning where the network is not as good as the run says that it was."""
        if self.run is None or self.judged is None:
            return None
        name = "accuracy" if hasattr(self.judged.evaluation, "accuracy") else "r2"
        now, then = getattr(self.judged.evaluation, name), self.run.results.get(self.judged.kind, {}).get(name)
        if not isinstance(then, int | float) or abs(now - then) <= AGREEMENT:
            return None
        return f"The run recorded {name} {then:.4f}, the network gives {now:.4f}: one of its files has changed since."
