"""Pictures of a run and of a network (extra plot).

Each function returns a Matplotlib Figure, made without pyplot: nothing of the user's backend or style changes. In
Jupyter a figure that is the last value of a cell shows itself; `figure.savefig(path)` writes it.
"""

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError("pictures need Matplotlib, which is not installed: pip install 'fastnet[plot]'") from error

from fastnet.pictures.columns import importance
from fastnet.pictures.courses import curves, learning_rate, loss, lr_finder, score
from fastnet.pictures.mistakes import confusion_matrix, misclassified
from fastnet.pictures.searches import search, search_course, search_importance, search_setting
from fastnet.pictures.values import predicted_against_true, residual_histogram, residuals
from fastnet.pictures.weights import first_layer, weight_histograms

__all__ = [
    "confusion_matrix",
    "curves",
    "first_layer",
    "importance",
    "learning_rate",
    "loss",
    "lr_finder",
    "misclassified",
    "predicted_against_true",
    "residual_histogram",
    "residuals",
    "score",
    "search",
    "search_course",
    "search_importance",
    "search_setting",
    "weight_histograms",
]
