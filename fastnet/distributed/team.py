"""The processes that mpiexec started, as a team."""

import contextlib
import copy
import os
import platform
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

import fastnet
from fastnet.distributed.ends import WAIT, Ends
from fastnet.distributed.pulse import Pulse
from fastnet.distributed.signals import SharedShield
from fastnet.driver.batches import Batches
from fastnet.driver.team import Share, Team, Value
from fastnet.errors import number, whole

SILENCE = 8.0  # seconds without a sign of life that are too many
DONE = (0, 3, 4)  # exit codes of a program that came to its end
SIGNALLED, ENDING = (129, 130, 143), 60.0  # those after a signal, and the seconds that a last checkpoint may take


class MPITeam(Team):
    """See `mpi`."""

    def __init__(self, shards: bool, sync_every: int, silence: float):
        self.shares_rows, self.sync_every, self._silence = shards, sync_every, silence
        MPI, (self.comm, self.names, self._pulse, self._ends) = _load(), _lines()
        self.rank, self.size = self.comm.rank, self.comm.size
        self._share_cores(MPI)
        self.check_same("arguments of mpi", {"shards": shards, "sync_every": sync_every})
        self.check_same("fastnet", fastnet.__version__)
        self.check_same("Python", platform.python_version())
        self.check_same("NumPy", np.__version__)
        self._check_vectors()

    def _share_cores(self, MPI: Any) -> None:
        """Give each process its part of the cores of its machine."""
        from fastnet.engine.threads import take_at_most

        here = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        cores = set().union(*here.allgather(_cores()))
        take_at_most(max(1, len(cores) // here.size))
        here.Free()

    def _check_vectors(self) -> None:
        from fastnet.kernels.compile.target import VECTOR_BYTES

        self.check_same("vectors (FASTNET_LANES=8 gives all the same)", f"{8 * VECTOR_BYTES} bits")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """A block that all leave in the same way: where one fails alone, it ends the whole job, within seconds.

        A process that does not answer for ``silence`` seconds ends it as well.
        """
        if self._ends.is_guarded:
            yield
            return
        with self._pulse.expected(self._silence), self._ends.guarded():
            yield
            wait(self.comm)

    @contextlib.contextmanager
    def in_turn(self) -> Iterator[None]:
        """A block that rank 0 leaves before the others enter it; they sleep meanwhile."""
        if self.rank > 0:
            wait(self.comm)
        yield
        if self.rank == 0:
            wait(self.comm)

    def same(self, value: Value) -> Value:
        """The value that rank 0 has; small, or an array. Rank 0 keeps the object that it has."""
        found = self.comm.bcast(value)
        return value if self.rank == 0 else found

    def gather(self, value: Value) -> list[Value]:
        """The values of all, by rank."""
        return self.comm.allgather(value)

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum of float64 arrays of one shape, over all."""
        sums = np.empty(values.shape)
        self.comm.Allreduce(np.ascontiguousarray(values, np.float64), sums)
        return sums

    def share(self, n: int) -> Share:
        """Which rows are this process's: n is the number of its own where ``shares_rows``, else of all."""
        if not self.shares_rows:
            return Share(n * self.rank // self.size, n * (self.rank + 1) // self.size, n)
        ends = np.cumsum(self.gather(n))
        return Share(int(ends[self.rank]) - n, int(ends[self.rank]), int(ends[-1]))

    def shield(self) -> SharedShield:
        """What holds signals back until all processes are between the same two steps."""
        return SharedShield(self)

    def stepper(self, stepper: Any, share: Share, batches: Batches) -> Any:
        """One that takes the steps of all, around one that takes those of this process."""
        from fastnet.distributed.steps import AveragedSteps, SummedSteps

        if self.sync_every > 1:
            return AveragedSteps(stepper, share, batches, self.comm, self.sync_every)
        return SummedSteps(stepper, share, batches, self.comm)

    def check_same(self, what: str, value: Any) -> None:
        """Raise ValueError on all where not all have an equal value; of an array its bytes are compared."""
        told: Any = zlib.crc32(value) if isinstance(value, np.ndarray) else value
        values = self.gather(told)
        other = next((rank for rank, one in enumerate(values) if one != values[0]), None)
        if other is not None:
            one, first = values[other], values[0]
            while isinstance(first, dict) and isinstance(one, dict):
                what, one, first = _difference(what, one, first)
            one, first = (f"{shown!r:.60}" for shown in (one, first))
            raise ValueError(f"{what} must be the same in all processes: {self.names[other]} has {one}, rank 0 {first}")

    def syncing(self, every: int) -> "MPITeam":
        """The same processes, which have the same weights every so many steps."""
        team = copy.copy(self)
        team.sync_every = every
        return team

    def all_leave(self) -> None:
        """Note that all processes raise now: none of them is alone in it."""
        self._ends.agreed = True

    def __repr__(self) -> str:
        return f"MPITeam(rank {self.rank} of {self.size})"


def mpi(*, shards: bool = False, sync_every: int = 1, silence: float = SILENCE) -> MPITeam:
    """The processes that mpiexec (or srun, or another launcher of MPI) started, for `fastnet.train` and resume.

    All of them call the same functions with the same arguments. Rank 0 prints, calls callbacks and writes checkpoints,
    and its first weights are those of all. A process that was started alone trains alone.

    shards : X and y are this process's rows, which together, in the order of the ranks, are the data set. Otherwise all
        processes pass all of X, a mapped file say, and each reads its share.
    sync_every : 1 sums gradients in every step, which computes what one process would, but for rounding. K > 1 is
        local SGD (Stich, 2019), another algorithm: processes take K steps of their own, then average the weights.
    silence : seconds after which a process that does not answer ends the job.

    Raises ImportError where the extra `mpi` is missing, ValueError where versions or vectors of the processes differ.
    """
    return MPITeam(bool(shards), whole("sync_every", sync_every), number("silence", silence, 0, above=True))


@cache
def _lines() -> tuple[Any, list[str], Pulse, Ends]:
    """(communicator, names of the processes by rank, signs of life, how errors end the job): one set in a process."""
    MPI = _load()
    comm = MPI.COMM_WORLD.Dup()
    names = comm.allgather(f"rank {comm.rank} of {comm.size} on {socket.gethostname()}")
    pulse, ends = Pulse(MPI, names), Ends(MPI, names)
    if comm.size > 1:
        ends.watch()
        pulse.begin()
    return comm, names, pulse, ends


def jointly(run: Callable[[], int], said: Callable[[], str]) -> int:
    """Run a whole program, which returns its exit code, as all processes do.

    Where one fails alone, it ends the others; ``said`` gives what it said of that.
    """
    comm, _, pulse, ends = _lines()
    with pulse.expected(SILENCE), ends.guarded():
        code = run()
        if code in DONE:
            wait(comm)
        elif not ends.all_fail(ENDING if code in SIGNALLED else WAIT):
            ends.end(said(), code)
        return code


def wait(comm: Any) -> None:
    """A barrier that leaves the cores to the others."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(0.01)


def _load() -> Any:
    """mpi4py's MPI, or an ImportError that says what to install."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # a RuntimeError where there is no libmpi
        raise ImportError(
            f"training by many processes needs MPI: pip install 'fastnet[mpi]' ({_first(error)})"
        ) from None
    return MPI


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _difference(what: str, one: dict[str, Any], other: dict[str, Any]) -> tuple[str, Any, Any]:
    """The first name under which two dictionaries differ, and what they have there."""
    name = next(name for name in [*other, *one] if name not in one or name not in other or one[name] != other[name])
    return f"{name} of {what}", one.get(name), other.get(name)


def _cores() -> set[int]:
    """The numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))
