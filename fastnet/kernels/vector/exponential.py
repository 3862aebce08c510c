"""exp and log of vectors: Numba has none that vectorize without libraries of Intel's.

exp(x) = 2^k e^r with k = round(x / ln 2). e^r - 1 is a Taylor polynomial on |r| <= ln(2) / 2, so long that what it
leaves out is below a tenth of an ulp. The power of two is applied in two halves: so overflow ends in infinity and
underflow in denormals and zero by themselves.
"""

import math

# itemsize: degree of the polynomial, first and last argument of interest, ln 2 as a short and a remaining part.
_EXP = {4: (7, -104.0, 89.0, 0.693359375, -2.12194440054690583e-4),
        8: (13, -746.0, 710.0, 6.93145751953125e-1, 1.42860682030941723212e-6)}  # fmt: skip


def power_of_two(e, k):
    """2^k for a vector of integers: the exponent field alone."""
    mantissa, bias = (23, 127) if e.itemsize == 4 else (52, 1023)
    return e.b.bitcast(e.b.shl(e.b.add(k, e.integers(bias)), e.integers(mantissa)), e.vec)


def power_and_rest(e, x):
    """(k, e^r - 1) with x = k ln 2 + r; NaN passes through."""
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
    return b.fptosi(whole, e.integers(0).type), minus_one


def exp(e, x):
    """e^x: 0 and infinity where it under- and overflows, NaN of NaN."""
    k, minus_one = power_and_rest(e, x)
    half = e.b.ashr(k, e.integers(1))
    y = e.b.fmul(e.b.fadd(minus_one, e.constant(1.0)), power_of_two(e, half))
    return e.b.fmul(y, power_of_two(e, e.b.sub(k, half)))


def log(e, x):
    """Natural logarithm of positive normal numbers: 2^k m with m about 1, and log m = 2 artanh((m - 1) / (m + 1))."""
    b = e.b
    mantissa = 23 if e.itemsize == 4 else 52
    root_half = e.integers(0x3F3504F3 if e.itemsize == 4 else 0x3FE6A09E667F3BCD)  # m is in [that, twice that)
    bits = b.bitcast(x, root_half.type)
    k = b.ashr(b.sub(bits, root_half), e.integers(mantissa))
    m = b.bitcast(b.sub(bits, b.shl(k, e.integers(mantissa))), e.vec)
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
