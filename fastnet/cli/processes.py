"""A run of many processes on the command line: which of them this is, and what it keeps to itself."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fastnet import terminal
from fastnet.cli.parser import whole
from fastnet.errors import UsageError

if TYPE_CHECKING:
    from fastnet.driver.team import Team

# How launchers tell a process its number and how many there are: MPICH and Intel MPI, Open MPI, PMIx, Slurm.
LAUNCHERS = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "PMIX_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)
OPTION = "--distributed"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for many processes."""
    group = parser.add_argument_group("many processes")
    distributed_help = "train with all processes that mpiexec started: mpiexec -n 4 fastnet train --distributed"
    group.add_argument(OPTION, action="store_true", help=distributed_help)
    sync_help = "local SGD, another algorithm: K steps of each process's own, then the mean of their weights"
    group.add_argument("--sync-every", type=whole(1), metavar="K", help=sync_help)


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """(number of this process, how many there are), as a launcher says."""
    for rank, size in LAUNCHERS:
        if environment.get(rank, "").isdecimal():
            said = environment.get(size, "")
            return int(environment[rank]), int(said) if said.isdecimal() else 1
    return 0, 1


def started(argv: list[str], run: Callable[[], int]) -> int:
    """Run the program; of a distributed run only the first process speaks, and one that fails alone ends all."""
    if OPTION not in argv:
        return run()
    from fastnet.distributed.team import jointly

    silence(launched()[0])
    try:
        return jointly(run, _last_words)
    except ImportError as error:  # there is no MPI
        terminal.error(error)
        return 2


def silence(rank: int) -> None:
    """Let a process that is not the first print nothing; what it says of errors is kept."""
    if rank > 0 and not isinstance(sys.stderr, _Kept):
        sys.stdout, sys.stderr = _Kept(), _Kept()


class _Kept(io.StringIO):
    """What nobody is to read, unless the process fails alone."""


def _last_words() -> str:
    """The last error that this process spoke of."""
    said = sys.stderr.getvalue() if isinstance(sys.stderr, _Kept) else ""
    return (said.strip().splitlines() or ["it has ended, as said above"])[-1].removeprefix("fastnet: ")


def team_of(args: argparse.Namespace) -> "Team":
    """The processes that train together, and in all but the first no output at all."""
    from fastnet.driver.team import ALONE

    if not args.distributed:
        if args.sync_every is not None:
            raise UsageError(f"--sync-every is for the processes of {OPTION}, which is missing")
        warn_if_many(f"but without {OPTION}: each trains a network of its own")
        return ALONE
    from fastnet.distributed import mpi

    team = mpi(sync_every=args.sync_every or 1)
    silence(team.rank)
    return team


def keep_to_itself(args: argparse.Namespace, team: "Team") -> None:
    """Let all processes but the first print and write nothing."""
    if team.rank > 0:
        args.quiet, args.save, args.json, args.log, args.tensorboard = True, None, None, None, None


def warn_if_many(what: str) -> None:
    """Warn, in the first of several processes that a launcher started, of what comes of it."""
    rank, size = launched()
    if size > 1 and rank == 0 and "SLURM_PROCID" not in os.environ:
        terminal.warning(f"one of {size} processes, {what}")


def share_files(team: "Team", source: str | None) -> None:
    """Give each process files of its own where --data, as ``source``, stands for many."""
    from fastnet.data.shards import is_pattern

    if team.size > 1:
        team.shares_rows = source is not None and is_pattern(source)
