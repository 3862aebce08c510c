"""How the digits are written: strokes as control points, x to the right, y down, within about -1 to 1."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

HANDS = 40  # per digit, shared out among its ways of writing
WOBBLE = 0.15  # how far a hand moves a control point, at most, in each direction
SPACING = 0.07  # between the points that stand for a stroke

# Each way is a list of strokes. A stroke named "line" is straight between its points, "curve" goes smoothly through
# them, and "loop" is a curve that closes.
Stroke = tuple[str, list[tuple[float, float]]]
WAYS: dict[int, list[list[Stroke]]] = {
    0: [
        [("loop", [(0, -1), (-0.55, -0.5), (-0.6, 0.4), (0, 1), (0.6, 0.45), (0.55, -0.5)])],
        [("curve", [(0.2, -0.95), (-0.45, -0.6), (-0.55, 0.4), (0, 1), (0.55, 0.3), (0.45, -0.6), (-0.1, -1)])],
    ],
    1: [
        [("line", [(0, -1), (0, 1)])],
        [("line", [(-0.4, -0.55), (0.05, -1), (0.05, 1)])],
        [("line", [(-0.35, -0.6), (0, -1), (0, 1)]), ("line", [(-0.4, 1), (0.4, 1)])],
    ],
    2: [
        [
            ("curve", [(-0.55, -0.55), (-0.15, -1), (0.45, -0.75), (0.3, -0.1), (-0.55, 0.95)]),
            ("line", [(-0.55, 0.95), (0.6, 0.95)]),
        ],
        [
            ("curve", [(-0.5, -0.6), (0, -1), (0.45, -0.6), (0.1, 0.2), (-0.45, 0.85), (-0.5, 0.5), (0.6, 0.95)]),
        ],
    ],
    3: [
        [
            ("curve", [(-0.5, -0.75), (0, -1), (0.45, -0.6), (-0.1, -0.08)]),
            ("curve", [(-0.1, -0.08), (0.5, 0.3), (0.2, 0.95), (-0.55, 0.75)]),
        ],
        [
            ("line", [(-0.5, -0.95), (0.5, -0.95), (-0.05, -0.2)]),
            ("curve", [(-0.05, -0.2), (0.5, 0.3), (0.15, 0.95), (-0.55, 0.75)]),
        ],
    ],
    4: [
        [("line", [(-0.35, -1), (-0.55, 0.15), (0.6, 0.15)]), ("line", [(0.3, -0.7), (0.25, 1)])],
        [("line", [(0.25, 1), (0.25, -1), (-0.6, 0.3), (0.65, 0.3)])],
    ],
    5: [
        [
            ("line", [(0.55, -0.95), (-0.4, -0.95), (-0.45, -0.15)]),
            ("curve", [(-0.45, -0.15), (0.15, -0.25), (0.5, 0.3), (0.15, 0.95), (-0.55, 0.8)]),
        ],
        [
            ("curve", [(0.5, -1), (-0.3, -0.85), (-0.4, -0.1), (0.3, 0), (0.45, 0.6), (-0.1, 1), (-0.5, 0.75)]),
        ],
    ],
    6: [
        [("curve", [(0.35, -1), (-0.3, -0.45), (-0.5, 0.4), (0, 1), (0.5, 0.5), (0, 0.05), (-0.45, 0.45)])],
        [("line", [(0.1, -1), (-0.35, 0.1)]), ("loop", [(-0.45, 0.5), (0, 0), (0.5, 0.45), (0, 1)])],
    ],
    7: [
        [("line", [(-0.55, -0.9), (0.5, -0.9), (-0.1, 1)])],
        [("line", [(-0.55, -0.9), (0.5, -0.9), (0, 1)]), ("line", [(-0.25, 0.05), (0.45, 0.05)])],
        [("curve", [(-0.55, -0.7), (-0.2, -0.95), (0.5, -0.9), (0.15, 0), (0, 1)])],
    ],
    8: [
        [
            ("loop", [(0, -0.1), (-0.42, -0.5), (0, -1), (0.42, -0.5)]),
            ("loop", [(0, -0.1), (-0.5, 0.45), (0, 1), (0.5, 0.45)]),
        ],
        [
            ("loop", [(0.45, -0.75), (-0.05, -1), (-0.4, -0.6), (0.4, 0.35), (0, 1), (-0.45, 0.55)]),
        ],
    ],
    9: [
        [
            ("loop", [(0.42, -0.5), (0, -1), (-0.45, -0.55), (0, -0.05)]),
            ("line", [(0.42, -0.6), (0.3, 1)]),
        ],
        [
            ("curve", [(0.4, -0.7), (0, -1), (-0.45, -0.5), (0, -0.05), (0.4, -0.6), (0.4, 0.4), (-0.3, 0.95)]),
        ],
    ],
}


def points_of_hands(bits: np.ndarray) -> Iterator[np.ndarray]:
    """Yields float32 (m, 2) points along the strokes of each hand, digit by digit.

    bits : uint64 (10 * HANDS, 64), random: two for each control point that a hand moves.
    """
    for row, raw in enumerate(bits):
        ways = WAYS[row // HANDS]
        moves = iter(((raw >> np.uint64(11)) * 2.0**-52 - 1).reshape(-1, 2) * WOBBLE)
        moved: dict[tuple[float, float], np.ndarray] = {}  # strokes that meet in a control point still meet
        strokes = []
        for kind, controls in ways[row % len(ways)]:
            for control in controls:
                if control not in moved:
                    moved[control] = np.array(control) + next(moves)
            strokes.append(_along(kind, np.array([moved[control] for control in controls])))
        yield np.concatenate(strokes).astype(np.float32)


def _along(kind: str, controls: np.ndarray) -> np.ndarray:
    """Points along a stroke, about SPACING apart."""
    if kind == "line":
        return np.concatenate([_between(a, b) for a, b in pairwise(controls)])
    # Catmull-Rom: the tangent at a control point is half the way between its neighbours.
    before = controls[-1:] if kind == "loop" else 2 * controls[:1] - controls[1:2]
    after = controls[:2] if kind == "loop" else 2 * controls[-1:] - controls[-2:-1]
    p = np.concatenate([before, controls, after])
    t = np.linspace(0, 1, 9)[:, None]
    pieces = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        pieces.append(b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate(pieces)


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    length = np.sqrt(((b - a) ** 2).sum())
    t = np.linspace(0, 1, int(length / SPACING) + 2)[:, None]
    return a + t * (b - a)
