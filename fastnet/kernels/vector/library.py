"""The vector library: every micro-kernel of one element type, compiled once and found by name.

If the micro-kernels were linked into each Numba function that uses them, LLVM would optimize and translate them again
at every level of the call tree (24 s instead of 10 s for a first run). So they are one LLVM module, kept on disk like
the kernels. Numba's code calls them by name: LLVM knows their addresses as symbols.
"""

import os
import threading

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from fastnet.kernels.compile import cache, guards
from fastnet.kernels.compile.lock import locked
from fastnet.kernels.compile.pieces import before_linking
from fastnet.kernels.vector import activations, atomics, blocks, optimizers, softmax, tile, transpose, walk

SCALARS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
_engines: dict[np.dtype, llvm.ExecutionEngine] = {}
_alive: list[llvm.ExecutionEngine] = []  # they own the machine code, which compiled kernels call until the process ends
_wanted: set[np.dtype] = set()
_lock = threading.Lock()


def _forked() -> None:
    """In a child made by fork nobody would give back a lock that another thread of the parent held."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def source(dtype: str) -> ir.Module:
    """The library as LLVM IR."""
    module = ir.Module(f"fastnet_{dtype}")
    for part in (tile, walk, transpose, activations, softmax, optimizers, blocks):
        part.define(module, SCALARS[dtype])
    return module


def _compile(module: ir.Module, machine: llvm.TargetMachine) -> bytes:
    """Names of a module's functions, a line each, then a zero byte and the object code.

    The micro-kernels are written as they shall run. These three passes take 0.1 s, LLVM's usual ones 1.1 s, and
    training is as fast.

    The names are kept because writing the source again, to learn them, takes a fifth of a second in each process.
    """
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    passes = llvm.create_new_module_pass_manager()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_loop_rotate_pass()
    passes.run(parsed, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    names = [fn.name for fn in module.functions if not fn.is_declaration]
    return "\n".join(names).encode() + b"\0" + machine.emit_object(parsed)


def _target() -> tuple[str, str, str]:
    """Triple, CPU and features that Numba compiles for."""
    return guards.target()


def _name(dtype: str) -> str:
    """Of the file that keeps the library."""
    return f"library-{cache.key(dtype, *_target())}"


def is_kept(dtype) -> bool:
    """Whether the library of one dtype was compiled before."""
    return cache.read(_name(np.dtype(dtype).name)) is not None


def _compile_alone(dtype: str, machine: llvm.TargetMachine) -> bytes:
    """The library as `_compile` gives it, unless another process keeps it meanwhile."""
    name = _name(dtype)
    with locked(cache.folder() / f"{name}.lock"):
        kept = cache.read(name)
        if kept is None:
            cache.compiling(f"library {dtype}")
            kept = _compile(source(dtype), machine)
            cache.write(name, kept)
        return kept


def want(dtype) -> None:
    """`load`, but where another process may be compiling the library, only when code that calls it is about to run."""
    if np.dtype(dtype) in _engines:
        return
    if is_kept(dtype) or guards.code_library() is None:
        load(dtype)
    else:
        _wanted.add(np.dtype(dtype))


def is_awaited(dtype) -> bool:
    """Whether the library of one dtype is wanted, but neither loaded nor kept: this is a first run."""
    return np.dtype(dtype) in _wanted


def _load_wanted() -> None:
    for dtype in tuple(_wanted):
        load(dtype)
        _wanted.discard(dtype)  # not before: code that is linked without its library ends the process


before_linking.append(_load_wanted)


def load(dtype) -> None:
    """Make the micro-kernels of one dtype known to LLVM; must come before a kernel of that type is called."""
    dtype = np.dtype(dtype)
    if dtype in _engines:
        return
    with _lock:
        if dtype in _engines:
            return
        triple, cpu, features = _target()
        target = llvm.Target.from_triple(triple)
        machine = target.create_target_machine(cpu=cpu, features=features, opt=3, codemodel="jitdefault", jit=True)
        kept = cache.read(_name(dtype.name)) or _compile_alone(dtype.name, machine)
        names, _, code = kept.partition(b"\0")
        empty = llvm.parse_assembly("")
        engine = llvm.create_mcjit_compiler(empty, machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        for function in names.decode().split("\n"):
            llvm.add_symbol(function, engine.get_function_address(function))
        atomics.load()
        _engines[dtype] = engine
        _alive.append(engine)
