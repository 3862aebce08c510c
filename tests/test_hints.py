"""Words of other libraries: the error says what fastnet's word is."""

import copy
import inspect
import pickle

import numpy as np
import pandas
import pytest

import fastnet
from fastnet import hints

X = np.random.default_rng(0).standard_normal((30, 4))
y = np.arange(30) % 3


def network():
    return fastnet.Network([4, 5, 3], seed=0)


def told(error, call, *arguments, **keywords):
    with pytest.raises(error) as caught:
        call(*arguments, **keywords)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("word", "value", "hint"),
    [
        ("learning_rate", 0.1, "optimizer=fastnet.Adam(lr=1e-3)"),
        ("lr", 0.1, "optimizer=fastnet.Adam(lr=1e-3)"),
        ("validation_data", (X, y), "the word is validation=(X, y)"),
        ("validation_split", 0.1, "split the rows first and pass validation=(X, y)"),
        ("max_iter", 5, "the word is epochs="),
        ("n_epochs", 5, "the word is epochs="),
        ("verbose", 1, "the word is progress=True"),
        ("callback", print, "the word is callbacks="),
        ("activation", "relu", "fastnet.Network(sizes, hidden='relu')"),
        ("hidden_layer_sizes", (64,), "fastnet.Network([784, 64, 10])"),
        ("early_stopping", True, "the word is patience=5"),
        ("epoch", 5, "did you mean 'epochs'?"),
        ("batchsize", 5, "did you mean 'batch_size'?"),
    ],
)
def test_keywords_of_train(word, value, hint):
    text = told(TypeError, fastnet.train, network(), X, y, **{word: value})
    assert text.startswith(f"train has no argument {word!r}")
    assert hint in text


@pytest.mark.parametrize(
    ("word", "value", "hint"),
    [
        ("activation", "relu", "the word is hidden='relu'"),
        ("hidden_layer_sizes", (64,), "fastnet.Network([784, 64, 10])"),
        ("learning_rate", 0.1, "fastnet.train(..., optimizer=fastnet.Adam(lr=1e-3))"),
        ("max_iter", 5, "fastnet.train(..., epochs=)"),
        ("verbose", 1, "fastnet.train(..., progress=True)"),
        ("random_state", 1, "the word is seed="),
        ("hiden", "relu", "did you mean 'hidden'?"),
    ],
)
def test_keywords_of_network(word, value, hint):
    text = told(TypeError, fastnet.Network, [4, 3], **{word: value})
    assert text.startswith(f"Network has no argument {word!r}")
    assert hint in text


def test_a_word_that_nobody_knows_has_no_hint():
    assert told(TypeError, fastnet.Network, [4, 3], xyz=1) == "Network has no argument 'xyz'"


def test_positional_arguments():
    assert "fastnet.Network([784, 64, 10])" in told(TypeError, fastnet.Network, 784, 64, 10)
    assert "Network([784, 64, 10])" in told(TypeError, fastnet.Network, 784)
    assert "settings are keywords" in told(TypeError, fastnet.train, network(), X, y, 9)
    assert "missing" in told(TypeError, fastnet.train, network(), X)


def test_signatures_stay_those_of_the_functions():
    assert "batch_size" in inspect.signature(fastnet.train).parameters
    assert list(inspect.signature(fastnet.Network).parameters)[:2] == ["sizes", "hidden"]
    assert fastnet.train.__doc__.startswith("Train ``net`` in place")
    assert fastnet.train.__module__ == "fastnet.training"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("fit", "fastnet.train(net, X, y)"),
        ("score", "net.evaluate(X, y)"),
        ("predict_classes", "net.predict(X)"),
        ("coefs_", "net.W"),
        ("predictproba", "did you mean 'predict_proba'?"),
    ],
)
def test_attributes(word, hint):
    net = network()
    text = told(AttributeError, getattr, net, word)
    assert text.startswith(f"'Network' object has no attribute {word!r}")
    assert hint in text
    assert not hasattr(net, word)


def test_copies_and_pickles_still_work():
    for again in (copy.copy(network()), pickle.loads(pickle.dumps(network()))):
        np.testing.assert_array_equal(again.predict_proba(X), network().predict_proba(X))


def test_no_hint_is_for_a_word_that_there_is():
    for name, words in hints.KEYWORDS.items():
        assert not set(words) & set(inspect.signature(getattr(fastnet, name)).parameters)
    assert not set(hints.ATTRIBUTES) & (set(dir(network())) | set(vars(network())))


@pytest.mark.parametrize(
    ("optimizer", "hint"),
    [
        ("adam", "pass fastnet.Adam(1e-3)"),
        ("sgd", "pass fastnet.SGD(0.1)"),
        ("Momentum", "pass fastnet.Momentum(0.1)"),
        (fastnet.Adam, "pass fastnet.Adam(1e-3)"),
        (fastnet.SGD, "pass fastnet.SGD(0.1)"),
        (0.1, "pass fastnet.Adam(1e-3)"),
    ],
)
def test_optimizers(optimizer, hint):
    text = told(TypeError, fastnet.train, network(), X, y, optimizer=optimizer)
    assert text.startswith("optimizer must be an SGD, Momentum or Adam of fastnet, got ")
    assert text.endswith(hint)


@pytest.mark.parametrize(
    ("validation", "got"), [(0.1, "got 0.1"), ((X, y, y), "got 3 items"), ("x", "got 'x'"), (X, "got array([[")]
)
def test_validation_that_is_no_pair(validation, got):
    text = told(TypeError, fastnet.train, network(), X, y, validation=validation)
    assert text.startswith(f"validation must be a pair (X, y) of rows to evaluate on, {got}")
    assert text.endswith(": split the rows first")
    assert len(text) < 140


@pytest.mark.parametrize(
    "labels",
    [
        pandas.Series(list("abc") * 10),
        pandas.Series(list("abc") * 10, dtype="category"),
        pandas.Series(list("abc") * 10, dtype="string"),
        pandas.DataFrame({"y": list("abc") * 10}),
        np.array(list("abc") * 10, object),
        list("abc") * 10,
    ],
)
def test_labels_of_text(labels):
    for call in (lambda: fastnet.train(network(), X, labels), lambda: network().evaluate(X, labels)):
        text = told(TypeError, call)
        assert "y must hold real numbers, got text" in text
        assert "names, y = np.unique(y, return_inverse=True)" in text
    names, numbers = np.unique(np.asarray(labels).ravel().astype(str), return_inverse=True)
    net = fastnet.Network([4, 3], class_names=names, seed=0)
    fastnet.train(net, X, numbers, epochs=1)
    assert net.class_names == ("a", "b", "c")


def test_categories_of_numbers_are_labels():
    assert np.isfinite(fastnet.train(network(), X, pandas.Series(y).astype("category"), epochs=1).epochs[0].loss)


@pytest.mark.parametrize("dtype", ["object", "category", "string", "datetime64[ns]"])
def test_a_column_that_holds_no_numbers_is_named(dtype):
    table = pandas.DataFrame(X, columns=["a", "b", "c", "town"])
    table["town"] = pandas.Series(["2020-01-01"] * 30).astype(dtype)
    for call in (lambda: fastnet.train(network(), table, y), lambda: network().predict(table)):
        text = told(TypeError, call)
        assert "X must hold real numbers, got other columns: 'town' (" in text
        assert "pandas.get_dummies" in text


def test_tables_of_numbers_are_taken():
    table = pandas.DataFrame(X, columns=list("abcd"))
    np.testing.assert_array_equal(network().predict_proba(table), network().predict_proba(X))


@pytest.mark.parametrize(("labels", "hint"), [([0, 1, 5], "make the network's last size 6"), ([1, 2, 3], "subtract 1")])
def test_labels_beyond_the_last_layer(labels, hint):
    assert hint in told(ValueError, fastnet.train, network(), X[:3], labels)
    assert "last size" not in told(ValueError, fastnet.train, network(), X[:3], [-1, 0, 0])
