"""Compilers that link a kernel's code once, and let it borrow its arrays. Numba links, optimizes and translates at each
level of the call tree, and counts references to arrays.
"""

from typing import Any

from llvmlite.ir import CallInstr
from numba import core, types

from fastnet.kernels.compile import guards
from fastnet.kernels.compile.pieces import make_known

Compiler = core.compiler.Compiler
NUMBERS = types.NoneType, types.Number, types.Boolean
ALLOCATORS = ("NRT_MemInfo_alloc", "NRT_MemInfo_new", "NRT_Allocate")


def _with_library(library_class: type) -> type:
    """A compiler that puts the code of a function into a library of this class."""

    class LibraryCompiler(Compiler):  # type: ignore[misc, valid-type]
        def __init__(self, *args, **settings):
            super().__init__(*args, **settings)
            if self.state["library"] is None:
                library = library_class(self.state.targetctx.codegen(), "fastnet")
                library.enable_object_caching()  # as Numba does with one that it makes
                self.state["library"] = library

    return LibraryCompiler


def _inherit(library: Any) -> None:
    """Note what must run where the code of a library is loaded, by those that it wants linked; as Numba does."""
    for part in library._linking_libraries:
        library._reload_init.update(part._reload_init)


def _link(module: Any, libraries: list) -> None:
    """Copy the code of libraries, and of those that they want linked, into a module.

    Callers come first: LLVM leaves out what nobody has called yet.
    """
    found: dict[Any, None] = {}

    def visit(library: Any) -> None:
        if library not in found:
            for part in library._linking_libraries:
                visit(part)
            found[library] = None

    for library in libraries:
        visit(library)
    for library in reversed(found):
        own = guards.code_library()._get_module_for_linking(library)  # type: ignore[union-attr]
        module.link_in(own, preserve=True)


def _borrow(module: Any) -> None:
    """Leave out what counts references to arrays. Who calls a kernel keeps its arguments alive, and a kernel neither
    makes an array (`_refuse_arrays`) nor returns one.

    Counting is atomic, hundreds of times a step (784-30-10, batch 10, momentum: 15.3 us, without 11.8).
    """
    if "$" not in module.name:  # Numba numbers functions, but not the wrappers that take arguments from Python
        return
    if any(function.name.startswith("_ZN5numba") for function in module.functions if not function.is_declaration):
        return  # Numba's own, which others may call, too
    for function in module.functions:
        for block in function.blocks:
            block.instructions[:] = [i for i in block.instructions if not _counts(i)]


def _counts(instruction: Any) -> bool:
    return isinstance(instruction, CallInstr) and instruction.callee.name in ("NRT_incref", "NRT_decref")


def _refuse_arrays(module: Any) -> None:
    """Raise a TypeError where a kernel makes an array: nobody would free it."""
    if any(function.name.startswith(ALLOCATORS) for function in module.functions):
        raise TypeError("a kernel makes an array; it has to be handed one")


def _borrowing(library_class: type) -> type:
    """A class of libraries whose code borrows its arrays."""

    class BorrowingLibrary(library_class):  # type: ignore[misc, valid-type]
        def add_ir_module(self, module):
            _borrow(module)
            super().add_ir_module(module)

    return BorrowingLibrary


def entry_compiler() -> type:
    """The compiler of kernels and pieces, which may call pieces by name."""
    code_library = guards.code_library()
    if code_library is None:
        return Compiler

    class EntryLibrary(_borrowing(code_library)):  # type: ignore[misc]
        def finalize(self):
            _inherit(self)
            _link(self._final_module, self._linking_libraries)
            self._linking_libraries: list = []
            super().finalize()

        def _finalize_final_module(self):
            _refuse_arrays(self._final_module)
            make_known(self._final_module)
            super()._finalize_final_module()

    class EntryCompiler(_with_library(EntryLibrary)):  # type: ignore[misc]
        def _compile_core(self):
            compiled = super()._compile_core()
            if not isinstance(compiled.signature.return_type, NUMBERS):
                raise TypeError(f"a kernel returns {compiled.signature.return_type}; expected a number or nothing")
            return compiled

    return EntryCompiler


def part_compilers() -> tuple[type, type]:
    """The compilers of serial and of parallel helpers, whose code is only linked into other code.

    That code is linked once into a kernel, where it is optimized and translated, not again at each level of the call
    tree. (All of a training compiled in 6.7 s, with Numba's own compiler in 9.4 s. Numba puts three more such levels
    between a parallel helper and its loop. Without them a slower machine compiled in 11 s, not 17.)
    """
    code_library = guards.code_library()
    if code_library is None:
        return Compiler, Compiler

    class PartLibrary(_borrowing(code_library)):  # type: ignore[misc]
        def finalize(self):
            _inherit(self)
            self._finalize_dynamic_globals()
            self._finalized = True

        def _optimize_functions(self, ll_module):
            ll_module.data_layout = self._codegen._data_layout

        def _get_module_for_linking(self):
            """With all that it calls, for a library of Numba's own, which does not ask further."""
            module = super()._get_module_for_linking().clone()
            _link(module, self._linking_libraries)
            return module

        @property
        def codegen(self):
            """Numba gives the addresses of environments to this object: `set_env` below."""
            return self

        def set_env(self, env_name, env):
            """Nothing to do: a helper has no Python objects, and without machine code no place for their address."""

    PartCompiler = _with_library(PartLibrary)

    class ParallelCompiler(PartCompiler):  # type: ignore[misc, valid-type]
        def _compile_core(self):
            """Have the loop's functions, too, made as parts."""
            codegen = self.state.targetctx.codegen()
            before = codegen._library_class
            codegen._library_class = PartLibrary
            try:
                return super()._compile_core()
            finally:
                codegen._library_class = before

    return PartCompiler, ParallelCompiler
