"""The micro-kernels against plain loops and NumPy. Whole numbers as operands make every sum exact: equal means equal.

test_kernels_lanes.py runs this file again for vectors of other widths.
"""

import numpy as np
import pytest
from numba import njit

from fastnet.functions import (
    ADAM,
    ADAM_LR,
    BETA,
    BETA1,
    BETA2,
    DECAY,
    EPS,
    EXP,
    GAIN,
    GELU,
    IDENTITY,
    L2,
    LEAKY_RELU,
    MOMENTUM,
    RELU,
    SGD,
    SGD_LR,
    SIGMOID,
    STEP_GRADIENT,
    STEP_VELOCITY,
    TANH,
)
from fastnet.kernels.compile.target import lanes_of
from fastnet.kernels.vector import library
from fastnet.kernels.vector.activations import activate, derivative
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.optimizers import N_ROW, REST1, REST2, SHRINK, update_block, update_tiles
from fastnet.kernels.vector.pointers import at
from fastnet.kernels.vector.shapes import group_width, tile_height
from fastnet.kernels.vector.softmax import softmax_rows
from fastnet.kernels.vector.tile import HEIGHTS, MR, NV, tile_columns, tile_rows
from fastnet.kernels.vector.transpose import SIDE, transpose_bytes, transpose_square
from fastnet.kernels.vector.walk import (
    PAIRED_COLUMNS,
    PAIRED_ROWS,
    WALKS,
    WIDEST,
    WIDTHS,
    scatter,
    walk,
    walk_list,
)

POISON = -77


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    library.load(request.param)
    return np.dtype(request.param)


def whole_numbers(rng, shape, dtype, low=-4, high=5):
    return rng.integers(low, high, size=shape).astype(dtype)


@njit
def tile(C, ldc, A, lda, block, B, K, accumulate, height, vectors, by_rows):
    if by_rows:
        tile_rows(at(C, 0), ldc, at(A, 0), lda, at(B, 0), K, accumulate, at(B, 0), block, height, vectors)
    else:
        tile_columns(at(C, 0), ldc, at(A, 0), lda, at(B, 0), K, accumulate, at(B, 0), height, vectors)


def in_panels(A, width):
    """(panels of ``width`` columns of A, [panel][row][column] with a row of NaN after each, row stride, block)."""
    height, K = A.shape
    panels = np.full((-(-K // width), height + 1, width), np.nan, A.dtype)
    for k in range(0, K, width):
        panels[k // width, :height, : min(width, K - k)] = A[:, k : k + width]
    return panels, width, (height + 1) * width


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize("height", HEIGHTS)
def test_tile(rng, dtype, height, accumulate, by_rows):
    for vectors in range(1, NV + 1):
        width = vectors * lanes_of(dtype.itemsize)
        panel = NV * lanes_of(dtype.itemsize)
        for K in (1, 2, 7, 64, panel + 3):
            A, B = whole_numbers(rng, (height, K), dtype), whole_numbers(rng, (K, panel), dtype)
            C = np.full((height + 1, width + 1), POISON, dtype)
            C[:height, :width] = whole_numbers(rng, (height, width), dtype) if accumulate else np.nan
            wanted = C.copy()
            product = A @ B[:, :width]  # of whole numbers: exact in any order
            wanted[:height, :width] = wanted[:height, :width] + product if accumulate else product
            for stored, lda, block in [(A, K, panel), in_panels(A, panel)] if by_rows else [(A.T.copy(), height, 0)]:
                result = C.copy()
                tile(result, C.shape[1], stored, lda, block, B, K, accumulate, height, vectors, by_rows)
                np.testing.assert_array_equal(result, wanted)
            assert K < 64 or np.ptp(wanted[:height, :width]) > 0


@njit
def tile_heights(rows):
    heights = []
    while rows > 0:
        heights.append(tile_height(rows))
        rows -= heights[-1]
    return heights


def test_rows_are_cut_into_tiles_that_exist():
    for rows in range(1, 200):
        heights = tile_heights(rows)
        assert sum(heights) == rows
        assert set(heights) <= set(HEIGHTS)
        assert len(heights) <= -(-rows // MR) + 1


def panels_of(rows, vectors, lanes):
    """Columns of ``rows`` cut into panels of NV vectors, as walks read them: (panels, rows, NV * lanes)."""
    count, n = -(-vectors // NV), len(rows)
    panels = np.full((count, n, NV * lanes), np.nan, rows.dtype)
    for j in range(vectors):
        panels[j // NV, :, j % NV * lanes : (j % NV + 1) * lanes] = rows[:, j * lanes : (j + 1) * lanes]
    return panels


@njit
def run_walk(
    out, out_step, out_panel, count, order, ordered, flags, stride, flags_step, n, by_table, table, values,
    value_stride, value_step, rows, row_step, row_panel, accumulate, vectors, height,
):  # fmt: skip
    walk(
        at(out, 0), out_step, out_panel, count, at(order, 0), ordered, at(flags, 0), stride, flags_step, n, by_table,
        at(table, 0), at(values, 0), value_stride, value_step, at(rows, 0), row_step, row_panel, accumulate, vectors,
        height,
    )  # fmt: skip


def spread_flags(flags, step):
    """Each row's blocks of BITS flags, ``step`` apart; what is no flag is set: a walk that counts it goes wrong."""
    count, n = flags.shape
    room = n if step == BITS and n >= BITS else -(-n // BITS) * step
    spread = np.full((count, room), 255, np.uint8)
    for q in range(0, n, BITS):
        block = flags[:, q : q + BITS]
        spread[:, q // BITS * step : q // BITS * step + block.shape[1]] = block
    return spread


@pytest.mark.parametrize("by_table", [0, 1])
@pytest.mark.parametrize(("vectors", "height"), WALKS)
@pytest.mark.parametrize("step", [BITS, 3 * BITS])
@pytest.mark.parametrize(("ordered", "accumulate", "count"), [(1, 0, 3), (0, 1, 3), (1, 0, 4)])
def test_walk(rng, dtype, vectors, height, by_table, step, ordered, accumulate, count):
    width, panel = vectors * lanes_of(dtype.itemsize), NV * lanes_of(dtype.itemsize)
    order = np.array([2, 0, 3, 1])[:count] if ordered else np.arange(count)
    for n in (1, 5, 63, 64, 65, 100, 128, 191):
        for density in (0.0, 0.2, 1.0):
            flags = (rng.integers(1, 256, size=(4, n)) * (rng.random((4, n)) < density)).astype(np.uint8)
            table, numbers = whole_numbers(rng, 256, dtype), whole_numbers(rng, (count, 2 * n), dtype)
            if height > 1:  # what is zero in one row counts where it is not in the other
                table[0] = numbers[:, ::2][flags[order] == 0] = 0
            rows = whole_numbers(rng, (n, width), dtype)
            rows[(flags[order] == 0).all(axis=0)] = np.nan  # must not be read: 0 * NaN is NaN
            wanted = np.full((count, width), 1 if accumulate else 0, dtype)
            for i in range(count):
                values = table[flags[order[i]]] if by_table else numbers[i, ::2]
                chosen = flags[order[i]] != 0
                wanted[i] += values[chosen] @ rows[chosen]  # of whole numbers: exact in any order
            out = panels_of(np.full((count, width), 1 if accumulate else np.nan, dtype), vectors, panel // NV)
            panels, spread = panels_of(rows, vectors, panel // NV), spread_flags(flags, step)
            run_walk(
                out, panel, count * panel, count, order, ordered, spread, spread.shape[1], step, n, by_table, table,
                numbers, 2 * n, 2, panels, panel, n * panel, accumulate, vectors, height,
            )  # fmt: skip
            np.testing.assert_array_equal(out, panels_of(wanted, vectors, panel // NV))
            assert density == 0 or n < 5 or np.ptp(wanted) > 0


@njit
def run_scatter(
    rows, row_step, row_panel, flags, n, first, by_table, table, values, source, source_panel, factor, vectors
):
    scatter(
        at(rows, 0), row_step, row_panel, at(flags, 0), n, first, by_table, at(table, 0), at(values, 0),
        at(source, 0), source_panel, factor, vectors,
    )  # fmt: skip


@pytest.mark.parametrize("by_table", [0, 1])
@pytest.mark.parametrize("vectors", WIDTHS)
def test_scatter(rng, dtype, vectors, by_table):
    lanes = lanes_of(dtype.itemsize)
    width = vectors * lanes
    for n, first in ((5, 0), (40, 16), (64, 0), (65, 3), (100, 63), (191, 16)):
        flags = (rng.integers(1, 256, size=n) * (rng.random(n) < 0.4)).astype(np.uint8)
        table, numbers = whole_numbers(rng, 256, dtype), whole_numbers(rng, n, dtype)
        rows, source = whole_numbers(rng, (n, width), dtype), whole_numbers(rng, (1, width), dtype)
        chosen = np.flatnonzero(flags)
        chosen = chosen[chosen >= first]
        wanted = rows.copy()
        wanted[chosen] += (table[flags] if by_table else numbers)[chosen, None] * dtype.type(3) * source
        panels, spread = panels_of(rows, vectors, lanes), spread_flags(flags[None], BITS)
        run_scatter(
            panels, NV * lanes, panels.strides[0] // dtype.itemsize, spread, n, first, by_table, table, numbers,
            panels_of(source, vectors, lanes), NV * lanes, dtype.type(3), vectors,
        )  # fmt: skip
        np.testing.assert_array_equal(panels, panels_of(wanted, vectors, lanes))
        assert len(chosen) == 0 or (wanted != rows).any()


@njit
def run_list(out, out_panel, indices, values, n, rows, row_step, row_panel, vectors):
    walk_list(at(out, 0), out_panel, at(indices, 0), at(values, 0), n, at(rows, 0), row_step, row_panel, vectors)


@pytest.mark.parametrize("vectors", WIDTHS)
def test_walk_list(rng, dtype, vectors):
    lanes = lanes_of(dtype.itemsize)
    for n in (0, 1, 7, 100):
        rows = whole_numbers(rng, (31, vectors * lanes), dtype)
        indices, values = rng.integers(31, size=n + 1).astype(np.int32), whole_numbers(rng, n + 1, dtype)
        wanted = 1 + values[:n] @ rows[indices[:n]]  # rows may come up more than once
        out, panels = panels_of(np.ones((1, vectors * lanes), dtype), vectors, lanes), panels_of(rows, vectors, lanes)
        step = panels.strides[0] // dtype.itemsize
        run_list(out, NV * lanes, indices, values, n, panels, NV * lanes, step, vectors)
        np.testing.assert_array_equal(out.ravel()[: vectors * lanes], wanted)


@njit
def group_widths(vectors):
    widths = []
    while vectors > 0:
        widths.append(group_width(vectors))
        vectors -= widths[-1]
    return widths


def test_outputs_are_cut_into_groups_that_exist():
    for vectors in range(1, 100):
        widths = group_widths(vectors)
        assert sum(widths) == vectors
        assert set(widths) <= set(WIDTHS)
        assert {(width, 2 if width <= PAIRED_ROWS else 1) for width in widths} <= set(WALKS)
        capped = group_widths(min(vectors, WIDEST))
        assert {(width, 2 if width <= PAIRED_COLUMNS else 1) for width in capped} <= set(WALKS)
        assert all(width % NV == 0 for width in widths[:-1])  # a group starts with a panel


@njit
def run_transpose_bytes(dst, ld, src, order, stride, n):
    transpose_bytes(at(dst, 0), ld, at(src, 0), at(order, 0), stride, n)


@pytest.mark.parametrize("n", [SIDE, SIDE + 1, 2 * SIDE - 1, 53])
def test_transpose_of_bytes(rng, n):
    library.load("float32")
    src, order = rng.integers(256, size=(40, 53)).astype(np.uint8), rng.integers(40, size=SIDE)
    dst = np.zeros((n + 1, BITS), np.uint8)
    run_transpose_bytes(dst, BITS, src, order, 53, n)
    np.testing.assert_array_equal(dst[:n, :SIDE], src[order, :n].T)
    assert not dst[:, SIDE:].any()
    assert not dst[n].any()


@njit
def run_transpose_square(dst, src, ld):
    transpose_square(at(dst, 0), at(src, 0), ld)


def test_transpose_of_a_square(rng, dtype):
    lanes = lanes_of(dtype.itemsize)
    src, dst = rng.standard_normal((lanes, lanes + 3)).astype(dtype), np.full((lanes, lanes + 3), POISON, dtype)
    run_transpose_square(dst, src, lanes + 3)
    np.testing.assert_array_equal(dst[:, :lanes], src[:, :lanes].T)
    assert (dst[:, lanes:] == POISON).all()


@njit
def run_activate(Z, ld, bias, rows, vectors, code):
    activate(at(Z, 0), ld, at(bias, 0), rows, vectors, code)


def activated(x, code):
    """f(x) of a vector, padded for the kernel."""
    lanes = lanes_of(x.dtype.itemsize)
    Z = np.zeros(-(-len(x) // lanes) * lanes, x.dtype)
    Z[: len(x)] = x
    run_activate(Z, lanes, np.zeros(lanes, x.dtype), len(Z) // lanes, 1, code)
    return Z[: len(x)]


def ulps(got, exact, dtype):
    """Errors in units of the last place of the right answer; denormals have those of the smallest normal number."""
    tiny = np.finfo(dtype).tiny
    return np.abs(got.astype(exact.dtype) - exact) / np.spacing(np.maximum(np.abs(exact), tiny).astype(dtype))


def wider(dtype):
    return np.float64 if dtype == np.float32 else np.longdouble


def test_exp_is_off_by_two_ulps_at_most(rng, dtype):
    low, high = (-103.9, 88.7) if dtype == np.float32 else (-745.1, 709.7)
    x = np.concatenate([np.linspace(low, high, 200_001), rng.uniform(-1, 1, 50_000), 2.0 ** -np.arange(1, 60)])
    x = x.astype(dtype)
    error = ulps(activated(x, EXP), np.exp(x.astype(wider(dtype))), dtype)
    assert error.max() <= 2
    assert error.max() > 0


def test_exp_at_the_extremes(dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    top, bottom = np.log(np.finfo(dtype).max), np.log(np.finfo(np.float64).tiny if dtype == np.float64 else 2.0**-126)
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, smallest, top + 1, bottom - 5, 2 * bottom], dtype)
    y = activated(x, EXP)
    np.testing.assert_array_equal(y[:9], np.array([1, 1, np.inf, 0, np.nan, np.inf, 0, 1, np.inf], dtype))
    assert 0 < y[9] < np.finfo(dtype).tiny
    np.testing.assert_allclose(y[9], np.exp(x[9]), rtol=1e-4)
    assert y[10] == 0


@pytest.mark.parametrize(
    ("code", "exact"), [(SIGMOID, lambda x: 1 / (1 + np.exp(-x))), (TANH, np.tanh)], ids=["sigmoid", "tanh"]
)
def test_squashing_is_exact_to_the_last_places(rng, dtype, code, exact):
    x = np.concatenate([np.linspace(-30, 30, 100_001), rng.standard_normal(50_000), 10.0 ** -np.arange(1, 37)])
    x = np.concatenate([x, -x]).astype(dtype)
    assert ulps(activated(x, code), exact(x.astype(wider(dtype))), dtype).max() <= 6
    far = activated(np.array([1e30, -1e30, np.inf, -np.inf, np.nan, 0], dtype), code)
    wanted = [1, 0, 1, 0, np.nan, 0.5] if code == SIGMOID else [1, -1, 1, -1, np.nan, 0]
    np.testing.assert_array_equal(far, np.array(wanted, dtype))


def test_sigmoid_where_it_vanishes(dtype):
    end = np.log(np.finfo(dtype).tiny)  # below, 1 / (1 + e^-x) is no normal number any more, and then e^-x is infinite
    x = np.linspace(end - 30, end + 10, 10_001).astype(dtype)
    y = activated(x, SIGMOID)
    exact = 1 / (1 + np.exp(-x.astype(wider(dtype))))
    np.testing.assert_allclose(y, exact, rtol=6 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)
    assert (np.diff(y) >= 0).all()
    assert y[0] == 0


def test_relu_and_identity(dtype):
    x = np.array([-np.inf, -1, -0.0, 0, 2, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(activated(x, IDENTITY), x)
    np.testing.assert_array_equal(activated(x, RELU), np.array([0, 0, 0, 0, 2, np.inf, np.nan], dtype))


def test_leaky_relu_is_exact(rng, dtype):
    x = np.concatenate([rng.standard_normal(1000), [-np.inf, -0.0, 0, np.inf, np.nan]]).astype(dtype)
    np.testing.assert_array_equal(activated(x, LEAKY_RELU), np.where(x <= 0, x * dtype.type(0.01), x))


def gelu(z):
    u = np.sqrt(2 / np.pi).astype(z.dtype) * (z + z.dtype.type("0.044715") * z**3)
    return z / (1 + np.exp(-2 * u)), 2 * u


def test_gelu_is_exact_to_the_last_places(rng, dtype):
    """Below zero, gelu falls like e^2u: an argument that is off by its last place makes 2u places of it."""
    x = np.concatenate([np.linspace(-9, 9, 100_001), rng.standard_normal(50_000), 10.0 ** -np.arange(1, 37)])
    x = np.concatenate([x, -x]).astype(dtype)
    exact, exponent = gelu(x.astype(wider(dtype)))
    normal = np.abs(exact) > 1e4 * np.finfo(dtype).tiny
    error = ulps(activated(x, GELU), exact, dtype)[normal]
    assert (error <= 6 + 3 * np.abs(exponent[normal]) * (x[normal] < 0)).all()
    assert error.max() > 0


def test_gelu_at_the_extremes(dtype):
    largest = np.finfo(dtype).max
    x = np.array([1e30, -1e30, np.inf, -np.inf, largest, -largest, np.nan, 0], dtype)
    wanted = np.array([1e30, 0, np.inf, 0, largest, 0, np.nan, 0], dtype)
    np.testing.assert_array_equal(activated(x, GELU), wanted)
    lanes = lanes_of(dtype.itemsize)
    Z, delta = np.zeros(16 * lanes, dtype), np.full(16 * lanes, 2, dtype)
    Z[: len(x)] = x
    run_derivative(delta, Z, lanes, 16, 1, GELU)
    np.testing.assert_array_equal(delta[: len(x)], np.array([2, 0, 2, 0, 2, 0, np.nan, 1], dtype))


def test_bias_is_added_and_the_rest_of_a_row_left_alone(rng, dtype):
    lanes = lanes_of(dtype.itemsize)
    Z, bias = whole_numbers(rng, (3, 4 * lanes), dtype), whole_numbers(rng, 2 * lanes, dtype)
    wanted = Z.copy()
    wanted[:2, : 2 * lanes] += bias
    run_activate(Z, 4 * lanes, bias, 2, 2, IDENTITY)
    np.testing.assert_array_equal(Z, wanted)


@njit
def run_derivative(delta, A, ld, rows, vectors, code):
    derivative(at(delta, 0), at(A, 0), ld, rows, vectors, code)


@pytest.mark.parametrize(
    ("code", "factor"),
    [
        (IDENTITY, lambda a: np.ones_like(a)),
        (SIGMOID, lambda a: a * (1 - a)),
        (TANH, lambda a: 1 - a * a),
        (RELU, lambda a: (a > 0).astype(a.dtype)),
        (LEAKY_RELU, lambda a: np.where(a > 0, 1, 0.01)),
        (GELU, lambda z: (gelu(z + 1e-5)[0] - gelu(z - 1e-5)[0]) / 2e-5),
    ],
    ids=["identity", "sigmoid", "tanh", "relu", "leaky_relu", "gelu"],
)
def test_derivative(rng, dtype, code, factor):
    ld = 3 * lanes_of(dtype.itemsize)
    delta, A = (rng.standard_normal((5, ld)).astype(dtype) for _ in range(2))
    wanted = delta.astype(np.float64)
    wanted[:4, : 2 * ld // 3] *= factor(A.astype(np.float64))[:4, : 2 * ld // 3]
    run_derivative(delta, A, ld, 4, 2, code)
    rounding = max(20 * np.finfo(dtype).eps, 1e-10 if code == GELU else 0)  # its factor is a difference
    np.testing.assert_allclose(delta, wanted, rtol=0, atol=rounding * np.abs(wanted).max())


@njit
def run_softmax(Z, ld, factor, loss, chosen, rows, k):
    softmax_rows(at(Z, 0), ld, at(factor, 0), at(loss, 0), at(chosen, 0), rows, k)


def softmax(Z, factor, chosen=-1):
    """softmax_rows on padded rows whose padding is poison; (result, padding, losses)."""
    lanes, (n, k) = lanes_of(Z.dtype.itemsize), Z.shape
    ld = -(-k // lanes) * lanes
    padded, loss = np.full((n, ld), np.nan, Z.dtype), np.full(n, np.nan, Z.dtype)
    padded[:, :k] = Z
    run_softmax(padded, ld, factor, loss, np.full(n, chosen), n, k)
    return padded[:, :k], padded[:, k:], loss


def test_softmax(rng, dtype):
    for k in range(1, 2 * lanes_of(dtype.itemsize) + 4):
        Z, factor = (5 * rng.standard_normal((4, k))).astype(dtype), rng.random(4).astype(dtype)
        exact = np.exp(Z.astype(np.float64) - Z.max(axis=1, keepdims=True))
        exact /= exact.sum(axis=1, keepdims=True)
        eps = np.finfo(dtype).eps
        got, padding, _ = softmax(Z, factor)
        np.testing.assert_array_equal(padding, 0)
        np.testing.assert_allclose(got, exact * factor[:, None], rtol=60 * eps)
        for label in {0, k // 2, k - 1}:
            delta, padding, loss = softmax(Z, factor, label)
            np.testing.assert_array_equal(padding, 0)
            np.testing.assert_allclose(loss, -factor * np.log(exact[:, label]), rtol=60 * eps, atol=60 * eps)
            np.testing.assert_allclose(delta, factor[:, None] * (exact - np.eye(k)[label]), atol=60 * eps)


def test_softmax_of_extreme_rows(dtype):
    rows = [[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [7, 7, 7], [-3, -2, -1], [np.finfo(dtype).max, 0, -np.finfo(dtype).max]]
    got, _, _ = softmax(np.array(rows, dtype), np.ones(5, dtype))
    e = np.exp([-2.0, -1.0, 0.0])
    wanted = [[1, 0, 0], [1 / 3] * 3, [1 / 3] * 3, e / e.sum(), [1, 0, 0]]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    bad, _, _ = softmax(np.array([[0, np.nan, 1], [np.nan, 0, 0], [0, 1, np.nan], [0, 1, 2]], dtype), np.ones(4, dtype))
    assert np.isnan(bad).tolist() == [[True] * 3] * 3 + [[False] * 3]


@njit
def run_update(W, first, second, squares, g, coefficients, rows, vectors, ld, ldg, rule):
    update_block(
        at(W, 0),
        at(first, 0),
        at(second, 0),
        at(squares, 0),
        at(g, 0),
        at(coefficients, 0),
        rows,
        vectors,
        ld,
        ldg,
        rule,
    )


@njit
def run_tiles(W, first, second, A, lda, delta, n, coefficients, rows, rule, vectors):
    c = at(coefficients, 0)
    update_tiles(at(W, 0), at(first, 0), at(second, 0), at(A, 0), lda, at(delta, 0), n, c, rows, rule, vectors)


COEFFICIENTS = {
    SGD: {SGD_LR: 0.3},
    MOMENTUM: {BETA: 0.9, GAIN: 0.7, STEP_VELOCITY: 0.3, STEP_GRADIENT: 0.1},
    ADAM: {BETA1: 0.9, BETA2: 0.99, EPS: 1e-6, ADAM_LR: 0.02},
}


def row_of(rule, l2, decay, shrink):
    """A row of coefficients."""
    c = np.zeros(N_ROW)
    for column, value in {L2: l2, DECAY: decay, SHRINK: shrink, **COEFFICIENTS[rule]}.items():
        c[column] = value
    c[REST1], c[REST2] = 1 - c[BETA1], 1 - c[BETA2]
    return c


def updated(rule, c, W, first, second, g):
    """Weights and moments after a step, in float64, from the formulas."""
    W, first, second, g = (a.astype(np.float64) for a in (W, first, second, g))
    g = c[SHRINK] * (g + c[L2] * W)
    if rule == SGD:
        step = c[SGD_LR] * g
    elif rule == MOMENTUM:
        first = c[BETA] * first + c[GAIN] * g
        step = c[STEP_VELOCITY] * first + c[STEP_GRADIENT] * g
    else:
        first = c[BETA1] * first + (1 - c[BETA1]) * g
        second = c[BETA2] * second + (1 - c[BETA2]) * g * g
        step = c[ADAM_LR] * first / (np.sqrt(second) + c[EPS])
    return (1 - c[DECAY]) * W - step, first, second


@pytest.mark.parametrize("rule", COEFFICIENTS)
@pytest.mark.parametrize(
    ("l2", "decay", "shrink"), [(0.0, 0.0, 1.0), (0.05, 0.0, 1.0), (0.0, 0.01, 1.0), (0.0, 0.0, 0.5), (0.05, 0.01, 0.5)]
)
def test_update(rng, dtype, rule, l2, decay, shrink):
    lanes = lanes_of(dtype.itemsize)
    ld, width, c = 3 * lanes, 2 * lanes, row_of(rule, l2, decay, shrink)
    W, first, g = (rng.standard_normal((4, ld)).astype(dtype) for _ in range(3))
    second, squares = rng.random((4, ld)).astype(dtype), np.ones(lanes, dtype)
    before = [a.copy() for a in (W, first, second)]
    wanted = [a.copy() for a in before]
    block = np.s_[:3, :width]
    for array, new in zip(wanted, updated(rule, c, W[block], first[block], second[block], g[block]), strict=True):
        array[block] = new
    run_update(W, first, second, squares, g, c.astype(dtype), 3, 2, ld, ld, rule)

    tolerance = 10 * np.finfo(dtype).eps
    for got, right in zip((W, first, second), wanted, strict=True):
        np.testing.assert_allclose(got, right, rtol=tolerance, atol=tolerance)
    moved = [bool((a != b).any()) for a, b in zip((W, first, second), before, strict=True)]
    assert moved == [True, rule != SGD, rule == ADAM]
    if l2 or decay or shrink != 1:
        wanted = np.sum(before[0][block].astype(float) ** 2)
        np.testing.assert_allclose(squares.sum() - lanes, wanted, rtol=100 * tolerance)


@pytest.mark.parametrize("rule", COEFFICIENTS)
@pytest.mark.parametrize("vectors", range(1, NV + 1))
@pytest.mark.parametrize(("rows", "n"), [(1, 1), (7, 10), (8, 3), (21, 6), (32, 1)])
def test_a_step_with_the_gradient_in_registers_is_that_with_it_in_memory(rng, dtype, rule, vectors, rows, n):
    """The same bits, and nothing beyond the rows and vectors is written."""
    lanes = lanes_of(dtype.itemsize)
    width, lda, c = NV * lanes, 40, row_of(rule, 0.0, 0.0, 1.0).astype(dtype)
    W, first, second = (rng.random((rows + 1, width)).astype(dtype) for _ in range(3))
    A, delta = rng.standard_normal((n, lda)).astype(dtype), rng.standard_normal((n, width)).astype(dtype)
    g, squares = np.zeros((rows, width), dtype), np.zeros(lanes, dtype)
    for i in range(rows):
        tile(g[i:], width, np.ascontiguousarray(A[:, i:]), lda - i, 0, delta, n, False, 1, vectors, False)
    wanted = [a.copy() for a in (W, first, second)]
    run_update(*wanted, squares, g, c, rows, vectors, width, width, rule)
    run_tiles(W, first, second, A, lda, delta, n, c, rows, rule, vectors)
    for got, right in zip((W, first, second), wanted, strict=True):
        np.testing.assert_array_equal(got, right)


@pytest.mark.parametrize("eps", [1e-8, 1e-3])
def test_adam_divides_by_roots_of_every_size(rng, dtype, eps):
    lanes, c = lanes_of(dtype.itemsize), np.zeros(N_ROW, dtype)
    c[[BETA1, BETA2, EPS, ADAM_LR, SHRINK]] = 1, 1, eps, 1, 1
    largest = np.finfo(dtype).max
    second = 10.0 ** rng.uniform(-35, 35, size=(4, 2 * lanes))
    second[:, 0] = 0, np.finfo(dtype).tiny, largest, np.inf
    second = second.astype(dtype)
    W, g, squares = np.zeros_like(second), np.zeros_like(second), np.zeros(lanes, dtype)
    first = np.full_like(second, 1024)
    run_update(W, first, second, squares, g, c, 4, 2, 2 * lanes, 2 * lanes, ADAM)
    assert second[3, 0] == largest  # infinity counts as that
    wanted = -1024 / (np.sqrt(second.astype(np.float64)) + float(c[EPS]))
    np.testing.assert_allclose(W, wanted, rtol=4 * np.finfo(dtype).eps)


def test_adam_with_a_small_beta2_keeps_small_squares(rng, dtype):
    lanes = lanes_of(dtype.itemsize)
    c, squares = row_of(ADAM, 0.0, 0.0, 1.0), np.zeros(lanes, dtype)
    c[BETA2], c[REST2] = 0, 1
    W, first, second = (np.ones((1, 2 * lanes), dtype) for _ in range(3))
    g = rng.uniform(1e-6, 1e-5, (1, 2 * lanes)).astype(dtype)
    run_update(W, first, second, squares, g, c.astype(dtype), 1, 2, 2 * lanes, 2 * lanes, ADAM)
    np.testing.assert_allclose(second, g.astype(float) ** 2, rtol=4 * np.finfo(dtype).eps)


def test_adam_lets_a_gradient_that_is_no_number_be_seen(dtype):
    lanes = lanes_of(dtype.itemsize)
    c, squares = row_of(ADAM, 0.0, 0.0, 1.0).astype(dtype), np.zeros(lanes, dtype)
    W, first, second, g = (np.ones((1, 2 * lanes), dtype) for _ in range(4))
    g[0, 0] = np.nan
    run_update(W, first, second, squares, g, c, 1, 2, 2 * lanes, 2 * lanes, ADAM)
    assert np.isnan(W).sum() == np.isnan(first).sum() == 1


def test_adam_outlives_a_gradient_whose_square_is_infinite(rng, dtype):
    """The second moment stays at the largest number: weights hardly move any more, but they are no NaN."""
    lanes = lanes_of(dtype.itemsize)
    c, squares = row_of(ADAM, 0.0, 0.0, 1.0).astype(dtype), np.zeros(lanes, dtype)
    W, first, second = np.ones((1, 2 * lanes), dtype), np.zeros((1, 2 * lanes), dtype), np.ones((1, 2 * lanes), dtype)
    for size in (np.sqrt(np.finfo(dtype).max) * 4, 1.0, 1.0):
        g = np.full((1, 2 * lanes), size, dtype)
        run_update(W, first, second, squares, g, c, 1, 2, 2 * lanes, 2 * lanes, ADAM)
        assert np.isfinite(W).all()
    assert (second > 0.9 * np.finfo(dtype).max).all()
