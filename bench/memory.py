"""Memory of training against rows: the peak of what a process holds for itself, beside the size of its data.

The data is mapped from its file, so that it is the system's cache and not the process's. Linux tells the two apart.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bench.results import ROOT

STATUS = Path("/proc/self/status")
LIMIT_MB = 400.0  # for the largest set, which is many times as large


def anonymous_mb() -> float:
    """Resident memory of this process that is not a file's."""
    for line in STATUS.read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{STATUS} has no line RssAnon")


class Peak:
    """Watches this process's anonymous memory every few milliseconds, inside a with statement."""

    def __enter__(self) -> "Peak":
        self.mb, self._stop = anonymous_mb(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self.mb = max(self.mb, anonymous_mb())


def curve(folder: Path, counts: list[int]) -> dict[str, Any] | None:
    """Train one epoch on the first rows of the set in ``folder``, in a process each; None outside of Linux."""
    if not STATUS.exists():
        return None
    points = []
    _trained(folder, 1000)  # compiles what is not compiled yet
    for n in counts:
        points.append(_trained(folder, n))
        print(f"  {n} rows ({points[-1]['data_mb']:.0f} MB): {points[-1]['peak_mb']:.0f} MB held", flush=True)
    return {"points": points, "limit_mb": LIMIT_MB}


def _trained(folder: Path, n: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.memory", str(folder), str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(done.stdout)


def main() -> None:
    """Train on N rows of a folder's set, mapped, and print the peak as JSON."""
    folder, n = sys.argv[1], int(sys.argv[2])
    start = time.perf_counter()
    with Peak() as peak:
        import fastnet

        before = anonymous_mb()
        data, _ = fastnet.load_data(folder)
        net = fastnet.Network([784, 64, 10], seed=0)
        optimizer = fastnet.Momentum(lr=4.0, beta=0.9, ema=True)
        assert data.y is not None
        history = fastnet.train(net, data.X[:n], data.y[:n], epochs=1, optimizer=optimizer, seed=0)
    point = {"rows": n, "data_mb": round(n * data.X.shape[1] / 2**20, 1), "peak_mb": round(peak.mb, 1)}
    point |= {"before_mb": round(before, 1), "epoch_seconds": round(history.epochs[0].seconds, 3)}
    print(json.dumps(point | {"seconds": round(time.perf_counter() - start, 2)}))


if __name__ == "__main__":
    main()
