"""Pictures: what they say and show, not how they look."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from figure_checks import inside
from matplotlib.figure import Figure

import fastnet
from fastnet import pictures
from fastnet.history import Epoch, History
from fastnet.pictures import style
from fastnet.pictures.mistakes import Mistake, mistakes

RUN = History(
    [Epoch(i, 0.1, 1 / i, val_loss=2 / i, val_accuracy=1 - 0.5 / i, lr=0.1) for i in range(1, 6)], best_epoch=4
)


def titles(figure):
    return [axis.get_title(loc="left") for axis in figure.axes]


def lines(axis):
    """The points of each line that has a label."""
    return {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}


def texts(figure):
    """All text that is shown."""
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text() and text.get_visible()}


def test_curves_show_the_epochs():
    figure = RUN.plot()
    assert isinstance(figure, Figure)
    assert titles(figure) == ["Loss", "Accuracy"]  # the learning rate never changes
    loss = lines(figure.axes[0])
    assert loss["training"] == [[i, 1 / i] for i in range(1, 6)]
    assert loss["validation"] == [[i, 2 / i] for i in range(1, 6)]
    assert loss["best epoch, 4"][0][0] == 4
    assert lines(figure.axes[1])["validation"][-1] == [5, 0.9]
    assert {"training", "validation", "best epoch, 4", "90%"} <= texts(figure)
    assert inside(figure)


def test_curves_of_a_regression_with_a_schedule():
    history = History([Epoch(i, 0.1, 1.0, val_r2=0.5 + i / 10, lr=1 / i, train_loss=3.0) for i in (1, 2)])
    figure = pictures.curves(history, held_out="test")
    assert titles(figure) == ["Loss", "R²", "Learning rate at the end of the epoch"]
    assert lines(figure.axes[0])["training"] == [[1, 3.0], [2, 3.0]]  # the full pass, not the running mean
    assert lines(figure.axes[1])["test"] == [[1, 0.6], [2, 0.7]]
    assert inside(figure)


def test_curves_of_one_epoch_and_of_losses_that_are_not_finite():
    assert titles(History([Epoch(1, 0.1, 0.5)]).plot()) == ["Loss"]
    figure = History([Epoch(1, 0.1, 0.5), Epoch(2, 0.1, float("nan"))]).plot()
    assert len(lines(figure.axes[0])["training"]) == 2


def test_a_loss_over_decades_is_logarithmic():
    assert History([Epoch(1, 0.1, 1.0), Epoch(2, 0.1, 1e-3)]).plot().axes[0].get_yscale() == "log"
    assert History([Epoch(1, 0.1, 1.0), Epoch(2, 0.1, -1.0)]).plot().axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("draw", [pictures.curves, pictures.loss, pictures.score, pictures.learning_rate])
def test_nothing_to_draw(draw):
    with pytest.raises(ValueError, match="history must have"):
        draw(History())


def test_range_test_marks_its_suggestion():
    lrs, losses = np.logspace(-4, 1, 50), np.r_[np.linspace(2, 1, 40), np.full(9, 1e6), np.nan]
    figure = pictures.lr_finder(lrs, losses, 0.03)
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    assert lines(axis)["suggestion 0.03"][0][0] == 0.03
    assert 2 < axis.get_ylim()[1] < 10  # what runs away is cut off
    assert inside(figure)
    assert "suggestion 0.03" not in texts(pictures.lr_finder(lrs, losses))


@pytest.mark.parametrize(
    ("lrs", "losses", "words"), [([1, 2], [1], "one length"), ([1, 2], [np.nan] * 2, "a finite number, got none")]
)
def test_range_tests_that_cannot_be_drawn(lrs, losses, words):
    with pytest.raises(ValueError, match=words):
        pictures.lr_finder(lrs, losses)


def test_confusion_matrix_has_its_counts_and_names():
    counts = fastnet.confusion_matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0])
    figure = pictures.confusion_matrix(counts, ["a $cat$", "x" * 50, "<b>"])
    (axis,) = figure.axes
    cells = {(t.get_position(), t.get_text()) for t in axis.texts}
    assert cells == {((0, 0), "1"), ((1, 0), "1"), ((1, 1), "1"), ((0, 2), "1"), ((2, 2), "2")}
    shares = np.square(axis.images[0].get_array())
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0], [0, 1, 0], [1 / 3, 0, 2 / 3]])
    assert [label.get_text() for label in axis.get_yticklabels()] == [r"a \$cat\$", "x" * 21 + "…", "<b>"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")
    assert inside(figure)


def test_of_many_classes_those_with_mistakes_are_shown():
    counts = np.eye(50, dtype=int) * 9
    counts[40, 45] = 7
    figure = pictures.confusion_matrix(counts)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 30
    assert {"40", "45"} <= set(labels)
    assert "30 of 50 classes" in figure.axes[0].get_xlabel()
    assert inside(figure)


def test_confusion_matrix_is_square():
    with pytest.raises(ValueError, match=r"counts must have shape \(k, k\), got \(2, 3\)"):
        pictures.confusion_matrix(np.zeros((2, 3)))


def test_letters_that_the_font_lacks_give_way_to_numbers():
    assert style.class_labels(3, ["名前", "two\nlines", "é"]) == ["0", "two lines", "é"]


def test_mistakes_come_most_confident_first():
    y, outputs = [0, 1, 1, 0], np.array([[0.4, 0.6], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]])
    expected = [Mistake(1, 1, 0, 0.9), Mistake(3, 0, 1, 0.8), Mistake(0, 0, 1, 0.6)]
    assert mistakes(y, outputs.argmax(axis=1), outputs) == expected
    assert mistakes(y, outputs.argmax(axis=1), outputs, most=1) == expected[:1]
    assert mistakes([1, 0], [0, 1], np.array([[0.25], [0.7]])) == [Mistake(0, 1, 0, 0.75), Mistake(1, 0, 1, 0.7)]
    assert mistakes([1], [1], np.array([[0.0, 1.0]])) == []


def test_gallery_of_mistakes():
    X = np.arange(3 * 12, dtype=np.uint8).reshape(3, 12)
    outputs = np.array([[0.1, 0.9], [0.7, 0.3], [0.2, 0.8]])
    figure = pictures.misclassified(X, [0, 0, 0], outputs, class_names=["cat", "dog"], image_shape=(3, 4))
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown] == ["dog\ntrue: cat\n90.0%", "dog\ntrue: cat\n80.0%"]
    np.testing.assert_array_equal(shown[1].images[0].get_array(), X[2].reshape(3, 4))
    assert inside(figure)
    with pytest.raises(ValueError, match=r"image_shape must be \(h, w\) with h \* w = 12, got None"):
        pictures.misclassified(X, [0, 0, 0], outputs)
    assert "no mistakes" in texts(pictures.misclassified(X.reshape(3, 3, 4), [1, 0, 1], outputs))


def test_first_layer_shows_the_weights_of_each_unit():
    net = fastnet.Network([6, 5, 3], seed=0)
    figure = pictures.first_layer(net, (2, 3), most=4)
    images = [axis.images[0] for axis in figure.axes]
    assert len(images) == 4
    np.testing.assert_allclose(images[2].get_array(), net.W[0][:, 2].reshape(2, 3))
    assert len({image.get_clim() for image in images}) == 1
    low, high = images[0].get_clim()
    assert low == -high < 0
    with pytest.raises(ValueError, match="image_shape"):
        pictures.first_layer(net)


def test_histograms_count_every_weight():
    net = fastnet.Network([784, 9, 3], seed=0)
    net.W[1][0, 0] = np.nan
    figure = pictures.weight_histograms(net)
    assert titles(figure) == ["Layer 1: 784 x 9", "Layer 2: 9 x 3"]
    counts = [sum(bar.get_height() for bar in axis.patches) for axis in figure.axes]
    assert counts == [784 * 9, 9 * 3 - 1]
    assert inside(figure)


def test_histograms_of_large_and_of_nearly_equal_weights():
    net = fastnet.Network([4, 2], seed=0)
    for ends in ((-3e38, 3e38), (1.0, np.nextafter(np.float32(1), 2)), (3e38,), (0.0,)):
        net.W[0][:] = np.resize(ends, (4, 2))
        (axis,) = pictures.weight_histograms(net).axes
        assert sum(bar.get_height() for bar in axis.patches) == 8


def test_values_of_a_regression():
    y, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    (axis,) = pictures.predicted_against_true(y, predicted).axes
    np.testing.assert_allclose(axis.collections[0].get_offsets(), np.column_stack([y, predicted]))
    (axis,) = pictures.residuals(y, predicted).axes
    np.testing.assert_allclose(axis.collections[0].get_offsets(), np.column_stack([predicted, y - predicted]))
    (axis,) = pictures.residual_histogram(y, predicted).axes
    assert sum(bar.get_height() for bar in axis.patches) == 3
    assert (axis.patches[0].get_x(), axis.patches[-1].get_x() + axis.patches[-1].get_width()) == (-0.5, 1)


VALUES = (pictures.predicted_against_true, pictures.residuals, pictures.residual_histogram)


@pytest.mark.parametrize("draw", VALUES)
def test_values_of_many_outputs_and_of_constant_ones(draw):
    many = np.zeros((10_000, 9))
    figure = draw(many, many)
    assert len(figure.axes) == 6
    assert titles(figure)[-1].endswith(", output 5")
    assert inside(figure)
    with pytest.raises(ValueError, match="one shape"):
        draw(many[:, 0], many)


def test_every_row_of_many_is_counted(rng):
    y = rng.standard_normal(5000)
    y[77] = 30.0  # a row that a sample would hardly hold
    (axis,) = pictures.predicted_against_true(y, y).axes
    cells = axis.collections[0]
    assert cells.get_array().sum() == 5000
    assert len(cells.get_offsets()) < 1000
    (alone,) = np.flatnonzero(cells.get_offsets()[:, 0] > 20)
    assert cells.get_facecolor()[alone][:3].mean() < 0.9  # not as white as the paper
    (axis,) = pictures.residual_histogram([1e20, 1e20], [0.0, 1.0]).axes
    assert sum(bar.get_height() for bar in axis.patches) == 2
    (axis,) = pictures.residual_histogram(y, np.zeros(5000)).axes
    assert sum(bar.get_height() for bar in axis.patches) == 5000
    assert axis.get_xlim()[1] < 10  # the row counts in the last bar


@pytest.mark.parametrize("draw", VALUES)
def test_values_that_are_not_finite_are_left_out(draw):
    (axis,) = draw([1.0, 2.0, np.nan, 4.0], [1.0, np.inf, 3.0, 5.0]).axes
    assert np.isfinite(axis.get_xlim()).all()
    with pytest.raises(ValueError, match="a row of finite numbers, got none in 1"):
        draw([1.0], [np.nan])


def test_bars_of_importance():
    drops = np.array([[0.1, 0.3], [0.5, 0.5], [-0.1, -0.1]])
    found = fastnet.Importance(("a $x$", "y" * 50, "c"), drops, 0.9, "accuracy", 100)
    figure = pictures.importance(found)
    figure.draw_without_rendering()  # with older Matplotlib ticks have their labels only then
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.5, 0.2, -0.1])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["y" * 21 + "…", r"a \$x\$", "c"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the most important on top
    ends = [segment[:, 0] for segment in axis.collections[0].get_segments()]
    np.testing.assert_allclose(ends, [[0.5, 0.5], [0.1, 0.3], [-0.1, -0.1]])
    assert "40%" in texts(figure)
    assert axis.get_xlabel() == "drop of accuracy when shuffled"
    assert inside(figure)


def test_of_many_columns_the_most_important_have_bars():
    found = fastnet.Importance(("name of a column" * 2,) * 200, np.eye(200, 3), 0.9, "r2", 100)
    figure = pictures.importance(found)
    assert len(figure.axes[0].patches) == 20
    assert figure.axes[0].get_xlabel() == "drop of R² when shuffled\n20 of 200 columns, the most important"
    assert inside(figure)


def test_the_users_style_and_pyplot_are_left_alone():
    code = """
import sys
import matplotlib
matplotlib.rcParams["text.color"] = "white"

def settings():  # without "backend": to read it would choose one
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}

before = settings()
from fastnet.history import Epoch, History
figure = History([Epoch(1, 0.1, 0.5)]).plot()
assert figure._repr_png_().startswith(b"\\x89PNG")
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
assert {text.get_color() for text in figure.findobj(matplotlib.text.Text)} == {"black"}
assert figure.get_facecolor() == (1, 1, 1, 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_same_picture_has_the_same_bytes():
    first, again = (style.image(RUN.plot(), "svg") for _ in range(2))
    assert first == again
    assert b"<svg" in first


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fastnet.pictures")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pictures need Matplotlib, .*: pip install 'fastnet\[plot\]'"):
        RUN.plot()
