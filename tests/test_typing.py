"""What type checkers see: three programs of users are right, and a wrong argument in each is found."""

import os
import subprocess
import sys
import typing

import pytest

from fastnet.data.known import KNOWN, SetName
from fastnet.sklearn import MLPClassifier, MLPRegressor
from fastnet.training import train

DRIVER = """
import numpy as np

import fastnet

train, test = fastnet.load_data("mnist")
net = fastnet.Network([784, 64, 10], hidden="sigmoid", output="softmax", seed=138)
history = fastnet.train(
    net,
    train.X,
    train.y,
    epochs=9,
    batch_size=128,
    optimizer=fastnet.Momentum(lr=4.0, beta=0.9, ema=True),
    validation=(test.X, test.y),
    checkpoint=fastnet.Checkpoint("run", every="30s"),
    seed=138,
)
last: float | None = history.epochs[-1].val_accuracy
accuracy: float = net.evaluate(test.X, test.y).accuracy
classes: np.ndarray[typing.Any, np.dtype[typing.Any]] = net.predict(test.X[:5])
print(last, accuracy, classes, net.W[0].shape)
"""
ESTIMATOR = """
import numpy as np

from fastnet.sklearn import MLPClassifier, MLPRegressor


def fitted(X: np.ndarray[typing.Any, np.dtype[np.float64]]) -> MLPRegressor:
    y = X.sum(axis=1)
    model = MLPRegressor("squared_error", (20, 10), activation="tanh", solver="lbfgs", max_iter=50)
    model.fit(X, y)
    return model


def stop(model: MLPClassifier) -> bool:
    return model.loss_curve_[-1] < 0.1


X = np.random.default_rng(0).random((100, 8))
labels = X[:, 0] > 0.5
model = MLPClassifier(hidden_layer_sizes=16, class_weight={0: 1, 1: 2.5}, random_state=0, callbacks=stop)
model.fit(X, labels, sample_weight=np.ones(100))
print(model.predict_proba(X).shape, model.to_network().sizes, fitted(X).predict(X))
"""
CALLBACK = """
import fastnet


class Watch:
    every: int | None = 100

    def __init__(self, goal: float) -> None:
        self.goal = goal
        self.losses: list[float] = []

    def __call__(self, net: fastnet.Network, epoch: fastnet.Epoch) -> bool:
        return epoch.val_accuracy is not None and epoch.val_accuracy > self.goal

    def step(self, net: fastnet.Network, step: fastnet.Step) -> None:
        self.losses.append(step.loss)


train, test = fastnet.load_data("glyphs")
net = fastnet.Network([784, 32, 10], seed=0)
history = fastnet.train(net, train.X, train.y, validation=(test.X, test.y), callbacks=Watch(0.9))
print([epoch.loss for epoch in history], history.stopped)
"""
PROGRAMS = {"driver": DRIVER, "estimator": ESTIMATOR, "callback": CALLBACK}
WRONG = {
    "driver": ("epochs=9", 'epochs="9"', '"epochs" to "train" has incompatible type'),
    "estimator": ('solver="lbfgs"', 'solver="newton"', '"solver" to "MLPRegressor" has incompatible type'),
    "callback": ("callbacks=Watch(0.9)", "callbacks=Watch", '"callbacks" to "train" has incompatible type'),
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What mypy --strict prints of all programs, right and wrong, by the name of the file."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("programs")
    for name, program in PROGRAMS.items():
        right, wrong, _ = WRONG[name]
        assert program.count(right) == 1
        for file, text in ((name, program), (f"wrong_{name}", program.replace(right, wrong))):
            (folder / f"{file}.py").write_text(f"import typing\n{text}", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.12", "--config-file", os.devnull, "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_right_by_strict_types(findings, name):
    assert [line for line in findings if line.startswith(f"{name}.py")] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_wrong_arguments_are_found(findings, name):
    errors = [line for line in findings if line.startswith(f"wrong_{name}.py") and ": error: " in line]
    assert len(errors) == 1
    assert WRONG[name][2] in errors[0]


def test_names_of_sets_are_those_that_are_known():
    assert typing.get_args(SetName) == tuple(KNOWN)


@pytest.mark.parametrize("function", [train, MLPClassifier.__init__, MLPRegressor.__init__])
def test_every_argument_has_a_type(function):
    names = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
    hints = typing.get_type_hints(function)
    assert set(names) - {"self"} <= set(hints)
    assert "return" in hints
