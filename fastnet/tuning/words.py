"""What is said of a search: a line for each new best, a line that moves, and the table of the best."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastnet import terminal
from fastnet.tuning.board import Board, Trial
from fastnet.tuning.scoring import DIVERGED

BEST = 10  # trials in the table
FIGURES = {"val_accuracy": "accuracy", "val_r2": "R2", "val_loss": "loss"}
# Settings with shorter names, in the order in which they are told: with the usual ones a table has 80 columns.
NAMES = {
    "hidden": "hidden", "activation": "act.", "optimizer": "rule", "lr": "lr", "batch_size": "batch",
    "dropout": "dropout", "weight_decay": "decay",
}  # fmt: skip
REMEDIES = {
    DIVERGED: "standardise the inputs, or set a smaller lr",
    "out of memory": "set fewer jobs, or smaller hidden layers",
}
LONGEST = 100  # letters of a reason
BARE = ("hidden", "activation", "optimizer")  # say by themselves what they are


def figure(monitor: str, value: float) -> str:
    """A value of that field of an Epoch."""
    return f"{value:.2%}" if monitor.endswith("accuracy") else f"{value:.4g}"


def setting(value: Any) -> str:
    """A setting in few letters."""
    if isinstance(value, list | tuple):
        return "-".join(map(setting, value))
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def in_order(names: Sequence[str]) -> list[str]:
    """Names of settings, the well-known ones first."""
    known = [name for name in NAMES if name in names]
    return known + [name for name in names if name not in known]


def told(settings: Mapping[str, Any]) -> str:
    """Settings in a line: networks and rules by themselves, others with their names."""
    names = in_order(list(settings))
    return "  ".join(("" if name in BARE else f"{NAMES.get(name, name)} ") + setting(settings[name]) for name in names)


def table(ranking: Sequence[Trial], monitor: str, failed: Mapping[str, int]) -> str:
    """The best trials, the settings that were searched in columns, within 80 columns for the usual ones; below it how
    many failed, by reason.
    """
    shown = ranking[:BEST]
    names = in_order(list({name: None for trial in shown for name in trial.settings}))
    rows = [["trial", FIGURES[monitor], "epoch", *(NAMES.get(name, name) for name in names)]]
    for trial in shown:
        assert trial.outcome is not None
        assert trial.outcome.value is not None
        first = [str(trial.number), figure(monitor, trial.outcome.value), str(trial.outcome.epochs)]
        rows.append(first + [setting(trial.settings[n]) if n in trial.settings else "" for n in names])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) <= terminal.width() else " "
    lines = (gap.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    footer = [f"failed: {listed(failed)}"] if failed else []
    return terminal.fold("\n".join([*lines, *footer]))


def reason(failure: str) -> str:
    """Why a trial failed, in words that trials with the same fault share."""
    for start, words in ((DIVERGED, DIVERGED), ("MemoryError", "out of memory")):
        if failure.startswith(start):
            return words
    return failure if len(failure) <= LONGEST else f"{failure[:LONGEST]}..."


def failures(trials: Iterable[Trial]) -> dict[str, int]:
    """How many trials failed, by reason, the commonest first."""
    texts = [trial.outcome.failure for trial in trials if trial.outcome is not None and trial.outcome.failure]
    return dict(Counter(map(reason, texts)).most_common())


def listed(failed: Mapping[str, int]) -> str:
    """The reasons of `failures` in a line."""
    return ", ".join(f"{count} {words}" for words, count in failed.items())


def none_complete(trials: Sequence[Trial]) -> str:
    """What is wrong, and what helps, where no trial came to its end."""
    failed = failures(trials)
    why = f" ({listed(failed)})" if failed else ""
    remedy = next((REMEDIES[words] for words in failed if words in REMEDIES), "correct that" if failed else "search on")
    return f"none of {len(trials)} trials came to its end{why}: {remedy}"


def counts(trials: Iterable[Trial]) -> str:
    """How many trials there are, and what became of them."""
    states = [trial.state for trial in trials if trial.counts]
    parts = [f"{states.count(s)} {s}" for s in ("pruned", "failed", "running") if s in states]
    return f"{len(states)} trial{'s' * (len(states) != 1)}" + (f" ({', '.join(parts)})" if parts else "")


class Course:
    """Prints the course of a search on a stream: new bests stay, counts move.

    study : where the trials are kept. most : trials that it is to have.
    """

    def __init__(self, stream: Any, monitor: str, study: str | None = None, most: int | None = None):
        self.monitor, self.line = monitor, terminal.MovingLine(stream)
        self.study, self.most = study, most
        self.best: int | None = None

    def begin(self, board: Board) -> None:
        """Tell where the search is, and what is best already."""
        self.best = _first(board)
        if self.study is not None:
            self.line.tell(terminal.fold(self._begun(board.counted())))
        if self.best is not None:
            self._tell(board.trials[self.best])

    def _begun(self, there: int) -> str:
        if not there:
            return f"study: {self.study}, a new one"
        if self.most is not None and there >= self.most:
            return f"study: {self.study}, finished with {there} trials; --trials MORE goes on with it"
        return f"study: {self.study}, going on after {there} trials"

    def over(self, trial: Trial, board: Board) -> None:
        """Tell of a new best."""
        best = _first(board)
        if best != self.best and best == trial.number:
            self.best = best
            self._tell(trial)
        self.tick(board)

    def _tell(self, trial: Trial) -> None:
        assert trial.outcome is not None
        assert trial.outcome.value is not None
        value = figure(self.monitor, trial.outcome.value)
        self.line.tell(terminal.fold(f"trial {trial.number}  {value}  {told(trial.settings)}", " " * 12))

    def tick(self, board: Board) -> None:
        """Draw the counts."""
        if self.line.moves:
            self.line.draw(counts(board.trials.values()))

    def end(self) -> None:
        """Take the moving line away."""
        self.line.clear()


class Silent:
    """A listener that says nothing."""

    def begin(self, board: Board) -> None:
        """Nothing."""

    def over(self, trial: Trial, board: Board) -> None:
        """Nothing."""

    def tick(self, board: Board) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


def _first(board: Board) -> int | None:
    ranking = board.ranking()
    return ranking[0].number if ranking else None
