"""The state of a run as plain values and arrays: all that the rest of it depends on."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.driver.stopping import Patience
from fastnet.history import Epoch

if TYPE_CHECKING:
    from fastnet.driver.course import Course

Arrays = dict[str, np.ndarray]


def state_of(course: "Course") -> tuple[dict[str, Any], Arrays]:
    """(values for JSON, arrays) of a run between two steps. Network and moments must be stored."""
    loop, stepper, history = course.loop, course.stepper, course.history
    values = {
        "history": {**vars(history), "epochs": [asdict(epoch) for epoch in history]},
        "step": loop.step,
        "seconds": loop.seconds,
        "before": course.before,
        "rows_seen": stepper.rows_seen,
        "random": plain(course.rng_state),
        "drops": course.drops,
        "owed": course.owed,
        "stopper": _counts(course.stopper),
        "dropper": _counts(course.dropper),
        "watch": vars(course.watch),
    }
    arrays = {"params": course.net.params, "losses": loop.losses[: loop.step]}
    if not np.array_equal(course.finite.view(np.uint8), course.net.params.view(np.uint8)):
        arrays["finite"] = course.finite  # equal ones, as at an epoch's end, are kept once
    arrays |= {f"moments{i}": moment for i, moment in enumerate(stepper.moments)}
    if course.best is not None:
        arrays["best"] = course.best
    return values, arrays


def restore(course: "Course", values: dict[str, Any], arrays: Arrays) -> None:
    """Make a new course, of the same settings and data, go on from that state."""
    loop, stepper, history = course.loop, course.stepper, values["history"]
    course.net.params[:], course.finite[:] = arrays["params"], arrays.get("finite", arrays["params"])
    for i, moment in enumerate(stepper.moments):
        moment[:] = arrays[f"moments{i}"]
    stepper.load()
    stepper.rows_seen = int(values["rows_seen"])
    vars(course.history).update(
        {name: history[name] for name in vars(course.history)}, epochs=[_epoch(epoch) for epoch in history["epochs"]]
    )
    course.before, course.drops, course.owed = int(values["before"]), int(values["drops"]), values["owed"]
    course.rng_state = values["random"]
    course.rng.bit_generator.state = course.rng_state
    for counter, counts in ((course.stopper, values["stopper"]), (course.dropper, values["dropper"])):
        if counter is not None:
            best, waited = counts
            counter.best, counter.waited = float(best), int(waited)
    for name, value in vars(course.watch).items():
        setattr(course.watch, name, type(value)(values["watch"][name]))
    if "best" in arrays:
        course.best = course.net.params.copy()
        course.best[:] = arrays["best"]
    loop.step, loop.seconds = int(values["step"]), float(values["seconds"])
    loop.losses[: loop.step] = arrays["losses"]


def _epoch(fields: dict[str, Any]) -> Epoch:
    if not all(value is None or isinstance(value, int | float) for value in fields.values()):
        raise TypeError(f"an epoch is {fields!r:.60}")
    return Epoch(**fields)


def reopen(values: dict[str, Any]) -> None:
    """Make a state that may be that of a finished run one that goes on."""
    values["history"]["stopped"] = None
    if values["stopper"] is not None:
        values["stopper"] = (values["stopper"][0], 0)


def plain(value: Any) -> Any:
    """The state of a bit generator in the types of JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _counts(patience: Patience | None) -> tuple[float, int] | None:
    return None if patience is None else (patience.best, patience.waited)
