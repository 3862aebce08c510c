"""How workers, one a thread, share the parts of steps within one parallel region.

A part is cut into shares, most parts into as many as there are workers. A worker takes its own share, then any that
nobody has taken: so the steps end even if the system gives the region a single thread, and a worker that comes late
holds nobody up. Who takes a share decides no bit. The worker that ends the last share opens the next part, and the
others wait for that. So a share must not raise or allocate: if it left early, they would wait for ever.

Parts are numbered through a run, and a share is claimed by the number of its part: a worker that comes late finds that
it was taken in that part or a later one.
(A region for each part costs 3 us with omp and 50 with workqueue: 784-64-10, batch 128, two threads, omp: 80 us a step
with three regions, 71 so.)
"""

from fastnet.kernels.compile.jit import inlined, serial
from fastnet.kernels.vector.atomics import add_one, claim, fresh, let_others_run, pause, publish
from fastnet.kernels.vector.pointers import at

# Rows of ``turns``: how many parts are over; how many shares of the present one have ended; how many parts there were
# when each share was last taken, its own included.
OVER, ENDED, TAKEN = range(3)
PATIENCE = 4096  # pauses, 10 to 200 us by the processor, before a waiting worker offers its core to others


@inlined
def place(turns, row):
    """Pointer to the number in a row of ``turns``."""
    return at(turns, row * turns.shape[1])


@inlined
def is_over(turns, turn):
    """Whether that part, numbered from the first of the run, is over."""
    return fresh(place(turns, OVER)) > turn


@serial
def take_share(turns, turn, shares, own):
    """A share of a part that nobody has taken, the worker's ``own`` if possible; -1 if there is none."""
    for i in range(own, own + shares):
        share = i if i < shares else i - shares
        taken = place(turns, TAKEN + share)
        last = fresh(taken)  # a look first: a claim in vain would take the cache line
        if last <= turn and claim(taken, last, turn + 1):
            return share
    return -1


@inlined
def end_share(turns, shares):
    """Count a share that is done; whether it was the last of its part."""
    return add_one(place(turns, ENDED)) == shares


@inlined
def open_next(turns, turn):
    """Say that the part is over. Its count of shares goes back to zero before, as nobody ends one meanwhile."""
    publish(place(turns, ENDED), 0)
    publish(place(turns, OVER), turn + 1)


@serial
def wait_for_others(turns, turn):
    """Return when the part is over."""
    pauses = 0
    while not is_over(turns, turn):
        pauses += 1
        if pauses > PATIENCE:
            let_others_run()
        else:
            pause()
