"""Numbers that threads tell each other: 64-bit integers, read and written at once, in an order that all threads see."""

import ctypes
import os

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.target import TRIPLE, is_arm64
from fastnet.kernels.vector.emit import I32, VOID, const

YIELD = "fastnet_let_others_run"  # the system's function, by that name


def load() -> None:
    """Make known to LLVM how this system lets another thread run."""
    function = ctypes.windll.kernel32.SwitchToThread if os.name == "nt" else ctypes.CDLL(None).sched_yield  # type: ignore[attr-defined]
    llvm.add_symbol(YIELD, ctypes.cast(function, ctypes.c_void_p).value)


@intrinsic
def fresh(typingctx, number):
    """What is at the pointer; what another thread wrote before it published that, is seen afterwards."""
    sig = types.int64(number)

    def codegen(context, builder, signature, args):
        return builder.load_atomic(args[0], "acquire", 8)

    return sig, codegen


@intrinsic
def publish(typingctx, number, value):
    """number[0] = value, seen by others after all that was written before."""
    sig = types.void(number, types.int64)

    def codegen(context, builder, signature, args):
        builder.store_atomic(args[1], args[0], "release", 8)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def add_one(typingctx, number):
    """number[0] += 1; returns what it is then."""
    sig = types.int64(number)

    def codegen(context, builder, signature, args):
        return builder.add(builder.atomic_rmw("add", args[0], const(1), "acq_rel"), const(1))

    return sig, codegen


@intrinsic
def claim(typingctx, number, value):
    """number[0] += 1 if it is ``value``; returns whether it was: of several threads that is true of one."""
    sig = types.boolean(number, types.int64)

    def codegen(context, builder, signature, args):
        number, value = args
        found = builder.cmpxchg(number, value, builder.add(value, const(1)), "acq_rel", "acquire")
        return builder.extract_value(found, 1)

    return sig, codegen


@intrinsic
def pause(typingctx):
    """Wait for some nanoseconds, at the least cost for what else the core does."""

    def codegen(context, builder, signature, args):
        if is_arm64(TRIPLE):
            hint = ir.Function(builder.module, ir.FunctionType(VOID, [I32]), builder.module.get_unique_name("hint"))
            hint.name = "llvm.aarch64.hint"
            builder.call(hint, [ir.Constant(I32, 1)])
        elif TRIPLE.startswith(("x86", "i")):
            name = "llvm.x86.sse2.pause"
            known = builder.module.globals.get(name)
            builder.call(known or ir.Function(builder.module, ir.FunctionType(VOID, []), name), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def let_others_run(typingctx):
    """Offer the core to another thread."""

    def codegen(context, builder, signature, args):
        known = builder.module.globals.get(YIELD)
        builder.call(known or ir.Function(builder.module, ir.FunctionType(I32, []), YIELD), [])
        return context.get_dummy_value()

    return types.void(), codegen
