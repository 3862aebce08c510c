"""Where fastnet keeps files of its own: data sets and compiled kernels. Imports the standard library only."""

import os
import sys
import tempfile
from pathlib import Path


def cache_dir() -> Path:
    """``fastnet`` in the platform's folder for caches. It need not exist."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or _home("AppData", "Local")
    elif sys.platform == "darwin":
        base = _home("Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):  # the specification ignores relative values
            base = _home(".cache")
    return Path(base, "fastnet")


def _home(*parts: str) -> str:
    home = os.path.expanduser("~")
    if os.path.isabs(home):
        return os.path.join(home, *parts)
    user = os.getuid() if hasattr(os, "getuid") else "user"  # Windows has no numbers of users
    return os.path.join(tempfile.gettempdir(), f"fastnet-{user}")  # neither HOME nor an entry in passwd
