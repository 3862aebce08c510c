"""Which trials there are, what the next one draws, and which are given up: Optuna's TPE and Hyperband.

Optuna samples and prunes in a study that is in memory. What a ledger holds of others is brought into it.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fastnet.driver.stopping import rises
from fastnet.tuning.ledger import OUTCOME, OWNER, Ledger
from fastnet.tuning.optuna_package import optuna, silent
from fastnet.tuning.scoring import Outcome
from fastnet.tuning.space import NOTHING, Space, draw, settings_of, usual

REDUCTION = 3  # one in so many trials goes on after a rung
RUNGS = 3  # before the last epoch, at most
LOOK = 2.0  # seconds after which the ledger is looked into again


def rungs(epochs: int) -> tuple[int, ...]:
    """The epochs after which a trial of so many may be given up: a third of it, a ninth, ..."""
    first = max(1, epochs // REDUCTION**RUNGS)
    return tuple(step for i in range(RUNGS + 1) if (step := first * REDUCTION**i) < epochs)


@dataclass
class Trial:
    """One trial.

    number : counts all trials of the study from 0. drawn, settings : what was drawn, by the names of the space, and
    the settings that it means. state : "running", "complete", "pruned", "failed" (see outcome.failure), or "lost":
    nobody knows what would have come of it, because its process ended.
    """

    number: int
    drawn: dict[str, Any]
    settings: dict[str, Any]
    state: str = "running"
    outcome: Outcome | None = None
    owner: str | None = None  # another process
    place: int | None = None  # in the ledger
    asked: Any = None  # Optuna's trial in memory

    @property
    def counts(self) -> bool:
        """Whether it is one of the trials that were asked for."""
        return self.state != "lost"


class Board:
    """All trials of a search.

    space, output : what is drawn from, and the output layer of the networks. base : the defaults of the first trial
    that differ from those of fastnet.settings. trials : by number.
    """

    def __init__(
        self, space: Space, output: str, *, seed: int, epochs: int, monitor: str, ledger: Ledger | None = None,
        base: Mapping[str, Any] = NOTHING,
    ):  # fmt: skip
        self.space, self.output, self.base, self.seed, self.ledger = space, output, base, seed, ledger
        self.monitor, self.trials = monitor, dict[int, Trial]()
        steps = rungs(epochs)
        pruners = optuna().pruners
        pruner = pruners.HyperbandPruner(steps[0], epochs, REDUCTION) if steps else pruners.NopPruner()
        # Hyperband shares trials out by the name of the study and their number.
        direction = "maximize" if rises(monitor) else "minimize"
        with silent():
            self.study = optuna().create_study(study_name="fastnet", direction=direction, pruner=pruner)
        self.looked = 0.0
        if ledger is not None:
            self.look()

    def counted(self, below: int | None = None) -> int:
        """How many trials count, all or those with a number below some other."""
        return sum(trial.counts for trial in self.trials.values() if below is None or trial.number < below)

    def claim(self, most: int | None) -> Trial | None:
        """A new trial for this process; None where there are ``most`` already."""
        while True:
            if self.ledger is not None and time.monotonic() - self.looked > LOOK:
                self.look()
            if most is not None and self.counted() >= most:
                return None
            expected = len(self.trials)
            trial = self._drawn(expected)
            self.trials[trial.number] = trial
            if trial.number == expected:
                return trial
            self.look()  # other processes were faster
            if self._is_new(trial, expected) and (most is None or self.counted(trial.number) < most):
                return trial
            self.lose(trial)

    def _is_new(self, trial: Trial, expected: int) -> bool:
        """Whether none of the trials that others claimed meanwhile is the same."""
        return all(self.trials[i].drawn != trial.drawn for i in range(expected, trial.number) if i in self.trials)

    def _drawn(self, number: int) -> Trial:
        """A trial as the sampler wants it, in the ledger if there is one.

        Each is drawn from its own seed, so that a search that is gone on with goes on as it would have.
        """
        if number == 0:
            self.study.enqueue_trial(usual(self.space, self.output, self.base))
        self.study.sampler = optuna().samplers.TPESampler(seed=_seed(self.seed, number))
        asked = self.study.ask()
        drawn = draw(self.space, lambda name, entry: entry.suggest(asked, name))
        trial = Trial(number, drawn, settings_of(self.space, drawn), asked=asked)
        if self.ledger is not None:
            trial.place, trial.number = self.ledger.claim(drawn, asked.distributions)
        return trial

    def is_hopeless(self, trial: Trial, epoch: int, value: float) -> bool:
        """Whether to give a trial up that has reached ``value`` after so many epochs.

        The first one, which has the defaults, goes on to its end: what is found must be no worse.
        """
        trial.asked.report(value, epoch)
        return trial.asked.should_prune() and trial.number > 0

    def finish(self, trial: Trial, outcome: Outcome) -> None:
        """Note what came of a trial of this process."""
        states = optuna().trial.TrialState
        if outcome.failure:
            reported = self.study.get_trials(deepcopy=False)[trial.asked.number].intermediate_values
            outcome = replace(outcome, reports=dict(reported))
        state = states.FAIL if outcome.failure else states.PRUNED if outcome.pruned else states.COMPLETE
        trial.outcome = outcome
        trial.state = "failed" if outcome.failure else "pruned" if outcome.pruned else "complete"
        self.study.tell(
            trial.asked, outcome.value if trial.state == "complete" else None, state=_lesson(state, outcome)
        )
        if self.ledger is not None and trial.place is not None:
            kept = self.study.get_trials(deepcopy=False)[trial.asked.number].system_attrs
            self.ledger.finish(trial.place, state, outcome.value, asdict(outcome) | {"kept": kept})

    def lose(self, trial: Trial) -> None:
        """Give up a trial of this process that comes to no end."""
        trial.state = "lost"
        self.study.tell(trial.asked, state=optuna().trial.TrialState.FAIL)
        if self.ledger is not None and trial.place is not None:
            self.ledger.lose(trial.place)

    def look(self) -> None:
        """Take over from the ledger what other processes did; trials of those that ended are lost."""
        assert self.ledger is not None
        self.looked = time.monotonic()
        for stored in self.ledger.trials():
            known = self.trials.get(stored.number)
            if known is None or (known.state == "running" and known.owner):
                trial = self._read(stored)
                if trial.state == "running" and self.ledger.is_gone(trial.owner or ""):
                    self.ledger.lose(stored._trial_id)
                    trial = replace(trial, state="lost")
                self.trials[trial.number] = trial
                if trial.state != "running":
                    self._remember(stored, trial)

    def _read(self, stored: Any) -> Trial:
        """A trial of the ledger, which Optuna has as ``stored``."""
        about, states = stored.user_attrs.get(OUTCOME), optuna().trial.TrialState
        about = None if about is None else {key: value for key, value in about.items() if key != "kept"}
        outcome = None if about is None else Outcome(**about)
        state = {states.RUNNING: "running", states.COMPLETE: "complete", states.PRUNED: "pruned"}.get(stored.state)
        if state is None:
            state = "lost" if outcome is None else "failed"
        drawn = {name: stored.params[name] for name in self.space if name in stored.params}  # in the order of the space
        return Trial(stored.number, drawn, settings_of(self.space, drawn), state, outcome, stored.user_attrs[OWNER])

    def _remember(self, stored: Any, trial: Trial) -> None:
        """Have the sampler and the pruner know a trial of the ledger."""
        about = stored.user_attrs.get(OUTCOME) or {}
        state = stored.state if stored.state.is_finished() else optuna().trial.TrialState.FAIL
        state = _lesson(state, trial.outcome)
        known = optuna().trial.create_trial(
            state=state, value=stored.value if trial.state in ("complete", "pruned") else None,
            params=stored.params, distributions=stored.distributions, system_attrs=about.get("kept") or {},
            intermediate_values={int(step): value for step, value in about.get("reports", {}).items()},
        )  # fmt: skip
        self.study.add_trial(known)

    def ranking(self) -> list[Trial]:
        """The complete trials, the best first: by value, of equal ones by loss."""
        sign = -1 if rises(self.monitor) else 1
        done = [(t.outcome, t) for t in self.trials.values() if t.state == "complete" and t.outcome is not None]
        keys = {t.number: (sign * o.value, o.loss, t.number) for o, t in done if o.value is not None}
        return sorted((t for _, t in done), key=lambda trial: keys[trial.number])

    def waits_for_others(self) -> bool:
        """Whether trials of other processes still run."""
        return any(trial.state == "running" and trial.owner is not None for trial in self.trials.values())


def _lesson(state: Any, outcome: Outcome | None) -> Any:
    """The state that the sampler is told. It forgets trials that fail, but takes pruned ones for the worst."""
    return optuna().trial.TrialState.PRUNED if outcome is not None and outcome.diverged else state


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
