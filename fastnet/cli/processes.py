"""A run of many processes on the command line: which of them this is, and what it keeps to itself."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

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
    group.add_argument("--sync-every", type=int, metavar="K", help=sync_help)


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """(number of this process, how many there are), as a launcher says."""
    for rank, size in LAUNCHERS:
        if environment.get(rank, "").isdecimal():
            said = environment.get(size, "")
            return int(environment[rank]), int(said) if said.isdecimal() else 1
    return 0, 1


def hush(argv: list[str]) -> None:
    """Let only the first process of a distributed run speak; an error that another meets alone is told all the same."""
    if OPTION in argv and launched()[0] > 0:
        silence()


def silence() -> None:
    """Print nothing from now on."""
    nothing = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    sys.stdout = sys.stderr = nothing


def team_of(args: argparse.Namespace) -> "Team":
    """The processes that train together, and in all but the first no output at all."""
    from fastnet.driver.team import ALONE

    if not args.distributed:
        if args.sync_every is not None:
            raise UsageError(f"--sync-every is for the processes of {OPTION}, which is missing")
        warn_if_many(f"but without {OPTION}: each trains a network of its own")
        return ALONE
    from fastnet.distributed import mpi

    if args.sync_every is not None and args.sync_every < 1:
        raise UsageError(f"--sync-every: expected a whole number from 1 on, got {args.sync_every}")
    team = mpi(sync_every=args.sync_every or 1)
    if team.rank > 0:
        silence()
    return team


def keep_to_itself(args: argparse.Namespace, team: "Team") -> None:
    """Let all processes but the first print and write nothing."""
    if team.rank > 0:
        args.quiet, args.save, args.json, args.log, args.tensorboard = True, None, None, None, None


def warn_if_many(what: str) -> None:
    """Warn, in the first of several processes that a launcher started, of what comes of it."""
    rank, size = launched()
    if size > 1 and rank == 0 and "SLURM_PROCID" not in os.environ:
        from fastnet import terminal

        terminal.warning(f"one of {size} processes, {what}")


def share_files(team: "Team", source: str | None) -> None:
    """Give each process files of its own where --data, as ``source``, stands for many."""
    from fastnet.data.shards import is_pattern

    if team.size > 1:
        team.shares_rows = source is not None and is_pattern(source)
