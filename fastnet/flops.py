"""Floating-point operations of the dense products of a network: a multiplication and an addition for each weight.

What activations, biases and updates need is not counted. Lists have an entry per layer, for one row.
"""

from collections.abc import Sequence
from itertools import pairwise


def forward(sizes: Sequence[int]) -> list[int]:
    """Of the outputs: 2 a weight."""
    return [2 * a * b for a, b in pairwise(sizes)]


def training(sizes: Sequence[int]) -> list[int]:
    """Of a step: 4 a weight of the first layer (outputs, gradient), 6 of the others (which pass delta back as well)."""
    first, *others = forward(sizes)
    return [2 * first, *(3 * n for n in others)]
