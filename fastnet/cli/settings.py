"""The settings of a training run on the command line, and the network and optimizer that they describe."""

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fastnet import functions
from fastnet.cli.parser import Parser, UsageError, batch_size, choice, number, whole, widths

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.network import Network
    from fastnet.optimizers import Optimizer
    from fastnet.training import Callback, History

SCHEDULES = ("one_cycle", "cosine")
INITS = ("lecun", "he", "glorot", "normal")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options of the network and of its training; the defaults are the system of document 000."""
    network = parser.add_argument_group("network")
    hidden_help = "widths of the hidden layers (default: 64)"
    network.add_argument("--hidden", type=widths, default=[64], metavar="64[,64...]", help=hidden_help)
    _add_choice(network, "--activation", functions.HIDDEN, "sigmoid", "hidden layers")
    output_help = "output layer (default: softmax for labels, identity for values, which is a regression)"
    _add_choice(network, "--output", functions.OUTPUTS, None, output_help)
    _add_choice(network, "--init", INITS, "lecun", "initial weights")
    _add_choice(network, "--dtype", ("float32", "float64"), "float32", "precision of weights and arithmetic")

    training = parser.add_argument_group("training")
    losses = ("cross_entropy", "binary_cross_entropy", "mse")
    loss_help = "loss (default: cross_entropy for softmax, binary_cross_entropy for sigmoid, mse for identity)"
    _add_choice(training, "--loss", losses, None, loss_help)
    rule_help = "update rule (default: momentum; adam for identity output)"
    _add_choice(training, "--optimizer", ("sgd", "momentum", "adam"), None, rule_help)
    positive = number("a positive finite number", lambda lr: lr > 0)
    training.add_argument("--lr", type=positive, help="learning rate (default: 4 for EMA momentum, 0.001 for adam)")
    fraction = number("a number from 0 to below 1", lambda beta: 0 <= beta < 1)
    training.add_argument("--beta", type=fraction, help="momentum: share of the old velocity (default: 0.9)")
    ema_help = "momentum: velocity is beta v + g, not beta v + (1 - beta) g"
    training.add_argument("--no-ema", dest="ema", action="store_false", help=ema_help)
    training.add_argument("--nesterov", action="store_true", help="momentum: look one step ahead")
    _add_choice(training, "--schedule", SCHEDULES, None, "course of the learning rate (default: constant)")
    training.add_argument("--batch-size", type=batch_size, default=128, metavar="N|full", help="rows in a batch")
    training.add_argument("--epochs", type=whole(1), default=9, metavar="N", help="passes over the training rows")
    not_negative = number("a finite number from 0 on", lambda l2: l2 >= 0)
    training.add_argument("--l2", type=not_negative, default=0.0, help="adds l2/2 ||W||^2 to the loss")
    training.add_argument("--seed", type=whole(0), default=138, help="of the initial weights and the order of the rows")
    training.add_argument("--threads", type=whole(1), metavar="N", help="threads (default: chosen from the work)")
    _add_choice(training, "--backend", ("numba", "reference"), "numba", "compiled kernels or plain NumPy")
    full_pass = "evaluate on the training rows, too, after each epoch"
    training.add_argument("--evaluate-train", action="store_true", help=full_pass)


def _add_choice(parser, option: str, options: tuple[str, ...], default: str | None, text: str) -> None:
    parser.add_argument(option, type=choice(options), default=default, metavar="|".join(options), help=text)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the same options without defaults: only those that are given become attributes."""
    before = len(parser._actions)
    add_settings(parser)
    for action in parser._actions[before:]:
        action.default = argparse.SUPPRESS
        action.help = (action.help or "").partition(" (default: ")[0]


def combine(*layers: Mapping[str, Any]) -> argparse.Namespace:
    """Resolved settings: the defaults, changed by one mapping after another.

    A mapping that names another optimizer or output layer drops what had been said of the old one's rates or loss.
    """
    parser = Parser()
    add_settings(parser)
    defaults = vars(parser.parse([])) | {"optimizer": "momentum", "output": "softmax"}
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

    An output layer that is still open becomes softmax.
    """
    args.output = args.output or "softmax"
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
        given = [("--beta", args.beta is not None), ("--no-ema", not args.ema), ("--nesterov", args.nesterov)]
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
    if ema and args.activation == "sigmoid" and args.output != "identity":
        return 4.0
    rule = f"--optimizer {args.optimizer}" + (" --no-ema" if args.optimizer == "momentum" and not args.ema else "")
    raise UsageError(
        f"--lr is needed: there is no default for {rule} with {args.activation} layers and {args.output} output"
    )


def make_network(
    args: argparse.Namespace, n_inputs: int, n_outputs: int, class_names: tuple[str, ...] | None = None
) -> "Network":
    """The untrained Network that the settings describe, for data of that width and number of classes or values."""
    from fastnet.network import Network

    return Network(
        [n_inputs, *args.hidden, n_outputs],
        hidden=args.activation,
        output=args.output,
        init=args.init,
        dtype=args.dtype,
        seed=args.seed,
        class_names=class_names,
    )


def make_optimizer(args: argparse.Namespace) -> "Optimizer":
    """The optimizer that the resolved settings describe."""
    from fastnet.optimizers import SGD, Adam, Momentum

    if args.optimizer == "sgd":
        return SGD(args.lr)
    if args.optimizer == "adam":
        return Adam(args.lr)
    return Momentum(args.lr, beta=args.beta, ema=args.ema, nesterov=args.nesterov)


def train(
    args: argparse.Namespace,
    network: "Network",
    dataset: "Dataset",
    held_out: "Dataset | None",
    progress: Any,
    callbacks: "Iterable[Callback]" = (),
) -> "History":
    """Train a Network on a Dataset as the resolved settings say and return its History.

    held_out : Dataset to evaluate after each epoch, or None. progress, callbacks : as for fastnet.train.
    """
    from fastnet.training import train

    return train(
        network,
        dataset.X,
        dataset.y,
        epochs=args.epochs,
        batch_size=len(dataset.X) if args.batch_size == "full" else args.batch_size,
        optimizer=make_optimizer(args),
        loss=args.loss,
        l2=args.l2,
        schedule=args.schedule,
        validation=None if held_out is None else (held_out.X, held_out.y),
        seed=args.seed,
        threads=args.threads,
        backend=args.backend,
        evaluate_train=args.evaluate_train,
        callbacks=callbacks,
        progress=progress,
    )
