"""The public face of training: `train`, and `resume` for a run that was kept."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastnet.augmentation import Augment
from fastnet.callbacks import Callback
from fastnet.checkpoints import Checkpoint, describing, prepare, read_newest
from fastnet.driver.recording import decoded, network_of, schedule_of
from fastnet.driver.run import SETTINGS, Run, settled
from fastnet.driver.state import reopen
from fastnet.driver.team import ALONE, Team
from fastnet.errors import whole
from fastnet.hints import hinted
from fastnet.history import Epoch, History
from fastnet.network import Network
from fastnet.optimizers import Optimizer
from fastnet.schedules import Schedule


@hinted("train")
def train(
    net: Network,
    X: Any,
    y: Any,
    *,
    epochs: int = 9,
    batch_size: int = 128,
    optimizer: Optimizer | None = None,
    loss: str | None = None,
    l2: float = 0.0,
    schedule: str | Schedule | Callable[[float], float] | None = None,
    validation: tuple[Any, Any] | None = None,
    shuffle: bool = True,
    seed: Any = None,
    threads: int | None = None,
    backend: str = "numba",
    evaluate_train: bool = False,
    callbacks: Callback | Callable[[Network, Epoch], Any] | Iterable[Any] = (),
    progress: Any = False,
    warmup: float = 0.0,
    patience: int | None = None,
    min_delta: float = 0.0,
    monitor: str | None = None,
    time_limit: float | str | None = None,
    dropout: float | Iterable[float] = 0.0,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    label_smoothing: float = 0.0,
    class_weight: Any = None,
    sample_weight: Any = None,
    augment: Augment | str | None = None,
    checkpoint: Checkpoint | str | os.PathLike | None = None,
    distributed: Team | None = None,
) -> History:
    """Train ``net`` in place on X (n, d) and y, labels (n,) or targets (n, k); of a regression with one output (n,).

    optimizer : SGD, Momentum or Adam; None is Adam(1e-3). loss : None follows the output layer. l2 adds l2/2 ||W||^2.
    schedule : of the learning rate: None, one of fastnet.schedules or its name, or a function from the share of the run
        that is done to a factor of lr. warmup : epochs, fractions too, of a linear rise before it.
    validation : (X, y), evaluated after each epoch. evaluate_train : evaluate on X, y as well.
    seed : of the order of rows, of dropout and augment. threads : None chooses by the work in a step; the bits are the
        same for any number.
    backend : "numba", or "reference" for plain NumPy. callbacks : each called as callback(net, epoch) after every
        epoch; one that returns True ends the run; it may change the weights (see fastnet.callbacks.Callback).
    progress : True prints the course; or an object with the methods of fastnet.progress.Progress.
    patience : epochs without a better ``monitor`` (by more than ``min_delta``) after which the run ends. The network
        then has the weights of its best epoch, also if the run comes to its last epoch. monitor : a field of Epoch;
        None is "val_loss", and without validation the "loss" for a schedule that waits.
    time_limit : of the whole run but for compilation, seconds or a text like "90s"; it may end within an epoch.
    dropout : chance of each hidden unit to be left out, from 0 to below 1, or one for each hidden layer.
    weight_decay : weights (not biases) are multiplied by 1 - lr * weight_decay before every step (AdamW: Loshchilov
        and Hutter, 2019). clip_norm : largest Euclidean norm of a step's gradient, l2 included.
    label_smoothing : s makes targets (1 - s) t + s / k (Szegedy et al., 2016); of sigmoid outputs (1 - s) t + s / 2.
    class_weight : "balanced", one number per class, or a dict. sample_weight : (n,). The loss of a batch is the mean by
        these weights.
    augment : images are shifted and rotated at random each time that they are trained on: a fastnet.Augment, or
        a text like "shift=2,rotate=10".
    checkpoint : a Checkpoint, where and how often to keep the state of the run for `fastnet.resume`; or its folder.
    distributed : None, or fastnet.distributed.mpi(), with which the processes that mpiexec started train one network
        together, each on a share of every batch; batch_size is that of all together.

    Raises ValueError or TypeError on bad arguments, OSError where no checkpoint can be written, and NonFiniteLossError
    when the run diverges; the network is then as it was after its last finite epoch. After Ctrl-C it holds the weights
    reached. Warns with DivergenceWarning of a run that ended finite but diverged, and with UserWarning of an X in units
    that look wrong.
    """
    given, team = locals(), _team(distributed)
    with team.together():
        _check_call(team, "train", validation, sample_weight)
        run = Run(
            net, X, y, {name: given[name] for name in SETTINGS}, validation=validation, sample_weight=sample_weight,
            threads=threads, callbacks=callbacks, progress=progress, team=team,
        )  # fmt: skip
        if isinstance(checkpoint, str | os.PathLike):
            checkpoint = Checkpoint(checkpoint)
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            raise TypeError(f"checkpoint must be a fastnet.Checkpoint or a folder, got {checkpoint!r}")
        if checkpoint is not None and team.rank == 0:
            prepare(checkpoint.folder)
        return run.train(seed, checkpoint)


def resume(
    folder: str | os.PathLike,
    X: Any,
    y: Any,
    *,
    validation: tuple[Any, Any] | None = None,
    sample_weight: Any = None,
    more_epochs: int = 0,
    time_limit: float | str | None = None,
    schedule: Callable[[float], float] | None = None,
    threads: int | None = None,
    callbacks: Callback | Callable[[Network, Epoch], Any] | Iterable[Any] = (),
    progress: Any = False,
    checkpoint: Checkpoint | None = None,
    distributed: Team | None = None,
) -> tuple[Network, History]:
    """Go on with a run from its newest checkpoint, to the bits that it would have ended with.

    folder : that of its `Checkpoint`. X, y, validation, sample_weight : the same as for `fastnet.train`.
    more_epochs : beyond those that the run was to have; a finished run goes on then. time_limit : of this part of the
        run. schedule : needed where it is a function, which no file holds. threads, callbacks, progress : as for
        `fastnet.train`; callbacks that a signal interrupted are called again.
    checkpoint : where and how often to keep the state from now on; None is as before.
    distributed : as for `fastnet.train`. With as many processes as before the bits are the same, with others they
        differ by rounding.

    Returns the network and the History of the whole run. Raises DataError where there is no good checkpoint, where it
    is of a later version, and on other data. Warns of damaged checkpoints, and goes on from the one before.
    """
    team = _team(distributed)
    with team.together():
        _check_call(team, "resume", validation, sample_weight)
        if team.rank == 0 and checkpoint is not None and not _same_folder(checkpoint.folder, folder):
            prepare(checkpoint.folder)
        more = whole("more_epochs", more_epochs) if more_epochs else 0
        values, arrays = team.same(read_newest(folder) if team.rank == 0 else ({}, {}))
        with describing(folder):
            sync_every = whole("sync_every", values.get("sync_every", 1))
        team = _as_before(team, sync_every)
        with describing(folder):
            net, settings = network_of(values, arrays), decoded(values["settings"])
            settings = {name: settings[name] for name in SETTINGS}
            settings["epochs"] += more
            if more:
                reopen(values["state"])
        settings |= {"schedule": schedule_of(settings, schedule), "time_limit": time_limit}
        with describing(folder):
            settled(net, settings, np.shape(X)[1:], validation is not None)
        run = Run(
            net, X, y, settings, validation=validation, sample_weight=sample_weight, threads=threads,
            callbacks=callbacks, progress=progress, team=team,
        )  # fmt: skip
        if checkpoint is None:
            checkpoint = Checkpoint(folder, every=values["every"], keep=values["keep"], about=values["about"])
        return net, run.train(None, checkpoint, (values, arrays), is_longer=more > 0)


def _check_call(team: Team, function: str, validation: Any, sample_weight: Any) -> None:
    """See to it that all processes call the same function, with what others wait for."""
    given = {"function": function, "validation": validation is not None, "sample_weight": sample_weight is not None}
    team.check_same("call", given)


def _team(distributed: Any) -> Team:
    if distributed is not None and not isinstance(distributed, Team):
        raise TypeError(f"distributed must be fastnet.distributed.mpi() or None, got {distributed!r}")
    return distributed or ALONE


def _as_before(team: Team, sync_every: int) -> Team:
    """The team as in the run that it goes on with."""
    if team.sync_every not in (1, sync_every):
        raise ValueError(f"sync_every must stay what it was in this run, {sync_every}, got {team.sync_every}")
    return team.syncing(sync_every)


def _same_folder(one: str | os.PathLike, other: str | os.PathLike) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
