"""What happens to a tile between two products: bias, activation, derivative, softmax. Vector code, on rows of whole
vectors.

exp(x) = 2^k e^r with k = round(x / ln 2); e^r - 1 is a Taylor polynomial on |r| <= ln(2) / 2, long enough for its
remainder to stay below a tenth of an ulp. The power of two is applied in two halves, so that overflow ends in infinity
and underflow in denormals and zero by themselves.
"""

import math

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnet.functions import EXP, IDENTITY, RELU, SIGMOID, TANH
from fastnet.kernels.lanes import I64, Emit, call_one_of, const, declared

# itemsize: degree of the polynomial, first and last argument of interest, ln 2 as a short and a remaining part.
_EXP = {4: (7, -104.0, 89.0, 0.693359375, -2.12194440054690583e-4),
        8: (13, -746.0, 710.0, 6.93145751953125e-1, 1.42860682030941723212e-6)}  # fmt: skip


def _power_of_two(e, k):
    """2^k for a vector of integers: the exponent field alone."""
    mantissa, bias = (23, 127) if e.itemsize == 4 else (52, 1023)
    integers = ir.VectorType(e.bits, e.lanes)

    def each(x):
        return ir.Constant(integers, [x] * e.lanes)

    return e.b.bitcast(e.b.shl(e.b.add(k, each(bias)), each(mantissa)), e.vec)


def _reduce_argument(e, x):
    """(k, e^r - 1) as described above; NaN passes through."""
    b = e.b
    degree, low, high, ln2, ln2_rest = _EXP[e.itemsize]
    x = b.select(b.fcmp_ordered(">", x, e.constant(high)), e.constant(high), x)
    x = b.select(b.fcmp_ordered("<", x, e.constant(low)), e.constant(low), x)
    whole = e.call(f"llvm.rint.{e.suffix}", e.vec, b.fmul(x, e.constant(1 / math.log(2))))
    r = e.fma(whole, e.constant(-ln2), x)
    r = e.fma(whole, e.constant(-ln2_rest), r)
    p = e.constant(1 / math.factorial(degree))
    for n in range(degree - 1, 1, -1):
        p = e.fma(p, r, e.constant(1 / math.factorial(n)))
    minus_one = e.fma(b.fmul(p, r), r, r)
    # NaN has no integer; it is already in the polynomial.
    whole = b.select(b.fcmp_ordered("ord", whole, whole), whole, e.constant(0.0))
    return b.fptosi(whole, ir.VectorType(e.bits, e.lanes)), minus_one


def exp(e, x):
    k, minus_one = _reduce_argument(e, x)
    half = e.b.ashr(k, ir.Constant(k.type, [1] * e.lanes))
    y = e.b.fmul(e.b.fadd(minus_one, e.constant(1.0)), _power_of_two(e, half))
    return e.b.fmul(y, _power_of_two(e, e.b.sub(k, half)))


def log(e, x):
    """Natural logarithm of positive normal numbers: 2^k m with m about 1, and log m = 2 artanh((m - 1) / (m + 1))."""
    b = e.b
    mantissa = 23 if e.itemsize == 4 else 52
    integers = ir.VectorType(e.bits, e.lanes)

    def each(n):
        return ir.Constant(integers, [n] * e.lanes)

    half = (
        0x3F3504F3 if e.itemsize == 4 else 0x3FE6A09E667F3BCD
    )  # the square root of one half: m is in [that, 2 times that)
    bits = b.bitcast(x, integers)
    k = b.ashr(b.sub(bits, each(half)), each(mantissa))
    m = b.bitcast(b.sub(bits, b.shl(k, each(mantissa))), e.vec)
    one = e.constant(1.0)
    s = b.fdiv(b.fsub(m, one), b.fadd(m, one))
    square = b.fmul(s, s)
    terms = 5 if e.itemsize == 4 else 11  # |s| < 0.172: the next is below a tenth of an ulp
    p = e.constant(1 / (2 * terms + 1))
    for n in range(terms - 1, 0, -1):
        p = e.fma(p, square, e.constant(1 / (2 * n + 1)))
    tail = b.fmul(b.fmul(p, square), s)
    twice = b.fadd(b.fadd(tail, s), b.fadd(tail, s))
    return e.fma(b.sitofp(k, e.vec), e.constant(math.log(2)), twice)


def sigmoid(e, x):
    one = e.constant(1.0)
    return e.b.fdiv(one, e.b.fadd(one, exp(e, e.b.fneg(x))))


def tanh(e, x):
    """m / (m + 2) with m = e^2x - 1, which is exact to the last places near zero; 1 beyond 20."""
    b = e.b
    for sign, limit in ((">", 20.0), ("<", -20.0)):
        x = b.select(b.fcmp_ordered(sign, x, e.constant(limit)), e.constant(limit), x)
    k, minus_one = _reduce_argument(e, b.fadd(x, x))
    power = _power_of_two(e, k)
    m = e.fma(power, minus_one, b.fsub(power, e.constant(1.0)))
    return b.fdiv(m, b.fadd(m, e.constant(2.0)))


def _positive(e, test, x):
    """``x`` where test > 0, zero elsewhere; NaN in ``test`` passes through, so that a diverged run shows."""
    return e.b.select(e.b.fcmp_ordered("<=", test, e.constant(0.0)), e.constant(0.0), x)


FORWARD = {
    IDENTITY: lambda e, z: z,
    SIGMOID: sigmoid,
    TANH: tanh,
    RELU: lambda e, z: _positive(e, z, z),
    EXP: exp,
}
# Derivative by the activation's own output, times the incoming delta.
BACKWARD = {
    IDENTITY: lambda e, d, a: d,
    SIGMOID: lambda e, d, a: e.b.fmul(d, e.b.fmul(a, e.b.fsub(e.constant(1.0), a))),
    TANH: lambda e, d, a: e.b.fmul(d, e.fma(e.b.fneg(a), a, e.constant(1.0))),
    RELU: lambda e, d, a: _positive(e, a, d),
}


def _over_rows(e, rows, ld, vectors, body):
    """Emit ``body(offset of the vector, its column)`` for every vector of a block of rows."""

    def row(i, _):
        start = e.b.mul(i, ld)

        def vector(j, _):
            column = e.b.mul(j, const(e.lanes))
            body(e.b.add(start, column), column)
            return []

        e.loop(const(0), vectors, 1, [], vector, "vector")
        return []

    e.loop(const(0), rows, 1, [], row, "row")
    e.b.ret_void()


def _activate_function(module, scalar, code):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_activate_{scalar}_{code}", [pointer, I64, pointer, I64, I64])


def _activate(e, code, z, ld, bias, rows, vectors):
    def body(at, column):
        e.store(FORWARD[code](e, e.b.fadd(e.load(z, at), e.load(bias, column))), z, at)

    _over_rows(e, rows, ld, vectors, body)


def _derivative_function(module, scalar, code):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_derivative_{scalar}_{code}", [pointer, pointer, I64, I64, I64])


def _derivative(e, code, delta, a, ld, rows, vectors):
    def body(at, _):
        e.store(BACKWARD[code](e, e.load(delta, at), e.load(a, at)), delta, at)

    _over_rows(e, rows, ld, vectors, body)


def _call_by_code(context, builder, signature, args, table, function):
    """Call ``function(module, scalar, code)`` for the run-time activation code, the last argument."""
    *operands, code = args
    scalar = context.get_value_type(signature.args[0].dtype)
    call_one_of(builder, code, {c: function(builder.module, scalar, c) for c in table}, operands)
    return context.get_dummy_value()


@intrinsic
def activate(typingctx, Z, ld, bias, rows, vectors, code):
    """Z = f(Z + bias) in place, for ``rows`` rows of ``vectors`` vectors."""
    sig = types.void(Z, types.intp, bias, types.intp, types.intp, types.intp)

    def codegen(context, builder, signature, args):
        return _call_by_code(context, builder, signature, args, FORWARD, _activate_function)

    return sig, codegen


@intrinsic
def derivative(typingctx, delta, A, ld, rows, vectors, code):
    """delta *= f'(Z), written with A = f(Z), in place, for ``rows`` rows of ``vectors`` vectors."""
    sig = types.void(delta, A, types.intp, types.intp, types.intp, types.intp)

    def codegen(context, builder, signature, args):
        return _call_by_code(context, builder, signature, args, BACKWARD, _derivative_function)

    return sig, codegen


def _softmax_function(module, scalar):
    pointer = scalar.as_pointer()
    return declared(module, f"fastnet_softmax_{scalar}", [pointer, I64, pointer, pointer, I64.as_pointer(), I64, I64])


def _larger(e, x, y):
    """Larger of each pair; NaN in either wins, so that a diverged row ends in NaN and not in a wrong answer."""
    return e.b.select(e.b.fcmp_ordered(">", x, y), x, e.b.select(e.b.fcmp_unordered("uno", x, x), x, y))


def _softmax(e, z, ld, factor, loss, chosen, rows, k):
    """Emit the body of `softmax_rows`.

    As many rows as a vector has lanes go through together, turned into columns: row by row, maximum, sum, division and
    logarithm would wait for each other (`output_loss` of 128 rows of 10: 9.6 us, this way 4.7). The last block repeats
    its last row.
    """
    b, n = e.b, e.lanes
    tile, at_label, ratio, top_log = (b.bitcast(b.alloca(e.vec, size), z.type) for size in (n, 1, 1, 1))

    def block(first, _):
        count = b.sub(rows, first)
        count = b.select(b.icmp_signed("<", count, const(n)), count, const(n))
        last = b.sub(count, const(1))
        place = [b.select(b.icmp_signed("<", const(i), last), const(i), last) for i in range(n)]
        starts = [b.mul(b.add(first, i), ld) for i in place]

        def turn(j):
            """Columns j.. of the rows, to ``tile``."""
            for i, column in enumerate(e.transposed([e.load(z, b.add(start, j)) for start in starts])):
                e.store(column, tile, i * n)

        def column(j, i):
            """Column j + i, -inf from k on."""
            v = e.load(tile, b.mul(i, const(n)))
            inside = e.broadcast(b.icmp_signed("<", b.add(j, i), k), n)
            return b.select(inside, v, e.constant(float("-inf")))

        def note_label(i, _):
            label = b.load(e.gep(chosen, b.add(first, i)))
            place = b.add(b.mul(b.add(first, i), ld), b.select(b.icmp_signed("<", label, const(0)), const(0), label))
            b.store(b.load(e.gep(z, place)), e.gep(at_label, i))
            return []

        e.loop(const(0), count, 1, [], note_label, "label")

        def largest(j, top):
            turn(j)
            return e.loop(const(0), const(n), 1, top, lambda i, top: [_larger(e, top[0], column(j, i))], "max_column")

        (top,) = e.loop(const(0), k, n, [e.constant(float("-inf"))], largest, "max")

        def exponentials(j, total):
            turn(j)

            def one(i, total):
                y = exp(e, b.fsub(column(j, i), top))
                e.store(y, tile, b.mul(i, const(n)))
                return [b.fadd(total[0], y)]

            total = e.loop(const(0), const(n), 1, total, one, "exp_column")
            for start, v in zip(starts, e.transposed([e.load(tile, i * n) for i in range(n)]), strict=True):
                e.store(v, z, b.add(start, j))
            return total

        (total,) = e.loop(const(0), k, n, [e.constant(0.0)], exponentials, "exp")
        e.store(b.fdiv(e.constant(1.0), total), ratio)
        e.store(b.fadd(log(e, total), b.fsub(top, e.load(at_label))), top_log)

        def finish(i, _):
            r = b.add(first, i)
            share, label, start = b.load(e.gep(factor, r)), b.load(e.gep(chosen, r)), b.mul(r, ld)
            scale = e.splat(b.fmul(share, b.load(e.gep(ratio, i))))

            def vector(j, _):
                e.store(b.fmul(e.load(z, b.add(start, j)), scale), z, b.add(start, j))
                return []

            e.loop(const(0), k, n, [], vector, "scale")
            none = b.icmp_signed("<", label, const(0))
            hot = e.gep(z, b.add(start, b.select(none, const(0), label)))
            b.store(b.fsub(b.load(hot), b.select(none, ir.Constant(e.scalar, 0.0), share)), hot)
            b.store(b.fmul(share, b.load(e.gep(top_log, i))), e.gep(loss, r))
            return []

        e.loop(const(0), count, 1, [], finish, "finish")
        return []

    e.loop(const(0), rows, n, [], block, "block")
    b.ret_void()


def define(module, scalar):
    """Add activations, derivatives and softmax to the vector library."""
    for table, function, body in (
        (FORWARD, _activate_function, _activate),
        (BACKWARD, _derivative_function, _derivative),
    ):
        for code in table:
            fn = function(module, scalar, code)
            body(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), code, *fn.args)
    fn = _softmax_function(module, scalar)
    _softmax(Emit(ir.IRBuilder(fn.append_basic_block("entry")), scalar), *fn.args)


@intrinsic
def softmax_rows(typingctx, Z, ld, factor, loss, chosen, rows, k):
    """Z[i] = factor[i] * (softmax(Z[i]) - onehot(chosen[i])) in place; loss[i] = -factor[i] * log
    softmax(Z[i])[chosen[i]].

    ``rows`` rows of ``k`` numbers, padded to whole vectors; the padding becomes zero. ``chosen`` is int64; -1 subtracts
    nothing, and that row's loss means nothing.
    """
    sig = types.void(Z, types.intp, factor, loss, chosen, types.intp, types.intp)

    def codegen(context, builder, signature, args):
        scalar = context.get_value_type(signature.args[0].dtype)
        builder.call(_softmax_function(builder.module, scalar), args)
        return context.get_dummy_value()

    return sig, codegen
