"""The machine's FMA peak, measured at length."""

from fastnet.engine.peak import Peak


def measure(dtype, threads: int, bursts: int = 12) -> float:
    """FLOP/s of the best of some bursts."""
    return Peak(dtype, threads).best(bursts)
