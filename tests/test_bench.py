"""What measurements rest on: turns, pairs, noise, the peak, and that contestants are checked before they are timed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastnet.data import Dataset
from fastnet.timing import machine, race
from fastnet.timing.cases import CASES, MNIST, EpochWork, PredictWork
from fastnet.timing.race import Race

ROOT = Path(__file__).resolve().parents[1]


class Some:
    """A few rows of noise, mostly zeros, in the place of Digits."""

    def __init__(self, rng, n=600):
        X = rng.integers(0, 256, (n, 784), np.uint8) * (rng.random((n, 784)) < 0.2).astype(np.uint8)
        self.train = self.test = Dataset(X, rng.integers(10, size=n), 10, "noise")

    def arrays(self, case):
        X = self.train.X
        return (X if case.data == "pixels" else np.full(X.shape, 0.5, case.dtype)), self.train.y

    def facts(self):
        return {"name": "noise", "synthetic": True, "density": 0.2}


@pytest.fixture
def quiet(monkeypatch):
    """No pauses, and nobody else on the machine."""
    monkeypatch.setattr(race, "PAUSE", 0)
    monkeypatch.setattr(machine.Others, "share", lambda self: 0.0)


def test_contestants_take_turns_forth_and_back(quiet):
    order = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    race.race(runs, rounds=2, patience=10, clock=lambda run: run() or 1.0)
    assert "".join(order) == "abccba" * 2


def test_drift_cancels_in_the_pairs(quiet):
    clock = iter(range(1, 1000))  # each run is slower than the one before
    found = race.race({"a": None, "b": None}, rounds=5, patience=10, clock=lambda _: next(clock))
    assert found.ratio("a", "b")["median"] == 1
    assert found.ratio("a", "b")["spread"] == 0


def test_ratio_is_of_pairs():
    found = Race({"a": np.array([1.0, 2.0, 4.0]), "b": np.array([3.0, 6.0, 20.0])}, disturbed=False, others=0.0)
    ratio = found.ratio("a", "b")
    assert (ratio["median"], ratio["min"], ratio["pairs"]) == (3.0, 3.0, 3)
    assert ratio["spread"] == pytest.approx(1 / 3, rel=1e-4)
    assert ratio["noisy"]
    assert found.ratio("a", "b", factor=2.0)["median"] == 6.0
    steady = Race({"a": np.ones(3), "b": np.ones(3)}, disturbed=False, others=0.0)
    assert not steady.ratio("a", "b")["noisy"]
    assert Race(steady.seconds, disturbed=True, others=0.9).ratio("a", "b")["noisy"]


@pytest.mark.parametrize(("shares", "disturbed", "kept"), [([0.9, 0, 0, 0.9, 0], False, 3), ([0.9] * 50, True, 3)])
def test_disturbed_rounds_do_not_count(monkeypatch, shares, disturbed, kept):
    monkeypatch.setattr(race, "PAUSE", 0)
    left = list(shares)
    monkeypatch.setattr(machine.Others, "share", lambda self: left.pop(0))
    found = race.race({"a": None}, rounds=3, patience=0 if disturbed else 60, clock=lambda _: 1.0)
    if not disturbed:
        assert found.disturbed is False
        assert len(found.seconds["a"]) == kept
    else:
        assert found.disturbed is True
        assert found.others == 0.9


def test_own_work_is_not_taken_for_others():
    others = machine.Others()
    total = 0
    for i in range(1_500_000):
        total += i
    share = others.share()
    assert share is None or 0 <= share <= 1


def test_key_names_processor_and_threads():
    facts = {"cpu": "Some(R) CPU  @ 2", "microarchitecture": "new-1", "threads": 8}
    assert machine.key(facts) == "some-r-cpu-2-new-1-8-threads"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_peak_does_what_it_counts(dtype):
    from fastnet.engine.peak import Peak
    from fastnet.kernels.compile.target import lanes_of
    from fastnet.kernels.vector.chain import CHAINS, run_chain

    one, half = 2**-10, 1 - 2**-10
    expected = sum((1.0 + i + one) * half + one for i in range(CHAINS))
    assert run_chain(np.dtype(dtype).type(1), 1) == pytest.approx(expected, rel=1e-6)
    peak = Peak(dtype, 2)
    peak.run()
    assert peak.flops == 2.0 * lanes_of(np.dtype(dtype).itemsize) * CHAINS * peak.n * 2


def test_flops_follow_the_formula():
    assert MNIST.flops(1) == 4 * 784 * 64 + 6 * 64 * 10
    assert CASES["dense-512"].flops(10) == 10 * (4 * 784 * 512 + 6 * (512 * 512 + 512 * 10))


@pytest.mark.parametrize("name", CASES)
def test_every_case_agrees_with_its_oracle(rng, name):
    work = EpochWork(CASES[name], Some(rng), rows=400)
    work.check()
    for side, run in work.contestants().items():
        work.warm(side)
        first = run()
        work.warm(side)
        np.testing.assert_array_equal(run(), first)  # every run starts from the same weights


def test_prediction_agrees_with_its_oracle(rng):
    PredictWork("predict", Some(rng), 50, 2).check()


@pytest.mark.parametrize("entry", ["bench.__main__", "bench.gate", "fastnet.timing.race"])
def test_openblas_is_set_before_it_is_loaded(entry):
    code = f"import sys, {entry}; seen = list(sys.modules); assert seen.index('fastnet.timing') < seen.index('numpy')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


class Wrong:
    """A stepper that learns something else."""

    def __new__(cls, *args, **settings):
        from fastnet.reference import Stepper

        stepper = Stepper(*args, **settings)
        run = stepper.run
        stepper.run = lambda order, coefficients: run(order, coefficients * 1.1)
        return stepper


class Idle:
    """A stepper that learns nothing."""

    def __new__(cls, *args, **settings):
        from fastnet.reference import Stepper

        stepper = Stepper(*args, **settings)
        stepper.run = lambda order, coefficients: None
        return stepper


@pytest.mark.parametrize(("stepper", "complaint"), [(Wrong, "fastnet, mnist-64"), (Idle, "has not learned")])
def test_what_is_wrong_is_not_timed(rng, stepper, complaint):
    from fastnet.reference import Stepper
    from fastnet.timing.measure import Peaks, measure

    work = EpochWork(MNIST, Some(rng), rows=400, steppers={"fastnet": stepper, "numpy": Stepper})
    with pytest.raises(AssertionError, match=complaint):
        measure(work, Peaks(1), rounds=1, patience=0)


@pytest.mark.parametrize("noisy", [False, True])
def test_no_ratio_of_what_is_too_noisy(noisy):
    from fastnet.cli.bench import describe

    ratios = {name: {"median": 62.67, "spread": 0.5, "noisy": noisy} for name in ("numpy", "peak")}
    seconds = {"fastnet": {"median": 0.1}, "numpy": {"median": 0.5}}
    row = {"label": "784-64-10", "unit": "epoch", "seconds": seconds, "ratios": ratios, "flops": 1.0, "peak_flops": 9.0}
    text = describe(row)
    assert ("too noisy to compare" in text) is noisy
    assert ("62.67" in text) is not noisy
    assert ("times as fast" in text) is not noisy
    assert max(map(len, text.splitlines())) <= 80


def test_fastnet_bench_prints_bars_and_writes_json(rng, tmp_path, monkeypatch, capsys):
    from fastnet.cli import bench
    from fastnet.cli.main import main
    from fastnet.timing import cases

    digits = Some(rng)
    digits.name = "noise"
    monkeypatch.setattr(cases, "Digits", lambda: digits)
    monkeypatch.setattr(bench, "CASES", (("mnist-64", 500),))
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "PATIENCE", 0.1)
    path = tmp_path / "bench.json"
    assert main(["bench", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    for word in ("784-64-10 sigmoid, batch 128", "FMA peak", "predict_proba", "####"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 80
    content = json.loads(path.read_text())
    assert [row["name"] for row in content["rows"]] == ["mnist-64", "predict-10000"]
    assert content["rows"][0]["ratios"]["peak"]["median"] > 0
    assert content["machine"]["threads"] >= 1
    assert main(["bench", "--json", str(tmp_path / "nowhere" / "x.json")]) == 2
