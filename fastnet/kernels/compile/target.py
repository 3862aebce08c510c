"""The machine that kernels are compiled for: its vector registers."""

import os
from collections.abc import Mapping

import llvmlite.binding as llvm

CACHE_LINE = 64  # bytes
FEATURES = llvm.get_host_cpu_features()
TRIPLE = llvm.get_process_triple()


def is_arm64(triple: str) -> bool:
    """Whether an LLVM triple names a 64-bit ARM: Linux says ``aarch64``, macOS ``arm64``."""
    return triple.partition("-")[0] in ("aarch64", "arm64")


def vector_bytes(features: Mapping[str, bool], lanes: str | None = None) -> int:
    """Width of a vector register: 64 (AVX-512), 32 (AVX) or 16 (SSE, NEON).

    lanes : what FASTNET_LANES says, "16", "8" or "4" float32 numbers; it is for tests.
    """
    if lanes:
        if lanes not in ("4", "8", "16"):
            raise ValueError(f"FASTNET_LANES must be 4, 8 or 16 (float32 lanes of a vector), got {lanes!r}")
        return 4 * int(lanes)
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


def registers(triple: str, width: int) -> int:
    """Number of vector registers: 32 with AVX-512 and on 64-bit ARM, 16 with SSE and AVX."""
    return 32 if width == 64 or is_arm64(triple) else 16


VECTOR_BYTES = vector_bytes(FEATURES, os.environ.get("FASTNET_LANES"))
REGISTERS = registers(TRIPLE, VECTOR_BYTES)


def lanes_of(itemsize: int) -> int:
    """Elements of ``itemsize`` bytes in one vector register."""
    return VECTOR_BYTES // itemsize
