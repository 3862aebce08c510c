"""What all pictures have in common: paper, colours, type, and text that is drawn as it stands."""

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np
from matplotlib import font_manager, style
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Of Okabe and Ito: told apart by colour-blind readers, and by their lightness in print.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
WIDTH, HEIGHT = 4.6, 2.9  # inches of one panel: as wide as a phone at Matplotlib's 100 dots per inch
PAD = 0.08  # inches
LONGEST = 22  # letters of a label
STYLE = {
    # Letters as paths: with another font, which a viewer may put in, labels overlap or are cut.
    "svg.fonttype": "path", "svg.hashsalt": "fastnet", "font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "legend.fontsize": 8,
}  # fmt: skip

P = ParamSpec("P")


class Picture(Figure):
    """A Figure that Jupyter shows, also where no backend of pyplot has been chosen."""

    def _repr_png_(self) -> bytes:
        return image(self, "png", dpi=100)


def styled(draw: Callable[P, Picture]) -> Callable[P, Figure]:
    """Decorate a function that makes a Picture: it is drawn in fastnet's style, whatever the user's is."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", STYLE]):
            picture = draw(*args, **kwargs)
            picture.draw_without_rendering()  # what is made on drawing, such as ticks, takes the style then in force
        return picture

    return drawn


def panels(
    n: int = 1, columns: int = 1, *, width: float = WIDTH, height: float = HEIGHT, pad: float = PAD
) -> tuple[Picture, list[Any]]:
    """A Picture of ``n`` axes in so many columns, and the axes. width, height : of each; pad : around it; in inches."""
    columns = min(n, columns)
    rows = -(-n // columns)
    layout = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad)
    figure = Picture(figsize=(columns * width, rows * height), layout=layout)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(n)]
    return figure, axes


def histogram(axis: Any, values: np.ndarray, bars: int) -> None:
    """So many bars of the counts of finite values (n,) float64, also where all are (almost) the same."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    least = 1e-9 * max(abs(low), abs(high))  # of float64, narrower bars may have no width
    if high - low < least:
        low, high = low - least, high + least
    axis.hist(values, bins=bars, range=(low, high), color=BLUE)


def image(figure: Figure, form: str, dpi: int = 200) -> bytes:
    """The bytes of the figure as "png" or "svg"; the same figure gives the same bytes."""
    file = io.BytesIO()
    with style.context(["default", STYLE]):
        figure.savefig(file, format=form, dpi=dpi, metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()


def plain(text: str, longest: int = LONGEST) -> str:
    """Text on one line, cut to a length, in which Matplotlib takes dollars for dollars and not for formulas."""
    line = " ".join(text.split())
    return (line if len(line) <= longest else line[: longest - 1] + "…").replace("$", r"\$")


def class_labels(k: int, class_names: Sequence[str] | None, longest: int = LONGEST) -> list[str]:
    """What the classes are called in a picture: by name where there is one and the font has its letters."""
    if class_names is None:
        return [str(i) for i in range(k)]
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    known = [all(font.get_char_index(ord(c)) for c in name if not c.isspace()) for name in class_names]
    return [
        plain(name, longest) if fine else str(i) for i, (name, fine) in enumerate(zip(class_names, known, strict=True))
    ]
