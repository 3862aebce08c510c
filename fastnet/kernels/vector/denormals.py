"""Denormal numbers: arithmetic on them takes a hundred times as long, so kernels treat them as zero while they run."""

from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once
from numba.extending import intrinsic

from fastnet.kernels.compile.target import TRIPLE, is_arm64
from fastnet.kernels.vector.emit import I8, I32, I64, VOID

FLUSH = 0x8040  # x86: flush-to-zero and denormals-are-zero in MXCSR
FLUSH_ARM = 1 << 24  # AArch64: FZ in FPCR
ON_ARM, ON_X86 = is_arm64(TRIPLE), TRIPLE.startswith("x86_64")


def _declare(module, name, result, arguments):
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, arguments), name)


def _read(b):
    if ON_ARM:
        return b.call(_declare(b.module, "llvm.aarch64.get.fpcr", I64, []), [])
    if not ON_X86:
        return ir.Constant(I64, 0)
    slot = alloca_once(b, I32)
    b.call(_declare(b.module, "llvm.x86.sse.stmxcsr", VOID, [I8.as_pointer()]), [b.bitcast(slot, I8.as_pointer())])
    return b.zext(b.load(slot), I64)


def _write(b, value):
    if ON_ARM:
        b.call(_declare(b.module, "llvm.aarch64.set.fpcr", VOID, [I64]), [value])
    elif ON_X86:
        slot = alloca_once(b, I32)
        b.store(b.trunc(value, I32), slot)
        pointer = b.bitcast(slot, I8.as_pointer())
        b.call(_declare(b.module, "llvm.x86.sse.ldmxcsr", VOID, [I8.as_pointer()]), [pointer])


@intrinsic
def flush_denormals(typingctx):
    """Treat denormals as zero in this thread from now on; returns the state to be restored."""

    def codegen(context, builder, signature, args):
        state = _read(builder)
        flag = FLUSH_ARM if ON_ARM else FLUSH
        _write(builder, builder.or_(state, ir.Constant(I64, flag)))
        return state

    return types.int64(), codegen


@intrinsic
def restore_denormals(typingctx, state):
    """Undo `flush_denormals`."""

    def codegen(context, builder, signature, args):
        _write(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
