"""Images that are shifted and rotated: from a counter-based hash, like dropout, in bilinear interpolation."""

from typing import Any

import numpy as np

from fastnet.reference.dropout import row_keys

STREAM = 2**32  # in place of a layer's number, where the draws are those of dropout
DRAW_BITS = 21


def motions(seed: int, rows: np.ndarray, shift: float, rotate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pixels down, pixels to the right, radians) of each row, given the rows' numbers among all rows trained on.

    They lie evenly between -shift and shift, and -rotate and rotate, which is in degrees.
    """
    keys = row_keys(seed, rows, STREAM)
    draws = [(keys >> np.uint64(DRAW_BITS * i)) & np.uint64(2**DRAW_BITS - 1) for i in range(3)]
    down, right, angle = ((2 * draw.astype(np.float64) + 1) / 2**DRAW_BITS - 1 for draw in draws)
    return shift * down, shift * right, np.deg2rad(rotate) * angle


def moved(images: np.ndarray, down: np.ndarray, right: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """float64 (n, h, w): out[p] = image[R (p - c - t) + c] with centre c; zero outside. ``images`` (n, h, w)."""
    n, h, w = images.shape
    y, x = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    y, x = y - down[:, None, None], x - right[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    # In an image with a frame of zeros, behind which all is zero.
    framed = np.pad(images.astype(np.float64), ((0, 0), (1, 2), (1, 2)))
    from_y = np.clip((h + 1) / 2 + cos * y + sin * x, 0, h + 1)
    from_x = np.clip((w + 1) / 2 + cos * x - sin * y, 0, w + 1)
    row, column, image = from_y.astype(int), from_x.astype(int), np.arange(n)[:, None, None]
    share_y, share_x = from_y - row, from_x - column
    upper = (1 - share_x) * framed[image, row, column] + share_x * framed[image, row, column + 1]
    lower = (1 - share_x) * framed[image, row + 1, column] + share_x * framed[image, row + 1, column + 1]
    return (1 - share_y) * upper + share_y * lower


class MovedRows:
    """Rows of X, images of a shape, that move whenever they are taken.

    Bytes are rounded to bytes. The compiled twin finds their places in float32: a value near a half may be rounded the
    other way there, so that the two are 1 of 255 apart.
    """

    def __init__(self, X: Any, augment: Any, seed: int, scale: float):
        if hasattr(X, "indptr"):
            raise ValueError("augment needs X as a dense array of images, got a sparse matrix: pass X.toarray()")
        self._X, self._augment, self._seed, self._scale = X, augment.for_width(X.shape[1]), seed, scale

    def take(self, out: np.ndarray, rows: np.ndarray, first: int) -> None:
        """Rows of X into out (n, d), of which the first is number ``first`` among all rows trained on."""
        a, n = self._augment, len(rows)
        motion = motions(self._seed, first + np.arange(n), a.shift, a.rotate)
        images = moved(np.asarray(self._X[rows]).reshape(n, *a.shape), *motion).reshape(n, -1)
        if self._X.dtype == np.uint8:
            images = np.floor(images + 0.5).astype(out.dtype)
            images *= out.dtype.type(self._scale)
        out[:] = images
