"""fastnet beside other libraries, each in a process of its own, on the same rows, batches and initial weights."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.processes import Contestant, best
from fastnet import Network
from fastnet.optimizers import Momentum
from fastnet.timing.cases import CASES, SEED, Case, Digits
from fastnet.timing.race import race

# Cases, and the rows of one pass.
RACED = {"mnist-64": 59_904, "mnist-30-b10": 20_000, "mnist-512": 15_360, "dense-512": 15_360}
PEERS = ("jax", "torch", "keras")
CLOSE = {"keras": 0.2}  # it shuffles by itself; the others take the same rows in the same order
ALIKE = 0.02  # relative difference of the mean losses that rounding may make


def run(digits: Digits, threads: int, ours: str, theirs: str, quick: bool) -> dict[str, Any]:
    """Race every case. ours, theirs : the interpreters that hold fastnet and the other libraries."""
    rows, absent = [], {}
    for name, count in RACED.items():
        with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder:
            write_job(Path(folder), CASES[name], digits, count)
            row, missing = race_case(CASES[name], Path(folder), threads, ours, theirs, quick)
        absent |= missing
        row["scale"] = 60_000 / count
        rows.append(row)
        print(f"  {row['label']}: { {n: round(r['median'], 2) for n, r in row['ratios'].items()} }", flush=True)
    return {"rows": rows, "absent": absent}


def write_job(folder: Path, case: Case, digits: Digits, rows: int) -> None:
    """Write what a contestant reads."""
    X, y = digits.arrays(case)
    net = Network(case.sizes, hidden=case.hidden, seed=SEED)
    order = np.random.default_rng(SEED).permutation(len(X))[:rows]
    for name, array in {"X": X, "y": y, "order": order, "params": net.params}.items():
        np.save(folder / f"{name}.npy", array)
    rule = case.optimizer
    # A moving average of gradients and the classical velocity are the same steps at another learning rate.
    ema = isinstance(rule, Momentum) and rule.ema
    lr, beta = (rule.lr * (1 - rule.beta), rule.beta) if ema else (rule.lr, getattr(rule, "beta", 0.0))
    job = {"sizes": case.sizes, "hidden": case.hidden, "batch_size": case.batch_size, "lr": lr, "beta": beta}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def race_case(
    case: Case, folder: Path, threads: int, ours: str, theirs: str, quick: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """One row, and why contestants are absent from it."""
    program = "contestants.py"
    entered = [Contestant(ours, program, "fastnet", folder, threads)]
    missing: dict[str, str] = {}
    for name, python in (("numpy", ours), *((peer, theirs) for peer in PEERS)):
        try:
            entered.append(best(python, program, name, folder, threads))
        except RuntimeError as error:
            missing[name] = str(error)
            print(f"  {name} is absent: {error}", flush=True)
    truth = entered[0].about["loss"]
    for c in entered:
        alike = abs(c.about["loss"] / truth - 1) < CLOSE.get(c.name, ALIKE)
        assert alike, f"{c.name} learns otherwise: {c.about}, not {truth}"
    row = race_processes(entered, rounds=4 if quick else 10, patience=20.0 if quick else 60.0)
    return {"name": case.name, "label": case.label, **row}, missing


def race_processes(entered: list[Contestant], rounds: int, patience: float) -> dict[str, Any]:
    """Race processes, the first against each other one, and end them."""
    try:
        runs, pids = {c.name: c.run for c in entered}, tuple(pid for c in entered for pid in c.pids)
        found = race(runs, rounds=rounds, patience=patience, clock=lambda run: run(), pids=pids)
    finally:
        for c in entered:
            c.close()
    ours = entered[0].name
    return {
        "seconds": {c.name: found.summary(c.name) for c in entered},
        "ratios": {c.name: found.ratio(ours, c.name) for c in entered[1:]},
        "threads": {c.name: c.threads for c in entered},
        "versions": {c.name: c.about["version"] for c in entered},
        "others": found.others, "disturbed": found.disturbed,
    }  # fmt: skip
