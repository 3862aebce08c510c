"""The parts of a report that are about the network: what it is, and how good it is on rows with a known truth."""

from typing import Any

import numpy as np

from fastnet import summary
from fastnet.metrics import class_scores, confusion_matrix
from fastnet.pictures import confusion_matrix as matrix_picture
from fastnet.pictures import first_layer, predicted_against_true, residual_histogram, residuals, weight_histograms
from fastnet.pictures import importance as importance_picture
from fastnet.pictures.mistakes import Mistake
from fastnet.report.markup import Markup, note, picture, section, table, tag, thumbnail
from fastnet.report.material import Judged, Material
from fastnet.summary import grouped

WORST = 30  # mistakes shown
LINES = 200  # of the table of classes
UNITS = 64  # of the first layer


def layers(material: Material) -> Markup:
    """The table of the network's layers."""
    if material.network is None:
        return section("Network", note(material.missing["network"]))
    rows = [layer.cells() for layer in summary.layers(material.network)]
    return section("Network", table(summary.HEAD, rows, words=3), *map(note, summary.NOTE))


def results(material: Material) -> list[Markup]:
    """How good the network is: sections for a classification or for a regression."""
    judged, network = material.judged, material.network
    if judged is None or network is None:
        return [section("Predictions", note(material.missing["rows"]))]
    if network.is_regression:
        return [_values(judged)]
    names = material.class_names or [str(i) for i in range(max(2, network.sizes[-1]))]
    return [_matrix(material, judged, len(names)), _worst(material, judged, names), _classes(judged, names)]


def _matrix(material: Material, judged: Judged, k: int) -> Markup:
    counts = confusion_matrix(judged.y, judged.predicted, k)
    right = grouped(int(counts.trace()))
    text = f"{right} of {grouped(len(judged.y))} {judged.kind} rows are right. A cell is dark by its share of its row."
    return section("Confusion matrix", picture(matrix_picture(counts, material.class_names), text), note(text))


def _worst(material: Material, judged: Judged, names: list[str]) -> Markup:
    """The mistakes that the network is surest of: as images, or as a table."""
    found = judged.mistakes[:WORST]
    if not found:
        return section("Worst errors", note(f"None of the {judged.kind} rows is wrong."))
    text = f"{len(found)} of {grouped(len(judged.mistakes))} errors, those that the network is surest of."
    if material.image_shape is None:
        rows = [(m.row, names[m.predicted], names[m.true], f"{m.confidence:.1%}") for m in found]
        shown = table(("row", "predicted", "true", "confidence"), rows, words=3)
    else:
        shown = tag("div", *(_tile(judged, mistake, names) for mistake in found), class_="gallery")
    return section("Worst errors", note(text), shown)


def _tile(judged: Judged, mistake: Mistake, names: list[str]) -> Markup:
    """An image with what it was taken for."""
    assert judged.dataset.image_shape is not None
    pixels = judged.dataset.X[mistake.row].reshape(judged.dataset.image_shape)
    said, true = names[mistake.predicted], names[mistake.true]
    caption = tag("figcaption", tag("b", said), f" {mistake.confidence:.1%}", tag("span", f"true: {true}"))
    return tag("figure", thumbnail(pixels, f"row {mistake.row}: {true}, taken for {said}"), caption)


def _classes(judged: Judged, names: list[str]) -> Markup:
    """Precision, recall, f1 and support of each class, of very many classes those of the lowest f1."""
    *scores, support = class_scores(judged.y, judged.predicted, len(names))
    shown = np.arange(len(names)) if len(names) <= LINES else np.argsort(scores[2], kind="stable")[:LINES]
    rows = [(names[i], *(f"{score[i]:.3f}" for score in scores), grouped(int(support[i]))) for i in shown]
    total = grouped(len(judged.y))
    rows.append(("macro average", *(f"{score.mean():.3f}" for score in scores), total))
    rows.append(("weighted average", *(f"{np.average(score, weights=support):.3f}" for score in scores), total))
    some = note(f"{LINES} of {len(names)} classes, those of the lowest f1.") if len(shown) < len(names) else None
    return section("Classes", table(("class", "precision", "recall", "f1", "support"), rows), some)


def _values(judged: Judged) -> Markup:
    """A regression's figures and pictures."""
    y = judged.y.reshape(judged.predicted.shape)
    found = judged.evaluation
    rows = [(judged.kind, grouped(len(y)), f"{found.r2:.4f}", f"{found.rmse:.4g}", f"{found.loss:.4g}")]
    head = ("rows", "number", "R²", "RMSE", "loss")
    if not np.isfinite(found.rmse):
        return section("Predictions", table(head, rows), note("No pictures: not all of the values are finite."))
    pictures = [
        picture(predicted_against_true(y, judged.predicted), "Dots: predicted over true values"),
        picture(residuals(y, judged.predicted), "Dots: residuals over predicted values"),
        picture(residual_histogram(y, judged.predicted), "Histogram: residuals"),
    ]
    return section("Predictions", table(head, rows), tag("div", *pictures, class_="pictures"))


def columns(material: Material) -> Markup | None:
    """What the columns are worth to the network, where they are no pixels."""
    found = material.importance
    if found is None or material.judged is None or not np.isfinite(found.drops).all():
        return None
    score = "accuracy" if found.measure == "accuracy" else "R²"
    text = (
        f"A bar is as long as the {score} drops when the values of a column are shuffled among {grouped(found.rows)} "
        f"{material.judged.kind} rows: the mean of {found.drops.shape[1]} times, with a standard deviation to either "
        "side. Columns that tell the same share their importance: each alone may look as if it did not matter."
    )
    if material.network is None or material.network.preprocess is None:
        text += " The columns have their numbers, from 0 on."
    best = ", ".join(found.names[i] for i in np.argsort(-found.mean, kind="stable")[:3])
    alt = f"Bars: importance of the columns, the most important are {best}"
    return section("Importance of the columns", picture(importance_picture(found), alt), note(text))


def weights(material: Material) -> Markup | None:
    """Histograms of all layers, and the first layer's weights where the inputs are images."""
    network = material.network
    if network is None:
        return None
    parts: list[Any] = [picture(weight_histograms(network), "Histograms: weights of each layer")]
    if material.image_shape is not None:
        n = min(UNITS, network.sizes[1])
        some = f"the first {n} of {network.sizes[1]} units" if n < network.sizes[1] else f"all {n} units"
        text = f"First layer, {some}: red pixels speak for a unit, blue ones against it."
        alt = "Images: weights of the first layer"
        parts += [note(text), picture(first_layer(network, material.image_shape, most=UNITS), alt, "png")]
    return section("Weights", *parts)
