"""A drawing or photo of a digit as MNIST has its digits: light ink on black, 20 pixels long, centred by mass.

MNIST's digits were scaled into a box of 20x20 pixels, with their aspect ratio kept and grey levels by anti-aliasing,
and moved so that the centre of mass is at the centre of 28x28 (http://yann.lecun.com/exdb/mnist). Images of another
side get a box of the same share. Measured on MNIST, the centre is row 14 and column 14, counted from 0.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BOX, SIDE = 20, 28  # of MNIST
LONGEST = 10_000  # pixels of a side: no camera's picture is longer, and more would need much memory
FAINTEST = 24.0  # grey levels that ink differs by from the paper, at least
WORKED_ON = 1000  # pixels of the longer side; larger pictures are made smaller first
UNEVEN = 0.15  # of the contrast: paper that differs more than this along the border has shadows
COARSE = 96  # pixels of the longer side where shadows are looked for
THIN, THICK = 0.05, 0.12  # of the longer side: strokes below the one become the other; MNIST's are from 0.07 to 0.2
FINE = 4  # pixels for one of the final image, in which a drawing is measured and cropped: few enough to average noise
FAINT = 0.1  # of full ink: less does not count for the size of a drawing


def prepare(picture: np.ndarray, side: int) -> tuple[np.ndarray, str]:
    """(image uint8 (side, side), what was done in words) of a drawing.

    picture : uint8 (h, w), dark ink on a light background or light ink on a dark one, whichever the border shows.

    Paper with shadows is evened out; Otsu's threshold tells ink from paper, and what is not close to ink is removed.
    Strokes far thinner than MNIST's are thickened. Raises ValueError if nothing is drawn, and on sides over LONGEST.
    """
    if max(picture.shape) > LONGEST:
        raise ValueError(f"expected a drawing of at most {LONGEST} pixels a side, got {max(picture.shape)}")
    grey = _within(picture, WORKED_ON)
    light = is_light(picture)
    ink, shadows = _without_paper(255 - grey if light else grey)
    whole = _cropped(_clean(ink))
    ink = _within(whole, FINE * BOX)
    factor = len(picture) / len(grey) * len(whole) / len(ink)
    ink, thin = _thickened(ink / ink.max())
    ink = _cropped(ink)
    height, width = (max(1, round(n * side * BOX / SIDE / max(ink.shape))) for n in ink.shape)
    small = resized(ink, height, width)
    steps = {
        "inverted": light,
        "shadows removed": shadows,
        "strokes thickened": thin,
        f"cropped to {ink.shape[1] * factor:.0f} x {len(ink) * factor:.0f}": True,
        f"scaled to {width} x {height}": True,
        "centred by mass": True,
    }
    return _centred(small / small.max(), side), ", ".join(step for step, done in steps.items() if done)


def _within(picture: np.ndarray, limit: int) -> np.ndarray:
    """The picture, made smaller if its longer side is longer than the limit."""
    factor = max(1.0, max(picture.shape) / limit)
    return resized(picture, *(max(1, round(n / factor)) for n in picture.shape))


def _cropped(ink: np.ndarray) -> np.ndarray:
    top, bottom, left, right = bounds(ink > FAINT)
    return ink[top:bottom, left:right]


def is_light(picture: np.ndarray) -> bool:
    """Whether the background of a picture (h, w), which its border shows, is lighter than what is drawn on it."""
    return bool(2 * np.median(_border(picture)) > float(picture.min()) + float(picture.max()))


def _border(picture: np.ndarray) -> np.ndarray:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _without_paper(grey: np.ndarray) -> tuple[np.ndarray, bool]:
    """(levels of ink above the paper, whether there were shadows) of light ink on dark. Raises ValueError without ink.

    Shadows are what an opening leaves: what is wider than a third of the picture.
    """
    border = _border(grey)
    low, high = np.percentile(border, (5, 95))
    shadows = high - low > UNEVEN * (grey.max() - grey.min())
    paper = _opened(grey) if shadows else np.median(border)
    ink = np.maximum(grey - paper, 0)
    if ink.max() < FAINTEST:
        raise ValueError(
            f"expected a drawing, got an empty picture: nothing is {FAINTEST:.0f} grey levels from its background"
        )
    return ink, bool(shadows)


def _opened(grey: np.ndarray) -> np.ndarray:
    """The largest picture below ``grey`` without light spots narrower than a third of it, found on a coarse grid."""
    coarse = _within(grey, COARSE)
    width = max(coarse.shape) // 3 | 1  # odd, so that nothing is shifted
    opened = _filtered(_filtered(coarse, width, np.min), width, np.max)
    return _between(len(grey), len(opened)) @ opened @ _between(grey.shape[1], opened.shape[1]).T


def _filtered(a: np.ndarray, width: int, pick: Callable) -> np.ndarray:
    """The least or greatest of the width x width pixels around each; beyond the border it goes on as it ends."""
    for axis in (0, 1):
        ends = [(width // 2, width - 1 - width // 2) if i == axis else (0, 0) for i in (0, 1)]
        a = pick(sliding_window_view(np.pad(a, ends, mode="edge"), width, axis=axis), axis=-1)
    return a


def _clean(ink: np.ndarray) -> np.ndarray:
    """Ink from 0 to 1, nothing farther from strokes than a pixel of the final image."""
    body = ink > otsu(ink)
    full, paper = np.percentile(ink[body], 90), np.median(ink[~body])
    top, bottom, left, right = bounds(body)
    near = 2 * -(-max(bottom - top, right - left) // BOX) + 1
    return np.where(_filtered(body, near, np.max), np.clip((ink - paper) / (full - paper), 0, 1), 0)


def otsu(levels: np.ndarray) -> float:
    """The threshold that parts levels into two classes with the largest variance between them (Otsu, 1979)."""
    counts, edges = np.histogram(levels, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts)[:-1], counts.sum()
    sums, whole = np.cumsum(counts * middles)[:-1], (counts * middles).sum()
    between = (whole * below - sums * total) ** 2 / (below * (total - below))
    return float(edges[1 + int(np.argmax(between))])


def _thickened(ink: np.ndarray) -> tuple[np.ndarray, bool]:
    """(ink with strokes as thick as MNIST's, whether they were too thin). Strokes are half as long as their outline."""
    edges = np.pad(np.where(ink > FAINT, ink, 0), 1)
    outline = np.pi / 4 * sum(np.abs(np.diff(edges, axis=axis)).sum() for axis in (0, 1))
    top, bottom, left, right = bounds(edges > 0)
    longer, thickness = max(bottom - top, right - left), 2 * edges.sum() / outline
    if thickness >= THIN * longer:
        return ink, False
    more = 1 + round(THICK * longer - thickness)
    return _filtered(np.pad(ink, more), more, np.max), True


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the smallest rectangle with all that is true in a mask (h, w)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _centred(small: np.ndarray, side: int) -> np.ndarray:
    """uint8 (side, side) with the picture, 0 to 1, all of it, where its centre of mass is at the centre."""
    image = np.zeros((side, side), np.uint8)
    mass = small.sum()
    places = []
    for axis in (0, 1):
        n = small.shape[axis]
        centre = small.sum(axis=1 - axis) @ np.arange(n) / mass
        start = min(max(round(side / 2 - centre), 0), side - n)
        places.append(slice(start, start + n))
    image[tuple(places)] = np.rint(255 * small)
    return image


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """float32 (height, width): the mean of the area that each new pixel covers."""
    rows, columns = _areas(height, picture.shape[0]), _areas(width, picture.shape[1])
    return rows @ picture.astype(np.float32) @ columns.T


def _areas(new: int, old: int) -> np.ndarray:
    """float32 (new, old): the share that each old pixel has in each new one."""
    edges = np.arange(new + 1) * (old / new)
    first = np.arange(old)
    overlap = np.minimum(edges[1:, None], first + 1) - np.maximum(edges[:-1, None], first)
    return (np.maximum(overlap, 0) * (new / old)).astype(np.float32)


def _between(new: int, old: int) -> np.ndarray:
    """float32 (new, old): the shares of a linear interpolation between the centres of the old pixels."""
    position = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    return np.maximum(1 - np.abs(position[:, None] - np.arange(old)), 0).astype(np.float32)
