"""fuzz: read hostile files in worker processes, and count what came of them. See --help."""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path

from fuzzing.formats import FORMATS, make, write

MEMORY = 300_000_000  # bytes that any input may take; larger files, four times their size
SECONDS = 10.0  # of CPU time: other programs may have the processors
HANGS = 120.0  # seconds of the clock after which a worker is given up


class Worker:
    """A process that reads inputs, and begins anew when it ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def read(self, name: str, seed: int, index: int) -> dict:
        """What came of an input."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fuzzing.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(HANGS, process.kill)
        timer.start()
        try:
            print(name, seed, index, file=process.stdin, flush=True)
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        self.close()
        told = f"the process ended with code {process.returncode}"
        return {"what": "failed", "told": told, "seconds": 0.0, "memory": 0, "size": 0}

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def judged(found: dict) -> str:
    """The outcome, which is a failure if it took too long or too much memory."""
    if found["memory"] > max(MEMORY, 4 * found["size"]):
        found["told"] = f"took {found['memory'] / 1e6:.0f} MB for a file of {found['size']} bytes: {found['told']}"
        return "failed"
    if found["seconds"] > SECONDS:
        found["told"] = f"took {found['seconds']:.1f} s: {found['told']}"
        return "failed"
    return found["what"]


class Fuzz:
    """Runs inputs of some formats in turn, and counts."""

    def __init__(self, names: list[str], seed: int, folder: Path):
        self.names, self.seed, self.folder = names, seed, folder
        self.counts: dict[str, Counter] = defaultdict(Counter)
        self.most: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.lock = threading.Lock()

    def run(self, inputs: range, processes: int) -> None:
        """Read inputs in some processes at a time."""
        waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        for index in [*inputs, *[None] * processes]:
            waiting.put(index)
        threads = [threading.Thread(target=self._work, args=(waiting,)) for _ in range(processes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, waiting: "queue.SimpleQueue[int | None]") -> None:
        worker = Worker()
        while (index := waiting.get()) is not None:
            name = self.names[index % len(self.names)]
            found = worker.read(name, self.seed, index)
            with self.lock:
                self._count(name, index, found)
        worker.close()

    def _count(self, name: str, index: int, found: dict) -> None:
        what = judged(found)
        self.counts[name][what] += 1
        most = self.most[name]
        most[:] = max(most[0], found["seconds"]), max(most[1], found["memory"])
        if what == "failed":
            place = self.folder / f"{name}-{self.seed}-{index}"
            place.mkdir(parents=True, exist_ok=True)
            write(name, make(name, self.seed, index), place)
            print(f"{place}: {found['told']}", flush=True)

    def table(self) -> str:
        """Counts of each format, and the most that one of its inputs took."""
        lines = [f"{'format':15}{'loaded':>9}{'refused':>9}{'failed':>8}{'most s':>8}{'most MB':>9}"]
        for name in self.names:
            counts, (seconds, memory) = self.counts[name], self.most[name]
            numbers = "".join(
                f"{counts[what]:>{width}}" for what, width in (("loaded", 9), ("refused", 9), ("failed", 8))
            )
            lines.append(f"{name:15}{numbers}{seconds:>8.2f}{memory / 1e6:>9.0f}")
        return "\n".join(lines)


def main() -> int:
    """Run the program; 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="how many, of all formats in turn (default: 10000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first input (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="other numbers give other inputs (default: 0)")
    parser.add_argument("--only", choices=FORMATS, action="append", help="a format; may be given several times")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="at a time (default: the processors)"
    )
    parser.add_argument("--output", type=Path, default=Path("fuzz-failed"), help="folder for inputs that failed")
    args = parser.parse_args()
    names = args.only or [name for name, known in FORMATS.items() if known.is_there]
    fuzz = Fuzz(names, args.seed, args.output)
    fuzz.run(range(args.first, args.first + args.inputs), args.processes)
    print(fuzz.table())
    return int(any(counts["failed"] for counts in fuzz.counts.values()))


if __name__ == "__main__":
    sys.exit(main())
