"""The private parts of Numba that fastnet uses. Each is looked for here.

Where a future Numba lacks one, fastnet takes a slower way that works, and warns once.
"""

import warnings
from functools import cache

import llvmlite.binding as llvm
import numba
from numba.core import codegen, runtime
from numba.core.compiler import CompilerBase
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

CACHE_HOOKS = {"_cache", "load_overload", "save_overload"}
LIBRARY_STEPS = (
    "add_ir_module",
    "finalize",
    "_optimize_functions",
    "_finalize_final_module",
    "_finalize_dynamic_globals",
    "_get_module_for_linking",
)
LINKING = {"_linking_libraries", "_reload_init", "_get_module_for_linking"}


@cache
def missing(part: str, consequence: str) -> None:
    """Warn, once for each part, that this Numba lacks it."""
    warnings.warn(
        f"Numba {numba.__version__} has no {part}, which fastnet relies on: {consequence}. "
        "Results are the same; a newer fastnet may know this Numba.",
        RuntimeWarning,
        stacklevel=2,
    )


@cache
def code_library() -> type | None:
    """Numba's class for the code of one function, if it can be told to leave that code to its callers."""
    library = getattr(codegen, "JITCodeLibrary", None)
    generator = cpu_target.target_context.codegen()
    made = library is not None and getattr(generator, "_library_class", None) is library
    if made and hasattr(generator, "_data_layout") and hasattr(CompilerBase, "_compile_core"):
        code = getattr(getattr(library, "finalize", None), "__code__", None)
        knows_steps = all(hasattr(library, step) for step in LIBRARY_STEPS)
        if knows_steps and code is not None and set(code.co_names) >= LINKING:
            return library
    missing("JITCodeLibrary as it was", "kernels take half as long again to compile, and small steps a third longer")
    return None


def target() -> tuple[str, str, str]:
    """Triple, CPU and features that Numba compiles for."""
    try:
        return cpu_target.target_context.codegen().magic_tuple()
    except AttributeError:
        missing("codegen().magic_tuple", "CPU settings of NUMBA_CPU_NAME and NUMBA_CPU_FEATURES are ignored")
        return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def has_cache_hooks() -> bool:
    """Whether dispatchers ask an object of ours for compiled code, and give it what they compiled."""
    if set(Dispatcher.compile.__code__.co_names) >= CACHE_HOOKS:
        return True
    missing("hook for a cache in its dispatchers", "each process compiles its kernels anew")
    return False


def prepare_loading(target_context) -> None:
    """Make ready what loaded code needs of Numba. `refresh` of the target is slower: for 0.3 s it learns to compile."""
    if hasattr(getattr(runtime, "rtsys", None), "initialize"):
        runtime.rtsys.initialize(target_context)
    else:
        missing("runtime.rtsys.initialize", "loading kernels takes 0.3 s longer")
        target_context.refresh()


@cache
def has_thread_symbol() -> bool:
    """Whether LLVM knows ``get_num_threads``, by which kept code may find Numba's number of threads."""
    numba.get_num_threads()  # makes the symbol known
    if llvm.address_of_symbol("get_num_threads"):
        return True
    missing("symbol get_num_threads", "each process compiles the named kernels anew")
    return False
