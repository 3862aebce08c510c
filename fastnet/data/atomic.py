"""Files and folders that appear under their name only when they are complete."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastnet.data.source import data_error, told_as_data_errors


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A path beside ``target`` to make a new file or folder at, which is moved to ``target`` in the end.

    ``target`` must not exist. Whatever goes wrong, nothing is left; failures are told as DataErrors.
    """
    with told_as_data_errors(target, "written"):
        if target.exists():
            raise data_error(target, "exists already: remove it or choose another name")
        target.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            made = workshop / target.name
            yield made
            os.replace(made, target)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
