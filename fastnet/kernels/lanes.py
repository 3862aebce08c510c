"""The vector language of the kernels: a thin layer over llvmlite for code that works on whole vector registers.

Numba's loops are vectorized by LLVM when it can prove enough; what must run at the machine's limit is written here in
vectors from the start. An `Emit` wraps the builder of one function and one element type; the vectors that it hands out
are LLVM values, so that a kernel reads like assembly with arithmetic.
"""

import os

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
VOID = ir.VoidType()


FEATURES = llvm.get_host_cpu_features()


def _vector_bytes() -> int:
    """Width of a vector register: 64 (AVX-512), 32 (AVX) or 16 (SSE, NEON); FASTNET_LANES=16|8|4 is for tests."""
    lanes = os.environ.get("FASTNET_LANES")
    if lanes:
        if lanes not in ("4", "8", "16"):
            raise ValueError(f"FASTNET_LANES must be 4, 8 or 16 (float32 lanes of a vector), got {lanes!r}")
        return 4 * int(lanes)
    return 64 if FEATURES.get("avx512f") else 32 if FEATURES.get("avx") else 16


VECTOR_BYTES = _vector_bytes()
# AVX-512 and NEON have 32 vector registers, SSE and AVX have 16.
REGISTERS = 32 if VECTOR_BYTES == 64 or "aarch64" in llvm.get_process_triple() else 16
CACHE_LINE = 64


def lanes_of(itemsize: int) -> int:
    """Elements of ``itemsize`` bytes in one vector register."""
    return VECTOR_BYTES // itemsize


def const(x: int) -> ir.Constant:
    return ir.Constant(I64, x)


class Emit:
    """Vector operations on one element type (float or double) in one builder."""

    def __init__(self, builder, scalar):
        self.b, self.scalar = builder, scalar
        self.itemsize = 4 if isinstance(scalar, ir.FloatType) else 8
        self.lanes = lanes_of(self.itemsize)
        self.vec = ir.VectorType(scalar, self.lanes)
        self.bits = ir.IntType(8 * self.itemsize)
        self.suffix = f"v{self.lanes}f{8 * self.itemsize}"

    def call(self, name, result, *args):
        """Call the LLVM intrinsic ``name``, declaring it on first use."""
        fn = self.b.module.globals.get(name)
        if fn is None:
            fn = ir.Function(self.b.module, ir.FunctionType(result, [a.type for a in args]), name)
        return self.b.call(fn, args)

    def gep(self, pointer, offset):
        return self.b.gep(pointer, [const(offset) if isinstance(offset, int) else offset])

    def in_register(self, pointer):
        """The pointer, as a sum that the compiler may not take apart again.

        A load from one register and a constant is one micro-op with the FMA that uses it; from two registers it is two.
        """
        same = ir.FunctionType(pointer.type, [pointer.type])
        return self.b.asm(same, "", "=r,0", [pointer], False)

    def load(self, pointer, offset=0):
        value = self.b.load(self.b.bitcast(self.gep(pointer, offset), self.vec.as_pointer()))
        value.align = self.itemsize
        return value

    def store(self, value, pointer, offset=0):
        self.b.store(value, self.b.bitcast(self.gep(pointer, offset), self.vec.as_pointer())).align = self.itemsize

    def prefetch(self, pointer, offset=0, write=0, near=3):
        """Ask for the cache line at ``pointer[offset]``, to be written soon (``write`` 1) or read; ``near`` 3 is into
        all caches, 2 into all but L1.
        """
        byte = self.b.bitcast(self.gep(pointer, offset), I8.as_pointer())
        flags = [ir.Constant(I32, x) for x in (write, near, 1)]
        self.call("llvm.prefetch.p0", VOID, byte, *flags)

    def constant(self, x):
        return ir.Constant(self.vec, [x] * self.lanes)

    def splat(self, x):
        return self.broadcast(x, self.lanes)

    def broadcast(self, x, n):
        """Vector of n times x, of x's own type."""
        undefined = ir.Constant(ir.VectorType(x.type, n), ir.Undefined)
        first = self.b.insert_element(undefined, x, ir.Constant(I32, 0))
        return self.b.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, n), [0] * n))

    def transposed(self, rows):
        """The columns of a square of ``lanes`` vectors: log2(lanes) rounds of interleaving, in registers."""
        b, n = self.b, self.lanes
        half = [[v for i in range(h, h + n // 2) for v in (i, n + i)] for h in (0, n // 2)]
        low, high = (ir.Constant(ir.VectorType(I32, n), lanes) for lanes in half)
        for _ in range(n.bit_length() - 1):
            rows = [b.shuffle_vector(rows[i], rows[i + n // 2], part) for i in range(n // 2) for part in (low, high)]
        return rows

    def fma(self, x, y, z):
        """x * y + z, fused where the machine can (without FMA hardware ``llvm.fma`` would call a library)."""
        return self.call(f"llvm.fmuladd.{self.suffix}", self.vec, x, y, z)

    def loop(self, start, stop, step, carried, body, name):
        """``for i in range(start, stop, step)``: ``body(i, values) -> values`` carries ``values`` in registers."""
        b, before = self.b, self.b.block
        head, inside, after = (b.function.append_basic_block(f"{name}_{part}") for part in ("head", "body", "end"))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(start, before)
        phis = [b.phi(v.type) for v in carried]
        for phi, v in zip(phis, carried, strict=True):
            phi.add_incoming(v, before)
        b.cbranch(b.icmp_signed("<", i, stop), inside, after)
        b.position_at_end(inside)
        values = body(i, phis)
        i.add_incoming(b.add(i, const(step)), b.block)
        for phi, v in zip(phis, values, strict=True):
            phi.add_incoming(v, b.block)
        b.branch(head)
        b.position_at_end(after)
        return phis


def declared(module, name, arguments):
    """The function ``name`` of the vector library (library.py), as seen from ``module``."""
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(VOID, arguments), name)


def call_one_of(builder, key, functions, operands):
    """Call functions[key] for a key known only when the code runs: a switch; other keys call nothing."""
    done = builder.function.append_basic_block("called")
    switch = builder.switch(key, done)
    for value, function in functions.items():
        block = builder.function.append_basic_block(f"case_{value}")
        switch.add_case(const(value), block)
        builder.position_at_end(block)
        builder.call(function, operands)
        builder.branch(done)
    builder.position_at_end(done)


@intrinsic
def at(typingctx, array, offset):
    """Pointer to ``array.ravel()[offset]`` of a contiguous array: no bounds or wraparound, so loops vectorize."""
    sig = types.CPointer(array.dtype)(array, types.intp)

    def codegen(context, builder, signature, args):
        return builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])

    return sig, codegen


@intrinsic
def plus(typingctx, pointer, offset):
    """Pointer arithmetic: ``pointer + offset`` elements."""
    sig = pointer(pointer, types.intp)

    def codegen(context, builder, signature, args):
        return builder.gep(args[0], [args[1]])

    return sig, codegen


@intrinsic
def lanes(typingctx, pointer):
    """Number of lanes for the pointer's element type, a compile-time constant."""
    sig = types.intp(pointer)

    def codegen(context, builder, signature, args):
        return const(lanes_of(signature.args[0].dtype.bitwidth // 8))

    return sig, codegen


@intrinsic
def prefetch(typingctx, pointer, n):
    """Ask for the cache lines of ``n`` elements that will be read soon."""
    sig = types.void(pointer, types.intp)

    def codegen(context, builder, signature, args):
        pointer, n = args
        itemsize = signature.args[0].dtype.bitwidth // 8
        e = Emit(builder, ir.FloatType())
        base = builder.bitcast(pointer, I8.as_pointer())

        def line(i, _):
            e.prefetch(base, i)
            return []

        e.loop(const(0), builder.mul(n, const(itemsize)), CACHE_LINE, [], line, "line")
        return context.get_dummy_value()

    return sig, codegen
