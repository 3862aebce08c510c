"""Small runs of all kinds, and what their results must be."""

import json
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chaos.programs import Program

THREADS = (1, 2, 3)
COMMON = ("--hidden", "16", "--batch-size", "32", "--epochs", "60", "--seed", "7", "--validation-split", "60")
# Kind of data, and options of fastnet train.
CASES = {
    "ema": ("pixels", ()),
    "adam": ("pixels", ("--optimizer", "adam")),
    "sgd": ("pixels", ("--optimizer", "sgd", "--lr", "0.1", "--schedule", "cosine", "--warmup", "2")),
    "momentum": (
        "floats",
        ("--optimizer", "momentum", "--nesterov", "--no-ema", "--lr", "0.05", "--schedule", "plateau"),
    ),
    "dropout": ("pixels", ("--dropout", "0.2", "--clip-norm", "1", "--evaluate-train")),
    "augment": ("pixels", ("--augment", "shift=1,rotate=9", "--every", "0.03s")),
    "patience": ("floats", ("--patience", "25", "--weight-decay", "0.01", "--label-smoothing", "0.1")),
    "weights": ("pixels", ("--class-weight", "balanced", "--schedule", "one_cycle", "--every", "0.02s")),
    "values": ("values", ("--hidden", "12,8", "--activation", "gelu", "--l2", "0.001", "--every", "7")),
    "in_order": ("floats", ("--no-shuffle-split", "--dtype", "float64")),
}


@dataclass
class Tally:
    """What was counted, and every difference that was found."""

    counts: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # from a signal to the end of the process

    def add(self, other: "Tally") -> None:
        """Count what another counted."""
        self.counts += other.counts
        self.problems += other.problems
        self.seconds += other.seconds


class Lab:
    """A folder with data, and in it runs and their expected results."""

    def __init__(self, folder: Path, rng: np.random.Generator):
        self.folder, self.rng, self.made = folder, rng, 0
        self.expected: dict[str, tuple[Any, float]] = {}  # result and seconds of the run that nothing interrupted
        for kind, arrays in _data(np.random.default_rng(1)).items():
            np.savez(folder / f"{kind}.npz", **arrays)

    def new_run(self, case: str | None = None, folder: Path | None = None) -> "Training":
        """A run of a case, one at random if None, that has not begun; its checkpoints go to ``folder``."""
        name = case or str(self.rng.choice(list(CASES)))
        self.made += 1
        place = self.folder / f"{self.made}-{name}"
        place.mkdir()
        return Training(self, name, place, folder or place / "checkpoints")

    def result(self, case: str) -> Any:
        """The result of a case that nothing interrupted."""
        if case not in self.expected:
            run, start = self.new_run(case), time.monotonic()
            code = run.start().finish()
            if code:
                raise RuntimeError(f"{case}: exit code {code}: {run.printed()}")
            self.expected[case] = run.result(), time.monotonic() - start
        return self.expected[case][0]

    def seconds(self, case: str) -> float:
        """How long a case takes."""
        self.result(case)
        return self.expected[case][1]


@dataclass
class Training:
    """One run of `fastnet train` with checkpoints, in as many processes as it takes."""

    lab: Lab
    case: str
    place: Path
    folder: Path
    starts: int = 0

    def start(self, cold: bool = False, **settings: Any) -> Program:
        """Begin, or go on where there are checkpoints, on some number of threads."""
        self.starts += 1
        kind, options = CASES[self.case]
        argv = ["train", "--threads", str(self.lab.rng.choice(THREADS))]
        if self.kept():
            argv += ["--resume", str(self.folder)]
        else:
            argv += ["--data", str(self.lab.folder / f"{kind}.npz"), "--checkpoint", str(self.folder), *COMMON]
            argv += [*options, "--save", str(self.place / "net.npz"), "--json", str(self.place / "run.json")]
        return Program(argv, self.place / f"out-{self.starts}.txt", cold, **settings)

    def kept(self) -> list[Path]:
        """The checkpoints, the newest first."""
        return sorted(self.folder.glob("step-*.npz"), reverse=True)

    def is_writing(self) -> bool:
        """Whether a checkpoint is being written just now."""
        return any(self.folder.glob(".step-*"))

    def result(self) -> Any:
        """The saved network and the JSON file, without what may differ: times, threads and names of files."""
        with np.load(self.place / "net.npz") as file:
            arrays = {name: file[name].tobytes() for name in file.files}
        about = json.loads((self.place / "run.json").read_text())
        for name in ("saved", "threads"):
            del about[name]
        del about["config"]["threads"]
        for epoch in about["epochs"]:
            del epoch["seconds"]
        return arrays, about

    def printed(self) -> str:
        """What the last process said, in a line."""
        return " | ".join((self.place / f"out-{self.starts}.txt").read_text().splitlines()[-3:])

    def problems(self, code: int | str, expected_code: tuple[int, ...] = (0,)) -> list[str]:
        """What is wrong with the run, which has ended with that exit code."""
        name = f"{self.place.name} after {self.starts} starts"
        if code not in expected_code:
            return [f"{name}: exit code {code}: {self.printed()}"]
        found, expected = self.result(), self.lab.result(self.case)
        parts = [what for what, a, b in zip(("weights", "JSON"), found, expected, strict=True) if a != b]
        left = [path.name for path in self.folder.glob(".*")]
        return [f"{name}: other {part}" for part in parts] + [f"{name}: {path} is left" for path in left]

    def hit(self, number: int, tally: Tally, cold: bool = False, **settings: Any) -> int | str:
        """Start, send a signal at a random moment, and return the exit code."""
        program = self.start(cold, **settings)
        program.wait(self.lab.rng.uniform(0, 1.05) * self.lab.seconds(self.case) + 1.5 * cold)
        if self.lab.rng.random() < 0.3:
            program.wait(0.5, until=self.is_writing)
        if program.has_ended():
            return program.finish()
        program.send(number)
        code = program.finish()
        tally.counts[signal.Signals(number).name] += 1
        tally.seconds.append(program.ended - program.sent)
        return code


def _data(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """Pixels and floats with classes, and floats with values."""
    pixels = np.where(rng.random((400, 36)) < 0.3, rng.integers(1, 256, (400, 36)), 0).astype(np.uint8)
    floats = rng.standard_normal((400, 30)).astype(np.float32)
    values = floats[:, :3] * 2 + 0.1 * rng.standard_normal((400, 3)).astype(np.float32)
    return {
        "pixels": {"X": pixels, "y": pixels.reshape(400, 4, 9).sum(axis=2, dtype=np.int64).argmax(axis=1)},
        "floats": {"X": floats, "y": floats[:, :5].argmax(axis=1)},
        "values": {"X": floats, "y": values},
    }
