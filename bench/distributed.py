"""Ranks beside threads, and a model of more of them: `python -m bench.distributed [--quick] [--tables]`.

Three contestants take turns on each network: one process with one thread, one with a thread for each core, and two
ranks of one thread each. The model of bench.steptime is fitted to the compute of one process and to Allreduces of two
ranks, and its prediction for two ranks stands beside what they took; then the same between network namespaces, over
links with given delays and rates, where the system permits. Writes results/distributed.json and the tables of it into
both READMEs, the model on paper into that of the package. It needs the extra `mpi`.
"""

import argparse
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import namespaces, steptime
from bench.peers import race_processes, write_job
from bench.processes import Contestant
from bench.results import FOLDER
from bench.tables import number, origin, publish, table
from bench.tables import seconds as shown
from fastnet import __version__
from fastnet.files import replacing
from fastnet.timing import machine
from fastnet.timing.cases import CASES, Case, Digits

FILE = FOLDER / "distributed.json"
PROGRAM = "ranks.py"
DENSE = CASES["dense-512"]
WIDE = replace(DENSE, name="dense-512-b1024", batch_size=1024)
WIDEST = replace(DENSE, name="dense-2048-b4096", sizes=(784, 2048, 2048, 10), batch_size=4096)
ROWS = {CASES["mnist-64"]: 12_800, WIDE: 10_240, WIDEST: 8_192}  # of a pass
QUICK = {CASES["mnist-64"]: 1_280, WIDE: 2_048}
SIZES = (4096, 16_384, 65_536, 262_144, 1 << 20, 1 << 22, 1 << 24)  # bytes of Allreduces, as long as gradients
SHARES = (2, 8, 64, 1024)  # ranks whose compute for a step is measured
ON_WIRES = ("mnist-64", WIDE.name)
WIRES = tuple(
    namespaces.Wire(delay, rate) for delay, rate in
    ((0, None), (0, 10e9), (0, 1e9), (50e-6, 10e9), (500e-6, 1e9), (2e-3, 1e9))
)  # fmt: skip
ON_PAPER = {"10 Gbit/s, ping 50 us": (50e-6, 10e9), "1 Gbit/s, ping 500 us": (500e-6, 1e9)}
RANKS = (2, 4, 16, 64, 256, 1024)
EVERY = 16  # steps of local SGD


def work(case: Case, rows: int, digits: Digits, threads: int, quick: bool) -> dict[str, Any]:
    """Measure a network, and fit the model to it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastnet-bench-")))
        write_job(folder, case, digits, rows)
        ranks, *processes = entered = [stack.enter_context(closing(c)) for c in contestants(folder, threads)]
        truth = processes[0].about["loss"]
        assert all(abs(c.about["loss"] / truth - 1) < 1e-4 for c in entered), "ranks learn otherwise than one process"
        found = {
            "label": case.label, "batch": case.batch_size, "cores": threads,
            "rows": ranks.about["steps"] * case.batch_size,
            **{key: ranks.about[key] for key in ("steps", "bytes", "vectors")},
            "compute": {c.name: compute(c, case.batch_size) for c in processes},
            "allreduce": [(size, ranks.ask(f"allreduce {size}")) for size in sizes(ranks, quick)],
            "add": processes[0].ask("add") / ranks.about["bytes"], "parts": ranks.ask("parts"),
        }  # fmt: skip
        return found | race_processes(entered, rounds=2 if quick else 6, patience=5.0 if quick else 60.0)


def contestants(folder: Path, threads: int) -> Iterator[Contestant]:
    """Two ranks; one process with one thread; and with all."""
    yield Contestant(sys.executable, PROGRAM, "2 ranks", folder, 1, ("mpiexec", "-n", "2"))
    for n in sorted({1, threads}):
        yield Contestant(sys.executable, PROGRAM, f"{n} thread{'s' * (n > 1)}", folder, n)


def sizes(ranks: Contestant, quick: bool) -> list[int]:
    """Bytes of the Allreduces that are timed: the gradient's among them."""
    return sorted({*(SIZES[:3] if quick else SIZES), ranks.about["bytes"]})


def compute(process: Contestant, batch: int) -> steptime.Compute:
    """The compute of a step in a process, fitted to the shares of 1, 2 and many ranks."""
    points = [(rows, process.ask(f"gradient {rows}")) for rows in sorted({max(1, batch // n) for n in (1, *SHARES)})]
    return steptime.fit_compute(points, process.ask("move"))


def wires(works: dict[Case, dict[str, Any]], digits: Digits, quick: bool) -> list[dict[str, Any]]:
    """Two ranks in two network namespaces, over each of WIRES, beside what the model says."""
    netem, found = namespaces.has_netem(), []
    possible = [wire for wire in WIRES if not wire.delay or netem or namespaces.TUN.exists()]
    for wire, case in itertools.product(possible[:1] if quick else possible, works):
        if case.name in ON_WIRES:
            rows = (QUICK if quick else ROWS)[case]
            measured = on_wire(wire, netem, case, rows, digits, works[case])
            found.append({"wire": str(wire), "netem": netem} | measured)
            print(f"  {found[-1]}", file=sys.stderr, flush=True)
    return found


def on_wire(
    wire: namespaces.Wire, netem: bool, case: Case, rows: int, digits: Digits, about: dict[str, Any]
) -> dict[str, Any]:
    """One network on a wire: the link fitted to Allreduces, and the seconds of a step, predicted and measured."""
    with tempfile.TemporaryDirectory(prefix="fastnet-bench-") as folder, namespaces.joined(wire, netem) as launcher:
        write_job(Path(folder), case, digits, rows)
        with closing(Contestant(sys.executable, PROGRAM, "2 ranks", Path(folder), 1, launcher)) as ranks:
            points = [(size, ranks.ask(f"allreduce {size}")) for size in sizes(ranks, quick=True)]
            taken = min(ranks.run() for _ in range(3)) / about["steps"]
    link = steptime.fit_link(points, about["add"])
    given = steptime.Link(2 * wire.delay, 8 / wire.rate, about["add"]) if wire.rate else None
    return {
        "label": case.label, "link": link, "points": points, "allreduce": dict(points)[about["bytes"]],
        "by_the_link": given and steptime.allreduce(2, about["bytes"], given), "step": taken,
        "predicted": predicted(about, link), "load_average": machine.load_average(),
    }  # fmt: skip


def predicted(about: dict[str, Any], link: steptime.Link) -> float:
    """Seconds of a step of two ranks of one thread each."""
    alone = steptime.Compute(*about["compute"]["1 thread"])
    return steptime.step(2, about["batch"], alone, about["bytes"], link)


def render(content: dict[str, Any]) -> str:
    """The tables of what was measured, in Markdown."""
    works = list(content["works"].values())
    return "\n\n".join([ranks_table(works), between_namespaces(content["wires"]), origin(content)])


def paper(content: dict[str, Any]) -> str:
    """The model on paper, in Markdown."""
    return f"{paper_table(list(content['works'].values()))}\n\n{origin(content)}"


def ranks_table(works: list[dict[str, Any]]) -> str:
    """Two ranks beside threads: rows a second, and the step that the model says."""
    body = []
    for row in works:
        step = row["seconds"]["2 ranks"]["min"] / row["steps"]  # the model is fitted to the fastest times, too
        link = steptime.fit_link(row["allreduce"], row["add"])
        said = predicted(row, link)
        rates = [f"{row['rows'] / row['seconds'][name]['median']:,.0f}".replace(",", " ") for name in columns(row)]
        share = row["ratios"][columns(row)[1]]
        gradient = dict(map(tuple, row["allreduce"]))[row["bytes"]]
        body.append([row["label"], *rates, f"{number(share['median'])}{'~' * share['noisy']}", shown(step), shown(said),
                     shown(gradient)])  # fmt: skip
    heads = ["rows a second", *columns(works[0]), "ranks / threads", "step", "predicted", "Allreduce"]
    return table(heads, body)


def columns(row: dict[str, Any]) -> list[str]:
    """The contestants: one thread, all threads, ranks."""
    return ["1 thread", f"{row['cores']} threads" if row["cores"] > 1 else "1 thread", "2 ranks"]


def between_namespaces(found: list[dict[str, Any]] | str) -> str:
    """Two ranks between network namespaces, or why there are none."""
    if isinstance(found, str):
        return f"Not measured between network namespaces: {found}."
    body = []
    for row in found:
        times = (row[name] for name in ("allreduce", "by_the_link", "step", "predicted"))
        body.append([row["wire"], row["label"], *("-" if time is None else shown(time) for time in times)])
    by = "netem" if found[0]["netem"] else "a process, which takes time of the cores, since this kernel has no netem"
    heads = ["link, each way", "network", "Allreduce", "by delay and rate", "step", "predicted"]
    return f"{table(heads, body)}\n\nPackets are delayed by {by}."


def paper_table(works: list[dict[str, Any]]) -> str:
    """Times as fast as one machine like this one, by the model, for machines on two kinds of network."""
    body = []
    for row in works:
        whole = steptime.Compute(*row["compute"][columns(row)[1]])
        for name, (latency, rate) in ON_PAPER.items():
            link = steptime.Link(latency, 8 / rate, row["add"])
            for every in (1, EVERY):
                local = f", sync_every={every}" if every > 1 else ""
                body.append([f"{row['label']}; {name}{local}", *speed_ups(row, whole, link, every)])
    return table(["times as fast as one machine, with machines", *map(str, RANKS)], body)


def speed_ups(row: dict[str, Any], compute: steptime.Compute, link: steptime.Link, every: int) -> list[str]:
    """By the model, over RANKS."""
    vectors = row["vectors"] if every > 1 else 1

    def step(n: int) -> float:
        return steptime.step(n, row["batch"], compute, row["bytes"], link, every, vectors)

    return [f"{step(1) / step(n):.2g}" for n in RANKS]


def measure(digits: Digits, quick: bool) -> dict[str, Any]:
    """Everything, as it goes into the file."""
    facts = machine.facts()
    content: dict[str, Any] = {"taken": machine.now(), "machine": facts, "fastnet": __version__, "quick": quick}
    content["load_average"] = machine.load_average()
    works = {}
    for case, rows in (QUICK if quick else ROWS).items():
        works[case] = work(case, rows, digits, facts["threads"], quick)
        print(f"  {case.label}: {works[case]}", file=sys.stderr, flush=True)
    links = namespaces.missing() or wires(works, digits, quick)
    return content | {"works": {case.name: found for case, found in works.items()}, "wires": links}


def main(argv: list[str] | None = None) -> int:
    """Measure, write the file and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.distributed", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="few rounds, one link")
    parser.add_argument("--tables", action="store_true", help="measure nothing; print the tables of the file")
    args = parser.parse_args(argv)
    if args.tables and not FILE.exists():
        print(f"bench: there is no {FILE} to print tables from", file=sys.stderr)
        return 2
    if not args.tables:
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        if not shutil.which("mpiexec"):
            print("bench: ranks need MPI: pip install 'fastnet[mpi]'", file=sys.stderr)
            return 2
        content = measure(Digits(), args.quick)
        FOLDER.mkdir(exist_ok=True)
        with replacing(FILE) as file:
            file.write(json.dumps(content, indent=1).encode() + b"\n")
    content = json.loads(FILE.read_text(encoding="utf-8"))
    publish("distributed", render(content))
    publish("paper", paper(content))
    print(render(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
