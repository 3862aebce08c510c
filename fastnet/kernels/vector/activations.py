"""Activations and their derivatives, in vector code, on rows of whole vectors.

A new activation gets a code in fastnet.functions, an entry in FORWARD and one in BACKWARD, and its derivative in
step/dropout.py.
"""

from numba import types
from numba.extending import intrinsic

from fastnet.functions import EXP, IDENTITY, RELU, SIGMOID, TANH
from fastnet.kernels.vector.emit import I64, begin, calls_one_of, const, declared
from fastnet.kernels.vector.exponential import exp, power_and_rest, power_of_two


def sigmoid(e, x):
    one = e.constant(1.0)
    return e.b.fdiv(one, e.b.fadd(one, exp(e, e.b.fneg(x))))


def tanh(e, x):
    """m / (m + 2) with m = e^2x - 1, which is exact to the last places near zero; 1 beyond 20."""
    b = e.b
    for sign, limit in ((">", 20.0), ("<", -20.0)):
        x = b.select(b.fcmp_ordered(sign, x, e.constant(limit)), e.constant(limit), x)
    k, minus_one = power_and_rest(e, b.fadd(x, x))
    power = power_of_two(e, k)
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


def define(module, scalar):
    """Add activations and derivatives to the vector library."""
    families = ((FORWARD, _activate_function, _activate), (BACKWARD, _derivative_function, _derivative))
    for table, function, body in families:
        for code in table:
            fn = function(module, scalar, code)
            body(begin(fn, scalar), code, *fn.args)


@intrinsic
def activate(typingctx, Z, ld, bias, rows, vectors, code):
    """Z = f(Z + bias) in place, for ``rows`` rows of ``vectors`` vectors; ``code`` names f (fastnet.functions)."""
    sig = types.void(Z, types.intp, bias, types.intp, types.intp, types.intp)
    return sig, calls_one_of(_activate_function, [(code,) for code in FORWARD])


@intrinsic
def derivative(typingctx, delta, A, ld, rows, vectors, code):
    """delta *= f'(Z), written with A = f(Z), in place, for ``rows`` rows of ``vectors`` vectors."""
    sig = types.void(delta, A, types.intp, types.intp, types.intp, types.intp)
    return sig, calls_one_of(_derivative_function, [(code,) for code in BACKWARD])
