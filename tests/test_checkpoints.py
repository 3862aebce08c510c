"""A run that is cut anywhere and gone on with ends in the bits of the run that was not; what is refused, and faults."""

import dataclasses
import json
import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest

import fastnet
import fastnet.engine
import fastnet.reference
from fastnet import checkpoints
from fastnet.driver import loop
from fastnet.driver.loop import Loop
from fastnet.errors import DataError
from fastnet.schedules import Plateau, StepDecay


@pytest.fixture
def digits(rng):
    """Pixels (200, 70), a fifth of them not zero, with labels that depend on them."""
    X = np.where(rng.random((200, 70)) < 0.2, rng.integers(1, 256, (200, 70)), 0).astype(np.uint8)
    return X, X.reshape(200, 5, 14).sum(axis=2, dtype=np.int64).argmax(axis=1)


def network(dtype="float32", sizes=(70, 9, 5), **settings):
    return fastnet.Network(list(sizes), dtype=dtype, seed=3, **settings)


class Cut(BaseException):
    """What kills a run."""


class cut_after:
    """As a block: the run ends, as if killed, after so many groups of steps; each group is one step."""

    def __init__(self, monkeypatch, groups):
        self.monkeypatch, self.left = monkeypatch, groups

    def __enter__(self):
        def one_step(loop, steps, seconds):
            loop.group = 1
            self.left -= 1
            if self.left == 0:
                raise Cut

        self.monkeypatch.setattr(Loop, "_resize_group", one_step)

    def __exit__(self, kind, *_):
        self.monkeypatch.undo()
        return kind is Cut


RUNS = {
    "sgd": {"optimizer": fastnet.SGD(0.3)},
    "momentum": {"optimizer": fastnet.Momentum(0.1, nesterov=True)},
    "ema": {"optimizer": fastnet.Momentum(1.0, ema=True), "l2": 1e-3},
    "adam": {},
    "one_cycle": {"schedule": "one_cycle", "warmup": 0.5},
    "step": {"schedule": StepDecay(every=1, factor=0.5)},
    "plateau": {"schedule": Plateau(patience=1, min_delta=0.2)},
    "patience": {"patience": 2, "min_delta": 0.3},
    "dropout": {"dropout": 0.3},
    "augment": {"augment": fastnet.Augment(shape=(7, 10))},
    "weights": {"class_weight": {1: 2.0}, "sample_weight": np.arange(200) % 2},
    "all": {"dropout": [0.2], "clip_norm": 0.5, "weight_decay": 0.1, "label_smoothing": 0.1, "evaluate_train": True},
    "in_order": {"shuffle": False},
    "full": {"batch_size": 200},
    "reference": {"backend": "reference", "dropout": 0.2},
}


def seconds_apart(history):
    """A History without what a clock said."""
    return [dataclasses.replace(epoch, seconds=0.0) for epoch in history]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.filterwarnings("ignore:Training went nowhere")
def test_a_run_that_is_cut_anywhere_ends_in_the_same_bits(name, digits, tmp_path, monkeypatch):
    settings = {"epochs": 4, "batch_size": 64, "validation": digits, "seed": 5, **RUNS[name]}
    whole = network()
    expected = fastnet.train(whole, *digits, **settings)
    again = {key: settings[key] for key in ("validation", "sample_weight") if key in settings}
    for groups in (1, 4, 6, 11):
        folder = tmp_path / str(groups)
        checkpoint = fastnet.Checkpoint(folder, every="0.000001s")
        with cut_after(monkeypatch, groups):
            fastnet.train(network(), *digits, checkpoint=checkpoint, **settings)
        for threads in (2, 1, 3):
            with cut_after(monkeypatch, 3):
                if checkpoints.checkpoints(folder):
                    fastnet.resume(folder, *digits, threads=threads, checkpoint=checkpoint, **again)
        if not checkpoints.checkpoints(folder):
            continue  # it was cut before anything was kept
        net, history = fastnet.resume(folder, *digits, **again)
        assert (net.params == whole.params).all()
        assert seconds_apart(history) == seconds_apart(expected)
        assert (history.stopped, history.best_epoch) == (expected.stopped, expected.best_epoch)


@pytest.mark.parametrize("kind", ["float64", "dense", "values", "gelu"])
def test_kinds_of_networks_and_data(kind, rng, digits, tmp_path, monkeypatch):
    X, y = digits
    made = {"dtype": "float64" if kind == "float64" else "float32"}
    if kind == "dense":
        X = rng.standard_normal((200, 70)).astype("f4")
    if kind == "values":
        y, made["sizes"], made["output"] = rng.standard_normal((200, 3)), (70, 9, 3), "identity"
    if kind == "gelu":
        made["hidden"], made["sizes"] = ["gelu", "leaky_relu"], (70, 9, 8, 5)
        made["class_names"] = list("abcde")
    whole = network(**made)
    fastnet.train(whole, X, y, epochs=3, batch_size=64, seed=1)
    with cut_after(monkeypatch, 6):
        checkpoint = fastnet.Checkpoint(tmp_path, every="0.000001s")
        fastnet.train(network(**made), X, y, epochs=3, batch_size=64, seed=1, checkpoint=checkpoint)
    net, _ = fastnet.resume(tmp_path, X, y)
    assert (net.params == whole.params).all()
    assert repr(net) == repr(whole)
    assert net.class_names == whole.class_names


def test_ctrl_c_keeps_the_state_first(digits, tmp_path, monkeypatch):
    """A signal in the middle of a step acts when the step is done and counted."""
    whole, run = network(), fastnet.engine.Stepper.run
    fastnet.train(whole, *digits, epochs=4, batch_size=64, seed=5)
    for number in (signal.SIGINT, signal.SIGTERM):
        calls = []

        def interrupted(self, order, coefficients, number=number, calls=calls):
            calls.append(len(coefficients))
            losses = run(self, order, coefficients)
            if len(calls) == 4:
                os.kill(os.getpid(), number)
            return losses

        monkeypatch.setattr(fastnet.engine.Stepper, "run", interrupted)
        before = signal.signal(signal.SIGTERM, lambda *_: exit(143))
        try:
            checkpoint = fastnet.Checkpoint(tmp_path / str(number), every=100)
            with pytest.raises((KeyboardInterrupt, SystemExit)):
                fastnet.train(network(), *digits, epochs=4, batch_size=64, seed=5, checkpoint=checkpoint)
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        finally:
            signal.signal(signal.SIGTERM, before)
        monkeypatch.undo()
        net, _ = fastnet.resume(tmp_path / str(number), *digits)
        assert (net.params == whole.params).all()


class Clamp:
    """A callback that changes the weights, between steps and after epochs, and may be interrupted."""

    def __init__(self, every, interrupted_after=None):
        self.every, self.interrupted_after, self.epochs = every, interrupted_after, []

    def __call__(self, net, epoch):
        self.epochs.append(epoch.epoch)
        if epoch.epoch == self.interrupted_after:
            raise KeyboardInterrupt
        net.params *= 0.9

    def step(self, net, step):
        np.clip(net.params, -0.3, 0.3, out=net.params)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("at", range(3, 9, 2))
def test_callbacks_that_a_signal_came_before_are_called(digits, tmp_path, monkeypatch, every, signals, backend, at):
    settings = {"epochs": 3, "batch_size": 64, "seed": 5, "backend": backend}
    module = getattr(fastnet, "engine" if backend == "numba" else "reference")
    whole, run, calls = network(), module.Stepper.run, []
    fastnet.train(whole, *digits, callbacks=[Clamp(every)], **settings)

    def interrupted(self, order, coefficients):
        calls.append(len(coefficients))
        losses = run(self, order, coefficients)
        if len(calls) == at:
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGINT)
        return losses

    monkeypatch.setattr(module.Stepper, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fastnet.train(
            network(), *digits, callbacks=[Clamp(every)], **settings,
            checkpoint=fastnet.Checkpoint(tmp_path, every="0.000001s"),
        )  # fmt: skip
    monkeypatch.undo()
    net, _ = fastnet.resume(tmp_path, *digits, callbacks=[Clamp(every)])
    assert (net.params == whole.params).all()


@pytest.mark.parametrize("limit", [None, 1e-9])
def test_a_callback_that_was_interrupted_is_called_again(digits, tmp_path, limit):
    settings = {"epochs": 3, "batch_size": 64, "seed": 5}
    whole, clamp = network(), Clamp(None)
    fastnet.train(whole, *digits, callbacks=[Clamp(None)], **settings)
    with pytest.raises(KeyboardInterrupt):
        fastnet.train(
            network(), *digits, callbacks=[Clamp(None, 1)], checkpoint=fastnet.Checkpoint(tmp_path),
            time_limit=limit, **settings,
        )  # fmt: skip
    net, history = fastnet.resume(tmp_path, *digits, callbacks=[clamp])
    assert clamp.epochs == [1, 2, 3]
    assert len(history) == 3
    assert (net.params == whole.params).all()


def test_seconds_add_up(digits, tmp_path, monkeypatch):
    """Those of steps alone, before and after the cut; by a clock that moves in a step and in a callback only."""
    run, clock = fastnet.engine.Stepper.run, [0.0]

    def slow(self, order, coefficients):
        clock[0] += 2.0
        return run(self, order, coefficients)

    class Dawdle(Clamp):
        def step(self, net, step):
            clock[0] += 100.0

    with cut_after(monkeypatch, 3):
        monkeypatch.setattr(fastnet.engine.Stepper, "run", slow)
        monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
        fastnet.train(
            network(), *digits, epochs=1, batch_size=50, callbacks=[Dawdle(1)],
            checkpoint=fastnet.Checkpoint(tmp_path, every="0.000001s"),
        )  # fmt: skip
    kept = checkpoints.read_newest(tmp_path)[0]["state"]
    assert kept["step"] == 2
    assert kept["seconds"] == 4.0
    assert fastnet.resume(tmp_path, *digits)[1][0].seconds > kept["seconds"]


def test_a_time_limit_is_no_end_for_who_goes_on(digits, tmp_path, monkeypatch):
    whole = network()
    fastnet.train(whole, *digits, epochs=4, batch_size=64, seed=5)
    net = network()
    history = fastnet.train(
        net, *digits, epochs=4, batch_size=64, seed=5, time_limit=1e-9, checkpoint=fastnet.Checkpoint(tmp_path)
    )
    assert history.stopped == "time_limit"
    assert len(history) == 1
    assert history[0].rows <= 200
    while history.stopped == "time_limit":
        net, history = fastnet.resume(tmp_path, *digits, time_limit=1e-9)
    assert [epoch.rows for epoch in history] == [200] * 4
    assert (net.params == whole.params).all()


def test_a_finished_run_is_that_run_and_can_go_on(digits, tmp_path):
    net = network()
    settings = {"batch_size": 64, "seed": 5, "optimizer": fastnet.SGD(0.1)}
    history = fastnet.train(net, *digits, epochs=2, checkpoint=fastnet.Checkpoint(tmp_path), **settings)
    again, same = fastnet.resume(tmp_path, *digits)
    assert (again.params == net.params).all()
    assert seconds_apart(same) == seconds_apart(history)
    longer, more = fastnet.resume(tmp_path, *digits, more_epochs=2)
    whole = network()
    fastnet.train(whole, *digits, epochs=4, **settings)
    assert (longer.params == whole.params).all()
    assert len(more) == 4
    fastnet.resume(tmp_path, *digits, more_epochs=1)
    with pytest.raises(ValueError, match="holds checkpoints of a run already"):
        fastnet.train(net, *digits, checkpoint=fastnet.Checkpoint(tmp_path))


def test_old_checkpoints_are_removed(digits, tmp_path):
    folder = tmp_path / "new" / "folder"
    fastnet.train(network(), *digits, epochs=5, checkpoint=fastnet.Checkpoint(folder, keep=2))
    assert [p.name for p in checkpoints.checkpoints(folder)] == ["step-000000000010.npz", "step-000000000008.npz"]
    fastnet.train(network(), *digits, epochs=5, checkpoint=fastnet.Checkpoint(tmp_path / "b", every=2, keep=9))
    assert len(checkpoints.checkpoints(tmp_path / "b")) == 3
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


@pytest.fixture
def kept(digits, tmp_path):
    """A folder with the three checkpoints of a run of three epochs."""
    fastnet.train(network(), *digits, epochs=3, seed=5, checkpoint=fastnet.Checkpoint(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "zip"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(kept, digits, damage, rng):
    newest = checkpoints.checkpoints(kept)[0]
    content = bytearray(newest.read_bytes())
    if damage == "zip":
        shutil.copy(shutil.make_archive(str(kept / "a"), "zip", kept, "."), newest)
    else:
        content[content.index(b"sha256")] ^= 16
        newest.write_bytes({"cut": content[:-100], "flip": content, "empty": b""}[damage])
    with pytest.warns(UserWarning, match="trying the checkpoint before it"):
        net, history = fastnet.resume(kept, *digits)
    assert len(history) == 3
    whole = network()
    fastnet.train(whole, *digits, epochs=3, seed=5)
    assert (net.params == whole.params).all()


def test_every_flipped_byte_is_noticed(kept, rng):
    """Or changes nothing that is read: the time of day in a zip file, say."""
    newest = checkpoints.checkpoints(kept)[0]
    content, expected = newest.read_bytes(), checkpoints.read(newest)
    for place in rng.integers(0, len(content), 300).tolist():
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        newest.write_bytes(changed)
        try:
            values, arrays = checkpoints.read(newest)
        except DataError:
            continue
        assert values == expected[0]
        assert all((arrays[name] == expected[1][name]).all() for name in expected[1])


def test_what_cannot_be_gone_on_with(kept, digits, tmp_path):
    X, y = digits
    for data in ((X[::-1].copy(), y), (X, (y + 1) % 5), (X[:-1], y[:-1])):
        with pytest.raises(DataError, match="other data than the run was trained on"):
            fastnet.resume(kept, *data)
    with pytest.raises(DataError, match="other data"):
        fastnet.resume(kept, X, y, validation=(X, y))
    with pytest.raises(DataError, match="there are no checkpoints"):
        fastnet.resume(tmp_path / "nowhere", X, y)
    values, arrays = checkpoints.read(checkpoints.checkpoints(kept)[0])
    checkpoints.write(kept / "step-000000999999.npz", {**values, "format": 99}, arrays)
    with pytest.raises(DataError, match="newer than this fastnet"):
        fastnet.resume(kept, X, y)


def test_the_last_good_checkpoint_is_not_removed_for_damaged_ones(kept, digits):
    newest = checkpoints.checkpoints(kept)[0]
    newest.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="trying the checkpoint before it"):
        fastnet.resume(kept, *digits, more_epochs=2, checkpoint=fastnet.Checkpoint(kept, every=1, keep=1))
    assert [checkpoints.read(path)[0]["state"]["before"] for path in checkpoints.checkpoints(kept)] == [10]


def test_more_epochs_after_patience(digits, tmp_path):
    settings = {"validation": digits, "batch_size": 64, "seed": 5}
    first = fastnet.train(
        network(), *digits, epochs=9, patience=2, min_delta=10, checkpoint=fastnet.Checkpoint(tmp_path), **settings
    )
    assert (first.stopped, len(first)) == ("patience", 3)
    _, more = fastnet.resume(tmp_path, *digits, validation=digits, more_epochs=5)
    assert (more.stopped, len(more)) == ("patience", 5)


def test_the_shape_of_images_is_kept(digits, tmp_path):
    nets, images = [network(), network()], digits[0].reshape(-1, 5, 14)
    fastnet.train(nets[0], images, digits[1], epochs=2, seed=5, augment="shift")
    fastnet.train(
        nets[1], images, digits[1], epochs=1, seed=5, augment="shift", checkpoint=fastnet.Checkpoint(tmp_path)
    )
    assert (fastnet.resume(tmp_path, *digits, more_epochs=1)[0].params == nets[0].params).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": fastnet.Adam(np.float32(1e-3)), "schedule": fastnet.schedules.Warmup(1, "cosine")},
        {"dropout": (rate for rate in [0.1]), "class_weight": {np.int64(1): np.float32(2)}},
        {"schedule": "plateau", "warmup": 1},
    ],
)
def test_settings_of_all_types_come_back(digits, tmp_path, settings):
    nets = [network(), network()]
    fastnet.train(nets[1], *digits, epochs=2, seed=5, checkpoint=fastnet.Checkpoint(tmp_path), **settings)
    _, history = fastnet.resume(tmp_path, *digits, more_epochs=1)
    assert len(history) == 3


def test_what_is_no_checkpoint(digits, tmp_path):
    with pytest.raises(TypeError, match=r"checkpoint must be a fastnet\.Checkpoint"):
        fastnet.train(network(), *digits, checkpoint=3)
    with pytest.raises(TypeError, match="what JSON can hold"):
        fastnet.train(network(), *digits, checkpoint=fastnet.Checkpoint(tmp_path, about={1, 2}))
    fastnet.train(network(), *digits, epochs=1, checkpoint=fastnet.Checkpoint(tmp_path))
    with pytest.raises(ValueError, match="schedule must be left out"):
        fastnet.resume(tmp_path, *digits, more_epochs=1, schedule=lambda done: 1)


def test_a_schedule_that_is_a_function_must_come_again(digits, tmp_path):
    fastnet.train(network(), *digits, epochs=1, schedule=lambda done: 1 - done, checkpoint=fastnet.Checkpoint(tmp_path))
    with pytest.raises(DataError, match="pass schedule= again"):
        fastnet.resume(tmp_path, *digits, more_epochs=1)
    assert len(fastnet.resume(tmp_path, *digits, more_epochs=1, schedule=lambda done: 1 - done)[1]) == 2


@pytest.mark.parametrize("generator", [np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_any_generator(digits, tmp_path, generator):
    nets = [network(), network()]
    fastnet.train(nets[0], *digits, epochs=3, seed=np.random.Generator(generator(1)))
    seed = np.random.Generator(generator(1))
    fastnet.train(nets[1], *digits, epochs=2, seed=seed, checkpoint=fastnet.Checkpoint(tmp_path))
    assert (fastnet.resume(tmp_path, *digits, more_epochs=1)[0].params == nets[0].params).all()


def test_a_disk_that_is_full_does_not_end_the_training(digits, tmp_path, monkeypatch):
    nets = [network(), network()]
    fastnet.train(nets[0], *digits, epochs=3, seed=5)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.np.lib.format, "write_array", full)
    with pytest.warns(
        UserWarning, match=r"checkpoint of step \d+ not written, training goes on: .*No space left"
    ) as seen:
        fastnet.train(nets[1], *digits, epochs=3, seed=5, checkpoint=fastnet.Checkpoint(tmp_path))
    assert len(seen) == 3
    assert (nets[0].params == nets[1].params).all()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every": 0}, "every must be a whole number"),
        ({"every": "soon"}, "expected a time like 90s"),
        ({"every": "30"}, "expected a time like 90s"),
        ({"every": "-1s"}, "expected a time like 90s"),
        ({"keep": 0}, "keep must be a whole number"),
    ],
)
def test_bad_settings(settings, words):
    with pytest.raises(ValueError, match=words):
        fastnet.Checkpoint("folder", **settings)


def test_a_checkpoint_is_plain(kept):
    with np.load(checkpoints.checkpoints(kept)[0], allow_pickle=False) as file:
        about = json.loads(file["checkpoint"].tobytes())
        assert {"params", "moments0", "moments1", "losses"} <= set(file.files)
    assert about["settings"]["epochs"] == 3
    assert about["state"]["history"]["epochs"][0]["epoch"] == 1


def test_going_on_elsewhere_spares_the_checkpoints_of_other_runs(kept, digits, tmp_path):
    other = tmp_path / "other"
    fastnet.train(network(), *digits, epochs=5, checkpoint=fastnet.Checkpoint(other))
    before = sorted(path.name for path in other.iterdir())
    with pytest.raises(ValueError, match="holds checkpoints of a run already"):
        fastnet.resume(kept, *digits, more_epochs=1, checkpoint=fastnet.Checkpoint(other))
    assert sorted(path.name for path in other.iterdir()) == before


def test_more_epochs_are_kept_at_once(kept, digits):
    """Who asks for them need not ask again after a kill that came before the next checkpoint."""

    def killed(net, epoch):
        raise Cut

    with pytest.raises(Cut):
        fastnet.resume(kept, *digits, more_epochs=4, callbacks=[killed])
    net, history = fastnet.resume(kept, *digits)
    whole = network()
    fastnet.train(whole, *digits, epochs=7, seed=5)
    assert len(history) == 7
    assert (net.params == whole.params).all()


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), OSError(5, "Input/output error")])
def test_what_fails_in_a_checkpoint_alone_does_not_end_the_run(digits, tmp_path, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(checkpoints, "_put", fails)
    with pytest.warns(UserWarning, match="not written, training goes on"):
        history = fastnet.train(network(), *digits, epochs=1, checkpoint=fastnet.Checkpoint(tmp_path))
    assert len(history) == 1


def test_checkpoints_that_are_moved_as_soon_as_they_are_there(digits, tmp_path, monkeypatch):
    write = checkpoints.write

    def moved(path, values, arrays):
        write(path, values, arrays)
        path.unlink()

    monkeypatch.setattr(checkpoints, "write", moved)
    assert len(fastnet.train(network(), *digits, epochs=2, checkpoint=fastnet.Checkpoint(tmp_path))) == 2


def test_weights_that_a_callback_changed_are_not_changed_again(digits, tmp_path, monkeypatch):
    def shrink(net, epoch):
        net.params *= np.float32(0.9)

    settings, whole, load = {"epochs": 3, "seed": 5}, network(), fastnet.engine.Stepper.load
    fastnet.train(whole, *digits, callbacks=[shrink], **settings)

    def interrupted(self):
        load(self)
        if self.rows_seen == 200:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(fastnet.engine.Stepper, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fastnet.train(network(), *digits, callbacks=[shrink], checkpoint=fastnet.Checkpoint(tmp_path), **settings)
    monkeypatch.undo()
    net, _ = fastnet.resume(tmp_path, *digits, callbacks=[shrink])
    assert (net.params == whole.params).all()


def test_a_file_that_may_not_be_read_is_not_taken_for_a_damaged_one(kept, digits, monkeypatch):
    def refuses(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checkpoints, "Source", refuses)
    with pytest.raises(DataError, match=r"step-000000000006.npz: cannot be read: Permission denied"):
        fastnet.resume(kept, *digits)


CHANGES = {
    "no format": lambda values: values.pop("format"),
    "format": lambda values: values.update(format="x"),
    "little": lambda values: [values.pop(name) for name in ("state", "network", "settings", "data")],
    "state": lambda values: values.update(state=None),
    "generator": lambda values: values["state"]["random"].update(bit_generator="seed"),
    "no generator": lambda values: values["state"]["random"].update(bit_generator="Nothing"),
    "kind": lambda values: values["settings"].update(optimizer={"kind": "os.system"}),
    "setting": lambda values: values["settings"].pop("l2"),
    "history": lambda values: values["state"]["history"].update(epochs=[{}]),
    "sizes": lambda values: values["network"].update(sizes=[70, 9]),
    "watch": lambda values: values["state"].update(watch=7),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.filterwarnings("ignore:.*trying the checkpoint before it")
def test_a_description_that_no_run_has_written(kept, digits, change, monkeypatch):
    newest, *others = checkpoints.checkpoints(kept)
    values, arrays = checkpoints.read(newest)
    for path in others:
        path.unlink()
    CHANGES[change](values)
    monkeypatch.setattr(checkpoints, "FORMAT", values.pop("format", None))
    checkpoints.write(newest, values, arrays)
    monkeypatch.undo()
    with pytest.raises(DataError):
        fastnet.resume(kept, *digits)


def test_a_description_of_very_many_objects(kept, digits):
    newest = checkpoints.checkpoints(kept)[0]
    values, arrays = checkpoints.read(newest)
    checkpoints.write(newest, {**values, "about": [[]] * 4_000_000}, arrays)
    with pytest.raises(DataError, match="takes at least"):
        checkpoints.read(newest)
