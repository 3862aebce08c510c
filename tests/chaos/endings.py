"""How soon a program ends after a signal, at any moment of a first run on a machine and of a later one."""

import signal
import tempfile

from chaos.kills import CODES
from chaos.runs import Lab, Tally

WARM, COMPILING = 0.5, 2.0  # seconds that an ending may take
COLD_SECONDS = 40  # in which a first run imports, compiles and trains


def timed(lab: Lab, runs: int) -> Tally:
    """Half of the runs with kernels that are kept, half in an empty cache."""
    tally = Tally()
    lab.result("adam")
    for i in range(runs):
        if i % 2:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
                _time(lab, tally, COLD_SECONDS, COMPILING, {"NUMBA_CACHE_DIR": cache})
        else:
            _time(lab, tally, lab.seconds("adam") + 0.5, WARM, {})
    return tally


def _time(lab: Lab, tally: Tally, span: float, limit: float, env: dict[str, str]) -> None:
    run, number = lab.new_run("adam"), signal.Signals(int(lab.rng.choice(list(CODES))))
    program = run.start(cold=True, env=env)
    program.wait(0.5 + lab.rng.uniform(0, span))
    if program.has_ended():
        tally.counts["ended before"] += 1
        return
    program.send(number)
    code, took, text = program.finish(), program.ended - program.sent, run.printed()
    tally.counts["first runs" if env else "later runs"] += 1
    tally.seconds.append(took)
    moment = f"{number.name} after {program.sent - program.began:.2f} s of a {'first' if env else 'later'} run"
    if took > limit:
        tally.problems.append(f"{moment}: it took {took:.2f} s to end: {text}")
    if code not in (CODES[number], -number, 0) or "Traceback" in text:
        tally.problems.append(f"{moment}: exit code {code}: {text}")
