"""Chains of fused multiply-adds that touch no memory: what the processor's FMA units can do at most."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.kernels.compile.jit import entry
from fastnet.kernels.compile.target import REGISTERS
from fastnet.kernels.vector.emit import I32, Emit, const

# Independent chains: units times latency is 8 on x86 and 16 on the widest ARM cores.
CHAINS = REGISTERS * 3 // 4


@intrinsic
def fma_chain(typingctx, x, n):
    """``n`` times CHAINS vector FMAs that start at ``x``; what they add up to keeps the compiler honest."""
    sig = x(x, types.intp)

    def codegen(context, builder, signature, args):
        start, n = args
        e = Emit(builder, context.get_value_type(signature.args[0]))
        factor, term = e.constant(1 - 2**-10), e.constant(2**-10)  # stays near 1: no denormals, no infinities
        values = [e.fma(e.splat(start), e.constant(1.0 + i), term) for i in range(CHAINS)]
        values = e.loop(const(0), n, 1, values, lambda i, chain: [e.fma(v, factor, term) for v in chain], "chain")
        total = values[0]
        for value in values[1:]:
            total = builder.fadd(total, value)
        return builder.extract_element(total, ir.Constant(I32, 0))

    return sig, codegen


@entry
def run_chain(x, n):
    """Run the chains on one thread, ``n`` long. x : float32 or float64 number."""
    return fma_chain(x, n)
