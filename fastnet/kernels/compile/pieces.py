"""Pieces: large helpers that are compiled and kept by themselves and called by name.

On a new machine another process can compile a piece while this one compiles the kernel that calls it, and training and
prediction share two of them. `train_steps` with its pieces compiles as fast as in one, and runs as fast.

A rare piece is compiled only once something wants it. Code calls it through a pointer, which is empty until then.
In one process a first training compiles for 14 s; all rare pieces together take 3 s more.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Callable
from inspect import Signature, signature

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from fastnet.kernels.compile.cache import KernelCache, code_of, key

before_linking: list[Callable[[], None]] = []  # called before machine code of a kernel or piece is given its addresses
_pieces: dict[str, tuple[Piece, tuple]] = {}  # with the types of their arguments, by the names that code calls
_known: set[str] = set()


class Piece:
    """A function that kernels call by name, compiled by ``dispatcher``."""

    def __init__(self, dispatcher, is_rare: bool):
        self.dispatcher, self.cache, self.is_rare = dispatcher, dispatcher._cache, is_rare
        self.is_wanted = not is_rare
        self.pointers: dict[tuple, ctypes.c_void_p] = {}  # of a rare piece, to its code by the types of arguments

    @global_compiler_lock
    def make_known(self, args: tuple) -> None:
        """Give LLVM the address of the code for arguments of these types: loaded, or else compiled.

        Of a rare piece it gets that of the pointer to the code.
        """
        name = self.name(args)
        if name in _known:
            return
        if self.is_rare:
            self.pointers[args] = ctypes.c_void_p(self._address(args) if self.is_wanted else None)
            llvm.add_symbol(name, ctypes.addressof(self.pointers[args]))
        else:
            llvm.add_symbol(name, self._address(args))
        _known.add(name)

    @global_compiler_lock
    def want(self) -> None:
        """Have code for all who call this rare piece, now or later."""
        self.is_wanted = True
        for args, pointer in list(self.pointers.items()):
            pointer.value = pointer.value or self._address(args)

    def _address(self, args: tuple) -> int:
        self.dispatcher.compile(args)
        compiled = self.dispatcher.overloads[args]
        return code_of(compiled).get_pointer_to_function(compiled.fndesc.llvm_func_name)

    def is_compiled_elsewhere(self, args: tuple) -> bool:
        """Whether another process seems to be compiling it."""
        return os.path.exists(self.cache.lock_of(args))  # False, too, where nobody may look

    def name(self, args: tuple) -> str:
        """By which code calls it."""
        function = self.dispatcher.py_func
        unique = key(function.__module__, function.__qualname__, str(args)).removesuffix(".bin")
        name = f"fastnet_{function.__name__}_{unique}"
        _pieces[name] = self, args
        return name


def callable_by_name(dispatcher, is_rare: bool = False):
    """What kernels call in place of a dispatcher; its ``piece`` is the Piece."""
    piece = Piece(dispatcher, is_rare)

    def code(context, builder, signature):
        """What to call."""
        kind, name = context.call_conv.get_function_type(types.none, signature.args), piece.name(signature.args)
        if not is_rare:
            return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        function = builder.load(context.get_c_value(builder, kind.as_pointer(), name))
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, function)):
            message = f"{dispatcher.__name__} was called, but not wanted before"
            context.call_conv.return_user_exc(builder, RuntimeError, (message,))
        return function

    def call(typingctx, *types_of_arguments):
        def codegen(context, builder, signature, args):
            function = code(context, builder, signature)
            status, _ = context.call_conv.call_function(builder, function, types.none, signature.args, args)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.none(*types_of_arguments), codegen

    own, theirs = (list(signature(f).parameters.values()) for f in (call, dispatcher.py_func))
    call.__signature__ = Signature(own[:1] + theirs)  # type: ignore[attr-defined]  # Numba packs *arguments otherwise
    found = intrinsic(call)
    found.piece = piece
    return found


def make_known(module: llvm.ModuleRef) -> None:
    """Give LLVM the addresses of all that the code of a module calls by name."""
    for function in before_linking:
        function()
    _make_all_known(_needed(module))


def _make_all_known(needed: list[tuple[Piece, tuple]]) -> None:
    """Those that another process compiles at present come last."""
    for piece, args in sorted(needed, key=lambda pair: pair[0].is_compiled_elsewhere(pair[1])):
        piece.make_known(args)


def _needed(module: llvm.ModuleRef) -> list[tuple[Piece, tuple]]:
    names = [value.name for value in (*module.functions, *module.global_variables)]
    return [_pieces[name] for name in names if name in _pieces]


class PiecedCache(KernelCache):
    """A cache that keeps with a kernel which pieces it calls, and looks for those first."""

    def _reduced(self, compiled):
        needed = _needed(code_of(compiled)._final_module)
        names = [(piece.dispatcher.__module__, piece.dispatcher.__name__, args) for piece, args in needed]
        return names, super()._reduced(compiled)

    def _rebuilt(self, kept, target_context):
        names, reduced = kept
        for function in before_linking:
            function()
        _make_all_known([(getattr(importlib.import_module(module), name).piece, args) for module, name, args in names])
        return super()._rebuilt(reduced, target_context)
