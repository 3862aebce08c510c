"""The model of a step on many ranks, its fits, and the measurement under mpiexec; what is measured is not asserted."""

import itertools
import json
import math
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import distributed, namespaces
from bench.steptime import Compute, Link, allreduce, allreduce_work, fit_compute, fit_link, largest_share, step

COMPUTE, LINK = Compute(row=1e-5, update=2e-3), Link(start=5e-5, byte=8e-10, add=1e-10)
SIZE = 23_000_000
POWERS = [2**i for i in range(11)]


def test_one_rank_has_all_rows_and_sends_nothing():
    assert largest_share(4096, 1) == 4096
    assert allreduce(1, SIZE, LINK) == 0
    assert step(1, 4096, COMPUTE, SIZE, LINK) == pytest.approx(4096 * 1e-5 + 2e-3)


@pytest.mark.parametrize(("batch", "ranks"), [(128, 2), (4096, 2), (1024, 16), (128, 64), (64, 1024)])
def test_the_largest_share_is_that_of_rows_drawn_by_chance(rng, batch, ranks):
    counts = rng.multinomial(batch, np.full(ranks, 1 / ranks), 4000).max(axis=1)
    error = 5 * counts.std() / math.sqrt(len(counts))
    # The largest of independent counts, less the mean of all, is a little off for few rows.
    assert largest_share(batch, ranks) == pytest.approx(counts.mean(), abs=error + 0.3)
    assert largest_share(batch, ranks) > 1.005 * batch / ranks


def test_the_largest_share_of_two_ranks_has_a_closed_form():
    assert largest_share(4096, 2) == pytest.approx(2048 + math.sqrt(4096 / (2 * math.pi)), rel=1e-4)


@pytest.mark.parametrize("size", [8, 2048, 2049, SIZE])
def test_an_allreduce_of_two_ranks_is_one_exchange_or_two_halves(size):
    messages, sent, added = allreduce_work(2, size)
    assert (messages, sent, added) == ((1, size, size) if size <= 2048 else (2, size, size / 2))


def test_every_rank_sends_a_long_buffer_twice_however_many_there_are():
    assert allreduce_work(1024, SIZE) == pytest.approx((20, 2 * SIZE * 1023 / 1024, SIZE * 1023 / 1024))
    assert allreduce_work(5, SIZE)[0] == allreduce_work(8, SIZE)[0] == 6


@pytest.mark.parametrize("field", Link._fields)
@pytest.mark.parametrize("ranks", POWERS[1:])
def test_a_slower_network_makes_slower_steps(field, ranks):
    slower = LINK._replace(**{field: 2 * getattr(LINK, field)})
    assert step(ranks, 4096, COMPUTE, SIZE, slower) > step(ranks, 4096, COMPUTE, SIZE, LINK)


def test_more_ranks_have_fewer_rows_each_and_are_faster_where_messages_cost_nothing():
    free = Link(0, 0, 0)
    steps = [step(n, 4096, COMPUTE, SIZE, free) for n in POWERS]
    assert all(later < earlier for earlier, later in itertools.pairwise(steps))
    assert steps[-1] > COMPUTE.update  # which no number of ranks divides
    for n, seconds in zip(POWERS[1:], steps[1:], strict=True):
        assert steps[0] / seconds < n


def test_local_sgd_divides_what_is_sent_and_waits_less():
    alone = step(16, 4096, Compute(1e-5, 0), SIZE, Link(0, 0, 0), every=16)
    assert alone < step(16, 4096, Compute(1e-5, 0), SIZE, Link(0, 0, 0))
    sent = step(16, 4096, Compute(0, 0), SIZE, LINK, every=16, vectors=2)
    assert sent == pytest.approx(2 * allreduce(16, SIZE, LINK) / 16)


def test_fits_find_what_they_were_made_of():
    rows = [(n, n * COMPUTE.row + 0.5e-3) for n in (1, 64, 4096)]
    assert fit_compute(rows, update=1.5e-3) == pytest.approx(COMPUTE)
    sizes = [(size, allreduce(2, size, LINK)) for size in (8, 1024, 1 << 16, 1 << 22)]
    assert fit_link(sizes, LINK.add) == pytest.approx(LINK)


@pytest.mark.parametrize("seconds", [(1.0, 0.5, 0.1), (1e-3, 1.0, 64.0)])
def test_no_fit_goes_below_zero(seconds):
    link = fit_link(list(zip((8, 1 << 16, 1 << 22), seconds, strict=True)), add=0)
    assert min(link) >= 0
    assert max(link) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="the launcher is a shell script")
def test_the_words_of_a_launcher_reach_the_namespace_of_an_address(tmp_path, monkeypatch):
    words = namespaces._mpiexec(tmp_path, ["one", "other"])
    assert words[-2:] == ["-n", "2"]
    ip = tmp_path / "ip"
    ip.write_text('#!/bin/sh\necho "$@"\n')
    ip.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for address, name in zip(namespaces.ADDRESSES, ("one", "other"), strict=True):
        with os.popen(f"{tmp_path}/launch -x {address} proxy --control-port 10.77.0.1:5 --proxy-id 1") as pipe:
            assert pipe.read() == f"netns exec {name} sh -c proxy --control-port 10.77.0.1:5 --proxy-id 1\n"


def row_of(link: Link) -> dict:
    """A network as it goes into the file of results."""
    return {
        "label": "784-9-10", "batch": 128, "cores": 2, "rows": 1280, "steps": 10, "bytes": SIZE, "vectors": 2,
        "compute": {"1 thread": COMPUTE, "2 threads": COMPUTE}, "add": link.add,
        "allreduce": [(size, allreduce(2, size, link)) for size in (8, 1024, SIZE)],
        "seconds": {
            name: {"median": s, "min": s} for name, s in (("1 thread", 2.0), ("2 threads", 1.0), ("2 ranks", 1.25))
        },
        "ratios": {name: {"median": r, "noisy": False} for name, r in (("1 thread", 1.6), ("2 threads", 0.8))},
    }  # fmt: skip


def test_tables_show_ranks_beside_threads_and_the_model_beside_both():
    about = {"machine": {"cpu": "Some CPU", "cores": 2}, "taken": "2026-01-02T03:04:05Z", "quick": False}
    content = about | {"works": {"one": row_of(LINK)}, "wires": "network namespaces need root"}
    text = distributed.render(json.loads(json.dumps(content)))
    first = text.splitlines()[2]
    assert first.startswith("| 784-9-10 | 640 | 1 280 | 1 024 | 0.8 | 0.125 s |")
    assert "network namespaces need root" in text
    paper = [line for line in distributed.paper(content).splitlines() if "Gbit/s" in line]
    assert len(paper) == 4
    slow = [float(line.split("|")[2]) for line in paper]
    assert slow[2] < slow[0] < slow[1] < 2  # 1 Gbit/s, 10 Gbit/s, 10 Gbit/s every 16 steps


def test_without_results_there_are_no_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(distributed, "FILE", tmp_path / "distributed.json")
    assert distributed.main(["--tables"]) == 2
    assert "there is no" in capsys.readouterr().err


@pytest.mark.parametrize(("netem", "word"), [(True, "by netem"), (False, "by a process")])
def test_the_table_of_links_says_what_delays(netem, word):
    row = {"wire": "no delay, no limit", "netem": netem, "label": "784-9-10", "allreduce": 0.3, "by_the_link": None}
    text = distributed.between_namespaces([row | {"step": 0.2, "predicted": 0.1}])
    assert "| no delay, no limit | 784-9-10 | 0.3 s | - | 0.2 s | 0.1 s |" in text
    assert word in text


@pytest.mark.slow
def test_ranks_are_measured_beside_threads(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mpi4py", reason="needs the extra mpi")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not shutil.which("mpiexec"):
        pytest.skip("there is no mpiexec")
    monkeypatch.setattr(distributed, "publish", lambda name, body: None)
    monkeypatch.setattr(distributed, "FOLDER", tmp_path)
    monkeypatch.setattr(distributed, "FILE", tmp_path / "distributed.json")
    monkeypatch.setattr(distributed, "QUICK", dict(itertools.islice(distributed.QUICK.items(), 1)))
    assert distributed.main(["--quick"]) == 0
    content = json.loads((tmp_path / "distributed.json").read_text(encoding="utf-8"))
    (row,) = content["works"].values()
    assert set(row["seconds"]) == {"2 ranks", "1 thread", *distributed.columns(row)[:2]}
    assert row["parts"].keys() == {"add_up", "wait", "allreduce", "move"}
    assert isinstance(content["wires"], str) or content["wires"][0]["step"] > 0
    assert "784-64-10" in capsys.readouterr().out
