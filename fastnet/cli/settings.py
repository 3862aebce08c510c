"""The options of a training run on the command line."""

import argparse

from fastnet import functions
from fastnet.cli.parser import batch_size, choice, number, whole, widths
from fastnet.settings import DEFAULTS

SCHEDULES = ("one_cycle", "cosine")
INITS = ("lecun", "he", "glorot", "normal")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options of the network and of its training, with the defaults of fastnet.settings."""
    before = len(parser._actions)
    network = parser.add_argument_group("network")
    hidden_help = "widths of the hidden layers (default: 64)"
    network.add_argument("--hidden", type=widths, metavar="64[,64...]", help=hidden_help)
    _add_choice(network, "--activation", functions.HIDDEN, "hidden layers")
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
    positive = number("a positive finite number", lambda lr: lr > 0)
    training.add_argument("--lr", type=positive, help="learning rate (default: 4 for EMA momentum, 0.001 for adam)")
    fraction = number("a number from 0 to below 1", lambda beta: 0 <= beta < 1)
    training.add_argument("--beta", type=fraction, help="momentum: share of the old velocity (default: 0.9)")
    ema_help = "momentum: velocity is beta v + g, not beta v + (1 - beta) g"
    training.add_argument("--no-ema", dest="ema", action="store_false", help=ema_help)
    training.add_argument("--nesterov", action="store_true", help="momentum: look one step ahead")
    _add_choice(training, "--schedule", SCHEDULES, "course of the learning rate (default: constant)")
    training.add_argument("--batch-size", type=batch_size, metavar="N|full", help="rows in a batch")
    training.add_argument("--epochs", type=whole(1), metavar="N", help="passes over the training rows")
    not_negative = number("a finite number from 0 on", lambda l2: l2 >= 0)
    training.add_argument("--l2", type=not_negative, help="adds l2/2 ||W||^2 to the loss")
    seed_help = "of the initial weights and the order of the rows"
    training.add_argument("--seed", type=whole(0), help=seed_help)
    training.add_argument("--threads", type=whole(1), metavar="N", help="threads (default: chosen from the work)")
    _add_choice(training, "--backend", ("numba", "reference"), "compiled kernels or plain NumPy")
    full_pass = "evaluate on the training rows, too, after each epoch"
    training.add_argument("--evaluate-train", action="store_true", help=full_pass)
    for action in parser._actions[before:]:
        action.default = DEFAULTS[action.dest]


def _add_choice(parser, option: str, options: tuple[str, ...], text: str) -> None:
    parser.add_argument(option, type=choice(options), metavar="|".join(options), help=text)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the same options without defaults: only those that are given become attributes."""
    before = len(parser._actions)
    add_settings(parser)
    for action in parser._actions[before:]:
        action.default = argparse.SUPPRESS
        action.help = (action.help or "").partition(" (default: ")[0]
