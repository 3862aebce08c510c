"""Settings of a run as values for JSON, and back."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from fastnet import optimizers, schedules
from fastnet.augmentation import Augment
from fastnet.errors import DataError
from fastnet.network import Network

KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(optimizers.SGD, optimizers.Momentum, optimizers.Adam, Augment),
        *(*schedules.NAMES.values(), schedules.Warmup),
    )
}
FUNCTION = "a function, which a file cannot hold"


def encoded(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of `fastnet.train` for JSON. A schedule that is a function is but noted."""
    return {name: _encoded(value) for name, value in settings.items()}


def _encoded(value: Any) -> Any:
    if callable(value) or isinstance(getattr(value, "then", value), schedules.Function):
        return FUNCTION
    if is_dataclass(value) and type(value).__name__ in KINDS:
        return {"kind": type(value).__name__, **{f.name: _encoded(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {"kind": "dict", "items": [[_encoded(k), _encoded(v)] for k, v in value.items()]}
    return [_encoded(item) for item in value] if isinstance(value, list | tuple) else value


def decoded(settings: dict[str, Any]) -> dict[str, Any]:
    """What `encoded` gave, as settings again."""
    return {name: _decoded(value) for name, value in settings.items()}


def network_of(values: dict[str, Any], arrays: dict[str, np.ndarray]) -> Network:
    """The network of a checkpoint, with the weights that it had then."""
    net = Network.from_description(values["network"], arrays["params"].nbytes)
    net.class_names = values["class_names"]
    net.params[:] = arrays["params"]
    return net


def schedule_of(settings: dict[str, Any], given: Any) -> Any:
    """The schedule of decoded settings; ``given`` is the function, where the run has one."""
    if settings["schedule"] == FUNCTION:
        if given is None:
            raise DataError("the schedule of this run is a function, which no file holds: pass schedule= again")
        return given
    if given is not None:
        raise ValueError(f"schedule must be left out: this run goes on with its own, {settings['schedule']!r}")
    return settings["schedule"]


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value["kind"] == "dict":
        return {key: _decoded(item) for key, item in value["items"]}
    given = {key: tuple(item) if isinstance(item, list) else _decoded(item) for key, item in value.items()}
    kind = KINDS[str(given.pop("kind"))]
    return kind(**given)
