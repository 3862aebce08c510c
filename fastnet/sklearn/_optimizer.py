"""What sgd and adam keep from one fit to the next, and the coefficients that they give the stepper."""

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
    MOMENTUM,
    SGD,
    SGD_LR,
    STEP_GRADIENT,
    STEP_VELOCITY,
)

SMALLEST_ADAPTIVE_RATE = 1e-6


class Descent:
    """Stochastic gradient descent: learning rate and its schedule, momentum, velocity.

    The settings are those of the estimator at the time of construction: ``partial_fit`` goes on with them.
    """

    def __init__(self, estimator):
        self.learning_rate_init = estimator.learning_rate_init
        self.learning_rate = float(estimator.learning_rate_init)
        self.schedule, self.power_t = estimator.learning_rate, estimator.power_t
        self.momentum, self.nesterov = estimator.momentum, estimator.nesterovs_momentum
        self.weight_decay = estimator.weight_decay
        self.rule = MOMENTUM if self.momentum > 0 else SGD
        self.moments: tuple[np.ndarray, ...] | None = None  # the stepper's, from the first fit on

    def fill(self, table: np.ndarray) -> None:
        """Write the coefficients of the next ``len(table)`` steps."""
        lr = self.learning_rate
        table[:, DECAY] = lr * self.weight_decay
        if self.rule == SGD:
            table[:, SGD_LR] = lr
            return
        # The learning rate is inside the velocity: it matters when a schedule changes it.
        table[:, BETA] = self.momentum
        table[:, GAIN] = lr
        table[:, STEP_VELOCITY] = self.momentum if self.nesterov else 1.0
        table[:, STEP_GRADIENT] = lr if self.nesterov else 0.0

    def advance(self, steps: int) -> None:
        """Called after ``steps`` steps were made."""

    def epoch_ends(self, rows_seen: int) -> None:
        """``rows_seen`` : training rows that the estimator has seen so far, over all its fits."""
        if self.schedule == "invscaling":
            self.learning_rate = float(self.learning_rate_init) / (rows_seen + 1) ** self.power_t

    def stagnates(self, message: str, verbose: bool) -> bool:
        """Whether to stop now that progress has stopped; the adaptive schedule first tries smaller rates."""
        if self.schedule != "adaptive":
            return _stop(f"{message} Stopping.", verbose)
        if self.learning_rate <= SMALLEST_ADAPTIVE_RATE:
            return _stop(f"{message} Learning rate too small. Stopping.", verbose)
        self.learning_rate /= 5.0
        if verbose:
            print(f"{message} Setting learning rate to {self.learning_rate:f}")
        return False


class Adam:
    """Adam: step number, learning rate with the bias corrections of the last step, both moments."""

    rule = ADAM

    def __init__(self, estimator):
        self.learning_rate_init = estimator.learning_rate_init
        self.learning_rate = float(estimator.learning_rate_init)
        self.beta_1, self.beta_2, self.epsilon = estimator.beta_1, estimator.beta_2, estimator.epsilon
        self.weight_decay = estimator.weight_decay
        self.t = 0
        self.moments: tuple[np.ndarray, ...] | None = None

    def fill(self, table: np.ndarray) -> None:
        """Write the coefficients of the next ``len(table)`` steps."""
        t = np.arange(self.t + 1, self.t + 1 + len(table))
        table[:, DECAY] = self.learning_rate_init * self.weight_decay
        table[:, BETA1], table[:, BETA2], table[:, EPS] = self.beta_1, self.beta_2, self.epsilon
        table[:, ADAM_LR] = self.learning_rate_init * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

    def advance(self, steps: int) -> None:
        """Called after ``steps`` steps were made."""
        self.t += steps
        self.learning_rate = self.learning_rate_init * np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)

    def epoch_ends(self, rows_seen: int) -> None:
        """Nothing to do: the learning rate depends on the step number alone."""

    def stagnates(self, message: str, verbose: bool) -> bool:
        """Stop."""
        return _stop(f"{message} Stopping.", verbose)


Optimizer = Descent | Adam
OPTIMIZERS: dict[str, type[Descent] | type[Adam]] = {"sgd": Descent, "adam": Adam}


def _stop(message: str, verbose: bool) -> bool:
    if verbose:
        print(message)
    return True
