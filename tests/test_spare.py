"""Workspaces of predictions are used again, and by one at a time."""

import threading

import numpy as np
import pytest

from fastnet import Network
from fastnet.engine import evaluator
from fastnet.engine.spare import MOST_BYTES, Spare

NETS = [Network((70, 33, 5), seed=seed) for seed in (1, 2)]


@pytest.fixture
def X(rng):
    return rng.integers(0, 256, size=(300, 70)).astype(np.uint8)


def test_what_was_given_back_is_taken_once():
    spare = Spare()
    spare.give_back("a", "thing", 1)
    assert [spare.take(key, lambda: "new") for key in ("b", "a", "a")] == ["new", "thing", "new"]
    spare.give_back("a", "large", MOST_BYTES + 1)
    assert spare.take("a", lambda: "new") == "new"


@pytest.mark.parametrize("rows", [1, 300])
def test_a_second_prediction_makes_nothing(X, rows, monkeypatch):
    wanted = [net.predict_proba(X[:rows]) for net in NETS]
    for name in ("Workspace", "_make_few"):
        monkeypatch.setattr(evaluator, name, None)
    for net, right in zip(NETS, wanted, strict=True):
        np.testing.assert_array_equal(net.predict_proba(X[:rows]), right)
        np.testing.assert_array_equal(net.predict(X[:rows]), right.argmax(axis=1))
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3


@pytest.mark.parametrize("rows", [2, 300])
def test_predictions_in_many_threads_do_not_disturb_each_other(X, rows):
    wanted = [net.predict_proba(X[:rows]) for net in NETS]
    wrong = []

    def ask(i):
        for _ in range(50):
            if not np.array_equal(NETS[i].predict_proba(X[:rows]), wanted[i]):
                wrong.append(i)

    asking = [threading.Thread(target=ask, args=(i % 2,)) for i in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert not wrong


def test_inputs_and_networks_of_another_kind_get_their_own(X):
    floats = (X / 255).astype(np.float32)
    in_turn = [NETS[0].predict_proba(a) for a in (X, floats, X, floats)]
    np.testing.assert_allclose(in_turn[0], in_turn[1], rtol=1e-5)
    np.testing.assert_array_equal(in_turn[0], in_turn[2])
    np.testing.assert_array_equal(in_turn[1], in_turn[3])
