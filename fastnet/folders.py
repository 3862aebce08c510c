"""Where fastnet keeps files of its own: data sets and compiled kernels. Imports the standard library only."""

import os
import sys
from pathlib import Path


def cache_dir() -> Path:
    """The user's cache folder for fastnet, by the custom of the platform; it may not exist yet."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "fastnet"
