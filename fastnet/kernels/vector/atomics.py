"""Numbers that threads tell each other: 64-bit integers, read and written at once, in an order that all threads see."""

import ctypes
import os
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.target import TRIPLE, is_arm64
from fastnet.kernels.vector.emit import I32, VOID, const

HINT_YIELD = 1  # of AArch64's hints, the instruction YIELD
YIELD = "fastnet_let_others_run"  # the system's function, by that name


def load() -> None:
    """Make known to LLVM how this system lets another thread run."""
    system: Any = ctypes
    function = system.windll.kernel32.SwitchToThread if os.name == "nt" else ctypes.CDLL(None).sched_yield
    llvm.add_symbol(YIELD, ctypes.cast(function, ctypes.c_void_p).value)


def _call(builder, name, result, *arguments):
    """Call a function of LLVM or of the system."""
    known = builder.module.globals.get(name)
    return builder.call(
        known or ir.Function(builder.module, ir.FunctionType(result, [a.type for a in arguments]), name), arguments
    )


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
def claim(typingctx, number, old, new):
    """number[0] = new if it is ``old``; returns whether it was: of several threads that is true of one."""
    sig = types.boolean(number, types.int64, types.int64)

    def codegen(context, builder, signature, args):
        found = builder.cmpxchg(*args, "acq_rel", "acquire")
        return builder.extract_value(found, 1)

    return sig, codegen


@intrinsic
def pause(typingctx):
    """Wait for some nanoseconds, at the least cost for what else the core does."""

    def codegen(context, builder, signature, args):
        if is_arm64(TRIPLE):
            _call(builder, "llvm.aarch64.hint", VOID, ir.Constant(I32, HINT_YIELD))
        elif TRIPLE.startswith("x86"):
            _call(builder, "llvm.x86.sse2.pause", VOID)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def let_others_run(typingctx):
    """Offer the core to another thread."""

    def codegen(context, builder, signature, args):
        _call(builder, YIELD, I32)
        return context.get_dummy_value()

    return types.void(), codegen
