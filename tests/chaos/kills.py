"""Trainings that are killed or told to end, and resumed until they are done."""

import signal

from chaos.runs import Lab, Tally, Training

MOST = 4  # signals that one training gets
COLD = 0.1  # share of the processes that are new interpreters, so that importing is hit too
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}


def killed(lab: Lab, runs: int) -> Tally:
    """kill -9."""
    return _ended(lab, runs, (signal.SIGKILL,))


def told_to_end(lab: Lab, runs: int) -> Tally:
    """SIGTERM, SIGINT and SIGHUP, which leave the state of that moment and nothing temporary."""
    return _ended(lab, runs, tuple(CODES))


def _ended(lab: Lab, runs: int, signals: tuple[int, ...]) -> Tally:
    tally = Tally()
    for _ in range(runs):
        run = lab.new_run()
        lab.result(run.case)
        for _ in range(int(lab.rng.integers(1, MOST + 1))):
            number = signal.Signals(int(lab.rng.choice(signals)))
            code = run.hit(number, tally, cold=bool(lab.rng.random() < COLD))
            tally.problems += _after(run, number, code)
            if code == 0:
                break
        tally.problems += run.problems(run.start().finish())
        tally.counts["trainings"] += 1
        tally.counts["starts"] += run.starts
    return tally


def _after(run: Training, number: signal.Signals, code: int | str) -> list[str]:
    """What is wrong with how a process ended. It may not have come to its handlers, or have given them back."""
    found, name = [], f"{run.place.name}, start {run.starts}"
    if code not in (0, -number, CODES.get(number)):
        found.append(f"{name}: exit code {code} after {number.name}: {run.printed()}")
    if code == CODES.get(number):
        text = (run.place / f"out-{run.starts}.txt").read_text()
        found += [f"{name}: a traceback: {run.printed()}"] * ("Traceback" in text)
        found += [f"{name}: {path.name} is left" for path in run.folder.glob(".*")]
    return found
