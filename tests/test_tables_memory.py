"""How much memory reading a table takes: what it becomes, and little more."""

import subprocess
import sys

import numpy as np
import pytest

arrow = pytest.importorskip("pyarrow")
ROWS, COLUMNS = 2_000_000, 4
# Prints the bytes at the peak, beside the inputs and what the process had before.
READ = """
import sys
import pyarrow.parquet
from fastnet.tables.loading import TableLoader

def memory(what):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(what))

before = memory("VmRSS")
parts = TableLoader(sys.argv[1], "y").split(test_split=0.1)
print(memory("VmHWM") - before - parts.train.X.nbytes - parts.test.X.nbytes)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_rows_take_little_more_than_their_inputs(tmp_path, rng):
    parquet, path = pytest.importorskip("pyarrow.parquet"), tmp_path / "table.parquet"
    X = rng.normal(size=(COLUMNS, ROWS)).astype(np.float32)
    columns = {f"x{j}": column for j, column in enumerate(X)} | {"y": (X[0] > X[1]).astype(np.int8)}
    parquet.write_table(arrow.table(columns), path, row_group_size=200_000)
    found = subprocess.run([sys.executable, "-c", READ, path], stdout=subprocess.PIPE, check=True, text=True)
    assert int(found.stdout) < 165_000_000  # most of it is the draw of the test rows
