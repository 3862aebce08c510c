"""Pieces: large helpers that are compiled and kept by themselves and called by name.

On a new machine another process can compile a piece while this one compiles the kernel that calls it, and training and
prediction share two of them. `train_steps` with its pieces compiles as fast as in one, and runs as fast.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from inspect import Signature, signature

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastnet.kernels.compile.cache import KernelCache, code_of, key

before_linking: list[Callable[[], None]] = []  # called before machine code of a kernel or piece is given its addresses
_pieces: dict[str, tuple[Piece, tuple]] = {}  # with the types of their arguments, by the names that code calls
_known: set[str] = set()


class Piece:
    """A function that kernels call by name, compiled by ``dispatcher``."""

    def __init__(self, dispatcher):
        self.dispatcher, self.cache = dispatcher, dispatcher._cache

    def make_known(self, args: tuple) -> None:
        """Give LLVM the address of the code for arguments of these types: loaded, or else compiled."""
        name = self.name(args)
        if name not in _known:
            self.dispatcher.compile(args)
            compiled = self.dispatcher.overloads[args]
            llvm.add_symbol(name, code_of(compiled).get_pointer_to_function(compiled.fndesc.llvm_func_name))
            _known.add(name)

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


def callable_by_name(dispatcher):
    """What kernels call in place of a dispatcher; its ``piece`` is the Piece."""
    piece = Piece(dispatcher)

    def call(typingctx, *types_of_arguments):
        def codegen(context, builder, signature, args):
            kind = context.call_conv.get_function_type(types.none, signature.args)
            name, module = piece.name(signature.args), builder.module
            function = module.globals.get(name) or ir.Function(module, kind, name)
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
    return [_pieces[function.name] for function in module.functions if function.name in _pieces]


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
