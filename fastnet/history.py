"""What a training run did."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Epoch:
    """What one epoch did. ``seconds`` is training alone; ``loss`` the mean over its batches, with the L2 penalty.

    val_*: on the validation rows; train_*: a full pass over the training rows; None where not asked for. Accuracies,
    shares of 1, are None for a regression, and R squared is None for all others.
    """

    epoch: int
    seconds: float
    loss: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_r2: float | None = None
    train_r2: float | None = None


@dataclass
class History:
    """The course of a training run: one Epoch after another, the threads that it ran on, and whether it diverged, in
    which case a DivergenceWarning said how.
    """

    epochs: list[Epoch] = field(default_factory=list)
    threads: int = 1
    diverged: bool = False
