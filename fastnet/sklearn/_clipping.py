"""Gradient clipping: it needs the whole gradient before a weight moves, so the update is made here, in NumPy."""

from typing import Any

import numpy as np

from fastnet.functions import (
    ADAM,
    ADAM_LR,
    BETA,
    BETA1,
    BETA2,
    DECAY,
    EPS,
    GAIN,
    L2,
    MOMENTUM,
    SCALE,
    SGD_LR,
    STEP_GRADIENT,
    STEP_VELOCITY,
)
from fastnet.sklearn._flat import views


class ClippedStepper:
    """Runs a stepper's steps with the gradient scaled down to a Euclidean norm of at most ``limit``."""

    def __init__(self, stepper: Any, sizes: list[int], rule: int, batch_size: int, limit: float):
        self._stepper, self._rule, self._batch_size, self._limit = stepper, rule, batch_size, limit
        self.params, self.moments = stepper.params, stepper.moments
        self.load, self.store = stepper.load, self._nothing_to_store
        self._W = views(self.params, sizes)[0]

    def run(self, order: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """As the stepper's: one step per row of ``coefficients``; returns losses and penalties (steps, 2)."""
        losses = np.empty((len(coefficients), 2))
        for i, row in enumerate(coefficients.tolist()):
            batch = order[i * self._batch_size : (i + 1) * self._batch_size]
            *losses[i], gradient = self._stepper.gradient(batch, row[SCALE], row[L2])
            norm = float(np.linalg.norm(gradient))
            if norm > self._limit:
                gradient *= self._limit / norm
            for W in self._W:
                W *= 1 - row[DECAY]
            self._update(gradient, row)
            self._stepper.load()
        return losses

    def _update(self, g: np.ndarray, row: list[float]) -> None:
        w = self.params
        if self._rule == MOMENTUM:
            (velocity,) = self.moments
            velocity *= row[BETA]
            velocity += row[GAIN] * g
            w -= row[STEP_VELOCITY] * velocity + row[STEP_GRADIENT] * g
        elif self._rule == ADAM:
            m, v = self.moments
            m *= row[BETA1]
            m += (1 - row[BETA1]) * g
            v *= row[BETA2]
            v += (1 - row[BETA2]) * g * g
            w -= row[ADAM_LR] * m / (np.sqrt(v) + row[EPS])
        else:
            w -= row[SGD_LR] * g

    def _nothing_to_store(self) -> None:
        """The parameters are updated where the caller reads them."""
