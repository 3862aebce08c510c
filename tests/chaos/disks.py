"""Disks that are full, and checkpoints that a disk has damaged."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chaos.runs import Lab, Tally, Training

SIZE = 256 << 10  # bytes of the disk that is too small


def full(lab: Lab, runs: int) -> Tally:
    """A disk that fills up and has room again at random while a training writes its checkpoints to it."""
    tally = Tally()
    with _small_disk() as disk:
        if disk is None:
            tally.counts["skipped: no tmpfs can be mounted here"] += 1
            return tally
        for i in range(runs):
            run = lab.new_run(folder=disk / f"checkpoints-{i}")
            lab.result(run.case)
            code = _starved(lab, run, disk)
            text = (run.place / f"out-{run.starts}.txt").read_text()
            failed = len(re.findall(r"checkpoint of step \d+ not written", text))
            tally.counts["failed writes"] += failed
            tally.problems += run.problems(code, (4,) if failed else (0,))
            if run.kept():  # the last good one is good
                tally.problems += run.problems(run.start().finish())
                tally.counts["resumed"] += 1
            shutil.rmtree(run.folder)
            tally.counts["trainings"] += 1
    return tally


def _starved(lab: Lab, run: Training, disk: Path) -> int | str:
    """Train while a file on the disk grows and shrinks; the exit code."""
    program, ballast = run.start(), disk / "ballast"
    while not program.wait(lab.rng.uniform(0, 0.05)):
        if not run.folder.exists():  # it must be there to begin
            continue
        with contextlib.suppress(OSError), open(ballast, "wb") as file:
            file.write(bytes(int(lab.rng.integers(0, SIZE))))
    ballast.unlink(missing_ok=True)
    return program.finish()


@contextlib.contextmanager
def _small_disk() -> Iterator[Path | None]:
    """A tmpfs of a few kB; None where none can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="fastnet-chaos-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "fastnet-chaos", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=False)
        os.rmdir(folder)


def damaged(lab: Lab, runs: int) -> Tally:
    """The newest checkpoint is cut or has a bit flipped; then the training goes on from the one before, or refuses."""
    tally = Tally()
    for _ in range(runs):
        run = lab.new_run()
        lab.result(run.case)
        program = run.start()
        program.wait(until=lambda run=run: len(run.kept()) >= 2)  # type: ignore[misc]
        program.wait(lab.rng.uniform(0, 0.5))
        program.send(9)
        program.finish()
        kept = run.kept()
        if kept:
            tally.counts[_damage(kept[0], lab.rng)] += 1
        code = run.start().finish()
        if len(kept) < 2 and code == 2:
            tally.counts["nothing left"] += 1
            continue
        tally.problems += run.problems(code)
        tally.counts["trainings"] += 1
    return tally


def _damage(path: Path, rng: np.random.Generator) -> str:
    content = bytearray(path.read_bytes())
    place = int(rng.integers(len(content)))
    if rng.random() < 0.5:
        path.write_bytes(content[:place])
        return "cut"
    content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    return "flipped"
