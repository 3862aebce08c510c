"""The walls of the package: what may be imported where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fastnet"
HEAVY = ("numba", "llvmlite", "sklearn", "scipy", "matplotlib", "pandas", "h5py", "pyarrow")


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running code."""
    code += "\nimport sys; print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(done.stdout.rpartition("loaded:")[2].split())


RUN = """
from fastnet.cli.main import main
try:
    code = main({})
except SystemExit as end:
    code = end.code
assert not code, code
"""


@pytest.mark.parametrize(
    "code",
    [
        "import fastnet",
        "import fastnet.reference, fastnet.metrics, fastnet.data, fastnet.tables",
        "import fastnet.cli.main",
        RUN.format(["--help"]),
        RUN.format(["train", "--help"]),
        RUN.format(["data", "list"]),
    ],
)
def test_nothing_heavy_is_imported(code):
    loaded = modules_after(code)
    assert "fastnet" in loaded
    assert not loaded & set(HEAVY)


def test_help_needs_no_numpy():
    assert "numpy" not in modules_after(RUN.format(["--help"]))


def imports(path: Path) -> set[str]:
    """The modules that a file names in its import statements, those inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def strangers(part: str, allowed: tuple[str, ...]) -> list[str]:
    """Imports in a folder or file of the package that are neither allowed nor of the standard library."""
    files = sorted((PACKAGE / part).rglob("*.py")) or [PACKAGE / part]
    return [
        f"{file.name}: {name}"
        for file in files
        for name in sorted(imports(file))
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not any(name == item or name.startswith(item + ".") for item in allowed)
    ]


def test_kernels_import_only_what_compiles():
    leaves = ("fastnet.functions", "fastnet.files", "fastnet.paths")
    assert strangers("kernels", ("numpy", "numba", "llvmlite", "fastnet.kernels", *leaves)) == []


MAKES_NUMBERS = {"type", "log", "log1p", "exp", "sqrt", "cos", "sin"}
MAKES_NUMBERS |= {"int32", "int64", "uint8", "uint32", "uint64", "float32"}
COMPILED = {"entry", "inlined", "parallel", "piece", "rare_piece", "serial"}


def methods_called(function: ast.FunctionDef) -> set[str]:
    """Names behind a dot that a function calls."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}


def test_kernels_call_nothing_that_hands_arrays_on():
    """Nobody would free what `np.asarray(x)` holds on to: compiled kernels do not count references."""
    functions = [
        node
        for file in (PACKAGE / "kernels").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and COMPILED & {ast.unparse(name) for name in node.decorator_list}
    ]
    assert len(functions) > 100
    others = {function.name: methods_called(function) - MAKES_NUMBERS for function in functions}
    assert {name: called for name, called in others.items() if called} == {}


@pytest.mark.parametrize(
    "part", sorted(path.name for path in PACKAGE.iterdir() if path.name not in ("cli", "__main__.py"))
)
def test_nothing_imports_upward(part):
    """The command line stands on everything, recipes and timing on the library, and the library on neither."""
    above = {"recipes": ("cli",), "timing": ("cli", "recipes")}.get(part, ("cli", "recipes", "timing"))
    for file in sorted((PACKAGE / part).rglob("*.py")) or [PACKAGE / part]:
        if file.suffix == ".py":
            assert not [name for name in imports(file) if name.split(".")[:2] in [["fastnet", room] for room in above]]


@pytest.mark.parametrize("leaf", ["errors.py", "files.py", "flops.py", "functions.py", "paths.py"])
def test_leaves_import_only_the_standard_library(leaf):
    assert strangers(leaf, ()) == []


def test_a_history_imports_only_what_writes_and_draws_it():
    assert strangers("history.py", ("fastnet.files", "fastnet.pictures", "matplotlib.figure.Figure")) == []


AT_ONCE = """
import sys, threading
import fastnet  # for a moment, a package that is loaded is not in sys.modules
sys.setswitchinterval(1e-6)
failures = []
def load(module):
    try:
        __import__(module)
    except BaseException as error:
        failures.append(f"{module}: {error!r}")
modules = ["fastnet.engine.warm", "fastnet.kernels.compile.cache", "fastnet.engine", "fastnet.kernels.step.train"]
workers = [threading.Thread(target=load, args=(module,)) for module in modules]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("failures:", failures)
"""


def test_threads_may_import_kernels_at_once():
    """As the command line does, which imports them in the background while it reads the data."""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, cwd=PACKAGE.parent)
        assert done.stdout == "failures: []\n", done.stdout + done.stderr


def test_reference_imports_only_numpy():
    assert strangers("reference", ("numpy", "fastnet.functions", "fastnet.reference")) == []


def test_strangers_are_seen():
    assert any(name.endswith(": numba.njit") for name in strangers("kernels", ("numpy",)))
    assert strangers("reference", ("fastnet",))


def test_modules_of_the_interface_need_no_import_of_their_own():
    program = "import fastnet; fastnet.schedules.Cosine(); fastnet.callbacks.Log; assert 'Any' not in dir(fastnet)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("file", sorted((PACKAGE / "kernels").rglob("*.py")), ids=lambda path: path.name)
def test_numba_is_imported_whole_before_its_parts(file):
    """A thread that began with a part, while another imports numba, would meet modules that are half there."""
    names = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append((node.lineno, node.module))
    first = min((line for line, name in names if name == "numba"), default=10**9)
    assert [name for line, name in names if name.startswith("numba.") and line < first] == []
