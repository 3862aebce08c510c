"""One contestant of a race between processes: python contestants.py NAME FOLDER.

The program reads the job from FOLDER, prepares itself, prints a line of JSON about itself, and then, for every line
that it reads, trains two passes from the same initial weights and prints the seconds of the second. It needs NumPy and
its own library only. Each is tuned as its users would: everything in memory, no data loader, one compiled program for a
whole epoch where the library has such a thing. The job holds X, y, order, params and job.json; PyTorch and Keras are
given X as floats, since they would convert every batch one more time.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np


class Job:
    """What is trained: arrays, and the settings of job.json."""

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.settings = json.loads(Path(folder, "job.json").read_text(encoding="utf-8"))
        self.X, self.y, self.order, self.params = (self._array(name) for name in ("X", "y", "order", "params"))
        self.sizes, self.batch = self.settings["sizes"], self.settings["batch_size"]
        self.lr, self.beta = self.settings["lr"], self.settings["beta"]
        self.hidden, self.threads = self.settings["hidden"], int(os.environ["BENCH_THREADS"])
        self.steps = len(self.order) // self.batch

    def _array(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    def floats(self) -> np.ndarray:
        """X as float32, pixels scaled to [0, 1]: what a library without uint8 input is given."""
        return self.X[:].astype(np.float32) / (255 if self.X.dtype == np.uint8 else 1)

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Initial (W, b) of each layer."""
        found, start = [], 0
        for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            end = start + fan_in * fan_out
            W, b = self.params[start:end].reshape(fan_in, fan_out), self.params[end : end + fan_out]
            found.append((W.copy(), b.copy()))
            start = end + fan_out
        return found


class Torch:
    """PyTorch, eager: an ordinary training loop on tensors in memory, with the fused optimizer."""

    def __init__(self, job: Job):
        import torch

        torch.set_num_threads(job.threads)
        self.torch, self.job, self.version = torch, job, torch.__version__
        self.X, self.y = torch.from_numpy(job.floats()), torch.from_numpy(job.y[:].astype(np.int64))
        activation = {"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU}[job.hidden]
        parts: list = []
        for W, b in job.layers():
            linear = torch.nn.Linear(*W.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(W.T)))
                linear.bias.copy_(torch.from_numpy(b))
            parts += [linear, activation()]
        self.model = torch.nn.Sequential(*parts[:-1])
        self.initial = [p.detach().clone() for p in self.model.parameters()]
        self.order = torch.from_numpy(job.order[: job.steps * job.batch].astype(np.int64))

    def reset(self) -> None:
        with self.torch.no_grad():
            for p, start in zip(self.model.parameters(), self.initial, strict=True):
                p.copy_(start)
        settings = {"lr": self.job.lr, "momentum": self.job.beta, "fused": True}
        self.optimizer = self.torch.optim.SGD(self.model.parameters(), **settings)

    def run(self) -> float:
        loss_of, total = self.torch.nn.functional.cross_entropy, self.torch.zeros(())
        for rows in self.order.split(self.job.batch):
            self.optimizer.zero_grad()
            # index_select takes 10 % less of an epoch than X[rows] does.
            loss = loss_of(self.model(self.X.index_select(0, rows)), self.y.index_select(0, rows))
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total) / self.job.steps


class Jax:
    """JAX: a whole epoch is one compiled scan over the batches, gathering included; buffers are donated.

    Pixels are kept as bytes, targets are one-hot and the scan is unrolled: each was measured to be as fast or faster.
    """

    def __init__(self, job: Job):
        import jax
        import jax.numpy as jnp

        self.jax, self.version = jax, jax.__version__
        batch, steps, lr, beta = job.batch, job.steps, job.lr, job.beta
        activation = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[job.hidden]

        def loss_of(layers, X, y):
            A = X.astype(jnp.float32) * np.float32(1 / 255) if X.dtype == jnp.uint8 else X
            for W, b in layers[:-1]:
                A = activation(A @ W + b)
            Z = A @ layers[-1][0] + layers[-1][1]
            return -jnp.mean(jnp.sum(jax.nn.log_softmax(Z) * jax.nn.one_hot(y, Z.shape[1]), axis=1))

        def epoch(layers, velocity, X, y, order):
            def step(state, rows):
                layers, velocity = state
                loss, gradient = jax.value_and_grad(loss_of)(layers, X[rows], y[rows])
                velocity = jax.tree.map(lambda v, g: beta * v + g, velocity, gradient)
                layers = jax.tree.map(lambda w, v: w - lr * v, layers, velocity)
                return (layers, velocity), loss

            batches = order.reshape(steps, batch)
            (layers, velocity), losses = jax.lax.scan(step, (layers, velocity), batches, unroll=4)
            return layers, velocity, losses.mean()

        self.epoch = jax.jit(epoch, donate_argnums=(0, 1))
        self.X, self.y = jax.device_put(job.X[:]), jax.device_put(job.y[:].astype(np.int32))
        self.order = jax.device_put(job.order[: steps * batch].astype(np.int32))
        self.layers = job.layers()

    def reset(self) -> None:
        self.state = self.jax.device_put((self.layers, [(np.zeros_like(W), np.zeros_like(b)) for W, b in self.layers]))
        self.jax.block_until_ready(self.state)

    def run(self) -> float:
        layers, velocity, loss = self.epoch(*self.state, self.X, self.y, self.order)
        self.state = layers, velocity
        return float(self.jax.block_until_ready(loss))


class Keras:
    """Keras 3 on JAX: `fit` of a compiled model, jit_compile=True."""

    def __init__(self, job: Job):
        os.environ.setdefault("KERAS_BACKEND", "jax")
        import keras

        self.job, self.version = job, f"{keras.__version__} ({keras.backend.backend()})"
        units = [keras.layers.Dense(n, activation=job.hidden) for n in job.sizes[1:-1]]
        self.model = keras.Sequential([keras.layers.Input((job.sizes[0],)), *units, keras.layers.Dense(job.sizes[-1])])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.SGD(job.lr, momentum=job.beta)
        self.model.compile(optimizer=optimizer, loss=loss, jit_compile=True)
        rows = job.order[:]
        self.X, self.y = job.floats()[rows], job.y[:].astype(np.int32)[rows]
        self.model.fit(self.X[: 2 * job.batch], self.y[: 2 * job.batch], batch_size=job.batch, verbose=0)

    def reset(self) -> None:
        self.model.set_weights([a for pair in self.job.layers() for a in pair])
        for variable in self.model.optimizer.variables:
            if "momentum" in variable.path:
                variable.assign(np.zeros(variable.shape, np.float32))

    def run(self) -> float:
        history = self.model.fit(self.X, self.y, batch_size=self.job.batch, epochs=1, shuffle=True, verbose=0)
        return float(history.history["loss"][0])


class Steps:
    """fastnet and its NumPy oracle, through the stepper that the driver calls.

    share, settings : the rows that the stepper has (None: all), and further arguments of it.
    """

    def __init__(self, job: Job, module, share: slice | None = None, **settings):
        import fastnet
        from fastnet import functions as f
        from fastnet.optimizers import SGD, Momentum

        optimizer = Momentum(job.lr, job.beta) if job.beta else SGD(job.lr)
        rows = job.steps * job.batch
        self.order, self.version = job.order[:rows].copy(), fastnet.__version__
        self.coefficients = np.zeros((job.steps, f.N_COEFFICIENTS))
        self.coefficients[:, f.SCALE] = 1 / job.batch
        optimizer.fill(self.coefficients, np.full(job.steps, job.lr), 0)
        net, own = fastnet.Network(job.sizes, hidden=job.hidden), slice(None) if share is None else share
        self.stepper = module.Stepper(
            net.sizes, net.activations, job.params.copy(), job.X[own], job.y[own], loss=f.CROSS_ENTROPY,
            rule=optimizer.rule, **{"batch_size": job.batch} | settings,
        )  # fmt: skip

    def reset(self) -> None:
        self.stepper.load()

    def run(self) -> float:
        return float(self.stepper.run(self.order, self.coefficients)[:, 0].mean())


def fastnet_steps(job: Job) -> Steps:
    from fastnet import engine

    return Steps(job, engine)


def numpy_steps(job: Job) -> Steps:
    from fastnet import reference

    steps = Steps(job, reference)
    steps.version = np.__version__
    return steps


CONTESTANTS = {"fastnet": fastnet_steps, "numpy": numpy_steps, "torch": Torch, "jax": Jax, "keras": Keras}


def serve(contestant, warm: bool) -> None:
    """Train once to compile and to tell the loss, then once for every line on standard input.

    warm : train another pass before each, so that no thread has to wake up in a pass that takes a few milliseconds.
    """
    contestant.reset()
    loss = contestant.run()
    print(json.dumps({"version": contestant.version, "loss": loss}), flush=True)
    for _ in sys.stdin:
        if warm:
            contestant.reset()
            contestant.run()
        contestant.reset()
        start = time.perf_counter()
        contestant.run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    if os.environ["BENCH_THREADS"] == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])  # the only limit that every library obeys
    serve(CONTESTANTS[sys.argv[1]](Job(sys.argv[2])), warm=True)
