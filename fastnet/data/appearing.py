"""New files and folders of data, which appear under their name only when they are complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastnet.data.source import data_error, told_as_data_errors
from fastnet.files import staged


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A path beside ``target`` to make a new file or folder at, which is moved to ``target`` in the end.

    ``target`` must not exist. Whatever goes wrong, nothing is left; failures are told as DataErrors.
    """
    with told_as_data_errors(target, "written"):
        if target.exists():
            raise data_error(target, "exists already: remove it or choose another name")
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged(target) as made:
            yield made
