"""Optuna, which is an extra and slow to import."""

import contextlib
from collections.abc import Iterator
from types import ModuleType


def optuna() -> ModuleType:
    """The package; ImportError says what to install where it is missing."""
    from fastnet.data.extras import required

    return required("optuna", "Optuna", "a search for settings", "tune")


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Optuna does not tell of new studies on stderr."""
    logging = optuna().logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)
