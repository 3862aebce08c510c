"""Where a network computes: the compiled kernels or plain NumPy, behind one interface."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet.driver.team import ALONE, Team
from fastnet.functions import LOSSES
from fastnet.metrics import RegressionScore
from fastnet.network import Evaluation, Network, RegressionEvaluation, check_pair


class Backend:
    """Steppers and evaluators for one network.

    name : "numba" or "reference". loss : a code of fastnet.functions. wanted : threads, None chooses. team : the
        processes that train and evaluate together, each on some of the rows.
    threads : those that the last stepper runs on.
    """

    def __init__(self, name: str, net: Network, loss: int, wanted: int | None = None, team: Team = ALONE):
        self.net, self.loss, self.wanted, self.team = net, loss, wanted, team
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
            outputs, score = self._outputs(X), RegressionScore(y, self.net.sizes[-1], self.loss, self.team.total)
            return lambda: RegressionEvaluation(*score.of(outputs()))
        own, total = self._own_evaluation(X, y), self.team.total

        def evaluate() -> Evaluation:
            loss, accuracy = own()
            if self.team.size == 1:
                return Evaluation(loss, accuracy)
            sums = total(np.array([loss * len(X), accuracy * len(X), len(X)]))
            return Evaluation(float(sums[0] / sums[2]), float(sums[1] / sums[2]))

        return evaluate

    def _own_evaluation(self, X: np.ndarray, y: np.ndarray) -> Callable[[], tuple[float, float]]:
        """A function that computes loss and accuracy on rows of this process."""
        net = self.net
        if not len(X):
            return lambda: (0.0, 0.0)
        if self.numba:
            kept = self._kept(X)
            return lambda: kept.evaluate(net.params, y)
        return lambda: self.module.evaluate(
            net.sizes, net.activations, net.params, X, y, self.loss, scale=net.input_scale
        )

    def _outputs(self, X: np.ndarray) -> Callable[[], np.ndarray]:
        """A function that computes the outputs (n, k)."""
        net = self.net
        if not len(X):
            return lambda: np.zeros((0, net.sizes[-1]), net.dtype)
        if self.numba:
            kept = self._kept(X)
            return lambda: kept.outputs(net.params)
        return lambda: self.module.predict(net.sizes, net.activations, net.params, X, scale=net.input_scale)

    def _kept(self, X: np.ndarray) -> Any:
        net = self.net
        return self.module.Evaluator(
            net.sizes, net.activations, net.dtype, X, loss=self.loss, threads=self.wanted, scale=net.input_scale
        )


def evaluate(
    net: Network, X: Any, y: Any, loss: str | None = None, team: Team = ALONE
) -> Evaluation | RegressionEvaluation:
    """See Network.evaluate; over the rows of all processes of a team, of which X and y are those of this one."""
    name = check_pair(net, loss)
    X = net.check_inputs(X)
    y = net.check_targets(y, len(X), name)
    return Backend("numba", net, LOSSES[name], team=team).evaluator(X, y)()
