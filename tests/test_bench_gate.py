"""The gate against regressions: what passes, what fails, and that it sees slowdowns planted in the real steps."""

import json

import numpy as np
import pytest

from bench import gate
from fastnet.timing import machine, race
from fastnet.timing.cases import CASES, Digits, EpochWork
from fastnet.timing.measure import Peaks, measure

MACHINE = {"cpu": "Some CPU @ 2.0 GHz", "microarchitecture": "new", "threads": 2}
DATA = {"name": "glyphs"}


def ratios(factor=1.0, spread=0.05, disturbed=False, numpy=1.0):
    """Ratios as a measurement gives them, of a fastnet and a NumPy that are so many times as fast."""
    values = {"mnist-64/numpy": 4.0 / numpy, "mnist-64/peak": 1.2}
    return {name: {"median": factor * v, "spread": spread, "disturbed": disturbed} for name, v in values.items()}


def rows(*factors):
    """A stand-in for measuring: each case is faster than NumPy by the next factor."""
    left = list(factors)

    def one(name):
        factor = left.pop(0) if len(left) > 1 else left[0]
        kinds = {"numpy": 4.0 * factor, "peak": 0.8 * factor}
        found = {kind: {"median": value, "spread": 0.02, "disturbed": False} for kind, value in kinds.items()}
        return {"name": name, "ratios": found}

    return one


@pytest.mark.parametrize(
    ("factor", "spread", "disturbed", "state"),
    [
        (1.0, 0.05, False, "holds"),
        (2.0, 0.05, False, "holds"),
        (0.86, 0.05, False, "holds"),
        (0.84, 0.05, False, "fell"),
        (0.84, 0.25, False, "holds"),
        (0.70, 0.25, False, "fell"),
        (0.60, 0.50, False, "noisy"),
        (0.40, 0.50, False, "fell"),
        (0.10, 0.05, True, "noisy"),
    ],
)
def test_a_ratio_may_fall_by_the_noise_or_fifteen_percent(factor, spread, disturbed, state):
    for now, before in ((spread, 0.05), (0.05, spread)):
        verdicts = gate.compare(ratios(spread=before), ratios(factor, now, disturbed))
        assert [v.state for v in verdicts] == [state, state]


@pytest.mark.parametrize(("numpy", "states"), [(1.2, ["holds", "holds"]), (1.5, ["noisy", "noisy"])])
def test_a_machine_that_has_changed_is_told_from_a_slower_fastnet(numpy, states):
    assert [v.state for v in gate.compare(ratios(), ratios(numpy=numpy))] == states
    assert [v.state for v in gate.compare(ratios(), ratios(0.45, numpy=numpy))] == ["fell", "fell"]


def test_unknown_machine_records_and_passes_and_is_known_then(tmp_path, capsys):
    assert gate.check(MACHINE, DATA, rows(1.0), tmp_path)
    assert "no baseline for this machine" in capsys.readouterr().out
    (path,) = tmp_path.iterdir()
    assert path.name == "some-cpu-2-0-ghz-new-2-threads-glyphs.json"
    assert gate.check(MACHINE, DATA, rows(0.95), tmp_path)
    assert not gate.check(MACHINE, DATA, rows(0.5), tmp_path)
    assert "slower than the baseline" in capsys.readouterr().out
    assert gate.check(MACHINE | {"threads": 4}, DATA, rows(0.5), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_one_slow_measurement_is_repeated(tmp_path):
    assert gate.check(MACHINE, DATA, rows(1.0), tmp_path)
    assert gate.check(MACHINE, DATA, rows(0.5, 0.5, 0.5, 1.0), tmp_path)
    first, second = [0.5] * len(gate.GATED), [0.5] * len(gate.GATED)
    assert not gate.check(MACHINE, DATA, rows(*first, *second, 0.5), tmp_path)


def test_rebase_keeps_every_reason(tmp_path, capsys):
    assert gate.rebase(MACHINE, DATA, "first", rows(1.0), tmp_path)
    assert gate.rebase(MACHINE, DATA, "float16 is gone", rows(0.5), tmp_path)
    (path,) = tmp_path.iterdir()
    content = json.loads(path.read_text())
    assert [entry["reason"] for entry in content["history"]] == ["first", "float16 is gone"]
    assert gate.check(MACHINE, DATA, rows(0.5), tmp_path)


def test_noise_between_measurements_counts(tmp_path):
    n = len(gate.GATED)
    assert gate.rebase(MACHINE, DATA, "first", rows(*[1.0] * n, *[1.25] * n, 1.05), tmp_path)
    (path,) = tmp_path.iterdir()
    spread = json.loads(path.read_text())["ratios"]["mnist-64/numpy"]["spread"]
    assert spread == pytest.approx(0.25 / 1.05, abs=1e-3)


def test_too_noisy_a_machine_gets_no_baseline(tmp_path):
    for bad in ({"disturbed": True}, {"spread": 0.9}):
        ratio = {"median": 1.0, "spread": 0.02, "disturbed": False} | bad
        noisy = {"name": "mnist-64", "ratios": {"numpy": ratio, "peak": ratio}}
        assert gate.check(MACHINE, DATA, lambda name, noisy=noisy: noisy, tmp_path)
        assert not gate.rebase(MACHINE, DATA, "why", lambda name, noisy=noisy: noisy, tmp_path)
        assert not list(tmp_path.iterdir())


class Unfused:
    """Steps whose update is not fused: the gradient is stored and NumPy applies it."""

    def __init__(self, *args, **settings):
        from fastnet.engine import Stepper

        self.inner = Stepper(*args, **settings)
        self.threads, self.params, self.moments = self.inner.threads, self.inner.params, self.inner.moments
        self.load()

    def load(self):
        self.w, self.v = self.params.copy(), self.moments[0].copy()

    def store(self):
        self.params[:], self.moments[0][:] = self.w, self.v

    def run(self, order, coefficients):
        from fastnet.functions import BETA, GAIN, SCALE, STEP_VELOCITY

        kept, batch = self.params.copy(), self.inner.batch_size
        losses = np.zeros((len(coefficients), 2))
        for i, row in enumerate(coefficients):
            self.params[:] = self.w
            self.inner.load()
            rows = order[i * batch : (i + 1) * batch]
            losses[i, 0], _, gradient = self.inner.gradient(rows, row[SCALE], 0.0)
            self.v = (row[BETA] * self.v + row[GAIN] * gradient).astype(self.v.dtype)
            self.w = (self.w - row[STEP_VELOCITY] * self.v).astype(self.w.dtype)
        self.params[:] = kept
        return losses


@pytest.mark.slow
@pytest.mark.parametrize("planted", ["unfused update", "one thread"])
def test_planted_slowdown_fails(tmp_path, planted, monkeypatch, capsys):
    from fastnet.engine import Stepper
    from fastnet.reference import Stepper as Oracle

    facts, digits = machine.facts(), Digits()
    if planted == "one thread" and facts["threads"] == 1:
        pytest.skip("one thread is all that there is")
    case = CASES["mnist-64" if planted == "unfused update" else "dense-512"]
    monkeypatch.setattr(gate, "GATED", {case.name: 2_560})
    monkeypatch.setattr(race, "PAUSE", 0.15)  # NumPy was loaded before fastnet.timing: its threads spin for long
    peaks = Peaks(facts["threads"])

    def measurer(stepper, threads=None):
        classes = {"fastnet": stepper, "numpy": Oracle}
        return lambda _: measure(
            EpochWork(case, digits, 2_560, steppers=classes, threads=threads), peaks, rounds=4, patience=5
        )

    assert gate.check(facts, DATA, measurer(Stepper), tmp_path)
    slow = measurer(Unfused) if planted == "unfused update" else measurer(Stepper, threads=1)
    passed, told = gate.check(facts, DATA, slow, tmp_path), capsys.readouterr().out
    if passed and "too noisy" in told:
        pytest.skip("the machine is too noisy to conclude")
    assert not passed, told
