"""exp and log of vectors: Numba has none that vectorize without libraries of Intel's.

exp(x) = 2^k e^r with k = round(x / ln 2). e^r - 1 is a Taylor polynomial on |r| <= ln(2) / 2, so long that what it
leaves out is below a tenth of an ulp.
"""

import math

from llvmlite import ir

from fastnet.kernels.compile.target import AVX512
from fastnet.kernels.vector.emit import I32

# itemsize: degree of the polynomial, first and last argument of interest, ln 2 as a short and a remaining part.
_EXP = {4: (7, -104.0, 89.0, 0.693359375, -2.12194440054690583e-4),
        8: (13, -746.0, 710.0, 6.93145751953125e-1, 1.42860682030941723212e-6)}  # fmt: skip


def _power_of_two(e, k):
    """2^k for a vector of integers: the exponent field alone."""
    mantissa, bias = (23, 127) if e.itemsize == 4 else (52, 1023)
    return e.b.bitcast(e.b.shl(e.b.add(k, e.integers(bias)), e.integers(mantissa)), e.vec)


def times_power(e, x, whole):
    """x 2^k for a vector of whole numbers k, or NaN: infinity and zero where it over- and underflows."""
    b = e.b
    if AVX512:  # one instruction instead of ten
        size = 8 * e.itemsize
        every, rounding = ir.Constant(ir.IntType(e.lanes), -1), ir.Constant(I32, 4)
        name = f"llvm.x86.avx512.mask.scalef.p{'s' if size == 32 else 'd'}.512"
        return e.call(name, e.vec, x, whole, e.constant(0.0), every, rounding)
    # NaN has no integer; it is already in x. In two halves over- and underflow come by themselves.
    known = b.select(b.fcmp_ordered("ord", whole, whole), whole, e.constant(0.0))
    k = b.fptosi(known, e.integers(0).type)
    half = b.ashr(k, e.integers(1))
    return b.fmul(b.fmul(x, _power_of_two(e, half)), _power_of_two(e, b.sub(k, half)))


def power_and_rest(e, x):
    """(k, e^r - 1) with x = k ln 2 + r and whole k; NaN passes through."""
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
    return whole, e.fma(b.fmul(p, r), r, r)


def exp(e, x):
    """e^x: 0 and infinity where it under- and overflows, NaN of NaN."""
    k, minus_one = power_and_rest(e, x)
    return times_power(e, e.b.fadd(minus_one, e.constant(1.0)), k)


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
