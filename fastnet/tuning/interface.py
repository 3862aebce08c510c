"""What Python calls: `tune`, and `Tuned`, what it found."""

import os
import sys
import tempfile
import time as clock
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fastnet import settings as known
from fastnet.data.dataset import Dataset, as_values, make_dataset
from fastnet.durations import seconds
from fastnet.errors import UsageError, number, one_of, whole
from fastnet.history import History
from fastnet.machine import usable_cores
from fastnet.network import Network
from fastnet.tuning import parts
from fastnet.tuning.board import Board, Trial, rungs
from fastnet.tuning.crew import Crew
from fastnet.tuning.importance import importances
from fastnet.tuning.ledger import Ledger
from fastnet.tuning.optuna_package import optuna
from fastnet.tuning.parts import TableRows
from fastnet.tuning.scoring import UNWATCHED, Task, has_course
from fastnet.tuning.search import Search
from fastnet.tuning.space import Space, default_space, left_open, parse, settings_of, usual
from fastnet.tuning.words import FIGURES, Course, Silent, failures, none_complete, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRIALS = 100  # where neither their number nor a time is given
EPOCHS, ENOUGH = (9, 27, 81, 243), 100_000  # powers of three suit Hyperband; rows that a trial trains on at least
SHARE = 0.1  # of the rows validate
# With fewer rows, folds take turns. A tenth of 1000 rows tells an accuracy of 90 % with a standard error of 3 %, more
# than good settings differ by; all of the rows tell it with 1 %. On so few rows a training takes a second at most.
FEW_ROWS, FOLDS = 1000, 5


@dataclass(frozen=True)
class Plan:
    """What to search, on which rows, and for how long.

    data : with labels or values. fixed : settings of all trials, by the names of fastnet.settings; "output" and
    "epochs" are there. space : what is searched. base : defaults of the first trial that differ from those of
    fastnet.settings. monitor : the field of an Epoch that is to become best.
    validation : rows to validate on, else ``amount`` of those of data are held out, or ``folds`` take turns. table :
    where data is of a table, its rows, so that each training learns the columns from its own rows alone.
    trials : that the study is to have; None for any number. seconds : of this call. study : file or URL, None for
    memory alone. name : of the study in it.
    """

    data: Dataset
    fixed: dict[str, Any]
    space: Space
    monitor: str
    validation: Dataset | None = None
    table: TableRows | None = None
    amount: int | float = SHARE
    folds: int | None = None
    shuffle: bool = True
    trials: int | None = TRIALS
    seconds: float | None = None
    jobs: int = 1
    study: str | None = None
    name: str = "fastnet"
    base: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        """Of the networks."""
        assert self.data.y is not None
        return self.data.n_classes or (1 if self.data.y.ndim == 1 else self.data.y.shape[1])

    def about(self) -> dict[str, Any]:
        """What trials must have in common to be compared, in types of JSON."""
        judging = None if self.folds is not None else f"{'' if self.shuffle else 'the last '}{self.amount}"
        if self.validation is not None:
            judging = f"of hash {self.validation.sha256[:8]}"
        return {name: _plain(value) for name, value in self.fixed.items() if name != "threads"} | {
            "searched": {name: str(entry) for name, entry in self.space.items()},
            "figure": self.monitor,
            "folds": self.folds,
            "validation": judging,
            "data": [self.data.sha256, self.data.labels_sha256],
            **({} if self.table is None else {"target": self.table.target}),
        }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | list | None) else repr(value)


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    trials : all of the study, by number, each with ``settings``, ``state`` and ``outcome``. study : of Optuna, for its
    own tools. seconds : of this call. plan : what was searched. board : where the trials were drawn.
    """

    plan: Plan
    trials: list[Trial]
    ranking: list[Trial]
    study: Any = field(repr=False)
    seconds: float = 0.0
    board: Board | None = field(repr=False, default=None)

    @property
    def best(self) -> Trial:
        """The best trial; ValueError where none came to its end."""
        if self.ranking:
            return self.ranking[0]
        raise ValueError(none_complete(self.trials))

    @property
    def failures(self) -> dict[str, int]:
        """How many trials failed, by reason, the commonest first."""
        return failures(self.trials)

    @property
    def importance(self) -> dict[str, float]:
        """The share of each setting that was searched in what makes a trial good: `fastnet.tuning.importance`."""
        return {} if self.board is None else importances(self.board.study, list(self.plan.space))

    @property
    def settings(self) -> dict[str, Any]:
        """All settings of the best trial, by the names of the options of fastnet train.

        Epochs are those after which it was best, or all of them where the rate follows a schedule.
        """
        return vars(self._resolved())

    @property
    def network(self) -> dict[str, Any]:
        """The arguments of fastnet.Network for the best trial."""
        return known.network_arguments(self._resolved(), self.plan.data.X.shape[1], self.plan.n_outputs)

    @property
    def training(self) -> dict[str, Any]:
        """The arguments of fastnet.train, after the network and the rows, for the best trial."""
        return known.training_arguments(self._resolved(), len(self.plan.data))

    def _resolved(self) -> Any:
        outcome = self.best.outcome
        assert outcome is not None
        args = known.combine(self.plan.fixed, self.best.settings, UNWATCHED)
        if not has_course(args):
            args.epochs = outcome.epochs
        return args

    def fit(self, X: Any, y: Any, *, threads: int | None = None, progress: Any = False) -> tuple[Network, History]:
        """Train the best `settings` on X and y, for their epochs; (the network, its course)."""
        data = _dataset(X, y, self.plan.fixed["output"])
        return self.fit_set(replace(data, class_names=self.plan.data.class_names), threads=threads, progress=progress)

    def fit_set(self, data: Dataset, *, threads: int | None = None, progress: Any = False) -> tuple[Network, History]:
        """The same for a Dataset."""
        args = self._resolved()
        args.threads = args.threads if threads is None else threads
        net = known.make_network(args, data.X.shape[1], self.plan.n_outputs, data.class_names)
        net.preprocess = data.preprocess
        return net, known.train(args, net, data, None, progress)

    def records(self) -> list[dict[str, Any]]:
        """One dict for each trial: number, state, value, loss, epochs, seconds, failure and settings."""
        return [_record(trial) for trial in self.trials]

    def plot(self) -> "Figure":
        """The pictures of the search (extra plot): see `fastnet.pictures.search`."""
        from fastnet.pictures import search

        return search(self)

    def __str__(self) -> str:
        return table(self.ranking, self.plan.monitor, self.failures)


def _record(trial: Trial) -> dict[str, Any]:
    outcome = trial.outcome
    figures = {name: getattr(outcome, name, None) for name in ("value", "loss", "epochs", "seconds", "failure")}
    return {"number": trial.number, "state": trial.state, **figures, "settings": trial.settings}


def tune(
    X: Any,
    y: Any,
    *,
    trials: int | None = None,
    time: float | str | None = None,
    jobs: int | None = None,
    epochs: int | None = None,
    validation: tuple[Any, Any] | None = None,
    validation_split: int | float | None = None,
    shuffle_split: bool = True,
    folds: int | None = None,
    monitor: str | None = None,
    search_space: Mapping[str, Any] | None = None,
    study: str | os.PathLike | None = None,
    seed: int = 138,
    progress: bool = False,
    **settings: Any,
) -> Tuned:
    """Search for settings with which networks do well on held-out rows of X (n, d) and y, labels (n,) or values.

    Optuna (extra tune) draws the settings by TPE (Bergstra et al., 2011), Hyperband (Li et al., 2018) ends trials that
    look hopeless. Each trial trains on one thread, in a process of its own as long as the search lasts.

    X is taken as it is: where `fastnet.load_table` made it, the means that it takes away are those of all rows, which
    tells trainings of validation rows. The command ``fastnet tune --target`` encodes a table anew for each round.

    trials : that the study is to have; None is 100, or any number within ``time``. time : of this call, seconds or a
        text like "5m", from when the first trial can start; trials that run then are lost, but one always ends. jobs :
        trials at once; None is one for each core.
    epochs : of a trial that is not pruned; None chooses by the number of rows.
    validation : (X, y) to validate on; else ``validation_split``, a number or share of the rows, drawn by class (the
        last ones without ``shuffle_split``), or ``folds`` that take turns (cross-validation, at least 2). Of these None
        is 5 folds below 1000 rows, and a share of 0.1 from there on and without ``shuffle_split``.
    monitor : what is to become best: "val_accuracy", "val_loss" or "val_r2"; None is accuracy, or R2 of values.
    search_space : by name of a setting [choices], (low, high), or (low, high, "log"), instead of the usual range.
    study : SQLite file, or URL of a database, in which the trials are kept: the same call goes on with them, also while
        others work on them. None keeps them in memory.
    seed : of the search and of all trials. With jobs=1 the same call finds the same; with more the order in which
        trials end has a say in what is drawn.
    settings : those of all trials, by the names of the options of fastnet train: hidden=[64], optimizer="adam", ...
        What is given is not searched.

    Raises ValueError or TypeError on bad arguments, ImportError without Optuna, DataError where the study is of another
    search. A trial that fails or diverges is noted and ends nothing else.
    """
    optuna()
    data = _dataset(X, y, settings.get("output"))
    held_out = None if validation is None else _dataset(*validation, settings.get("output"))
    chosen = {"seed": seed, "epochs": epochs} if epochs is not None else {"seed": seed}
    try:
        plan = make_plan(
            data, settings | chosen, search_space=search_space, monitor=monitor, validation=held_out,
            amount=validation_split, shuffle=shuffle_split, folds=folds, trials=trials, seconds=_seconds(time),
            jobs=jobs, study=None if study is None else os.fspath(study),
        )  # fmt: skip
        return search(plan, Course(sys.stdout, plan.monitor) if progress else Silent())
    except UsageError as error:
        raise ValueError(str(error)) from None


def _dataset(X: Any, y: Any, output: str | None) -> Dataset:
    """X and y, checked; y is taken for values where the output says so or it cannot be labels."""
    import numpy as np

    made = make_dataset(np.asarray(X), np.asarray(y), "X, y", name="data")
    return as_values(made) if output == "identity" else made


def _seconds(time: float | str | None) -> float | None:
    if isinstance(time, str):
        return seconds(time)
    return None if time is None else number("time", time, 0, above=True)


def make_plan(
    data: Dataset,
    fixed: Mapping[str, Any],
    *,
    search_space: Mapping[str, Any] | None = None,
    monitor: str | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    jobs: int | None = None,
    amount: int | float | None = None,
    folds: int | None = None,
    shuffle: bool = True,
    validation: Dataset | None = None,
    table: TableRows | None = None,
    **others: Any,
) -> Plan:
    """A Plan from what was asked for; the rest follows from the data. Raises ValueError or UsageError."""
    for name in fixed:
        one_of("a setting", name, known.DEFAULTS)
    if "optimizer" in fixed:
        one_of("optimizer", fixed["optimizer"], ("sgd", "momentum", "adam"))
    output = fixed.get("output") or ("identity" if data.holds_values else "softmax")
    wished = parse(search_space or {})
    base = {} if table is None else table.defaults(fixed)
    both = sorted(wished.keys() & fixed.keys())
    if both:
        raise ValueError(f"{both[0]} is in search_space and given as a setting: choose one of the two")
    space = default_space({**fixed, "output": output, **wished}, len(data), base) | wished
    fixed = {"epochs": default_epochs(len(data)), **left_open(space, base), **fixed, "output": output}
    monitor = one_of("monitor", monitor or _usual_monitor(output, fixed), FIGURES)
    if known.watches(fixed):
        fixed["monitor"] = monitor
    else:
        fixed.pop("monitor", None)
    most = TRIALS if trials is None and seconds is None else None if trials is None else whole("trials", trials)
    count = usable_cores() if jobs is None else whole("jobs", jobs)
    count = count if most is None else min(count, most)
    if amount is None and folds is None and validation is None and shuffle and 2 * FOLDS <= len(data) < FEW_ROWS:
        folds = FOLDS
    amount = SHARE if amount is None else amount
    return Plan(
        data, fixed, space, monitor, trials=most, seconds=seconds, jobs=count, amount=amount, folds=folds,
        shuffle=shuffle, validation=validation, table=table, base=base, **others,
    )  # fmt: skip


def _usual_monitor(output: str, fixed: Mapping[str, Any]) -> str:
    return fixed.get("monitor") or ("val_r2" if output == "identity" else "val_accuracy")


def default_epochs(rows: int) -> int:
    """Epochs of a trial on so many rows."""
    return next((epochs for epochs in EPOCHS if epochs * rows >= ENOUGH), EPOCHS[-1])


def search(plan: Plan, listener: Any) -> Tuned:
    """Search as planned. Ctrl-C and other signals end it; in a study on disk, trials that are over are kept."""
    start, fixed = clock.monotonic(), plan.fixed
    first = settings_of(plan.space, usual(plan.space, fixed["output"], plan.base))
    known.combine(fixed, first)  # raises UsageError where settings contradict each other
    with tempfile.TemporaryDirectory(prefix="fastnet-tune-", ignore_cleanup_errors=True) as folder:
        ledger = None
        if plan.study is not None:
            ledger = Ledger(plan.study, plan.name, plan.about(), maximize=not plan.monitor.endswith("loss"))
        try:
            board = Board(
                plan.space, fixed["output"], seed=fixed["seed"], epochs=fixed["epochs"], monitor=plan.monitor,
                ledger=ledger, base=plan.base,
            )  # fmt: skip
            listener.begin(board)
            if plan.trials is None or board.counted() < plan.trials or board.waits_for_others():
                task = _task(plan, folder, first)
                crew = Crew(task, plan.jobs)
                Search(board, crew, most=plan.trials, seconds=plan.seconds, listener=listener).run()
            if ledger is not None:
                board.look()
        finally:
            listener.end()
            if ledger is not None:
                ledger.close()
    trials = [board.trials[i] for i in sorted(board.trials)]
    study = board.study if ledger is None else ledger.study
    return Tuned(plan, trials, board.ranking(), study, clock.monotonic() - start, board)


def _task(plan: Plan, folder: str, first: dict[str, Any]) -> Task:
    """What workers need, with the rows in files of a folder."""
    division = {"seed": plan.fixed["seed"], "shuffle": plan.shuffle}
    sets: Iterable[Dataset]
    if plan.validation is not None:
        sets, crossed = [plan.data, plan.validation], False
    elif plan.table is not None:
        sets, crossed = plan.table.divided(plan.data, plan.amount, plan.folds, **division), False
    else:
        sets, crossed = parts.divided(plan.data, plan.amount, plan.folds, **division), plan.folds is not None
    written = parts.write(folder, sets, crossed=crossed)
    fixed = plan.fixed | {"threads": 1}
    return Task(written, fixed, first, plan.n_outputs, plan.monitor, rungs(plan.fixed["epochs"]))
