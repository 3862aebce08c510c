"""Networks, data and settings for the tests of the compiled steps, and both Steppers made from them."""

from dataclasses import dataclass, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnet import engine, reference
from fastnet.functions import (
    ACTIVATIONS,
    ADAM,
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    LOSSES,
    MOMENTUM,
    MSE,
    N_COEFFICIENTS,
    POISSON,
    SGD,
)

OUTPUT = {CROSS_ENTROPY: "softmax", BINARY_CROSS_ENTROPY: "sigmoid", MSE: "identity", POISSON: "exp"}
# What each rule needs, from column 3 on. Adam's eps is large here, or rounding of a gradient near zero would decide.
RULES = {SGD: [0.2], MOMENTUM: [0.9, 0.3, 0.1, 0.05], ADAM: [0.9, 0.99, 1e-2, 0.01]}
KINDS = ("pixels", "few pixels", "floats", "few floats", "csr")


@dataclass(frozen=True)
class Problem:
    """A network and its training set. ``targets``: "labels" or "rows"; ``kind`` of X: one of KINDS."""

    sizes: tuple[int, ...]
    hidden: str | tuple[str, ...] = "sigmoid"
    loss: int = CROSS_ENTROPY
    output: str | None = None
    rule: int = SGD
    dtype: str = "float32"
    kind: str = "pixels"
    n: int = 23
    batch_size: int = 7
    targets: str = "labels"
    weighted: bool = False
    l2: float = 0.0
    decay: float = 0.0

    def __str__(self) -> str:
        rule, loss = {SGD: "sgd", MOMENTUM: "momentum", ADAM: "adam"}[self.rule], list(LOSSES)[self.loss]
        sizes = "x".join(map(str, self.sizes))
        marks = [*(["weighted"] if self.weighted else []), *([f"l2={self.l2}"] if self.l2 else [])]
        hidden = self.hidden if isinstance(self.hidden, str) else "+".join(self.hidden)
        return "-".join([self.dtype, self.kind, sizes, hidden, loss, rule, f"{self.batch_size}of{self.n}", *marks])

    def but(self, **changes: Any) -> "Problem":
        return replace(self, **changes)

    @property
    def activations(self) -> list[int]:
        hidden = [self.hidden] * (len(self.sizes) - 2) if isinstance(self.hidden, str) else self.hidden
        names = [*hidden, self.output or OUTPUT[self.loss]]
        return [ACTIVATIONS[name] for name in names]

    @property
    def steps(self) -> int:
        return -(-self.n // self.batch_size)


def csr(X):
    """The attributes of a CSR matrix: columns of a row in any order, one of them stored as two halves."""
    values, columns, starts = [], [], [0]
    for row in X:
        stored = np.flatnonzero(row)[::-1]
        values += [*row[stored], *row[stored[:1]] / 2]
        columns += [*stored, *stored[:1]]
        if len(stored):
            values[starts[-1]] /= 2
        starts.append(len(values))
    return SimpleNamespace(
        data=np.array(values, X.dtype), indices=np.array(columns), indptr=np.array(starts), shape=X.shape
    )


def inputs(rng, kind, n, d, dtype):
    """X (n, d) of that kind; "few" leaves a tenth that is not zero."""
    if kind.endswith("pixels"):
        X = rng.integers(1, 256, size=(n, d)).astype(np.uint8)
    else:
        X = rng.standard_normal((n, d)).astype(dtype)
    if kind != "floats":
        X[rng.random((n, d)) > (0.7 if kind == "pixels" else 0.1)] = 0
    return csr(X) if kind == "csr" else X


@dataclass
class Pieces:
    """What a Stepper is made of, and the steps to run."""

    problem: Problem
    params: np.ndarray
    X: Any
    targets: np.ndarray
    weight: np.ndarray | None
    order: np.ndarray
    coefficients: np.ndarray

    def stepper(self, module: Any, **settings: Any) -> Any:
        p = self.problem
        settings = {"loss": p.loss, "rule": p.rule, "batch_size": p.batch_size, "weight": self.weight} | settings
        return module.Stepper(p.sizes, p.activations, self.params.copy(), self.X, self.targets, **settings)

    def run(self, module: Any, poison: float | None = None, epochs: int = 2, **settings: Any) -> list[np.ndarray]:
        """Losses, weights and moments after some epochs; scratch is poisoned before each."""
        stepper = self.stepper(module, **settings)
        losses = []
        for _ in range(epochs):
            if poison is not None:
                stepper.workspace.fill(poison)
            losses.append(stepper.run(self.order, self.coefficients))
        stepper.store()
        return [np.concatenate(losses), stepper.params, *stepper.moments]


def pieces(problem: Problem, seed: int = 138) -> Pieces:
    p, rng = problem, np.random.default_rng(seed)
    n_params = sum((a + 1) * b for a, b in pairwise(p.sizes))
    params = np.empty(n_params, p.dtype)
    start = 0
    for fan_in, fan_out in pairwise(p.sizes):
        end = start + (fan_in + 1) * fan_out
        params[start:end] = rng.standard_normal(end - start) * fan_in**-0.5
        start = end
    X, k = inputs(rng, p.kind, p.n, p.sizes[0], p.dtype), p.sizes[-1]
    if p.targets == "labels":
        targets = rng.integers(max(k, 2) if p.loss != CROSS_ENTROPY else k, size=p.n)
    else:
        targets = rng.random((p.n, k)).astype(p.dtype)
    weight = rng.random(p.n).astype(p.dtype) + 0.5 if p.weighted else None
    order = rng.permutation(p.n)
    rows = np.minimum(p.batch_size, p.n - p.batch_size * np.arange(p.steps))
    coefficients = np.zeros((p.steps, N_COEFFICIENTS))
    coefficients[:, 0], coefficients[:, 1], coefficients[:, 2] = 1 / rows, p.l2, p.decay
    coefficients[:, 3 : 3 + len(RULES[p.rule])] = RULES[p.rule]
    return Pieces(p, params, X, targets, weight, order, coefficients)


def tolerance(problem: Problem) -> float:
    """Rounding of the longest chain of sums in a step, relative to numbers of order one, over a few steps."""
    return float(np.finfo(problem.dtype).eps) * (sum(problem.sizes) + problem.batch_size + 100)


def check_against_oracle(problem: Problem, **settings: Any) -> None:
    """Losses, weights and moments of the compiled Stepper equal the oracle's to rounding, and have moved."""
    p = pieces(problem)
    got, wanted = p.run(engine, np.nan, **settings), p.run(reference, **settings)
    limit = tolerance(problem)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit)
    assert np.abs(got[1] - p.params).max() > 1e-3
    assert (got[0][:, 0] != 0).all()
    assert all(moment.any() for moment in got[2:])
