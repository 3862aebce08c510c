"""What is searched: ranges and choices by name, and the settings that a draw from them means."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from fastnet.errors import one_of
from fastnet.settings import DEFAULTS

# Settings that are the same in all trials: they decide on time, precision or the course of the search itself.
NOT_SEARCHED = ("epochs", "seed", "threads", "backend", "dtype", "output", "loss", "evaluate_train", "time_limit")
DEPTH, WIDTHS = 3, (16, 512)
ACTIVATIONS = ("relu", "tanh", "sigmoid")
L2_FACTOR = 10.0  # by which it is searched above and below its default
BATCH_SIZES = 5  # that are tried
MOST_STEPS, FEWEST_STEPS = 2000, 8  # of an epoch


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, whole ones if both are int; log : each order of magnitude is as likely."""

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: Any, name: str) -> Any:
        """A value that a trial of Optuna draws."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        return (trial.suggest_int if whole else trial.suggest_float)(name, self.low, self.high, log=self.log)

    def setting(self, drawn: Any) -> Any:
        """The value of the setting."""
        return drawn

    def nearest(self, value: Any) -> Any:
        """The value itself, or the end of the range that is nearer; of no number the lower one."""
        return min(max(value, self.low), self.high) if isinstance(value, Real) else self.low


@dataclass(frozen=True)
class Choice:
    """Some values. Lists, such as widths, are known to Optuna by their text, since its files hold no lists."""

    values: tuple[Any, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        """A value, as Optuna knows it, that a trial of Optuna draws."""
        return trial.suggest_categorical(name, [_text(value) for value in self.values])

    def setting(self, drawn: Any) -> Any:
        """The value of the setting."""
        return next(value for value in self.values if _text(value) == drawn)

    def nearest(self, value: Any) -> Any:
        """The value as Optuna knows it if it is one of these, else the first of them."""
        return _text(value if value in self.values else self.values[0])


Space = dict[str, Range | Choice]
NOTHING: Mapping[str, Any] = MappingProxyType({})


def _text(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def default_space(fixed: Mapping[str, Any], rows: int, base: Mapping[str, Any] = NOTHING) -> Space:
    """What is searched where ``fixed`` leaves it open, for so many training rows.

    base : defaults of such data that differ from those of fastnet.settings. The space holds them.

    Rates and decays have names like "adam.lr", because what is a small rate for one optimizer is a large one for
    another; depth and widths are "layers", "width_1", ...
    """
    space: Space = {}
    if "hidden" not in fixed:
        space["layers"] = Range(1, DEPTH)
        space |= {f"width_{i + 1}": Range(*WIDTHS, log=True) for i in range(DEPTH)}
    if "activation" not in fixed:
        space["activation"] = Choice(ACTIVATIONS)
    if "batch_size" not in fixed:
        usual_size = {base["batch_size"]} if "batch_size" in base else set()
        space["batch_size"] = Choice(tuple(sorted({*batch_sizes(rows)} | usual_size)))
    space |= _rates(fixed, base)
    if "dropout" not in fixed:
        space["dropout"] = Range(0.0, 0.5)
    return space


def _rates(fixed: Mapping[str, Any], base: Mapping[str, Any]) -> Space:
    """The optimizer, and learning rate and decay of each; l2 instead of the decay where that is a default."""
    rule = fixed.get("optimizer") or _implied_optimizer(fixed, base)
    searches_decay = "weight_decay" not in fixed and "l2" not in fixed
    space: Space = {} if rule else {"optimizer": Choice(("momentum", "adam"))}
    for name in [rule] if rule else ["momentum", "adam"]:
        if "lr" not in fixed:
            space[f"{name}.lr"] = _learning_rates(name, fixed)
        if searches_decay and "l2" not in base:
            space[f"{name}.weight_decay"] = Range(1e-4, 1.0, True) if name == "adam" else Range(1e-6, 1e-3, True)
    if searches_decay and "l2" in base:
        space["l2"] = Range(base["l2"] / L2_FACTOR, base["l2"] * L2_FACTOR, True)
    return space


def _implied_optimizer(fixed: Mapping[str, Any], base: Mapping[str, Any]) -> str | None:
    """The optimizer that other settings speak of; a learning rate alone is of the one that is the default."""
    if any(name in fixed for name in ("beta", "ema", "nesterov")):
        return "momentum"
    return _default_optimizer(fixed.get("output"), base) if "lr" in fixed else None


def _default_optimizer(output: str | None, base: Mapping[str, Any]) -> str:
    return base.get("optimizer") or ("adam" if output == "identity" else "momentum")


def _learning_rates(optimizer: str, fixed: Mapping[str, Any]) -> Range:
    """The rates of an optimizer; those of EMA momentum are 1 / (1 - beta) times those of the classical one."""
    if optimizer == "adam":
        return Range(1e-4, 3e-2, True)
    scale = 10.0 if optimizer == "momentum" and fixed.get("ema", True) else 1.0
    if fixed.get("output") == "identity":
        scale /= 10
    return Range(3e-3 * scale, scale, True)


def batch_sizes(rows: int) -> tuple[int, ...]:
    """Powers of two that give an epoch neither too many nor too few steps."""
    sizes = [2**i for i in range(3, 17)]
    fitting = [size for size in sizes if FEWEST_STEPS <= rows / size <= MOST_STEPS]
    return tuple(fitting[:BATCH_SIZES]) or (sizes[0] if rows < sizes[-1] else sizes[-1],)


def parse(search_space: Mapping[str, Any]) -> Space:
    """The space that a user describes: name -> [choices], or (low, high), or (low, high, "log")."""
    return {name: _entry(_searchable(name), value) for name, value in search_space.items()}


def _searchable(name: str) -> str:
    return one_of("a name in search_space", name, [n for n in DEFAULTS if n not in NOT_SEARCHED])


def _entry(name: str, value: Any) -> Range | Choice:
    if isinstance(value, Range | Choice):
        return value
    if isinstance(value, list) and value:
        return Choice(tuple(value))
    if isinstance(value, tuple) and len(value) in (2, 3) and value[2:] in ((), ("log",)) and _are_bounds(*value[:2]):
        low, high = (int(end) if all(isinstance(v, Integral) for v in value[:2]) else float(end) for end in value[:2])
        if low > 0 or len(value) == 2:
            return Range(low, high, len(value) == 3)
    raise ValueError(
        f'search_space[{name!r}] must be a list of choices, (low, high) or (low, high, "log") with low < high '
        f"(and above 0 for log), got {value!r}"
    )


def _are_bounds(low: Any, high: Any) -> bool:
    numbers = all(isinstance(end, Real) and math.isfinite(end) for end in (low, high))
    return numbers and low < high


def draw(space: Space, suggest: Callable[[str, Range | Choice], Any]) -> dict[str, Any]:
    """Values of the entries that go together. suggest : gives the value of an entry of that name."""
    drawn: dict[str, Any] = {}
    for name, entry in space.items():
        if _goes_with(name, drawn):
            drawn[name] = suggest(name, entry)
    return drawn


def _goes_with(name: str, drawn: Mapping[str, Any]) -> bool:
    """Whether a rate is of the optimizer that was drawn, and a width of a layer that there is."""
    if "." in name:
        rule = name.partition(".")[0]
        return drawn.get("optimizer", rule) == rule
    return not name.startswith("width_") or int(name[6:]) <= drawn["layers"]


def settings_of(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names of fastnet.settings."""
    widths = [value for name, value in drawn.items() if name.startswith("width_")]
    found: dict[str, Any] = {"hidden": widths} if widths else {}
    for name, value in drawn.items():
        if name != "layers" and not name.startswith("width_"):
            found[name.rpartition(".")[2]] = space[name].setting(value)
    return found


def left_open(space: Space, base: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of ``base`` that the space does not search."""
    searched = {"hidden" if name == "layers" else name.rpartition(".")[2] for name in space}
    return {name: value for name, value in base.items() if name not in searched}


def usual(space: Space, output: str, base: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """The draw that is nearest to the defaults of training, for the first trial. base : as for `default_space`."""
    rule = _default_optimizer(output, base)
    hidden = base.get("hidden", DEFAULTS["hidden"])
    wanted = DEFAULTS | {
        "momentum.lr": 4.0, "adam.lr": 1e-3, "sgd.lr": 0.1,
        "momentum.weight_decay": 0.0, "adam.weight_decay": 0.0, "sgd.weight_decay": 0.0,
    } | dict(base) | {"optimizer": rule, "layers": len(hidden)}  # fmt: skip
    wanted |= {f"width_{i}": width for i, width in enumerate(hidden, 1)}
    if "lr" in base:
        wanted[f"{rule}.lr"] = base["lr"]
    return draw(space, lambda name, entry: entry.nearest(wanted.get(name)))
