"""glyphs: digits drawn here, a stand-in of MNIST's shape and difficulty for machines that cannot have MNIST.

Each digit has a few ways of writing it, each way a few hands (its control points moved at random). The distance to the
strokes of a hand is tabulated once; an image looks the distances up through an affine map with a slight bend, its own
for each image, and turns them into ink by a ramp whose place is the pen's thickness and whose width is the blur.

Only integers, +, -, *, / and square roots are used, on raw random bits: the images are the same on every machine.
"""

import math
import os
from pathlib import Path

import numpy as np

from fastnet.data.appearing import appearing
from fastnet.data.dataset import Dataset
from fastnet.data.idx import header
from fastnet.data.known import SYNTHETIC
from fastnet.data.source import data_error
from fastnet.data.strokes import HANDS, points_of_hands

SIDE = 28
TRAIN, TEST = 60_000, 10_000
SEED = 0
BLOCK = 1000  # images drawn from one random stream
PIECE = 125  # images drawn at once: what they need stays in the processor's cache

GRID = 96  # a table covers the square from -REACH to REACH with this many cells a side
REACH = 1.5
FRACTION = 5  # bits after the point of a position counted in cells
STEP = 0.01  # distances are whole numbers of steps, up to FAR
FAR = 100


def load_glyphs(seed: int = SEED) -> tuple[Dataset, Dataset]:
    """Draw the built-in set: 60 000 and 10 000 images of 28x28, uint8, ten classes."""
    sets = []
    for part, n in enumerate((TRAIN, TEST)):
        X = np.empty((n, SIDE * SIDE), np.uint8)
        y = np.empty(n, np.int64)
        for start, images, labels in _blocks(n, seed, part):
            X[start : start + len(labels)] = images.reshape(len(labels), -1)
            y[start : start + len(labels)] = labels
        sets.append(Dataset(X, y, 10, "glyphs", (SIDE, SIDE), synthetic=True))
    return sets[0], sets[1]


def make_glyphs(n: int, seed: int, output: str | os.PathLike) -> Path:
    """Write n training images, and at most 10 000 others for a test set, as the four IDX files of a new folder.

    Needs little memory for any n. The first rows of a longer set are those of a shorter one with the same seed. The
    folder appears under its name when it is complete. Raises DataError if it exists or cannot be written.
    """
    output = Path(output)
    if not 1 <= n < 2**32:
        raise data_error(output, f"expected a number of images from 1 to 2^32 - 1, got {n}")
    if seed < 0:
        raise data_error(output, f"expected a seed of 0 or more, got {seed}")
    with appearing(output) as made:
        made.mkdir()
        (made / SYNTHETIC).write_text(f"{n} digits drawn by fastnet with seed {seed}\n", encoding="utf-8")
        for part, name, rows in ((0, "train", n), (1, "t10k", min(n, TEST))):
            _write(made, name, rows, seed, part)
    return output


def _write(folder: Path, name: str, n: int, seed: int, part: int) -> None:
    u1 = np.dtype(np.uint8)
    with (
        open(folder / f"{name}-images-idx3-ubyte", "wb") as images_file,
        open(folder / f"{name}-labels-idx1-ubyte", "wb") as labels_file,
    ):
        images_file.write(header((n, SIDE, SIDE), u1))
        labels_file.write(header((n,), u1))
        for _, images, labels in _blocks(n, seed, part):
            images_file.write(images)
            labels_file.write(labels)


def _blocks(n: int, seed: int, part: int):
    """Yields (first row, images uint8 (m, 28, 28), labels uint8 (m,)) until there are n rows."""
    tables = _distance_tables()
    for block in range(-(-n // BLOCK)):
        rows = min(BLOCK, n - block * BLOCK)
        raw = _random_bits((seed, part, block), (BLOCK, len(RANGES) + 1))[:rows]
        labels = (raw[:, 0] >> 32) % 10
        hands = labels * HANDS + (raw[:, 0] & 0xFFFFFFFF) % HANDS
        uniform = (raw[:, 1:] >> 11) * 2.0**-53
        low, high = np.array(list(RANGES.values())).T
        look = dict(zip(RANGES, (low + (high - low) * uniform).T, strict=True))
        images = np.empty((rows, SIDE, SIDE), np.uint8)
        for start in range(0, rows, PIECE):
            some = slice(start, start + PIECE)
            _draw(images[some], tables, hands[some], {key: value[some] for key, value in look.items()})
        yield block * BLOCK, images, labels.astype(np.uint8)


# What differs from image to image, uniform between two bounds. Lengths are pixels.
RANGES = {
    "half_height": (7.6, 10.4),
    "aspect": (0.75, 1.25),
    "turn": (-0.17, 0.17),  # tangent of half the angle
    "slant": (-0.4, 0.4),
    "shift_x": (-2.5, 2.5),
    "shift_y": (-2.5, 2.5),
    "bend_x": (-0.3, 0.3),
    "bend_y": (-0.25, 0.25),
    "pen": (0.75, 1.5),  # half the thickness
    "blur": (1.0, 2.2),
    "ink": (170.0, 255.0),
}


def _draw(out: np.ndarray, tables: np.ndarray, hands: np.ndarray, look: dict[str, np.ndarray]) -> None:
    """Draw images into ``out`` (m, 28, 28): hands (m,) says which table, ``look`` the rest."""
    (ux, uy, u0), (vx, vy, v0) = _inverse_map(look)
    centred = np.arange(SIDE) - (SIDE - 1) / 2
    bend = (centred / 10) ** 2 - 0.4
    cells = GRID / (2 * REACH) * 2**FRACTION
    middle = GRID / 2 * 2**FRACTION
    # Positions are sums of a term for the row and a term for the column, both prepared for whole images at once.
    u_column = _fixed((ux[:, None] * centred + u0[:, None]) * cells + middle)
    u_row = _fixed((uy[:, None] * centred + look["bend_x"][:, None] * bend) * cells)
    v_column = _fixed((vx[:, None] * centred + look["bend_y"][:, None] * bend) * cells)
    v_row = _fixed((vy[:, None] * centred + v0[:, None]) * cells + middle)
    last = (GRID << FRACTION) - 1
    u = u_row[:, :, None] + u_column[:, None, :]
    np.clip(u, 0, last, out=u)
    u >>= FRACTION
    v = v_row[:, :, None] + v_column[:, None, :]
    np.clip(v, 0, last, out=v)
    v >>= FRACTION
    v *= GRID
    v += u
    cell = v + (hands.astype(np.int64) * (GRID * GRID))[:, None, None]
    distance = tables.take(cell, mode="clip").astype(np.int16)
    # ink = full at (pen - blur / 2), none at (pen + blur / 2), in eighths of a grey level
    steps_per_pixel = 1 / (STEP * look["half_height"])
    slope = 8 * 255 / (look["blur"] * steps_per_pixel)
    distance *= _fixed(-slope)[:, None, None]
    distance += _fixed(slope * (look["pen"] + look["blur"] / 2) * steps_per_pixel)[:, None, None]
    distance >>= 3
    np.maximum(distance, 0, out=distance)
    np.minimum(distance, _fixed(look["ink"])[:, None, None], out=distance)
    out[...] = distance


def _inverse_map(look: dict[str, np.ndarray]):
    """The rows of the affine map from pixels to the drawing's coordinates, each as (per x, per y, constant)."""
    t = look["turn"]
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    tall = look["half_height"]
    wide = tall * look["aspect"]
    # to pixels: turn * [[1, slant], [0, 1]] * diag(wide, tall)
    xu, xv = cos * wide, (cos * look["slant"] - sin) * tall
    yu, yv = sin * wide, (sin * look["slant"] + cos) * tall
    det = xu * yv - xv * yu
    ux, uy, vx, vy = yv / det, -xv / det, -yu / det, xu / det
    x0, y0 = look["shift_x"], look["shift_y"]
    return (ux, uy, -ux * x0 - uy * y0), (vx, vy, -vx * x0 - vy * y0)


def _fixed(a: np.ndarray) -> np.ndarray:
    return np.floor(a + 0.5).astype(np.int16)


def _distance_tables() -> np.ndarray:
    """uint8 (10 * HANDS, GRID, GRID): steps from each cell's middle to the nearest stroke of each hand."""
    global _tables
    if _tables is None:
        middles = ((np.arange(GRID) + 0.5) * (2 * REACH / GRID) - REACH).astype(np.float32)
        tables = np.empty((10 * HANDS, GRID, GRID), np.uint8)
        bits = _random_bits((SEED, 2), (10 * HANDS, 64))
        for table, points in zip(tables, points_of_hands(bits), strict=True):
            dx2 = (middles - points[:, :1]) ** 2
            dy2 = (middles - points[:, 1:]) ** 2
            nearest = (dy2[:, :, None] + dx2[:, None, :]).min(axis=0)
            table[...] = np.minimum(np.sqrt(nearest) / np.float32(STEP), FAR)
        _tables = tables
    return _tables


_tables: np.ndarray | None = None


def _random_bits(stream: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    from numpy.random import PCG64, SeedSequence

    return PCG64(SeedSequence(stream)).random_raw(math.prod(shape)).reshape(shape)
