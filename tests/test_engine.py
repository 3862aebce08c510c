"""The compiled Stepper against the oracle's, over networks, data, losses, rules and batches; and its bits."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from engine_makers import KINDS, Problem, check_against_oracle, inputs, pieces, tolerance

from fastnet import engine, reference
from fastnet.engine import strategy
from fastnet.engine.inputs import Inputs
from fastnet.functions import ADAM, BINARY_CROSS_ENTROPY, CROSS_ENTROPY, HIDDEN, MOMENTUM, MSE, POISSON, SGD
from fastnet.kernels.step.records import DENSE, LISTS, SKIP

BASE = Problem((70, 33, 10))
PROBLEMS = [
    # every kind of X in both dtypes, batches that are short at the end
    *(BASE.but(kind=kind, dtype=dtype) for kind in KINDS for dtype in ("float32", "float64")),
    # depths and widths: one layer, one of everything, primes, more vectors than a group has, aliased strides
    BASE.but(sizes=(70, 10)),
    BASE.but(sizes=(1, 1, 2), kind="floats", dtype="float64"),
    BASE.but(sizes=(3, 2, 2, 2, 2), kind="floats", dtype="float64"),
    BASE.but(sizes=(64, 131, 17, 5), kind="few pixels"),
    BASE.but(sizes=(65, 257, 3), kind="few floats", dtype="float64"),
    BASE.but(sizes=(130, 300, 10), kind="few pixels", n=40, batch_size=16),
    BASE.but(sizes=(127, 1, 7), kind="csr"),
    BASE.but(sizes=(70, 512, 33, 2), kind="pixels"),
    BASE.but(sizes=(700, 30, 10), kind="few pixels", n=20, batch_size=10),
    # activations, losses, targets
    *(BASE.but(hidden=hidden, dtype="float64", kind="floats") for hidden in HIDDEN),
    *(BASE.but(hidden=hidden, sizes=(70, 20, 20, 10)) for hidden in HIDDEN),
    *(
        BASE.but(hidden=("gelu", "relu", "leaky_relu", "gelu"), sizes=(70, 33, 40, 20, 37, 10), kind=kind, dtype=dtype)
        for kind, dtype in zip(KINDS, ("float32", "float32", "float64", "float64", "float64"), strict=True)
    ),
    BASE.but(hidden=("gelu", "tanh"), sizes=(130, 70, 40, 10), n=120, batch_size=111),  # in halves
    BASE.but(hidden=("tanh", "gelu"), sizes=(70, 40, 40, 10), n=600, batch_size=520),  # in chunks
    *(
        BASE.but(loss=loss, output=output, targets=targets, dtype=dtype)
        for loss, output in ((MSE, "identity"), (MSE, "sigmoid"), (BINARY_CROSS_ENTROPY, "sigmoid"))
        for targets in ("labels", "rows")
        for dtype in ("float32", "float64")
    ),
    BASE.but(loss=POISSON, targets="rows", dtype="float64"),
    BASE.but(loss=BINARY_CROSS_ENTROPY, sizes=(70, 33, 1)),
    BASE.but(loss=MSE, targets="rows", sizes=(70, 33, 1), kind="csr", dtype="float64"),
    # rules
    *(
        BASE.but(rule=rule, dtype=dtype, l2=0.01, decay=decay)
        for rule in (SGD, MOMENTUM, ADAM)
        for dtype in ("float32", "float64")
        for decay in (0.0, 0.02)
    ),
    BASE.but(rule=SGD, kind="few pixels", batch_size=3, l2=0.01, decay=0.02),
    # batches: single rows, about a transposed block, several chunks, all rows; sample weights
    *(
        BASE.but(n=n, batch_size=batch_size, kind=kind, rule=MOMENTUM, weighted=weighted)
        for n, batch_size, weighted in ((5, 1, False), (33, 17, True), (64, 64, False), (1, 1, True))
        for kind in ("pixels", "few pixels", "few floats", "csr")
    ),
    *(
        BASE.but(n=n, batch_size=batch_size, kind=kind, dtype=dtype, rule=ADAM, l2=0.01, weighted=True)
        for n, batch_size in ((700, 600), (600, 257))
        for kind, dtype in zip(KINDS, ("float32", "float32", "float64", "float64", "float64"), strict=True)
    ),
]  # fmt: skip


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_steps_agree_with_the_oracle(problem):
    check_against_oracle(problem)


@pytest.mark.parametrize("batch_size", [7, 111])
def test_bits_of_mixed_activations_do_not_depend_on_threads(batch_size):
    p = pieces(BASE.but(hidden=("gelu", "leaky_relu"), sizes=(130, 70, 40, 10), n=160, batch_size=batch_size))
    first = p.run(engine, np.nan, threads=1)
    for threads in (2, 3):
        for a, b in zip(first, p.run(engine, 1e30, threads=threads), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 7, 40, 111, 600])
def test_bits_do_not_depend_on_threads_or_old_scratch(kind, batch_size):
    p = pieces(BASE.but(kind=kind, sizes=(130, 70, 40, 10), n=700 if batch_size == 600 else 160, rule=MOMENTUM,
                        batch_size=batch_size, l2=0.01))  # fmt: skip
    first = p.run(engine, np.nan, threads=1)
    # The order of the first layer's sums depends on the work in a step, not on the threads that are there.
    assert p.stepper(engine).strategy.halves == (batch_size == 111 and kind != "csr")
    for threads in range(1, 9):
        for poison in (1e30, None) if threads < 3 else (np.nan,):
            for a, b in zip(first, p.run(engine, poison, threads=threads), strict=True):
                np.testing.assert_array_equal(a, b)
    other = p.run(engine, threads=1, batch_size=batch_size)
    np.testing.assert_array_equal(other[1], first[1])
    assert np.abs(first[1] - p.params).max() > 1e-3


@pytest.mark.parametrize(
    ("kind", "dtype"), [("few pixels", "float32"), ("few floats", "float32"), ("few pixels", "float64")]
)
def test_zero_skipping_changes_nothing_but_rounding(kind, dtype, monkeypatch):
    p = pieces(BASE.but(kind=kind, dtype=dtype, sizes=(130, 70, 10), n=300, batch_size=33, rule=ADAM))
    skipping = p.run(engine)
    assert p.stepper(engine).strategy.input == SKIP
    monkeypatch.setattr(strategy, "skip_threshold", lambda vectors: -1.0)
    dense = p.run(engine)
    assert p.stepper(engine).strategy.input == DENSE
    limit = tolerance(p.problem)
    for a, b in zip(skipping, dense, strict=True):
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit)


@pytest.mark.parametrize("kind", ["few pixels", "few floats"])
@pytest.mark.parametrize(("rule", "l2"), [(SGD, 0.01), (MOMENTUM, 0.0), (MOMENTUM, 0.01), (ADAM, 0.0), (ADAM, 0.01)])
def test_a_gradient_by_tiles_has_the_bits_of_one_that_skips_zeros(kind, rule, l2, monkeypatch):
    p = pieces(BASE.but(kind=kind, sizes=(130, 40, 10), n=60, batch_size=9, rule=rule, l2=l2))
    monkeypatch.setattr(strategy, "TILED_ROWS", 1000)
    tiled = p.run(engine, np.nan)
    assert p.stepper(engine).strategy.tiled
    monkeypatch.setattr(strategy, "TILED_ROWS", 0)
    skipping = p.run(engine, np.nan)
    assert not p.stepper(engine).strategy.tiled
    for a, b in zip(tiled, skipping, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_way_through_the_first_layer_follows_the_data():
    rng = np.random.default_rng(138)
    ways = {}
    for kind in KINDS:
        X = inputs(rng, kind, 200, 128, "float32")
        ways[kind] = strategy.way_through(Inputs(X, np.float32), 64, 4)
    assert ways == {
        "pixels": DENSE, "few pixels": SKIP, "floats": DENSE, "few floats": SKIP, "csr": LISTS
    }  # fmt: skip


def test_a_row_may_come_up_many_times_in_a_batch():
    for kind in KINDS:
        p = pieces(BASE.but(kind=kind, n=300, batch_size=300, rule=MOMENTUM))
        if kind == "csr":
            heaviest = int(np.argmax(np.diff(p.X.indptr)))
        p.order[:] = heaviest if kind == "csr" else 5
        limit = tolerance(p.problem)
        for a, b in zip(p.run(engine, np.nan), p.run(reference), strict=True):
            np.testing.assert_allclose(a, b, rtol=limit, atol=limit)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_of_any_batch(kind, dtype):
    p = pieces(BASE.but(kind=kind, dtype=dtype, n=700, batch_size=64, rule=MOMENTUM, weighted=True))
    limit = tolerance(p.problem)
    compiled, oracle = p.stepper(engine), p.stepper(reference)
    for rows in (1, 64, 256, 257, 700):
        for l2 in (0.0, 0.3):
            got, wanted = (s.gradient(p.order[:rows], 1 / rows, l2) for s in (compiled, oracle))
            np.testing.assert_allclose(got[:2], wanted[:2], rtol=limit, atol=limit)
            np.testing.assert_allclose(got[2], wanted[2], rtol=limit, atol=limit)
            assert got[2].dtype == dtype
            assert np.abs(got[2]).max() > 1e-3
    np.testing.assert_array_equal(compiled.params, p.params)

    # weights and moments are as before, and steps go on from there
    first = [s.run(p.order, p.coefficients) for s in (compiled, oracle)]
    np.testing.assert_allclose(*first, rtol=limit, atol=limit)
    compiled.gradient(p.order, 1 / 700, 0.0)
    again = [s.run(p.order, p.coefficients) for s in (compiled, oracle)]
    np.testing.assert_allclose(*again, rtol=limit, atol=limit)
    for s in (compiled, oracle):
        s.store()
    np.testing.assert_allclose(compiled.moments, oracle.moments, rtol=limit, atol=limit)


def test_load_and_store():
    p = pieces(BASE.but(rule=ADAM, sizes=(70, 33, 20, 10)))
    whole = p.run(engine, epochs=2)
    first = p.stepper(engine)
    first.run(p.order, p.coefficients)
    np.testing.assert_array_equal(first.params, p.params)  # until they are stored
    first.store()
    second = p.stepper(engine)
    second.params[:] = first.params
    for moment, kept in zip(second.moments, first.moments, strict=True):
        moment[:] = kept
    second.load()
    losses = second.run(p.order, p.coefficients)
    second.store()
    np.testing.assert_array_equal(losses, whole[0][len(losses) :])
    for a, b in zip([second.params, *second.moments], whole[1:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["pixels", "few pixels", "floats"])
def test_read_only_and_mapped_inputs(kind, tmp_path):
    p = pieces(BASE.but(kind=kind, n=60))
    wanted = p.run(engine)
    path = tmp_path / "X"
    p.X.tofile(path)
    before = p.X.copy()
    p.X.flags.writeable = p.targets.flags.writeable = False
    plain = p.X
    for X in (plain, np.memmap(path, plain.dtype, "r", shape=plain.shape)):
        p.X = X
        for a, b in zip(p.run(engine), wanted, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(X, before)
        outputs = engine.predict(p.problem.sizes, p.problem.activations, p.params, X)
        assert np.isfinite(outputs).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "output", "k"),
    [
        (CROSS_ENTROPY, "softmax", 10),
        (BINARY_CROSS_ENTROPY, "sigmoid", 1),
        (BINARY_CROSS_ENTROPY, "sigmoid", 3),
        (MSE, "identity", 1),
        (MSE, "identity", 2),
        (POISSON, "exp", 2),
    ],
)
def test_evaluation_agrees_with_the_oracle(kind, dtype, loss, output, k):
    targets = "rows" if loss in (MSE, POISSON) else "labels"
    for n, threads in ((1, 1), (7, 3), (64, 2), (65, 1), (300, 3)):
        p = pieces(BASE.but(sizes=(70, 33, k), kind=kind, dtype=dtype, n=n, loss=loss, output=output, targets=targets))
        network = p.problem.sizes, p.problem.activations
        limit = tolerance(p.problem)
        wanted = reference.predict(*network, p.params, p.X)
        outputs = engine.predict(*network, p.params, p.X, threads=threads)
        np.testing.assert_allclose(outputs, wanted, rtol=limit, atol=limit)
        assert outputs.dtype == dtype

        evaluator = engine.Evaluator(*network, p.params.dtype, p.X, loss=loss, threads=threads)
        evaluator.workspace.fill(np.nan)
        classes = evaluator.classes(p.params)
        assert classes.dtype == np.int64
        np.testing.assert_array_equal(classes, outputs.argmax(1) if k > 1 else classes_of_one(outputs, output))
        right = reference.evaluate(*network, p.params, p.X, p.targets, loss)
        evaluator.workspace.fill(np.nan)
        np.testing.assert_allclose(evaluator.evaluate(p.params, p.targets), right, rtol=limit, atol=limit)
        evaluator.workspace.fill(np.nan)
        np.testing.assert_array_equal(evaluator.outputs(p.params), outputs)


def classes_of_one(outputs, output):
    return outputs[:, 0] > (0.5 if output == "sigmoid" else 0)


def test_predictions_have_the_same_bits_on_any_number_of_threads():
    for kind in KINDS:
        p = pieces(BASE.but(kind=kind, n=333, sizes=(130, 70, 10)))
        network = p.problem.sizes, p.problem.activations
        first = engine.predict(*network, p.params, p.X, threads=1)
        for threads in range(2, 9):
            np.testing.assert_array_equal(engine.predict(*network, p.params, p.X, threads=threads), first)


def test_steady_state_allocates_next_to_nothing():
    p = pieces(BASE.but(n=200, batch_size=10, rule=MOMENTUM))
    stepper = p.stepper(engine, threads=2)
    stepper.run(p.order, p.coefficients)
    tracemalloc.start()
    try:
        for _ in range(3):
            stepper.run(p.order, p.coefficients)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(200):
            stepper.run(p.order, p.coefficients)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1000
    assert peak - before < 12_000  # losses and coefficients of a call: 20 steps of some 200 bytes


GUARDED = """
import ctypes, mmap, sys
import numpy as np
from fastnet import engine
from fastnet.functions import CROSS_ENTROPY, MOMENTUM, SIGMOID, SOFTMAX

def guarded(a):
    \"\"\"A copy of an array that ends where a page begins that nobody may read.\"\"\"
    page = mmap.PAGESIZE
    room = -(-a.nbytes // page) * page
    memory = mmap.mmap(-1, room + page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + room), page, 0) == 0
    copy = np.frombuffer(memory, a.dtype, a.size, room - a.nbytes).reshape(a.shape)
    copy[:] = a
    return copy

rng = np.random.default_rng(138)
for d, filled, dtype in ((128, 32, "float32"), (141, 13, "float32"), (160, 32, "float64"), (300, 20, "float32")):
    X = np.zeros((256, d), np.uint8)
    X[:, -filled:] = rng.integers(1, 256, size=(256, filled))
    sizes, y = [d, 128, 10], rng.integers(0, 10, 256)
    params = (0.1 * rng.standard_normal(sum((a + 1) * b for a, b in zip(sizes, sizes[1:])))).astype(dtype)
    found = []
    for form in (X, guarded(X)):
        p = params.copy()
        network = sizes, [SIGMOID, SOFTMAX], p
        stepper = engine.Stepper(*network, form, y, loss=CROSS_ENTROPY, rule=MOMENTUM, batch_size=256)
        assert stepper.strategy.halves
        half = int(stepper.workspace.plan["half"])
        assert min(half, d - half) >= 64, half
        coefficients = np.array([[1 / 256, 0, 0, 0.9, 1, 0.1, 0]])
        stepper.run(np.arange(256), coefficients)
        stepper.store()
        found.append(p)
    assert np.array_equal(*found)
print("done")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects a page by mprotect")
def test_halves_of_lopsided_data_read_nothing_beyond_x():
    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True)
    assert done.stdout == "done\n", f"exit code {done.returncode}: {done.stdout}{done.stderr}"
