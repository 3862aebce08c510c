"""The vector language of the kernels: a thin layer over llvmlite for code that works on whole vector registers.

LLVM vectorizes Numba's loops when it can prove enough. What must run at the machine's limit is written in vectors from
the start. An `Emit` wraps the builder of one function and one element type. Its vectors are LLVM values, so a kernel
reads like assembly with arithmetic.

A micro-kernel is one function of the vector library (library.py). The second half of this file lets Numba code call
such functions.
"""

from functools import reduce

from llvmlite import ir

from fastnet.kernels.compile.target import AVX512, lanes_of

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
VOID = ir.VoidType()
SHAPE_BASE = 64  # above every number in the shape of a micro-kernel


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
        self.estimates = AVX512 and self.itemsize == 4  # whether `estimate` and `reciprocal` are there

    def call(self, name, result, *args):
        """Call the LLVM intrinsic ``name``, declaring it on first use."""
        fn = self.b.module.globals.get(name)
        if fn is None:
            fn = ir.Function(self.b.module, ir.FunctionType(result, [a.type for a in args]), name)
        return self.b.call(fn, args)

    def estimate(self, name, x):
        """1 / x ("rcp") or 1 / sqrt(x) ("rsqrt") to 14 bits."""
        return self.call(f"llvm.x86.avx512.{name}14.ps.512", self.vec, x, self.constant(0.0), ir.Constant(I16, -1))

    def reciprocal(self, x):
        """1 / x to 2 units in the last place: an estimate, improved by a step of Newton's method.

        Where 1 / x is no normal number, zero may come of it; of zero and infinity comes NaN.
        """
        y = self.estimate("rcp", x)
        return self.fma(y, self.fma(self.b.fneg(x), y, self.constant(1.0)), y)

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

    def integers(self, x):
        """Vector of the integer x, as wide as a number."""
        return ir.Constant(ir.VectorType(self.bits, self.lanes), [x] * self.lanes)

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

    def either(self, condition, emit):
        """End a function: ``emit(True)`` or ``emit(False)``, as the condition says when the code runs."""
        cases = {case: self.b.function.append_basic_block(str(case)) for case in (True, False)}
        self.b.cbranch(condition, cases[True], cases[False])
        for case, block in cases.items():
            self.b.position_at_end(block)
            emit(case)
            self.b.ret_void()


def declared(module, name, arguments):
    """The function ``name`` of the vector library (library.py), as seen from ``module``."""
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(VOID, arguments), name)


def begin(function, scalar) -> Emit:
    """What emits the body of a function of the vector library."""
    return Emit(ir.IRBuilder(function.append_basic_block("entry")), scalar)


def scalar_of(context, signature):
    """LLVM type of the numbers that the first argument of an intrinsic points to."""
    return context.get_value_type(signature.args[0].dtype)


def calls(function):
    """Code of an intrinsic that calls ``function(module, scalar)``, of the vector library, with all its arguments."""

    def codegen(context, builder, signature, args):
        builder.call(function(builder.module, scalar_of(context, signature)), args)
        return context.get_dummy_value()

    return codegen


def calls_one_of(function, shapes):
    """Code of an intrinsic that calls ``function(module, scalar, *shape)`` for one of ``shapes``.

    A shape is a tuple of small numbers: the last arguments of the intrinsic, known when the code runs. An unknown shape
    calls nothing.
    """

    def codegen(context, builder, signature, args):
        n = len(shapes[0])
        operands, scalar = args[:-n], scalar_of(context, signature)
        key = reduce(lambda key, x: builder.add(builder.mul(key, const(SHAPE_BASE)), x), args[-n:])
        done = builder.function.append_basic_block("called")
        switch = builder.switch(key, done)
        for shape in shapes:
            block = builder.function.append_basic_block("case_" + "x".join(map(str, shape)))
            switch.add_case(const(reduce(lambda key, x: key * SHAPE_BASE + x, shape)), block)
            builder.position_at_end(block)
            builder.call(function(builder.module, scalar, *shape), operands)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return codegen
