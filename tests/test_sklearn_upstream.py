"""scikit-learn's own tests of its multi-layer perceptrons, run unchanged on ours from the installed package."""

import importlib.util
from pathlib import Path
from unittest import mock

import pytest
import sklearn.neural_network

import fastnet.sklearn


def _upstream_tests() -> dict:
    file = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    spec = importlib.util.spec_from_file_location("upstream_test_mlp", file)
    module = importlib.util.module_from_spec(spec)
    ours = {name: getattr(fastnet.sklearn, name) for name in ("MLPClassifier", "MLPRegressor")}
    with mock.patch.multiple(sklearn.neural_network, **ours):
        spec.loader.exec_module(module)
    assert module.MLPClassifier is fastnet.sklearn.MLPClassifier
    return {name: item for name, item in vars(module).items() if name.startswith("test_")}


globals().update(_upstream_tests())

# Their file was written for pytest settings under which a warning is not an error.
pytestmark = [pytest.mark.upstream, pytest.mark.filterwarnings("default")]


@pytest.fixture
def global_random_seed():
    return 42


def test_the_upstream_file_is_found():
    assert sum(name.startswith("test_") for name in globals()) > 30
