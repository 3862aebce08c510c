"""Settings by the size of a table."""

import pytest

from fastnet import settings
from fastnet.tables.defaults import defaults


@pytest.mark.parametrize("n_rows", [1, 20, 500, 1_000, 5_000, 60_000, 10**7])
@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_they_are_settings_of_a_training(n_rows, output):
    chosen = defaults(n_rows)
    args = settings.combine({**chosen, "output": output})
    assert {name: getattr(args, name) for name in chosen} == chosen


def test_small_tables_get_more_epochs_and_a_larger_penalty():
    small, large = defaults(300), defaults(1_000_000)
    assert small["epochs"] > large["epochs"] >= 5
    assert small["l2"] > 1000 * large["l2"] > 0
    assert small["batch_size"] < large["batch_size"]
