"""fastnet trains multi-layer perceptrons on a CPU, from Python, as fast as the machine can multiply."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet.augmentation import Augment
    from fastnet.callbacks import Log, TensorBoard
    from fastnet.checkpoints import Checkpoint
    from fastnet.data import Dataset, load_data
    from fastnet.engine.warm import warmup
    from fastnet.errors import DataError, DivergenceWarning, NonFiniteLossError
    from fastnet.history import Epoch, History, Step
    from fastnet.importance import Importance, permutation_importance
    from fastnet.metrics import classification_report, confusion_matrix
    from fastnet.network import Evaluation, Network, RegressionEvaluation
    from fastnet.optimizers import SGD, Adam, Momentum
    from fastnet.range_test import RangeTest, find_lr
    from fastnet.tables import Preprocess, load_table
    from fastnet.training import resume, train
    from fastnet.tuning.interface import Tuned, tune

__version__ = "0.2.0.dev0"

# Public name: the module that it is loaded from on first use, so that importing fastnet costs next to nothing.
_HOMES = {
    "Adam": "optimizers",
    "Augment": "augmentation",
    "Checkpoint": "checkpoints",
    "DataError": "errors",
    "Dataset": "data",
    "DivergenceWarning": "errors",
    "Epoch": "history",
    "Evaluation": "network",
    "History": "history",
    "Importance": "importance",
    "Log": "callbacks",
    "Momentum": "optimizers",
    "Network": "network",
    "NonFiniteLossError": "errors",
    "Preprocess": "tables",
    "RangeTest": "range_test",
    "RegressionEvaluation": "network",
    "SGD": "optimizers",
    "Step": "history",
    "TensorBoard": "callbacks",
    "Tuned": "tuning.interface",
    "classification_report": "metrics",
    "confusion_matrix": "metrics",
    "find_lr": "range_test",
    "load_data": "data",
    "load_table": "tables",
    "permutation_importance": "importance",
    "resume": "training",
    "train": "training",
    "tune": "tuning.interface",
    "warmup": "engine.warm",
}

__all__ = [
    "SGD",
    "Adam",
    "Augment",
    "Checkpoint",
    "DataError",
    "Dataset",
    "DivergenceWarning",
    "Epoch",
    "Evaluation",
    "History",
    "Importance",
    "Log",
    "Momentum",
    "Network",
    "NonFiniteLossError",
    "Preprocess",
    "RangeTest",
    "RegressionEvaluation",
    "Step",
    "TensorBoard",
    "Tuned",
    "classification_report",
    "confusion_matrix",
    "find_lr",
    "load_data",
    "load_table",
    "permutation_importance",
    "resume",
    "train",
    "tune",
    "warmup",
]


# Told at import, because what could go wrong is not an exception but other numbers.
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    import warnings

    warnings.warn("fastnet: free-threaded Python is untested; PYTHON_GIL=1 runs it with the lock", stacklevel=2)

# Modules that are part of the interface.
_ROOMS = ("callbacks", "distributed", "kernels", "pictures", "schedules", "sklearn")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"fastnet.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastnet' has no attribute {name!r}")
    value = getattr(import_module(f"fastnet.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS, "__version__"])
