"""A search for settings: what each trial was worth, and with which settings."""

from typing import TYPE_CHECKING, Any

from fastnet.driver.stopping import rises
from fastnet.pictures.style import BLUE, GREY, ORANGE, Picture, panels, plain, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastnet.tuning.interface import Tuned

TITLES = {"val_accuracy": "accuracy", "val_r2": "R²", "val_loss": "loss"}
COURSE, IMPORTANCE = "", "(importance)"  # panels that are about no setting
LONGEST = 30  # letters of the name of a setting
LARGE = 50.0  # times the smallest number of a setting: the axis is logarithmic from there on
KINDS = (("pruned", GREY, "x"), ("complete", BLUE, "o"))


def search(found: "Tuned") -> "Figure":
    """All pictures of a search on one sheet: the value by trial, over each setting that was searched, and how much each
    of these settings matters.

    found : what `fastnet.tune` returned; ValueError where no trial came to its end. The value of a pruned trial is that
    of the epoch in which it ended.
    """
    return _sheet(found, [COURSE, *searched(found), *[IMPORTANCE] * bool(found.importance)])


def search_course(found: "Tuned") -> "Figure":
    """The value of each trial, and the best so far; arguments as for `search`."""
    return _sheet(found, [COURSE])


def search_setting(found: "Tuned", name: str) -> "Figure":
    """The value of each trial over one setting that was searched; arguments as for `search`."""
    return _sheet(found, [name])


def search_importance(found: "Tuned") -> "Figure":
    """A bar for each setting that was searched, as long as its share in what makes a trial good; as for `search`.

    ValueError where `Tuned.importance` is empty.
    """
    if not found.importance:
        raise ValueError("importance needs more trials, of which few are better than the others: search longer")
    return _sheet(found, [IMPORTANCE])


@styled
def _sheet(found: "Tuned", names: list[str]) -> Picture:
    _ = found.best  # which there must be
    figure, axes = panels(len(names), 2)
    for axis, name in zip(axes, names, strict=True):
        if name == IMPORTANCE:
            _draw_importance(axis, found.importance)
        else:
            _draw_values(axis, found, name)
    if names[0] != IMPORTANCE:
        axes[0].legend()
    return figure


def _draw_values(axis: Any, found: "Tuned", name: str) -> None:
    """Values of the trials, by their numbers or over a setting."""
    what = TITLES[found.plan.monitor]
    if name == COURSE:
        _draw_course(axis, found)
        label = "trial"
    else:
        label = _draw_setting(axis, found, name)
    axis.set(title=f"{what[0].upper()}{what[1:]} by {label}", xlabel=label, ylabel=what, ylim=_span(found))
    if found.plan.monitor.endswith("accuracy"):
        axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")


def _draw_importance(axis: Any, shares: dict[str, float]) -> None:
    axis.barh(range(len(shares)), list(shares.values()), color=BLUE, height=0.7)
    axis.set_yticks(range(len(shares)), [plain(in_words(name), LONGEST) for name in shares])
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    axis.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
    axis.set(title="Importance of the settings", xlabel="share in what makes a trial good", ylabel="setting")


def in_words(name: str) -> str:
    """The name of an entry of a space, such as adam.lr."""
    rule, _, setting = name.replace("_", " ").rpartition(".")
    return f"{setting} ({rule})" if rule else setting


def searched(found: "Tuned") -> list[str]:
    """The names of the settings that were searched."""
    return list(dict.fromkeys(name for trial in found.trials for name in trial.settings))


def _points(found: "Tuned", state: str) -> list[tuple[int, dict[str, Any], float]]:
    """(number, settings, value) of the trials in that state."""
    outcomes = [(t.number, t.settings, t.outcome) for t in found.trials if t.state == state and t.outcome is not None]
    return [(number, settings, o.value) for number, settings, o in outcomes if o.value is not None]


def _span(found: "Tuned") -> tuple[float, float]:
    """The limits of the values: of the better half of the complete trials, and as much again below it."""
    rising = rises(found.plan.monitor)
    values = sorted((value for _, _, value in _points(found, "complete")), reverse=rising)
    best, middle = values[0], values[len(values) // 2]
    room = max(abs(best - middle), 0.02 * abs(best), 1e-9)
    return (best - 4 * room, best + 0.3 * room) if rising else (best - 0.3 * room, best + 4 * room)


def _draw_course(axis: Any, found: "Tuned") -> None:
    for state, colour, marker in KINDS:
        points = _points(found, state)
        axis.scatter([p[0] for p in points], [p[2] for p in points], s=12, color=colour, marker=marker, label=state)
    numbers, bests = _best_so_far(found)
    axis.step(numbers, bests, where="post", color=ORANGE, lw=1.2, label="best so far")
    axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def _best_so_far(found: "Tuned") -> tuple[list[int], list[float]]:
    better = max if rises(found.plan.monitor) else min
    numbers, bests = list[int](), list[float]()
    for number, _, value in _points(found, "complete"):
        numbers.append(number)
        bests.append(better(value, bests[-1]) if bests else value)
    return [*numbers, len(found.trials) - 1], [*bests, bests[-1]]


def _draw_setting(axis: Any, found: "Tuned", name: str) -> str:
    """Draw the values over a setting, and return what it is called."""
    values = [_number(trial.settings[name]) for trial in found.trials if name in trial.settings]
    are_numbers = all(isinstance(value, int | float) for value in values)
    places = {} if are_numbers else {value: i for i, value in enumerate(sorted(set(map(str, values))))}
    for state, colour, marker in KINDS:
        points = [(settings[name], value) for _, settings, value in _points(found, state) if name in settings]
        x = [_number(setting) if are_numbers else places[str(setting)] for setting, _ in points]
        axis.scatter(x, [value for _, value in points], s=12, color=colour, marker=marker, label=state)
    if places:
        axis.set_xticks(list(places.values()), [plain(text) for text in places])
        axis.set_xlim(-0.5, len(places) - 0.5)
    elif min(values) > 0 and max(values) > LARGE * min(values):
        axis.set_xscale("log")
    else:
        axis.locator_params(axis="x", nbins=6)  # as many before the layout, which makes room for labels, as after it
    return "hidden units" if name == "hidden" and are_numbers else plain(name.replace("_", " "))


def _number(setting: Any) -> Any:
    """A setting as it is drawn: of the widths of layers their sum."""
    return sum(setting) if isinstance(setting, list) else setting
