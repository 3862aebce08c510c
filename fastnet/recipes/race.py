"""The race: seconds to an accuracy on the test set, and what a fair choice of the epoch would have given."""

import argparse
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import TYPE_CHECKING, TextIO

from fastnet.recipes.recipe import Recipe
from fastnet.recipes.running import Outcome, run

if TYPE_CHECKING:
    from fastnet.data import Dataset

FAIR_ROWS = 10_000  # training rows that choose the epoch where the test set may not


@dataclass(frozen=True)
class Lap:
    """One seed of a race.

    outcome : up to the first evaluation at the target, or to the end. reached : whether there was one.
    fair_epoch, fair_accuracy : the epoch that is best on FAIR_ROWS rows held out from training in a run of their own,
        and the test accuracy then.
    """

    outcome: Outcome
    reached: bool
    fair_epoch: int
    fair_accuracy: float

    @property
    def seconds(self) -> float | None:
        """From the first batch to the evaluation at the target; None if there was none."""
        return self.outcome.seconds if self.reached else None

    @property
    def fair(self) -> dict[str, float]:
        """The fair choice, in words for a JSON file."""
        return {"epoch": self.fair_epoch, "test_accuracy": self.fair_accuracy}


@dataclass(frozen=True)
class Result:
    """Of all seeds: the median of the seconds, None unless all got there, how many did, and the mean fair accuracy."""

    seconds_to_98: float | None
    reached: int
    seeds: int
    fair_accuracy: float


def result(laps: list[Lap]) -> Result:
    """What the laps amount to."""
    seconds = [lap.seconds for lap in laps if lap.seconds is not None]
    middle = median(seconds) if len(seconds) == len(laps) else None
    return Result(middle, len(seconds), len(laps), fmean(lap.fair_accuracy for lap in laps))


def race(
    recipe: Recipe, args: argparse.Namespace, train: "Dataset", test: "Dataset", stream: TextIO | None = None
) -> Lap:
    """Run one seed, up to the first evaluation after an epoch that reaches the target; its lines go to ``stream``."""
    target = recipe.target
    assert target is not None

    def there(network, epoch):
        return epoch.val_accuracy >= target

    outcome = run(recipe, args, train, test, stream, [there])
    accuracies: list[float] = []

    def note(network, epoch):
        accuracies.append(network.evaluate(test.X, test.y, loss=args.loss).accuracy)

    fair_args = argparse.Namespace(**vars(args) | {"validation_split": min(FAIR_ROWS, len(train) // 6)})
    fair = run(replace(recipe, held_out="validation"), fair_args, train, test, None, [note])
    epochs = fair.history.epochs
    best = max(range(len(epochs)), key=lambda i: epochs[i].val_accuracy or 0.0)
    reached = (outcome.history.epochs[-1].val_accuracy or 0.0) >= target
    return Lap(outcome, reached, epochs[best].epoch, accuracies[best])
