"""Where a network computes: the compiled kernels or plain NumPy, behind one interface."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet.metrics import RegressionScore
from fastnet.network import Evaluation, Network, RegressionEvaluation


class Backend:
    """Steppers and evaluators for one network.

    name : "numba" or "reference". loss : a code of fastnet.functions. wanted : threads, None chooses.
    threads : those that the last stepper runs on.
    """

    def __init__(self, name: str, net: Network, loss: int, wanted: int | None = None):
        self.net, self.loss, self.wanted = net, loss, wanted
        self.threads = 1
        self.numba = name == "numba"
        if self.numba:
            from fastnet import engine as module
        else:
            from fastnet import reference as module  # type: ignore[no-redef]
        self.module: Any = module

    def stepper(self, X: np.ndarray, y: np.ndarray, **settings: Any) -> Any:
        """A stepper of the module on checked X and y; ``settings`` are further ones of both modules' Stepper."""
        net = self.net
        stepper = self.module.Stepper(
            net.sizes, net.activations, net.params, X, y, loss=self.loss, threads=self.wanted, scale=net.input_scale,
            **settings,
        )  # fmt: skip
        self.threads = stepper.threads if self.numba else 1
        return stepper

    def evaluator(self, X: np.ndarray, y: np.ndarray) -> Callable[[], Evaluation | RegressionEvaluation]:
        """A function that evaluates the network, as it then is, on checked X and y."""
        if self.net.is_regression:
            outputs, score = self._outputs(X), RegressionScore(y, self.net.sizes[-1], self.loss)
            return lambda: RegressionEvaluation(*score.of(outputs()))
        net = self.net
        if self.numba:
            kept = self._kept(X)
            return lambda: Evaluation(*kept.evaluate(net.params, y))
        return lambda: Evaluation(
            *self.module.evaluate(net.sizes, net.activations, net.params, X, y, self.loss, scale=net.input_scale)
        )

    def _outputs(self, X: np.ndarray) -> Callable[[], np.ndarray]:
        """A function that computes the outputs (n, k)."""
        net = self.net
        if self.numba:
            kept = self._kept(X)
            return lambda: kept.outputs(net.params)
        return lambda: self.module.predict(net.sizes, net.activations, net.params, X, scale=net.input_scale)

    def _kept(self, X: np.ndarray) -> Any:
        net = self.net
        return self.module.Evaluator(
            net.sizes, net.activations, net.dtype, X, loss=self.loss, threads=self.wanted, scale=net.input_scale
        )
