"""Ctrl-C at any moment of train, evaluate, predict and save in one process: nothing is held, the next call is right."""

import _thread
import contextlib
import faulthandler
import json
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import fastnet
from chaos.programs import in_interpreter
from chaos.runs import Lab, Tally

PATIENCE = 60  # seconds after which a call counts as hung


def interrupted(lab: Lab, runs: int) -> Tally:
    """So many interrupts in a process of its own, with the threading layers that are here."""
    tally = Tally()
    for layer in ("omp", "workqueue"):
        code = "import sys; from chaos import interrupts; interrupts.main(*map(int, sys.argv[1:]))"
        seed = int(lab.rng.integers(2**31))
        printed = in_interpreter(code, runs // 2, seed, seconds=7200, env={"NUMBA_THREADING_LAYER": layer})
        try:
            found = json.loads(printed.splitlines()[-1])
        except (ValueError, IndexError):
            tally.problems.append(f"{layer}: {' | '.join(printed.splitlines()[-12:])}")
            continue
        tally.counts.update({f"{what} ({layer})": count for what, count in found["counts"].items()})
        tally.problems += [f"{layer}: {problem}" for problem in found["problems"]]
    return tally


def main(interrupts: int, seed: int) -> None:
    """Interrupt so often, and print what happened as JSON."""
    with tempfile.TemporaryDirectory(prefix="fastnet-chaos-") as folder:
        torture = Torture(Path(folder), np.random.default_rng(seed))
        torture.run(interrupts)
    print(json.dumps({"counts": torture.counts, "problems": torture.problems}))


class Torture:
    """Calls on two threads, interrupted at random. It runs in the main thread.

    folder : for files, made. counts : interrupts by call. problems : what was wrong after one.
    """

    def __init__(self, folder: Path, rng: np.random.Generator):
        self.folder, self.rng = folder, rng
        self.counts: Counter = Counter()
        self.problems: list[str] = []
        self.X = rng.integers(0, 256, (400, 30)).astype(np.uint8)
        self.y = self.X.reshape(400, 3, 10).sum(axis=2, dtype=np.int64).argmax(axis=1)
        self.net = fastnet.Network([30, 20, 3], seed=1)
        self.calls: dict[str, Callable[[], Any]] = {
            "train": self.train,
            "train with checkpoints": self.train_kept,
            "evaluate": lambda: self.net.evaluate(self.X, self.y),
            "predict": lambda: self.net.predict_proba(self.X).tobytes(),
            "save": lambda: self.net.save(self.folder / "net.npz"),
        }

    def train(self, checkpoint: fastnet.Checkpoint | None = None) -> bytes:
        """The weights after three epochs."""
        net = fastnet.Network([30, 20, 3], seed=2)
        settings: dict[str, Any] = {"epochs": 3, "batch_size": 64, "seed": 1, "threads": 2, "checkpoint": checkpoint}
        fastnet.train(net, self.X, self.y, validation=(self.X, self.y), **settings)
        return net.params.tobytes()

    def train_kept(self) -> bytes:
        """The weights, after a new run or the rest of one that was interrupted."""
        folder = self.folder / "kept"
        if any(folder.glob("step-*")):
            weights = fastnet.resume(folder, self.X, self.y, validation=(self.X, self.y), threads=2)[0].params.tobytes()
        else:
            weights = self.train(fastnet.Checkpoint(folder, every="0.000001s"))
        for path in folder.glob("step-*"):
            path.unlink()
        return weights

    def run(self, interrupts: int) -> None:
        """Interrupt so often."""
        with mock.patch("fastnet.engine.threads.busy_threads", return_value=2), _sigalrm():
            expected = {name: call() for name, call in self.calls.items()}
            expected["train with checkpoints"] = expected["train"]
            seconds = {name: _seconds(call) for name, call in self.calls.items()}
            while self.counts.total() < interrupts:
                name, before = str(self.rng.choice(list(self.calls))), state()
                if not self._interrupt(self.calls[name], self.rng.uniform(0, 1.1 * seconds[name])):
                    continue
                self.counts[name] += 1
                self._judge(name, before, state())
                other = str(self.rng.choice(list(self.calls)))
                if self._watched(self.calls[other]) != expected[other]:
                    self.problems.append(f"{other} gives another result after an interrupted {name}")

    def _judge(self, name: str, before: Any, after: Any) -> None:
        if before != after:
            self.problems.append(f"after an interrupted {name}: {after}, before: {before}")
        for left in self.folder.rglob(".*"):
            self.problems.append(f"after an interrupted {name}: {left.name} is left")

    def _interrupt(self, call: Callable[[], Any], delay: float) -> bool:
        """Call, with an interrupt so many seconds later; returns whether it came in time."""
        by_thread = self.rng.random() < 0.5
        done = threading.Event()
        try:
            if by_thread:
                threading.Thread(target=_later, args=(delay, done), daemon=True).start()
            else:
                signal.setitimer(signal.ITIMER_REAL, delay)
            self._watched(call)
            done.set()
            signal.setitimer(signal.ITIMER_REAL, 0)
            time.sleep(0.0001)
        except KeyboardInterrupt:
            return True
        return False

    def _watched(self, call: Callable[[], Any]) -> Any:
        """The result of a call that must come to an end."""
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        result = call()
        faulthandler.cancel_dump_traceback_later()
        return result


def state() -> dict[str, Any]:
    """What of this process no interrupt may change."""
    import numba  # not above: its threads are counted when it is imported

    from fastnet.engine import threads
    from fastnet.kernels.compile import cache

    return {
        "lock": threads._process.one_at_a_time.locked(),
        "threads": numba.get_num_threads(),
        "listeners": len(cache.listeners),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
    }


@contextlib.contextmanager
def _sigalrm() -> Iterator[None]:
    """SIGALRM is Ctrl-C."""
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def _later(delay: float, done: threading.Event) -> None:
    if not done.wait(delay):
        _thread.interrupt_main()


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
