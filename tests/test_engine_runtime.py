"""How compiled steps live with the rest of a process: compilation, the cache on disk, threads, denormal numbers."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numba
import numpy as np
import pytest
from engine_makers import KINDS, Problem, pieces, tolerance

from fastnet import engine, reference
from fastnet.engine import helper as helping
from fastnet.engine import threads as engine_threads
from fastnet.engine.helper import share_compilation
from fastnet.engine.threads import Pace
from fastnet.functions import ADAM, BINARY_CROSS_ENTROPY, IDENTITY, MOMENTUM, MSE, SGD
from fastnet.kernels import step
from fastnet.kernels.compile import cache
from fastnet.kernels.compile.jit import entry
from fastnet.kernels.compile.lock import locked
from fastnet.kernels.step import rare
from fastnet.kernels.step.predict import predict_rows
from fastnet.kernels.step.train import train_steps
from fastnet.kernels.vector import library

BASE = Problem((70, 33, 10))
ROOT = Path(__file__).parents[1]


@pytest.fixture
def compiled():
    """Names of what is compiled during a test."""
    names: list[str] = []
    cache.listeners.append(names.append)
    yield names
    cache.listeners.remove(names.append)


def test_other_networks_compile_nothing(compiled):
    def everything(problem):
        p = pieces(problem)
        p.run(engine, threads=1)
        p.stepper(engine, threads=2).gradient(p.order, 1.0, 0.1)
        engine.Evaluator(problem.sizes, problem.activations, p.params.dtype, p.X, loss=problem.loss).evaluate(
            p.params, p.targets
        )

    for kind in KINDS:
        everything(BASE.but(kind=kind))
        for change in ({"loss": MSE}, {"loss": BINARY_CROSS_ENTROPY, "targets": "rows"}, {"n": 600, "batch_size": 600}):
            everything(BASE.but(kind=kind, output="sigmoid", **change))
    compiled.clear()
    before = [len(kernel.signatures) for kernel in (train_steps, predict_rows)]
    for kind in KINDS:
        for change in (
            {"sizes": (3, 2)},
            {"sizes": (90, 40, 30, 20, 5), "hidden": "relu", "rule": ADAM},
            {"loss": MSE, "output": "sigmoid", "rule": MOMENTUM, "l2": 0.1},
            {"loss": BINARY_CROSS_ENTROPY, "targets": "rows", "weighted": True, "decay": 0.1},
            {"n": 600, "batch_size": 500, "hidden": "tanh"},
            {"n": 1, "batch_size": 1},
        ):
            everything(BASE.but(kind=kind, **change))
    assert [len(kernel.signatures) for kernel in (train_steps, predict_rows)] == before
    assert compiled == []


def test_all_rare_pieces_can_be_wanted_at_once(monkeypatch):
    """As `fastnet.warmup` does; all that are found in the rooms of a step."""
    wanted = []
    monkeypatch.setattr(rare, "want_piece", lambda piece: wanted.append(piece.piece))
    rooms = [importlib.import_module(f"{step.__name__}.{room.name}") for room in pkgutil.iter_modules(step.__path__)]
    found = {id(x.piece): x.piece for room in rooms for x in vars(room).values() if hasattr(x, "piece")}
    rare.want_all_rare()
    assert len(wanted) >= 11
    assert set(wanted) == {piece for piece in found.values() if piece.is_rare}


RARE_THREADS = """
import threading
import numpy as np
import fastnet

rng = np.random.default_rng(138)
bytes_, floats = rng.integers(0, 9, (700, 70), np.uint8), rng.random((700, 70), np.float32)
y, errors = rng.integers(0, 3, 700), []

def train(X, output="softmax", **settings):
    try:
        fastnet.train(fastnet.Network([70, 9, 3], output=output, seed=1), X, y, epochs=1, threads=1, seed=1, **settings)
    except BaseException as error:
        errors.append(error)

runs = [
    dict(dropout=0.5), dict(loss="mse", output="sigmoid"), dict(clip_norm=0.1), dict(label_smoothing=0.1),
    dict(loss="binary_cross_entropy", output="sigmoid"), dict(batch_size=700),
]
threads = [threading.Thread(target=train, args=(X,), kwargs=run) for run in runs for X in (bytes_, floats)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*errors)
"""


def test_python_threads_may_want_rare_pieces_at_once():
    """In a fresh process, which wants each for one of its threads."""
    done = subprocess.run([sys.executable, "-c", RARE_THREADS], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "\n"


def one_more(x):
    return x + 1


@pytest.fixture
def kept(tmp_path, monkeypatch, compiled):
    """A function that calls a kernel in a fresh dispatcher and says whether it was compiled; the cache is empty."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))

    def call():
        compiled.clear()
        assert entry(one_more)(2) == 3
        assert compiled in ([], ["one_more"])
        return bool(compiled)

    return call


def files(tmp_path):
    return sorted((tmp_path / "cache").rglob("*.bin"))


def test_a_kernel_is_compiled_once(kept, tmp_path):
    assert kept()
    assert len(files(tmp_path)) == 1
    assert not kept()
    entry(one_more)._cache.flush()
    assert files(tmp_path) == []
    assert kept()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda data: bytes(len(data)),
    ],
    ids=["empty", "shorter than its hash", "truncated", "longer", "a bit", "zeros"],
)
def test_a_damaged_file_is_compiled_anew(kept, tmp_path, damage):
    assert kept()
    (path,) = files(tmp_path)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    assert kept()
    assert len(path.read_bytes()) > 32
    assert not kept()


def test_changed_sources_settings_and_cpus_are_compiled_anew(kept, tmp_path, monkeypatch):
    assert kept()
    stamp = cache.source_stamp()
    with monkeypatch.context() as patch:
        patch.setattr(cache, "source_stamp", lambda: stamp + "changed")
        assert kept()
    assert not kept()

    triple, cpu, features = numba.core.registry.cpu_target.target_context.codegen().magic_tuple()
    names = {cache.key("kernel", c) for c in ((triple, cpu, features), (triple, "other", features), (triple, cpu, ""))}
    assert len(names) == 3


@pytest.mark.parametrize("setting", [("OPT", 1), ("CPU_NAME", "generic"), ("BOUNDSCHECK", 1)], ids=str)
def test_the_stamp_covers_settings_of_the_compiler(monkeypatch, setting):
    before = cache.source_stamp()
    monkeypatch.setattr(numba.config, *setting)
    assert cache.source_stamp.__wrapped__() != before


def test_the_stamp_covers_every_room(tmp_path, monkeypatch):
    package = ROOT / "fastnet"
    copy = tmp_path / "fastnet"
    shutil.copytree(package / "kernels", copy / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(package / "functions.py", copy)
    monkeypatch.setattr(cache, "PACKAGE", copy)
    stamps = {cache.source_stamp.__wrapped__()}
    assert stamps == {cache.source_stamp()}
    rooms = ("", "compile", "vector", "step", "named")
    for room in rooms:
        edited = max((copy / "kernels" / room).glob("*.py"))
        edited.write_text(edited.read_text() + "# edited\n")
        stamps.add(cache.source_stamp.__wrapped__())
    (copy / "functions.py").write_text("# edited")
    stamps.add(cache.source_stamp.__wrapped__())
    assert len(stamps) == 2 + len(rooms)


def test_functions_of_one_name_in_two_modules_are_kept_apart(kept, monkeypatch):
    assert kept()
    monkeypatch.setattr(one_more, "__module__", "another_module")
    assert kept()


def test_where_nothing_can_be_written_kernels_still_run(kept, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file, where a folder is wanted")
    assert kept()
    assert kept()


def test_the_library_is_read_back_or_compiled(tmp_path, monkeypatch, compiled):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "_engines", {})
    library.load("float32")
    assert compiled == ["library float32"]
    (path,) = files(tmp_path)
    for change, again in ((lambda data: data, []), (lambda data: data[:-9], ["library float32"])):
        path.write_bytes(change(path.read_bytes()))
        library._engines.clear()
        compiled.clear()
        library.load("float32")
        assert compiled == again


def test_a_library_that_could_not_be_loaded_is_still_wanted(monkeypatch):
    def interrupted(dtype):
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "_wanted", {np.dtype("float32")})
    with monkeypatch.context() as m:
        m.setattr(library, "load", interrupted)
        with pytest.raises(KeyboardInterrupt):
            library._load_wanted()
    assert library._wanted
    library._load_wanted()
    assert not library._wanted


KEPT = """
import numpy as np
from fastnet import kernels
from fastnet.kernels.compile.cache import listeners
compiled = []
listeners.append(compiled.append)
out = np.empty((5, 3))
kernels.dense_forward(out, np.ones((5, 2)), np.ones((2, 3)), np.ones(3), 0)
assert (out == 3).all()
print(compiled)
"""


def test_kept_kernels_run_in_another_process():
    printed = [
        subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for _ in range(2)
    ]
    assert printed[1] == "[]\n"


USE = """
import sys
import numpy as np
import fastnet
from fastnet.kernels.compile.cache import listeners
compiled = []
listeners.append(compiled.append)
net, X, y = fastnet.Network([3, 2]), np.zeros((9, 3), sys.argv[1]), np.zeros(9, np.int64)
net.evaluate(X, y)
print(*compiled)
fastnet.train(net, X, y, epochs=1, batch_size=3)
print(*compiled)
"""


def use(inputs: str) -> list[list[str]]:
    """What a new process compiled until it had evaluated, and until it had trained."""
    command = [sys.executable, "-c", USE, inputs]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("inputs", ["uint8", "float32"])
def test_compilation_is_shared_on_a_new_machine(inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(helping, "_helpers", {})
    monkeypatch.setattr(engine_threads, "most_threads", lambda: 1)
    assert share_compilation(inputs) is None
    monkeypatch.setattr(engine_threads, "most_threads", lambda: 2)
    helper = share_compilation(inputs)
    assert helper is not None
    assert share_compilation(inputs) is None  # one is at work
    assert helper.wait(timeout=600) == 0
    assert use(inputs) == [[], ["train_steps", "rows_of_thread"]]
    helping._helpers.clear()
    assert share_compilation(inputs) is None  # nothing to do
    for piece in tmp_path.rglob("units_of_thread-*"):  # a kernel that is kept finds its pieces, or compiles them
        piece.write_bytes(b"damaged")
    assert use(inputs) == [[], ["units_of_thread"]]
    assert use(inputs) == [[], []]


FIRST = """
import sys
import numpy as np
import fastnet
from fastnet.engine import helper, threads
threads.most_threads = lambda: 2
net, X, y = fastnet.Network([3, 2], dtype=sys.argv[1]), np.zeros((9, 3), sys.argv[1]), np.zeros(9, np.int64)
for _ in range(2):
    fastnet.train(net, X, y, epochs=1, batch_size=3)
    print(*(started.args[-2:] for started in helper._helpers.values()))
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_first_training_shares_compilation(dtype, tmp_path):
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def told() -> list[str]:
        command = [sys.executable, "-c", FIRST, dtype]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env)
        return done.stdout.splitlines()

    assert told() == [f"['{dtype}', '{dtype}']"] * 2
    assert told() == ["", ""]


def test_one_process_helps_at_a_time(tmp_path, monkeypatch):
    def fail(*_):
        pytest.fail("a second process helps")

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(library, "load", fail)
    with locked(cache.folder() / "helper-uint8-float32.lock"):
        helping.compile_for_parent("uint8", "float32")


@pytest.mark.parametrize("program", ["uwsgi", "", "/usr/bin/Pythonista.app"])
def test_a_program_with_python_inside_starts_no_helper(program, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(helping, "_helpers", {})
    monkeypatch.setattr(engine_threads, "most_threads", lambda: 2)
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setattr(helping.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    assert share_compilation("uint8") is None


LOAD = """
import sys
import numpy as np
import fastnet
from fastnet.engine.warm import load_kept
from fastnet.kernels.compile.cache import listeners
listeners.append(lambda what: print("compiled", what))
load_kept(sys.argv[1])
from fastnet.kernels.step.predict import predict_rows
from fastnet.kernels.step.train import train_steps
print(len(train_steps.signatures), len(predict_rows.signatures))
loaded = [name for name in ("linalg", "arraymath") if f"numba.np.{name}" in sys.modules]
net, X, y = fastnet.Network([3, 2]), np.zeros((9, 3), sys.argv[1]), np.zeros(9, np.int64)
if len(sys.argv) > 2:
    fastnet.train(net, X, y, epochs=1, batch_size=3, validation=(X, y))
print(loaded)
"""


def test_loading_compiles_nothing_and_imports_no_compiler(tmp_path, monkeypatch):
    def told(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", LOAD, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env)
        return done.stdout.splitlines()

    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert told("float32") == ["0 0", "[]"]
    assert not list(tmp_path.rglob("*.bin"))
    assert "compiled train_steps" in told("float32", "train")
    assert told("float32", "train") == ["1 1", "[]"]


def in_threads(*functions):
    """Results of functions that run at once, each in a Python thread of its own."""
    results = [None] * len(functions)

    def run(i):
        results[i] = functions[i]()

    workers = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


@pytest.mark.parametrize("threads", [1, 2])
def test_python_threads_may_train_at_once(threads):
    runs = [pieces(BASE.but(n=200, batch_size=16, kind=kind, rule=MOMENTUM), seed=i) for i, kind in enumerate(KINDS)]
    jobs = [lambda p=p: p.run(engine, epochs=10, threads=threads) for p in runs]
    serial = [job() for job in jobs]
    for got, wanted in zip(in_threads(*jobs), serial, strict=True):
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


AT_ONCE = """
import fastnet, numba, numpy as np
from test_engine_runtime import BASE, in_threads
from engine_makers import pieces
from fastnet import engine
p = pieces(BASE.but(n=200, batch_size=16))
network = p.problem.sizes, p.problem.activations
def train(threads):
    return lambda: p.run(engine, epochs=20, threads=threads)
def predict(threads):
    return lambda: [engine.predict(*network, p.params, p.X, threads=threads) for _ in range(100)]
in_threads(train(1), train(2), predict(1), predict(2), predict(1))
def whole_run(seed):
    net = fastnet.Network([20, 30, 3], seed=seed)
    fastnet.train(net, X, y, epochs=4, batch_size=32, threads=2, seed=seed, validation=(X, y))
    return net.params.tobytes()
X, y = np.random.default_rng(1).random((300, 20), np.float32), np.arange(300) % 3
serial = [whole_run(seed) for seed in range(3)]
assert in_threads(*[lambda seed=seed: whole_run(seed) for seed in range(3)]) == serial
assert len(set(serial)) == 3
print("done", numba.threading_layer())
"""


def need_layer(layer):
    """Skip where the library of a threading layer is missing, as in slim containers. workqueue needs none."""
    if layer != "workqueue":
        reason = f"Numba finds no library for {layer} here"
        pytest.importorskip(f"numba.np.ufunc.{layer}pool", reason=reason, exc_type=ImportError)


@pytest.mark.parametrize("layer", ["omp", "tbb", "workqueue"])
def test_python_threads_under_a_threading_layer(layer):
    """workqueue ends the process when two threads enter parallel regions."""
    need_layer(layer)
    env = os.environ | {"NUMBA_THREADING_LAYER": layer, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", AT_ONCE], env=env, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == f"done {layer}\n", done.stdout + done.stderr


FORKED = """
import multiprocessing, sys, warnings
import numpy as np
import fastnet

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and newer warn of a fork beside threads
rng = np.random.default_rng(138)
X, y = rng.random((300, 20), np.float32), rng.integers(0, 3, 300)

def work(_=None):
    net = fastnet.Network([20, 30, 3], seed=1)
    fastnet.train(net, X, y, epochs=2, batch_size=64, threads=2, seed=1)
    return net.params.tobytes() + net.predict_proba(X).tobytes()

here = work()
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, range(3)) == [here] * 3
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_a_child_by_fork_works_on_one_thread(layer):
    need_layer(layer)
    env = os.environ | {"NUMBA_THREADING_LAYER": layer}
    done = subprocess.run(
        [sys.executable, "-c", FORKED], env=env, capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.stdout == "done\n", done.stdout + done.stderr


def test_an_interrupt_leaves_nothing_behind():
    before = numba.get_num_threads()

    def interrupted():
        assert numba.get_num_threads() == min(2, before)
        raise KeyboardInterrupt

    for _ in range(2):  # the second would wait for ever for a lock that the first still held
        with pytest.raises(KeyboardInterrupt):
            engine_threads.run_parallel(2, interrupted)
    assert numba.get_num_threads() == before


def test_an_interrupt_while_the_threads_are_restored(monkeypatch):
    before, calls = numba.get_num_threads(), []

    def interrupted(threads):
        calls.append(threads)
        if len(calls) == 2:
            raise KeyboardInterrupt
        set_threads(threads)

    set_threads = numba.set_num_threads
    monkeypatch.setattr(numba, "set_num_threads", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine_threads.run_parallel(2, lambda: None)
    assert calls == [min(2, before), before, before]
    assert numba.get_num_threads() == before
    assert not engine_threads._process.one_at_a_time.locked()


def test_the_pace_is_that_of_the_quicker_number_of_threads():
    pace = Pace(2)

    def run(cost):
        parts = pace.parts(80)
        for threads, steps in parts:
            pace.took(threads, steps, cost[threads] * steps)
        return parts

    quiet, busy = {1: 2.0, 2: 1.0}, {1: 2.0, 2: 50.0}
    tried = [run(quiet) for _ in range(20)]
    assert tried[:3] == [[(2, 80)], [(1, 10), (2, 70)], [(2, 80)]]
    assert sum(len(parts) > 1 for parts in tried) == 2
    run(busy)  # one run that something else disturbed
    assert pace.best == 1
    run(quiet)
    run(quiet)
    assert pace.best == 2
    tried = [run(busy) for _ in range(40)]
    assert sum(steps for parts in tried for threads, steps in parts if threads == 2) <= 80 + 3 * 10


def test_a_run_of_no_steps_changes_no_pace():
    pace = Pace(2)
    for _ in range(40):
        assert pace.parts(0) == [(2, 0)]


def test_the_number_of_numba_threads_is_restored():
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        pieces(BASE).run(engine, threads=8)
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2])
def test_saturated_networks_are_right_and_numpy_keeps_its_denormals(dtype, threads):
    """Weights so large that sigmoids saturate: derivatives are denormal or zero."""
    p = pieces(BASE.but(dtype=dtype, sizes=(70, 33, 20, 10), rule=MOMENTUM, kind="floats"))
    p.params *= 30
    p.coefficients[:, 5] *= 1e-3
    got, wanted = p.run(engine, np.nan, threads=threads), p.run(reference)
    limit = tolerance(p.problem)
    for a, b in zip(got, wanted, strict=True):
        scale = max(1.0, float(np.abs(b).max()))
        np.testing.assert_allclose(a, b, rtol=limit, atol=100 * limit * scale)
    assert np.isfinite(got[1]).all()

    tiny = np.array([np.finfo(dtype).smallest_subnormal * 8], dtype)
    assert (tiny * dtype_of(tiny, 0.5) > 0).all()
    engine.predict(p.problem.sizes, p.problem.activations, p.params, p.X, threads=threads)
    assert (tiny * dtype_of(tiny, 0.5) > 0).all()


def test_few_rows_and_many_treat_denormals_alike():
    X, params = np.full((5, 64), 1e-39, np.float32), np.full(65, 1e37, np.float32)
    params[-1] = 0
    outputs = [engine.predict([64, 1], [IDENTITY], params, X[:n]) for n in (4, 5)]
    assert not np.concatenate(outputs).any()


def dtype_of(a, x):
    return a.dtype.type(x)


def test_divergence_shows_in_the_losses():
    for kind in KINDS:
        p = pieces(BASE.but(kind=kind, rule=SGD, loss=MSE, hidden="relu", targets="rows"))
        p.coefficients[:, 3] = 1e6
        losses, params = p.run(engine, epochs=5)
        assert not np.isfinite(losses).all()
        assert not np.isfinite(params).all()


@pytest.mark.parametrize("kind", ["few pixels", "floats"])
@pytest.mark.parametrize(("n", "batch_size"), [(60, 9), (300, 160), (700, 300)])
def test_steps_end_with_the_same_bits_on_fewer_threads_than_workers(n, batch_size, kind, monkeypatch):
    """As where the system, or Numba's threading layer, gives the region a single thread."""
    p = pieces(Problem((130, 70, 40, 10), kind=kind, n=n, batch_size=batch_size, rule=MOMENTUM))
    wanted = p.run(engine, threads=1, max_norm=0.5, dropout=0.2)
    for available in (1, 2):
        monkeypatch.setattr("fastnet.engine.threads.available_threads", lambda available=available: available)
        for a, b in zip(wanted, p.run(engine, threads=5, max_norm=0.5, dropout=0.2), strict=True):
            np.testing.assert_array_equal(a, b)
