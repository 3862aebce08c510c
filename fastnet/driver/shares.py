"""The rows of one process among those of a team, and a check that all mean the same rows."""

import hashlib
from typing import Any

import numpy as np

from fastnet.driver.fingerprint import fingerprint
from fastnet.driver.team import Share, Team

SAMPLE = 4096  # rows of a share that are looked at
EVERYWHERE = 256  # rows of all that every process looks at: the system reads some 100 kB of a mapped file around each


def own_rows(team: Team, X: Any, y: Any, name: str = "X") -> tuple[Any, Any, Share]:
    """(X, y, Share) of this process. Raises ValueError where not all processes of a team gave the same rows."""
    if team.size == 1:
        return X, y, team.share(len(X))
    if team.shares_rows:
        kinds = {np.asarray(X).dtype.kind == "f"} if len(X) else set()
        if len(set().union(*team.gather(kinds))) > 1:
            raise ValueError(f"{name} must be integers in all processes or floats in all, got both")
        return X, y, team.share(len(X))
    team.check_same(f"{name} and its targets", _sample_of(X, y))
    share = team.share(len(X))
    return _cut(X, share), _cut(y, share), share


def sampled(team: Team, share: Share, *arrays: np.ndarray) -> str:
    """SHA-256 of some rows of arrays that lie in shares: the same whoever has which of them."""
    parts = [(kinds, sums) for kinds, sums in team.gather(sums_of(share, *arrays)) if kinds]
    digest = hashlib.sha256(f"{share.total} {parts[0][0]} ".encode())
    for _, sums in parts:
        digest.update(sums)
    return digest.hexdigest()


def sums_of(share: Share, *arrays: np.ndarray) -> tuple[str, bytes]:
    """(dtypes and widths of the arrays, "" if there are no rows; a sum for each row of a share that is looked at)."""
    chosen = np.unique(np.linspace(0, share.total - 1, min(share.total, SAMPLE)).astype(np.int64))
    own = chosen[(chosen >= share.start) & (chosen < share.stop)] - share.start
    sums = b"".join(hashlib.sha256(b"".join(array[row].tobytes() for array in arrays)).digest() for row in own)
    return " ".join(f"{array.dtype.str} {array.shape[1:]}" for array in arrays if len(array)), sums


def _cut(rows: Any, share: Share) -> Any:
    part = slice(share.start, share.stop)
    return rows.iloc[part] if hasattr(rows, "iloc") else rows[part]


def _sample_of(X: Any, y: Any) -> dict[str, Any]:
    rows = np.asarray(X)
    found = fingerprint(rows[:: max(1, len(rows) // EVERYWHERE)], np.asarray(y))
    return {"shape": rows.shape, "content (SHA-256)": found[:16]}
