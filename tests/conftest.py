"""Fixtures of all tests, and the place of compiled code: a fresh one, unless NUMBA_CACHE_DIR names another.

The processes that tests start share it, and with pytest-xdist all workers do.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

if "NUMBA_CACHE_DIR" not in os.environ:  # read when numba is imported, so set before any test module is
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="fastnet-tests-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)

# A shell's background jobs ignore Ctrl-C, which tests send themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(138)


@pytest.fixture(scope="session")
def mnist():
    """(train, test) of MNIST, where $FASTNET_DATA holds it: tests never download."""
    if not Path(os.environ.get("FASTNET_DATA", "no such folder"), "mnist").is_dir():
        pytest.skip("FASTNET_DATA does not name a folder that holds mnist/")
    import fastnet

    return fastnet.load_data("mnist")
