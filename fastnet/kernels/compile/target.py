"""The machine that kernels are compiled for: its vector registers."""

import os
from collections.abc import Mapping

import llvmlite.binding as llvm

from fastnet.kernels.compile import numba

CACHE_LINE = 64  # bytes


def features_in_use(host: Mapping[str, bool], chosen: str | None, avx: bool = True) -> dict[str, bool]:
    """Features of the processor that Numba compiles for.

    host : those that it has. chosen : what NUMBA_CPU_FEATURES says instead, as "+sse4.2,-avx". avx : NUMBA_ENABLE_AVX.
    """
    if chosen is not None:
        return {word[1:]: word[0] == "+" for word in chosen.replace(" ", "").split(",") if word}
    return {name: there and (avx or not name.startswith("avx")) for name, there in host.items()}


def is_arm64(triple: str) -> bool:
    """Whether an LLVM triple names a 64-bit ARM: Linux says ``aarch64``, macOS ``arm64``."""
    return triple.partition("-")[0] in ("aarch64", "arm64")


def vector_bytes(features: Mapping[str, bool], lanes: str | None = None) -> int:
    """Width of a vector register: 64 (AVX-512), 32 (AVX) or 16 (SSE, NEON and what is not known).

    lanes : what FASTNET_LANES says, "16", "8" or "4" float32 numbers; it is for tests.
    """
    if lanes:
        if lanes not in ("4", "8", "16"):
            raise ValueError(f"FASTNET_LANES must be 4, 8 or 16 (float32 lanes of a vector), got {lanes!r}")
        return 4 * int(lanes)
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


def registers(triple: str, width: int) -> int:
    """Number of vector registers: 32 with AVX-512 and on 64-bit ARM, 16 with SSE, AVX and what is not known."""
    return 32 if width == 64 or is_arm64(triple) else 16


def compresses(features: Mapping[str, bool], width: int) -> bool:
    """Whether one instruction presses the chosen bytes of a vector together (AVX-512 VBMI2)."""
    return width == 64 and bool(features.get("avx512vbmi2"))


TRIPLE = llvm.get_process_triple()
FEATURES = features_in_use(llvm.get_host_cpu_features(), numba.config.CPU_FEATURES, bool(numba.config.ENABLE_AVX))
VECTOR_BYTES = vector_bytes(FEATURES, os.environ.get("FASTNET_LANES"))
REGISTERS = registers(TRIPLE, VECTOR_BYTES)
AVX512 = VECTOR_BYTES == 64 and bool(FEATURES.get("avx512f"))  # whether kernels may use its own instructions


def lanes_of(itemsize: int) -> int:
    """Elements of ``itemsize`` bytes in one vector register."""
    return VECTOR_BYTES // itemsize
