"""scikit-learn's checks of estimators, without expected failures."""

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from fastnet.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ESTIMATORS = [
    MLPClassifier(),
    MLPRegressor(),
    MLPClassifier(solver="lbfgs", hidden_layer_sizes=10),
    MLPRegressor(solver="sgd", learning_rate_init=0.01, hidden_layer_sizes=10),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS[:2])
@pytest.mark.parametrize("check", [check_param_validation, check_dataframe_column_names_consistency])
def test_further_check(estimator, check):
    check(type(estimator).__name__, estimator)
