"""Times as texts."""

import math

UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """The seconds of a time like "90s", "5m" or "1.5h"; ValueError on anything else."""
    unit = UNITS.get(text[-1:])
    try:
        value = float(text[:-1]) if unit else math.nan
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"expected a time like 90s, 5m or 1.5h, got {text!r}")
    return value * (unit or 1)
