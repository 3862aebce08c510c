"""How much each setting has to do with a good result."""

import warnings
from typing import Any

from fastnet.tuning.optuna_package import optuna, silent

LEAST = 20  # trials below which the best tenth says nothing


def importances(study: Any, names: list[str]) -> dict[str, float]:
    """The share of each setting, by its name in the space, in what sets the best tenth of the trials apart.

    PED-ANOVA (Watanabe, Bansal and Hutter, 2023), as Optuna has it. A pruned trial counts with the value that it ended
    with: it was found to be none of the best. The largest comes first, the sum is 1. Empty with fewer than LEAST
    trials, and where as many are equally good that none stand out.
    """
    ended = _ended(study)
    drawn = [name for name in names if any(name in trial.params for trial in ended.trials)]
    if len(ended.trials) < LEAST:
        return {}
    evaluator = optuna().importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of trials that are equally good, which the sum tells
        found = {name: evaluator.evaluate(ended, params=[name])[name] for name in drawn}
    total = sum(found.values())
    return {name: found[name] / total for name in sorted(found, key=lambda name: -found[name])} if total > 0 else {}


def _ended(study: Any) -> Any:
    """A study of the complete and the pruned trials, all of them as complete ones, which Optuna asks for."""
    with silent():
        ended = optuna().create_study(direction=study.direction)
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and trial.value is not None:
            ended.add_trial(
                optuna().trial.create_trial(
                    value=trial.value, params=trial.params, distributions=trial.distributions
                )
            )  # fmt: skip
    return ended
