"""When a figure has stopped getting better."""

import math

MONITORS = ("val_loss", "val_accuracy", "val_r2", "loss", "train_loss", "train_accuracy", "train_r2")


class Patience:
    """Counts the epochs since a figure was last better than its best.

    epochs : how many to bear. min_delta : by how much better counts. rising : whether larger is better.
    Attributes: best, the best value; waited, the epochs since.
    """

    def __init__(self, epochs: int, min_delta: float, rising: bool):
        self.epochs, self.min_delta, self.rising = epochs, min_delta, rising
        self.best, self.waited = -math.inf if rising else math.inf, 0

    def improves(self, value: float) -> bool:
        """Take the value of another epoch; returns whether it is the best. NaN never is."""
        gain = value - self.best if self.rising else self.best - value
        better = gain > self.min_delta
        self.best, self.waited = (value, 0) if better else (self.best, self.waited + 1)
        return better

    @property
    def is_over(self) -> bool:
        """Whether the last ``epochs`` epochs brought nothing."""
        return self.waited >= self.epochs


def rises(monitor: str) -> bool:
    """Whether more of this field of an Epoch is better."""
    return not monitor.endswith("loss")
