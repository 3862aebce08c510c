"""The options of a training run on the command line."""

import argparse

from fastnet import functions
from fastnet.cli.parser import (
    activations,
    batch_size,
    checked,
    choice,
    duration,
    number,
    rates,
    whole,
    widths,
)
from fastnet.driver.stopping import MONITORS
from fastnet.settings import DEFAULTS

SCHEDULES = ("constant", "step", "cosine", "one_cycle", "plateau", "inverse")
INITS = ("lecun", "he", "glorot", "normal")
_NOT_NEGATIVE = number("a finite number from 0 on", lambda value: value >= 0)
_POSITIVE = number("a positive finite number", lambda value: value > 0)
_FRACTION = number("a number from 0 to below 1", lambda value: 0 <= value < 1)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options of the network and of its training, with the defaults of fastnet.settings."""
    before = len(parser._actions)
    network = parser.add_argument_group("network")
    hidden_help = "widths of the hidden layers (default: 64)"
    network.add_argument("--hidden", type=widths, metavar="64[,64...]", help=hidden_help)
    activation_help = f"hidden layers, all or each: {', '.join(functions.HIDDEN)}"
    network.add_argument("--activation", type=activations, metavar="NAME[,NAME...]", help=activation_help)
    output_help = "output layer (default: softmax for labels, identity for values, which is a regression)"
    _add_choice(network, "--output", functions.OUTPUTS, output_help)
    _add_choice(network, "--init", INITS, "initial weights")
    _add_choice(network, "--dtype", ("float32", "float64"), "precision of weights and arithmetic")

    training = parser.add_argument_group("training")
    losses = ("cross_entropy", "binary_cross_entropy", "mse")
    loss_help = "loss (default: cross_entropy for softmax, binary_cross_entropy for sigmoid, mse for identity)"
    _add_choice(training, "--loss", losses, loss_help)
    rule_help = "update rule (default: momentum; adam for identity output)"
    _add_choice(training, "--optimizer", ("sgd", "momentum", "adam"), rule_help)
    training.add_argument("--lr", type=_POSITIVE, help="learning rate (default: 4 for EMA momentum, 0.001 for adam)")
    training.add_argument("--beta", type=_FRACTION, help="momentum: share of the old velocity (default: 0.9)")
    ema_help = "momentum: velocity is beta v + g, not beta v + (1 - beta) g"
    training.add_argument("--no-ema", dest="ema", action="store_false", help=ema_help)
    training.add_argument("--nesterov", action="store_true", help="momentum: look one step ahead")
    training.add_argument("--batch-size", type=batch_size, metavar="N|full", help="rows in a batch")
    training.add_argument("--epochs", type=whole(1), metavar="N", help="passes over the training rows")
    seed_help = "of the initial weights and the order of the rows"
    training.add_argument("--seed", type=whole(0), help=seed_help)
    training.add_argument("--threads", type=whole(1), metavar="N", help="threads (default: chosen from the work)")
    _add_choice(training, "--backend", ("numba", "reference"), "compiled kernels or plain NumPy")
    full_pass = "evaluate on the training rows, too, after each epoch"
    training.add_argument("--evaluate-train", action="store_true", help=full_pass)
    _add_steering(parser.add_argument_group("course of the run"))
    _add_regularization(parser.add_argument_group("against learning by heart"))
    for action in parser._actions[before:]:
        action.default = DEFAULTS[action.dest]


def _add_steering(group) -> None:
    schedule_help = (
        f"course of the learning rate: {', '.join(SCHEDULES)}, with settings like step:every=5,factor=0.5 "
        "(default: constant)"
    )
    group.add_argument("--schedule", type=checked("fastnet.schedules"), metavar="NAME[:SETTINGS]", help=schedule_help)
    group.add_argument("--warmup", type=_NOT_NEGATIVE, metavar="EPOCHS", help="rise of the rate before the schedule")
    patience_help = "end after so many epochs without a better --monitor, with the weights of the best epoch"
    group.add_argument("--patience", type=whole(1), metavar="EPOCHS", help=patience_help)
    monitor_help = f"what --patience and plateau look at: {', '.join(MONITORS)} (default: val_loss)"
    group.add_argument("--monitor", type=choice(MONITORS), metavar="FIGURE", help=monitor_help)
    group.add_argument("--min-delta", type=_NOT_NEGATIVE, metavar="D", help="by how much better counts as better")
    limit_help = "end the run after so long, 90s, 5m or 1h, also within an epoch"
    group.add_argument("--time-limit", type=duration, metavar="TIME", help=limit_help)


def _add_regularization(group) -> None:
    group.add_argument("--l2", type=_NOT_NEGATIVE, help="adds l2/2 ||W||^2 to the loss")
    decay_help = "multiplies weights by 1 - lr * DECAY before every step; with adam this is AdamW"
    group.add_argument("--weight-decay", type=_NOT_NEGATIVE, metavar="DECAY", help=decay_help)
    dropout_help = "chance of hidden units to be left out in training, for all hidden layers or for each"
    group.add_argument("--dropout", type=rates, metavar="P[,P...]", help=dropout_help)
    group.add_argument("--clip-norm", type=_POSITIVE, metavar="NORM", help="largest norm of a step's gradient")
    smoothing_help = "share of a label that is spread over all classes"
    group.add_argument("--label-smoothing", type=_FRACTION, metavar="S", help=smoothing_help)
    _add_choice(group, "--class-weight", ("balanced",), "makes all classes count the same, however many rows they have")
    augment_help = "shift and rotate images at random: shift,rotate or shift=2,rotate=10 (pixels, degrees)"
    group.add_argument("--augment", type=checked("fastnet.augmentation"), metavar="shift,rotate", help=augment_help)


def _add_choice(parser, option: str, options: tuple[str, ...], text: str) -> None:
    parser.add_argument(option, type=choice(options), metavar="|".join(options), help=text)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the same options without defaults: only those that are given become attributes."""
    before = len(parser._actions)
    add_settings(parser)
    for action in parser._actions[before:]:
        action.default = argparse.SUPPRESS
        action.help = (action.help or "").partition(" (default: ")[0]
