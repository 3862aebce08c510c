"""Files and folders that appear whole or not at all."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_workshops: set[Path] = set()  # folders of files that are being made
# On Windows a folder of mode 0o700 gives its files an access list that they keep when they are moved.
_MODE = 0o777 if os.name == "nt" else 0o700
PATIENCE = 1.0  # seconds that a file may stay open elsewhere
PAUSE = 0.05


@contextlib.contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """A path of the target's name, in a new folder beside the target that is removed when the block ends."""
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", os.fspath(target.parent))
    workshop = target.parent / f".{target.name[:40]}.{os.urandom(4).hex()}"
    try:  # Ctrl-C may come as soon as the folder is there, so it is made within
        _workshops.add(workshop)
        workshop.mkdir(_MODE)
        yield workshop / target.name
    finally:
        try:
            remove_tree(workshop)
        finally:  # once more: Ctrl-C may have ended the first
            remove_tree(workshop)
            _workshops.discard(workshop)


@contextlib.contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A path to make a file or folder at, which is moved to ``target`` when the block ends.

    It lies in a new folder beside the target, so that the move is atomic. Nothing is left behind when the block fails.
    """
    with _workshop(target) as made:
        yield made
        patiently(os.replace, made, target)
        _sync_folder(target.parent)


def patiently(act: Callable[..., object], *paths: Path) -> None:
    """``act(*paths)``, which replaces or removes the last of the paths.

    Windows refuses that while any program has the file open or mapped. Virus scanners and indexers let go of it soon,
    so there it is tried for a second. Raises PermissionError that says so.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            act(*paths)
            return
        except PermissionError as error:
            if os.name != "nt":
                raise
            if time.monotonic() > end:
                why = "a program has it open, or it must not be changed: close it, or choose another name"
                raise PermissionError(errno.EACCES, why, os.fspath(paths[-1])) from error
        time.sleep(PAUSE)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that can be done.

    Not by shutil.rmtree: interrupted, it may raise an OSError in the place of Ctrl-C.
    """
    with contextlib.suppress(OSError):
        for path in sorted(folder.rglob("*"), reverse=True):
            patiently(Path.rmdir if path.is_dir() and not path.is_symlink() else Path.unlink, path)
        patiently(Path.rmdir, folder)


def try_to_make(path: str | os.PathLike) -> None:
    """Raise the OSError of a place where no file of that name can be made; nothing is left there."""
    with _workshop(Path(os.path.realpath(path))) as made:
        made.touch()


def remove_unfinished() -> None:
    """Remove what is being made just now: for a process that ends at once."""
    for workshop in list(_workshops):
        remove_tree(workshop)


def _sync_folder(folder: Path) -> None:
    """Have the disk know a new name in a folder, where the system can say so: a power cut then takes nothing away."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
