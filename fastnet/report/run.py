"""What `fastnet train --json` wrote, checked: a report may be asked for a file that somebody edited."""

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fastnet.errors import DataError
from fastnet.history import Epoch, History

EXPECTED = "expected what fastnet train --json writes"
TABLES = ("config", "rows", "data", "machine", "versions")
EPOCH_FIELDS = {f.name for f in fields(Epoch)}


@dataclass(frozen=True)
class Run:
    """A training run: its settings by name, its course and its results.

    results : by kind of rows ("test", "validation") what `Network.evaluate` gave. rows : how many there were of each
    kind, "train" too. data : name, sha256, synthetic, class_names. machine : the processor, its architecture and cores.
    versions : of the libraries. saved : the file of the network. What a file does not say is empty or None.
    """

    history: History
    config: dict[str, Any] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    threading_layer: str | None = None
    saved: str | None = None

    @property
    def held_out(self) -> str:
        """What the rows of the curves are called that were evaluated after each epoch."""
        return "validation" if self.rows.get("validation") or "test" not in self.results else "test"


def read_run(path: str | os.PathLike) -> Run:
    """The run in a JSON file; DataError on anything else."""
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {EXPECTED}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {EXPECTED}, got no JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("epochs"), list):
        raise DataError(f"{path}: {EXPECTED}, got JSON without a list of epochs")
    parts = {name: _checked(path, content, name, dict) or {} for name in TABLES}
    results = {name: _checked(path, content, name, dict) for name in ("test", "validation")}
    return Run(
        history=_history(path, content),
        results={name: table for name, table in results.items() if table},
        threading_layer=_checked(path, content, "threading_layer", str),
        saved=_checked(path, content, "saved", str),
        **parts,
    )


def _history(path: str | os.PathLike, content: dict[str, Any]) -> History:
    epochs = [_epoch(path, record) for record in content["epochs"]]
    return History(
        epochs,
        threads=_checked(path, content, "threads", int) or 1,
        diverged=bool(content.get("diverged")),
        stopped=_checked(path, content, "stopped", str),
        best_epoch=_checked(path, content, "best_epoch", int),
    )


def _epoch(path: str | os.PathLike, record: Any) -> Epoch:
    """One epoch; a number that was not finite is null in the file."""
    if not isinstance(record, dict) or not {"epoch", "seconds", "loss"} <= record.keys():
        raise DataError(f"{path}: {EXPECTED}, got an epoch without epoch, seconds and loss")
    values = {name: _checked(path, record, name, (int, float)) for name in EPOCH_FIELDS & record.keys()}
    required = {name: float("nan") if values[name] is None else values[name] for name in ("seconds", "loss")}
    return Epoch(**values | required)  # type: ignore[arg-type]


def _checked(path: str | os.PathLike, content: dict[str, Any], name: str, kind: Any) -> Any:
    """An entry of that type, None where there is none."""
    value = content.get(name)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise DataError(f"{path}: {EXPECTED}, got {name} of type {type(value).__name__}")
    return value
