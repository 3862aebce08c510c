"""The settings of a training run by name, as the command line and recipes know them, and what they describe.

Settings travel as an argparse.Namespace that has all names of DEFAULTS.
"""

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fastnet import functions
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.callbacks import Callback
    from fastnet.checkpoints import Checkpoint
    from fastnet.data import Dataset
    from fastnet.driver.team import Team
    from fastnet.history import History
    from fastnet.network import Network
    from fastnet.optimizers import Optimizer
    from fastnet.progress import Progress

# The system of document 000. None depends on other settings, see `resolve`.
DEFAULTS: dict[str, Any] = {
    "hidden": [64],
    "activation": "sigmoid",
    "output": None,
    "init": "lecun",
    "dtype": "float32",
    "loss": None,
    "optimizer": None,
    "lr": None,
    "beta": None,
    "ema": True,
    "nesterov": False,
    "schedule": None,
    "warmup": 0.0,
    "batch_size": 128,
    "epochs": 9,
    "l2": 0.0,
    "seed": 138,
    "threads": None,
    "backend": "numba",
    "evaluate_train": False,
    "patience": None,
    "min_delta": 0.0,
    "monitor": None,
    "time_limit": None,
    "dropout": 0.0,
    "weight_decay": 0.0,
    "clip_norm": None,
    "label_smoothing": 0.0,
    "class_weight": None,
    "augment": None,
}


def combine(*layers: Mapping[str, Any]) -> argparse.Namespace:
    """Resolved settings: the defaults, changed by one mapping after another.

    A mapping that names another optimizer or output layer drops what had been said of the old one's rates or loss.
    """
    defaults = DEFAULTS | {"optimizer": "momentum", "output": "softmax"}
    merged = {**defaults, "validation_split": None}
    for layer in layers:
        for name, parts in (("optimizer", ("lr", "beta", "ema", "nesterov")), ("output", ("loss",))):
            if layer.get(name, merged[name]) != merged[name]:
                merged |= {part: defaults[part] for part in parts}
        merged |= layer
    args = argparse.Namespace(**merged)
    resolve(args)
    return args


def resolve(args: argparse.Namespace) -> None:
    """Replace the defaults that depend on other settings; raises UsageError where settings contradict each other.

    An output layer that is still open becomes softmax. Settings that are resolved stay as they are.
    """
    args.output = args.output or "softmax"
    for option, value in (("--activation", args.activation), ("--dropout", args.dropout)):
        if isinstance(value, list) and len(value) != len(args.hidden):
            layers = f"{len(args.hidden)} hidden layer{'s' * (len(args.hidden) > 1)}"
            raise UsageError(f"{option}: expected one value, or one for each of {layers}, got {len(value)}")
    if args.optimizer is None:
        momentum_is_meant = args.beta is not None or not args.ema or args.nesterov
        args.optimizer = "adam" if args.output == "identity" and not momentum_is_meant else "momentum"
    if args.loss is None:
        args.loss = next(loss for output, loss in functions.PAIRS if output == args.output)
    elif (args.output, args.loss) not in functions.PAIRS:
        fitting = ", ".join(loss for output, loss in functions.PAIRS if output == args.output)
        raise UsageError(f"--loss: an output layer of {args.output} goes with {fitting}, got {args.loss!r}")
    if args.optimizer == "momentum":
        args.beta = 0.9 if args.beta is None else args.beta
    else:
        given = [("--beta", args.beta is not None), ("--no-ema", args.ema is False), ("--nesterov", args.nesterov)]
        for option, used in given:
            if used:
                raise UsageError(f"{option} is a setting of --optimizer momentum, got --optimizer {args.optimizer}")
        args.ema = args.nesterov = None
    if args.lr is None:
        args.lr = _default_lr(args)


def _default_lr(args: argparse.Namespace) -> float:
    if args.optimizer == "adam":
        return 1e-3
    ema = args.optimizer == "momentum" and args.ema
    if ema and set(activations(args)) == {"sigmoid"} and args.output != "identity":
        return 4.0
    rule = f"--optimizer {args.optimizer}" + (" --no-ema" if args.optimizer == "momentum" and not args.ema else "")
    raise UsageError(
        f"--lr is needed: there is no default for {rule} with {', '.join(activations(args))} layers and {args.output} "
        "output"
    )


def activations(args: argparse.Namespace) -> list[str]:
    """The activations that the settings name, each once."""
    named = [args.activation] if isinstance(args.activation, str) else args.activation
    return list(dict.fromkeys(named))


def waits(args: argparse.Namespace) -> bool:
    """Whether figures of held-out rows decide on the course of the run: the rows must not be the test rows."""
    return watches(vars(args)) and (args.monitor or "val_loss").startswith("val")


def watches(given: Mapping[str, Any]) -> bool:
    """Whether some figure, ``monitor``, decides on the course of the run."""
    schedule = given.get("schedule")
    return given.get("patience") is not None or (isinstance(schedule, str) and schedule.startswith("plateau"))


def make_network(
    args: argparse.Namespace, n_inputs: int, n_outputs: int, class_names: tuple[str, ...] | None = None
) -> "Network":
    """The untrained Network that the settings describe, for data of that width and number of classes or values."""
    from fastnet.network import Network

    return Network(**network_arguments(args, n_inputs, n_outputs), class_names=class_names)


def network_arguments(args: argparse.Namespace, n_inputs: int, n_outputs: int) -> dict[str, Any]:
    """The arguments of fastnet.Network that the resolved settings mean."""
    same = {name: getattr(args, name) for name in ("output", "init", "dtype", "seed")}
    return {"sizes": [n_inputs, *args.hidden, n_outputs], "hidden": args.activation, **same}


def make_optimizer(args: argparse.Namespace) -> "Optimizer":
    """The optimizer that the resolved settings describe."""
    from fastnet.optimizers import SGD, Adam, Momentum

    if args.optimizer == "sgd":
        return SGD(args.lr)
    if args.optimizer == "adam":
        return Adam(args.lr)
    return Momentum(args.lr, beta=args.beta, ema=args.ema, nesterov=args.nesterov)


def make_progress(args: argparse.Namespace, network: "Network", rows: int, held_out: str) -> "Progress":
    """What prints the course of a run on ``rows`` rows; held_out : what the rows are called that it evaluates on."""
    from fastnet.driver.run import progress_of

    return progress_of(network, args.epochs, rows, held_out, backend=args.backend, threads=args.threads)


def hold_out(
    dataset: "Dataset", amount: int | float, *, seed: int = 0, shuffle: bool = False
) -> "tuple[Dataset, Dataset]":
    """Split a Dataset with y in (kept rows, held-out rows): the last ones, or with ``shuffle`` rows drawn by class.

    amount : number of rows or a fraction. Raises UsageError if no row is left to train on.
    """
    from fastnet.data.splitting import held_out_rows, split

    try:
        held_out_rows(len(dataset), amount)
    except ValueError:
        rows = f"{dataset.name} has {len(dataset)} training rows"
        raise UsageError(f"--validation-split: {rows}, got {amount}") from None
    return split(dataset, amount, seed=seed, shuffle=shuffle)


def train(
    args: argparse.Namespace,
    network: "Network",
    dataset: "Dataset",
    held_out: "Dataset | None",
    progress: Any,
    callbacks: "Iterable[Callback]" = (),
    checkpoint: "Checkpoint | None" = None,
    team: "Team | None" = None,
) -> "History":
    """Train a Network on a Dataset as the resolved settings say and return its History.

    held_out : Dataset to evaluate after each epoch, or None. progress, callbacks, checkpoint : as for fastnet.train,
    team : its ``distributed``.
    """
    from fastnet.training import train

    return train(
        network,
        dataset.X,
        dataset.y,
        validation=None if held_out is None else (held_out.X, held_out.y),
        callbacks=callbacks,
        progress=progress,
        checkpoint=checkpoint,
        distributed=team,
        **training_arguments(args, team_rows(team, len(dataset.X))),
    )


def team_rows(team: "Team | None", n: int) -> int:
    """The rows that all processes train on, n of them those of this one."""
    return sum(team.gather(n)) if team is not None and team.shares_rows else n


def training_arguments(args: argparse.Namespace, rows: int) -> dict[str, Any]:
    """The arguments of fastnet.train, but for the rows, that the resolved settings mean for so many rows."""
    from fastnet.driver.run import SETTINGS

    # These have other forms here than there.
    same = [name for name in (*SETTINGS, "seed", "threads") if name not in ("optimizer", "batch_size", "shuffle")]
    batch_size = rows if args.batch_size == "full" else args.batch_size
    return {"batch_size": batch_size, "optimizer": make_optimizer(args), **{name: getattr(args, name) for name in same}}
