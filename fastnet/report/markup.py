"""HTML from Python: every text is escaped, unless it is markup that was made here."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VOID = ("img", "meta")


class Markup(str):
    """Text that is HTML already."""


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element. children : markup, text, or anything that str() makes text of. ``class_`` is the attribute class."""
    inner = "".join(map(escaped, children))
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{words}>" if name in VOID else f"<{name}{words}>{inner}</{name}>")


def escaped(value: Any) -> str:
    """Text as HTML; characters that no page may hold, such as zeros and half surrogates, become question marks."""
    if isinstance(value, Markup):
        return value
    allowed = (c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return html.escape("".join(allowed))


def joined(parts: Iterable[Markup]) -> Markup:
    """Markup after markup."""
    return Markup("\n".join(parts))


def section(title: str, *parts: Markup | None) -> Markup:
    """A section with its heading; absent parts are left out."""
    return tag("section", tag("h2", title), *(part for part in parts if part is not None))


def note(text: str) -> Markup:
    """A line about what the page does not show, or how to read what it shows."""
    return tag("p", text, class_="note")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, words: int = 1) -> Markup:
    """A table that scrolls in its own box where it is too wide; after so many columns of words come numbers."""
    kinds = ["word" if i < words else "number" for i in range(len(head))]
    top = tag("tr", *(tag("th", text, scope="col", class_=kind) for text, kind in zip(head, kinds, strict=True)))
    lines = [tag("tr", *(tag("td", c, class_=kind) for c, kind in zip(row, kinds, strict=True))) for row in rows]
    # With tabindex the box can be scrolled by the keyboard.
    return tag("div", tag("table", tag("thead", top), tag("tbody", *lines)), class_="scroll", tabindex="0")


def facts(pairs: Iterable[tuple[str, Any]]) -> Markup:
    """Names and what they are."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))


def picture(figure: "Figure", alt: str, form: str = "svg") -> Markup:
    """A figure as an image that is part of the page. form : "svg", or "png" for one that consists of images."""
    from fastnet.pictures.style import image

    kind = {"svg": "image/svg+xml", "png": "image/png"}[form]
    width, height = (round(100 * inches) for inches in figure.get_size_inches())
    return _img(image(figure, form), kind, alt, width, height, "picture")


def thumbnail(pixels: np.ndarray, alt: str) -> Markup:
    """A small grey image (h, w), dark where its values are large."""
    from PIL import Image  # Matplotlib needs it, so it is there

    values = np.nan_to_num(pixels.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    grey = 255 - 255 * (values - low) / ((high - low) or 1.0)
    file = io.BytesIO()
    Image.fromarray(grey.round().astype(np.uint8)).save(file, "PNG")
    return _img(file.getvalue(), "image/png", alt, pixels.shape[1], pixels.shape[0], "thumbnail")


def _img(content: bytes, kind: str, alt: str, width: int, height: int, class_: str) -> Markup:
    source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return tag("img", src=source, alt=alt, width=width, height=height, class_=class_)
