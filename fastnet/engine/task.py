"""What steps do with a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Task:
    """What steps do with a batch, but for the coefficients that each of them gets.

    loss, rule : codes of fastnet.functions.
    clip_loss : report the losses of probabilities kept eps away from 0 and 1, as scikit-learn does.
    max_norm : None, or the largest norm that the gradient of a step, L2 included, is allowed; a longer one is scaled.
    dropout : chance of a hidden neuron to be left out for a row, one number or one for each hidden layer; drawn from
        ``seed`` and the number of that row among all rows trained on.
    smoothing : s, from 0 up to but not 1, of targets (1 - s) t + s / k with cross-entropy over k classes, and
        (1 - s) t + s / 2 with binary cross-entropy; the other losses do not have it. Evaluation never smooths.
    """

    loss: int
    rule: int
    clip_loss: bool = False
    max_norm: float | None = None
    dropout: float | Sequence[float] = 0.0
    seed: int = 0
    smoothing: float = 0.0

    def dropouts(self, layers: int) -> list[float]:
        """The chance in each of so many hidden layers; ValueError if there are others."""
        return np.broadcast_to(self.dropout, layers).tolist()
