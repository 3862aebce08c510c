"""One network trained by many processes, on one machine or on many, over MPI.

    mpiexec -n 4 python train.py

with, in train.py, ``fastnet.train(net, X, y, distributed=fastnet.distributed.mpi())``.

Of the modules here, team is the processes as the driver sees them, steps how they take a step together. A signal to
one process ends all of them (signals), and so does an error (ends), or a process that does not answer (pulse).
"""

from fastnet.distributed.team import MPITeam, mpi

__all__ = ["MPITeam", "mpi"]
