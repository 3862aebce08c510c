"""What the processes of tests/test_distributed.py run: python rank_program.py FOLDER WHAT, under mpiexec or alone."""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import fastnet

N = 503  # so that shares and the last batch are uneven
RNG = np.random.default_rng(0)
PIXELS = (RNG.integers(0, 256, (N, 48)) * (RNG.random((N, 48)) < 0.3)).astype(np.uint8)
LABELS = RNG.integers(0, 5, N)
FLOATS = RNG.standard_normal((N, 9))
VALUES = np.stack([FLOATS.sum(axis=1), FLOATS[:, 0] * FLOATS[:, 1]], axis=1)
WEIGHT = RNG.random(N)
SHARES = [0, 100, 390, N]  # of three processes that have rows of their own
CASES = {
    "momentum": {"optimizer": fastnet.Momentum(0.5), "schedule": "cosine", "evaluate_train": True},
    "adam": {"dropout": 0.3, "l2": 1e-3, "weight_decay": 0.01, "warmup": 1, "label_smoothing": 0.1},
    "sgd": {"optimizer": fastnet.SGD(0.5), "clip_norm": 0.1, "augment": "shift=1,rotate=9"},
    "weights": {"sample_weight": WEIGHT, "class_weight": "balanced", "patience": 1, "batch_size": 700},
    "small": {"batch_size": 3, "epochs": 1},  # some processes have no row of some batches
}


def network(sizes=(48, 17, 11, 5), dtype="float64", **settings):
    return fastnet.Network(list(sizes), hidden="relu", dtype=dtype, seed=1, **settings)


def figures(history):
    return np.array([[v for k, v in vars(e).items() if k != "seconds" and v is not None] for e in history.epochs])


def all_cases(team):
    """Weights and figures of every case; of each twice, where several processes take part."""
    found, X = {}, PIXELS.reshape(N, 6, 8)
    for name, settings in CASES.items():
        for dtype in ("float64", "float32"):
            given = {"epochs": 3, "batch_size": 100, "seed": 4, "validation": (X[:51], LABELS[:51])} | settings
            net = network(dtype=dtype)
            history = fastnet.train(net, X, LABELS, distributed=team, **given)
            found[f"{name}.{dtype}"], found[f"{name}.{dtype}.figures"] = net.params, figures(history)
            if team is not None:
                again = network(dtype=dtype)
                fastnet.train(again, X, LABELS, distributed=team, **given)
                assert (again.params == net.params).all()
    net = network((9, 6, 2), output="identity")
    history = fastnet.train(
        net, FLOATS, VALUES, epochs=3, seed=4, validation=(FLOATS[:2], VALUES[:2]), distributed=team
    )
    found["values"], found["values.figures"] = net.params, figures(history)
    return found


def own_rows(team):
    """A run where each process has rows of its own, weighted ones."""
    start, stop = SHARES[team.rank : team.rank + 2]
    net, few = network(), slice(0, 0) if team.rank else slice(0, 40)
    history = fastnet.train(
        net, PIXELS[start:stop], LABELS[start:stop], epochs=2, seed=4, sample_weight=WEIGHT[start:stop],
        validation=(PIXELS[few], LABELS[few]), distributed=team,
    )  # fmt: skip
    return {"params": net.params, "figures": figures(history)}


def averaged(team):
    """Local SGD: rows in order, of which each has whole batches; one batch of all rows; Adam on shuffled ones."""
    settings = {"epochs": 1, "shuffle": False, "optimizer": fastnet.SGD(0.5)}
    in_order, at_once, shuffled = network(), network(), network()
    fastnet.train(in_order, PIXELS[:400], LABELS[:400], batch_size=50, distributed=team, **settings)
    fastnet.train(at_once, PIXELS, LABELS, batch_size=N, sample_weight=WEIGHT, distributed=team, **settings)
    history = fastnet.train(
        shuffled, PIXELS, LABELS, batch_size=20, epochs=3, schedule="cosine", sample_weight=WEIGHT, seed=1,
        distributed=team,
    )  # fmt: skip
    return {"in_order": in_order.params, "at_once": at_once.params, "figures": figures(history)}


def called(team):
    """Callbacks of rank 0 change weights and end the run, for all."""
    calls = []

    class Callback:
        every = 3

        def __call__(self, net, epoch):
            calls.append(epoch.epoch)
            net.params[:] = 0.5
            return epoch.epoch == 2

        def step(self, net, step):
            calls.append(-step.step)

    net = network()
    settings = {"epochs": 9, "seed": team.rank, "callbacks": [Callback()], "batch_size": 100}
    history = fastnet.train(net, PIXELS, LABELS, distributed=team, **settings)
    assert (net.params == 0.5).all()
    assert (len(history), history.stopped) == (2, "callback")
    assert calls == ([] if team.rank else [-3, -6, 1, -9, -12, 2])
    return {"params": net.params}


def kept(team):
    """A run that is kept at its second epoch, and one that goes on from there."""
    folder, net = Path(sys.argv[1]) / "kept", network()
    settings = {"epochs": 2, "seed": 4, "dropout": 0.2, "batch_size": 100}
    if not folder.exists():
        fastnet.train(net, PIXELS, LABELS, checkpoint=fastnet.Checkpoint(folder), distributed=team, **settings)
    net, _ = fastnet.resume(folder, PIXELS, LABELS, more_epochs=2, distributed=team, checkpoint=elsewhere(team))
    return {"params": net.params}


def elsewhere(team):
    size = 1 if team is None else team.size
    return fastnet.Checkpoint(Path(sys.argv[1]) / f"of-{size}-{os.environ.get('AGAIN', '')}")


def odd(team):
    """What must work, and without a warning."""
    warnings.simplefilter("error")
    teams = [fastnet.distributed.mpi(silence=2.0) for _ in range(50)] if team is not None else [None]
    rank, team = (0, None) if team is None else (team.rank, teams[-1])
    order, first = np.argsort(FLOATS[:, 0]), np.arange(N) < N // 2
    ramp = FLOATS[order, :1]
    fastnet.train(network((1, 6, 1), output="identity"), ramp, ramp, epochs=4, seed=1, distributed=team)
    net = network()
    fastnet.train(net, PIXELS, LABELS, sample_weight=~first, epochs=1, seed=1, distributed=team)
    dark = np.where(first[:, None], PIXELS // 9, PIXELS)
    if rank == 1:
        time.sleep(4)  # longer than the others wait for a sign of life
    for _ in range(2):
        fastnet.train(net, dark, LABELS, epochs=1, seed=1, distributed=team)
    rng = np.random.default_rng(5)
    for _ in range(2):
        fastnet.train(net, PIXELS, LABELS, epochs=1, seed=rng, distributed=team)
    folder = Path(sys.argv[1]) / "rank-0-only"
    checkpoint = {} if rank else {"checkpoint": fastnet.Checkpoint(folder)}
    fastnet.train(net, PIXELS, LABELS, epochs=1, seed=1, distributed=team, **checkpoint)
    assert any(folder.iterdir())
    return {"params": net.params}


def refused(team):
    """What all processes are told, where they do not mean the same run."""
    told = []
    for X, settings in (
        (PIXELS[: N - team.rank], {}),
        (PIXELS + np.uint8(team.rank), {}),
        (PIXELS, {"l2": team.rank}),
        (PIXELS[:2], {}),
        (PIXELS, {"backend": "reference"}),
        (PIXELS, {} if team.rank else {"validation": (PIXELS, LABELS)}),
        (PIXELS, {"sample_weight": WEIGHT + team.rank}),
    ):
        try:
            fastnet.train(network(), X, LABELS[: len(X)], epochs=1, distributed=team, **settings)
        except ValueError as error:
            told.append(str(error))
    return {"told": np.array(told)}


def drifting(team):
    """A process whose weights are not those of the others any more."""
    from fastnet.distributed.steps import SummedSteps

    net, whole = network(), SummedSteps.store

    def store(self):
        whole(self)
        net.params[team.rank] += 1e-12

    SummedSteps.store = store
    try:
        fastnet.train(net, PIXELS, LABELS, epochs=1, distributed=team)
    except ValueError as error:
        return {"told": np.array([str(error)])}
    return {"told": np.array([])}


def main():
    what = globals()[sys.argv[2]]
    options = {"own_rows": {"shards": True}, "averaged": {"sync_every": 4}}.get(sys.argv[2], {})
    team = fastnet.distributed.mpi(**options) if "--alone" not in sys.argv else None
    found = what(team)
    if team is None or team.rank == 0:
        np.savez(Path(sys.argv[1]) / "found.npz", **found)


if __name__ == "__main__":
    main()
