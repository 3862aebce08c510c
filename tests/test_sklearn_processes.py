"""Estimators among threads and processes: copies, pickles, memory maps, grid searches."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnet import engine
from fastnet.kernels.step.train import train_steps
from fastnet.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_classification(300, 12, n_informative=6, random_state=0)
SMALL = {"hidden_layer_sizes": (10, 5), "max_iter": 5, "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    return MLPClassifier(**SMALL, early_stopping=True).fit(X, y)


def assert_equal_models(a, b):
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    assert a.partial_fit(X, y).loss_ == b.partial_fit(X, y).loss_


def test_pickle():
    model = MLPClassifier(**SMALL).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert again.coefs_[0].base is again.intercepts_[1].base is not None
    assert_equal_models(model, again)
    assert not np.shares_memory(model.coefs_[0], again.coefs_[0])


@pytest.mark.parametrize(
    "settings",
    [{"solver": "adam"}, {"solver": "sgd", "learning_rate": "invscaling"}, {"dropout": 0.3}, {"early_stopping": True}],
    ids=str,
)
def test_a_warm_start_after_unpickling_goes_on_with_the_same_bits(settings):
    """The moments, too, and a generator that was handed over with its state."""
    made = SMALL | {"warm_start": True, "max_iter": 3, "random_state": np.random.RandomState(5)} | settings
    model = MLPClassifier(**made).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    for _ in range(2):
        model.fit(X, y)
        again.fit(X, y)
        for a, b in zip(model.coefs_ + model.intercepts_, again.coefs_ + again.intercepts_, strict=True):
            np.testing.assert_array_equal(a, b)
    assert model.loss_curve_ == again.loss_curve_
    assert model.t_ == again.t_


def test_pickle_of_replaced_weights(fitted):
    model = MLPClassifier(**SMALL).fit(X, y)
    model.coefs_[1] = model.coefs_[1] * 2
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.coefs_[1], model.coefs_[1])
    assert_equal_models(model, again)


def test_clone(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "coefs_")
    with_data = MLPClassifier(validation_data=(X, y), callbacks=[print])
    assert clone(with_data).callbacks == [print]


def test_weights_in_a_read_only_memory_map(tmp_path, fitted):
    joblib.dump(fitted, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped.coefs_[0].flags.writeable
    np.testing.assert_array_equal(mapped.predict_proba(X), fitted.predict_proba(X))
    mapped.set_params(early_stopping=False).partial_fit(X, y)  # on a copy


@pytest.mark.parametrize("order", ["C", "F"])
def test_data_in_a_read_only_memory_map(tmp_path, order):
    joblib.dump(np.array(X, order=order), tmp_path / "X")
    mapped = joblib.load(tmp_path / "X", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    expected, got = MLPClassifier(**SMALL).fit(X, y), MLPClassifier(**SMALL).fit(mapped, y)
    assert got.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(got.predict_proba(mapped), expected.predict_proba(X))


@pytest.mark.parametrize("change", [lambda X: X[::-1, ::-1][::-1, ::-1], lambda X: X.astype(">f8"), np.ndarray.tolist])
def test_memory_layouts(change):
    expected, got = MLPRegressor(**SMALL).fit(X, y), MLPRegressor(**SMALL).fit(change(X), y)
    assert got.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(got.predict(change(X)), expected.predict(X))


def test_sparse_equals_dense_with_wide_indices():
    sparse = scipy.sparse.csr_array(np.where(X > 1, X, 0))
    wide = sparse.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    dense = MLPClassifier(**SMALL).fit(sparse.toarray(), y)
    for matrix in (sparse, wide):
        model = MLPClassifier(**SMALL).fit(matrix, y)
        np.testing.assert_allclose(model.loss_curve_, dense.loss_curve_, rtol=1e-12)
        np.testing.assert_allclose(model.predict_proba(matrix), dense.predict_proba(sparse.toarray()), rtol=1e-9)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search(backend):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(**SMALL)),
        {"mlpclassifier__alpha": [1e-4, 1e-1], "mlpclassifier__solver": ["adam", "sgd"]},
        cv=2,
    )
    serial = clone(search).fit(X, y).cv_results_
    with joblib.parallel_config(backend, n_jobs=2):
        parallel = search.fit(X, y).cv_results_
    np.testing.assert_array_equal(parallel["mean_test_score"], serial["mean_test_score"])


def _fit_in_a_worker(seed):
    MLPClassifier(**{**SMALL, "random_state": seed}).fit(X, y)
    return sum(train_steps.stats.cache_misses.values()), engine.available_threads()


def test_workers_compile_nothing_and_share_the_cores():
    MLPClassifier(**SMALL).fit(X, y)
    with joblib.parallel_config("loky", n_jobs=2):
        results = joblib.Parallel()(joblib.delayed(_fit_in_a_worker)(seed) for seed in range(4))
    assert {misses for misses, _ in results} == {0}
    assert max(threads for _, threads in results) <= max(1, joblib.cpu_count() // 2)


def test_cross_validation_passes_large_data_as_memory_maps():
    large = np.tile(X, (40, 3)).astype(np.float64)  # more than the 1 MB from which joblib maps
    model = MLPClassifier(**{**SMALL, "max_iter": 2})
    scores = cross_validate(model, large, np.tile(y, 40), cv=2, n_jobs=2)["test_score"]
    assert scores.min() > 0.5


def test_fits_in_threads_equal_fits_in_turn():
    def fit(seed):
        return MLPClassifier(**{**SMALL, "random_state": seed}, n_threads=2).fit(X, y)

    expected = [fit(seed).loss_curve_ for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        assert [model.loss_curve_ for model in pool.map(fit, range(6))] == expected
        assert expected[0] != expected[1]
        model = fit(0)
        outputs = list(pool.map(lambda _: model.predict_proba(X), range(8)))
    assert all(np.array_equal(outputs[0], other) for other in outputs)
