"""Files and folders that appear whole or not at all."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A path to make a file or folder at, which is moved to ``target`` when the block ends.

    It lies in a new folder beside the target, so that the move is atomic. Nothing is left behind when the block fails.
    """
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", os.fspath(target.parent))
    workshop = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
    try:
        made = workshop / target.name
        yield made
        os.replace(made, target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` when the block ends, with the permissions of what was there.

    A symbolic link stays one. Raises OSError if there is something else than a regular file.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is not a regular file, which alone can be replaced")
    with staged(target) as made:
        with open(made, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            with contextlib.suppress(OSError):
                made.chmod(target.stat().st_mode)
