"""The search for settings: what is drawn, how trials are kept and shared, and what comes of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="needs the extra tune")

import fastnet  # noqa: E402
from fastnet import settings  # noqa: E402
from fastnet.cli import tables, tune  # noqa: E402
from fastnet.cli.main import main  # noqa: E402
from fastnet.data.dataset import make_dataset  # noqa: E402
from fastnet.errors import DataError  # noqa: E402
from fastnet.tables.loading import TableLoader  # noqa: E402
from fastnet.tuning import parts, space, words  # noqa: E402
from fastnet.tuning.board import Board, Trial, rungs  # noqa: E402
from fastnet.tuning.crew import Crew  # noqa: E402
from fastnet.tuning.importance import importances  # noqa: E402
from fastnet.tuning.interface import Tuned, default_epochs, make_plan  # noqa: E402
from fastnet.tuning.ledger import Ledger, _lives  # noqa: E402
from fastnet.tuning.scoring import Outcome, Task, score  # noqa: E402
from fastnet.tuning.search import Search  # noqa: E402
from fastnet.tuning.words import Silent, told  # noqa: E402

FIXED = {"hidden": [5], "backend": "reference", "batch_size": 16}
SPACE = space.default_space({"hidden": [5]}, 1000)


@pytest.fixture
def rows(rng):
    """(X, y): 120 rows in three classes that can be told apart."""
    y = np.arange(120) % 3
    X = rng.normal(size=(120, 6)).astype(np.float32)
    X[np.arange(120), y] += 3
    return X, y


@pytest.fixture
def csv(tmp_path, rng, monkeypatch):
    """A working folder with set.npz."""
    monkeypatch.chdir(tmp_path)
    y = np.arange(90) % 3
    X = rng.integers(0, 60, (90, 9)).astype(np.uint8)
    X[np.arange(90), y] += 190
    np.savez("set.npz", X=X, y=y)
    return tmp_path


def board_of(ledger=None, **settings):
    return Board(SPACE, "softmax", **{"seed": 1, "epochs": 9, "monitor": "val_accuracy", "ledger": ledger} | settings)


def ledger_at(path, **about):
    return Ledger(path, "set", {"epochs": 9} | about, maximize=True)


def worth(drawn):
    """The made-up value of a trial: adam at 0.003 is best."""
    rate = next(value for name, value in drawn.items() if name.endswith(".lr"))
    return 0.9 - 0.1 * abs(np.log10(rate) + 2.5) + 0.05 * (drawn["optimizer"] == "adam")


def play(board, trial):
    """A trial without a training: it is as good from the start, or diverges after the first rung."""
    value = worth(trial.drawn)
    for step in rungs(9):
        if board.is_hopeless(trial, step, value):
            return board.finish(trial, Outcome(value, 1 - value, step, 0.1, {step: value}, pruned=True))
        if value < 0.78:
            return board.finish(trial, Outcome(failure="diverged: the loss is not finite"))
    return board.finish(trial, Outcome(value, 1 - value, 9, 0.1, dict.fromkeys(rungs(9), value)))


def play_until(board, most):
    while (trial := board.claim(most)) is not None:
        play(board, trial)


def course(board):
    return [(trial.number, trial.drawn, trial.state) for trial in board.trials.values()]


def test_what_is_given_is_not_searched():
    everything = space.default_space({}, 60000)
    assert set(everything) == {
        "layers", "width_1", "width_2", "width_3", "activation", "batch_size", "optimizer", "momentum.lr",
        "momentum.weight_decay", "adam.lr", "adam.weight_decay", "dropout",
    }  # fmt: skip
    fixed = {"hidden": [64], "optimizer": "adam", "weight_decay": 0.0, "dropout": 0.0, "batch_size": 64}
    assert set(space.default_space(fixed, 60000)) == {"activation", "adam.lr"}
    assert set(space.default_space({"hidden": [64], "lr": 0.1}, 60000)) == {
        "activation", "batch_size", "momentum.weight_decay", "dropout",
    }  # fmt: skip


def test_a_draw_holds_what_goes_together():
    whole = space.default_space({}, 60000)
    drawn = space.draw(whole, lambda name, entry: entry.nearest({"layers": 2, "optimizer": "adam"}.get(name)))
    assert {name for name in drawn if "." in name} == {"adam.lr", "adam.weight_decay"}
    assert [name for name in drawn if name.startswith("width_")] == ["width_1", "width_2"]
    settings = space.settings_of(whole, drawn | {"width_1": 32, "width_2": 20})
    assert settings["hidden"] == [32, 20]
    assert set(settings) == {"hidden", "activation", "batch_size", "optimizer", "lr", "weight_decay", "dropout"}


def test_the_first_trial_has_the_defaults():
    drawn = space.usual(space.default_space({}, 60000), "softmax")
    wanted = {"layers": 1, "width_1": 64, "activation": "sigmoid", "batch_size": 128, "momentum.lr": 4.0}
    assert wanted.items() <= drawn.items()
    board = board_of()
    assert board.claim(None).drawn == space.usual(SPACE, "softmax")


def table_plan(rng, n=300, *, target="price", **fixed):
    """The plan of a search on a table of n rows with a price, and which of them are large."""
    price = rng.normal(size=n)
    loader = TableLoader({"a": price + 1, "b": rng.normal(size=n), "price": price, "large": price > 1}, target)
    table = parts.TableRows(loader, loader.drawn())
    return make_plan(loader.split().train, {"seed": 138, **fixed}, table=table)


GIVEN = [
    {}, {"hidden": [7]}, {"lr": 0.01}, {"l2": 0.1}, {"batch_size": 24}, {"schedule": "constant"}, {"epochs": 3},
    {"optimizer": "adam"}, {"weight_decay": 0.01}, {"activation": "tanh", "init": "glorot"},
]  # fmt: skip


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("target", ["price", "large"])
@pytest.mark.parametrize("n", [60, 3000])
def test_the_first_trial_on_a_table_is_what_train_does(rng, given, target, n):
    plan = table_plan(rng, n, target=target, **given)
    args = SimpleNamespace(**settings.DEFAULTS | given, given=set(given))
    tables.complete(args, plan.table.loader)
    first = space.settings_of(plan.space, space.usual(plan.space, plan.fixed["output"], plan.base))
    found = vars(settings.combine(plan.fixed, first))
    assert found.pop("l2") == pytest.approx(args.l2)
    assert {name: found.get(name) for name in settings.DEFAULTS if name != "l2"} == {
        name: getattr(args, name) for name in settings.DEFAULTS if name != "l2"
    }


def test_what_is_not_searched_on_a_table_has_its_defaults_in_all_trials(rng):
    plan = table_plan(rng)
    assert {"schedule": "one_cycle", "init": "he", "epochs": 213}.items() <= plan.fixed.items()


@pytest.mark.parametrize(("rows", "expected"), [(20, (8,)), (150, (8, 16)), (60000, (32, 64, 128, 256, 512))])
def test_batch_sizes_suit_the_rows(rows, expected):
    assert space.batch_sizes(rows) == expected


def test_a_space_of_the_user():
    found = space.parse({"hidden": [[64], [32, 32]], "lr": (1e-3, 1, "log"), "batch_size": (16, 64)})
    assert found["hidden"].setting("32,32") == [32, 32]
    assert (found["lr"].log, found["batch_size"].low) == (True, 16)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"learning_rate": (0.1, 1)}, "a name in search_space must be one of"),
        ({"epochs": (1, 5)}, "a name in search_space must be one of"),
        ({"lr": (1.0, 0.1)}, "low < high"),
        ({"lr": (0, 1, "log")}, "above 0 for log"),
        ({"lr": []}, "must be a list of choices"),
        ({"lr": "0.1"}, "must be a list of choices"),
        ({"hidden": [[3]]}, "hidden is in search_space and given as a setting"),
    ],
)
def test_a_space_that_is_none(rows, entry, text):
    with pytest.raises(ValueError, match=text):
        fastnet.tune(*rows, search_space=entry, **FIXED)


@pytest.mark.parametrize(
    ("epochs", "steps"), [(1, ()), (2, (1,)), (5, (1, 3)), (9, (1, 3)), (27, (1, 3, 9)), (243, (9, 27, 81))]
)
def test_rungs_are_few(epochs, steps):
    assert rungs(epochs) == steps


def test_small_sets_get_more_epochs():
    assert [default_epochs(rows) for rows in (60000, 5000, 150)] == [9, 27, 243]


def test_folds_have_all_rows_once_and_classes_alike(rows, tmp_path):
    data = make_dataset(*rows, "set")
    sets = parts.divided(data, 0.1, 5, seed=1, shuffle=True)
    assert all(np.array_equal(np.bincount(part.y), [8, 8, 8]) for part in sets)
    rounds = list(parts.write(tmp_path, sets, crossed=True).sets())
    assert [(len(trained), len(held)) for trained, held in rounds] == [(96, 24)] * 5
    every = np.concatenate([held.X for _, held in rounds])
    assert np.array_equal(np.sort(every, axis=0), np.sort(data.X, axis=0))
    assert not (rounds[0][0].X[:, None] == rounds[0][1].X[None]).all(axis=2).any()


def test_folds_in_order_are_runs(rows):
    numbers = parts.fold_numbers(make_dataset(*rows, "set"), 4, seed=1, shuffle=False)
    assert np.array_equal(numbers, np.repeat(np.arange(4), 30))
    with pytest.raises(ValueError, match="folds must be a whole number from 2 to the number of rows, 120, got 121"):
        parts.fold_numbers(make_dataset(*rows, "set"), 121, seed=1, shuffle=True)


def test_one_job_finds_the_same_each_time():
    first, second, other = board_of(), board_of(), board_of(seed=2)
    for board in (first, second, other):
        play_until(board, 30)
    assert course(first) == course(second)
    assert course(first) != course(other)
    states = [trial.state for trial in first.trials.values()]
    assert states.count("pruned") > 5
    assert states.count("complete") > 5
    assert states.count("failed") > 1
    best = first.ranking()[0]
    assert best.outcome.value == max(t.outcome.value for t in first.trials.values() if t.state == "complete")


def test_a_search_that_is_gone_on_with_goes_on_as_it_would_have(tmp_path):
    whole = board_of()
    play_until(whole, 30)
    for most in (7, 20, 30):
        ledger = ledger_at(tmp_path / "a.db")
        board = board_of(ledger)
        play_until(board, most)
        ledger.close()
    assert course(board) == course(whole)
    assert os.listdir(tmp_path) == ["a.db"]


def test_the_sampler_learns_where_trainings_diverge(tmp_path):
    ledger = ledger_at(tmp_path / "a.db")
    board = board_of(ledger)
    for failure in ("diverged: the loss is not finite", "MemoryError: no room"):
        board.finish(board.claim(None), Outcome(failure=failure))
    again = board_of(ledger)
    states = optuna.trial.TrialState
    for study in (board.study, again.study):
        assert [trial.state for trial in study.trials] == [states.PRUNED, states.FAIL]
    assert [trial.state for trial in ledger.trials()] == [states.FAIL, states.FAIL]
    assert [trial.state for trial in again.trials.values()] == ["failed", "failed"]
    ledger.close()


def test_trials_of_a_process_that_is_gone_are_lost_and_replaced(tmp_path):
    killed = ledger_at(tmp_path / "a.db")
    killed.owner = f"{killed.owner.split(':')[0]}:{dead_process()}:0"
    board = board_of(killed)
    for _ in range(3):
        play(board, board.claim(None))
    board.claim(None)
    killed.close()
    ledger = ledger_at(tmp_path / "a.db")
    board = board_of(ledger)
    if os.name == "posix":  # elsewhere its silence tells
        assert [trial.state for trial in board.trials.values()][3] == "lost"
        play_until(board, 6)
        assert board.counted() == 6
        assert len(board.trials) == 7
    ledger.close()


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_silence_tells_of_an_end_elsewhere(tmp_path, monkeypatch):
    one, other = ledger_at(tmp_path / "a.db"), ledger_at(tmp_path / "a.db")
    one.owner = "elsewhere:1:0"
    clock = [1000.0]
    monkeypatch.setattr("fastnet.tuning.ledger.time.monotonic", lambda: clock[0])
    for _ in range(4):
        one.beat()
        assert not other.is_gone(one.owner)
        clock[0] += 15
    clock[0] += 15
    assert other.is_gone(one.owner)
    one.close()
    other.close()


def test_two_share_a_search_and_do_no_trial_twice(tmp_path, monkeypatch):
    clock = time.monotonic()
    monkeypatch.setattr("fastnet.tuning.ledger.time.monotonic", lambda: clock)  # a slow machine is not silence
    ledgers = [ledger_at(tmp_path / "a.db") for _ in range(2)]
    boards = [board_of(ledger) for ledger in ledgers]
    for _ in range(12):  # both draw before either has seen the other's
        claimed = [board.claim(20) for board in boards]
        for board, trial in zip(boards, claimed, strict=True):
            if trial is not None:
                play(board, trial)
    for board in boards:
        board.look()
        assert board.counted() == 20
    assert boards[0].trials.keys() == boards[1].trials.keys()
    draws = [json.dumps(trial.drawn) for trial in boards[0].trials.values() if trial.counts]
    assert len(set(draws)) == 20
    shares = [sum(trial.owner is None and trial.counts for trial in board.trials.values()) for board in boards]
    assert sum(shares) == 20
    assert min(shares) >= 5
    for ledger in ledgers:
        ledger.close()


def test_a_study_without_trials_is_for_any_search(tmp_path):
    first = ledger_at(tmp_path / "a.db")
    first.beat()
    with pytest.raises(DataError, match="holds a search with --epochs 9"):  # which is about to begin
        ledger_at(tmp_path / "a.db", epochs=5)
    first.close()
    ledger_at(tmp_path / "a.db", epochs=5).close()
    ledger_at(tmp_path / "b.db").close()
    ledger_at(tmp_path / "b.db", epochs=5).close()
    after = ledger_at(tmp_path / "b.db", epochs=5)
    after.claim({}, {})
    after.close()
    with pytest.raises(DataError, match="holds a search with --epochs 5"):
        ledger_at(tmp_path / "b.db")


@pytest.mark.parametrize(
    ("changed", "settings", "text"),
    [
        ({}, {"optimizer": "adam"}, "with --optimizer open (here adam): name"),
        ({}, {"batch_size": 8, "lr": 0.1}, "with --batch-size 16 (here 8) and with --lr open (here 0.1): name"),
        ({}, {"monitor": "val_loss"}, "with --monitor val_accuracy (here val_loss): name"),
        ({}, {"amount": 0.3}, "with --folds 5 (here open): name"),
        ({}, {"search_space": {"dropout": (0.0, 0.2)}}, "with other ranges of dropout: name"),
        ({"labels": True}, {}, "of other data: name"),
    ],
)
def test_a_study_of_another_search_is_told_in_a_line(rows, tmp_path, changed, settings, text):
    X, y = rows
    fixed = {"seed": 1, "hidden": [5], "batch_size": 16}
    first = make_plan(make_dataset(X, y, "set"), fixed)
    given = {name: settings.pop(name) for name in list(settings) if name in space.DEFAULTS and name != "monitor"}
    second = make_plan(make_dataset(X, y[::-1] if changed else y, "set"), fixed | given, **settings)
    begun = ledger_at(tmp_path / "a.db", **first.about())
    begun.claim({}, {})
    begun.close()
    ledger_at(tmp_path / "a.db", **first.about()).close()
    with pytest.raises(DataError) as caught:
        ledger_at(tmp_path / "a.db", **second.about())
    assert f"a.db holds a search {text}" in str(caught.value)


def test_a_study_of_another_target_says_so(rng, tmp_path):
    price, large = table_plan(rng), table_plan(rng, target="large")
    begun = ledger_at(tmp_path / "a.db", **price.about())
    begun.claim({}, {})
    begun.close()
    with pytest.raises(DataError, match=r"a\.db holds a search of another target, 'price': name another"):
        ledger_at(tmp_path / "a.db", **large.about())


def test_each_target_of_a_table_has_a_study_of_its_own(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    price, large = table_plan(rng), table_plan(rng, target="large")

    def names():
        return [tune.default_study("houses", plan.data, plan.table) for plan in (price, large)]

    assert names() == ["houses.price.tune.db", "houses.large.tune.db"]
    assert tune.default_study("houses", price.data, None) == "houses.tune.db"
    Path("houses.tune.db").write_text("no database, and longer than a header" * 9)
    assert names() == ["houses.price.tune.db", "houses.large.tune.db"]
    Path("houses.tune.db").unlink()
    about = price.about()
    del about["target"]  # as in studies of earlier versions
    begun = ledger_at("houses.tune.db", **about)
    begun.claim({}, {})
    begun.close()
    assert names() == ["houses.tune.db", "houses.large.tune.db"]
    ledger_at("houses.tune.db", **price.about()).close()
    ledger_at("houses.price.tune.db", **price.about()).close()
    assert names()[0] == "houses.price.tune.db"


def test_a_target_is_part_of_a_name():
    assert [tune.slug(name) for name in ("size in m2.5", "a/b", "..", "x" * 99)] == [
        "size-in-m2.5", "a-b", "data", "x" * 60,
    ]  # fmt: skip


def test_a_file_that_is_no_database_is_told_in_a_line(tmp_path):
    (tmp_path / "a.db").write_text("this is a text, and a long one" * 100)
    with pytest.raises(DataError, match="cannot be used as a study of Optuna") as caught:
        ledger_at(tmp_path / "a.db")
    assert "\n" not in str(caught.value)


def task_of(rows, folder, fixed, **settings):
    sets = parts.divided(make_dataset(*rows, "set"), 0.2, settings.pop("folds", None), seed=1, shuffle=True)
    written = parts.write(folder, sets, crossed=len(sets) > 2)
    combined = FIXED | {"epochs": 5, "output": "softmax", "seed": 1} | fixed
    return Task(written, combined, {}, 3, "val_accuracy", (1, 3))


GOOD = {"optimizer": "adam", "lr": 0.03, "activation": "relu"}


def test_a_trial_reports_at_rungs_and_may_end_there(rows, tmp_path):
    asked = []
    task = task_of(rows, tmp_path, {})
    outcome = score(task, GOOD, lambda epoch, value: asked.append((epoch, value)))
    assert dict(asked) == outcome.reports
    assert list(outcome.reports) == [1, 3]
    assert outcome.value >= max(outcome.reports.values())
    assert (outcome.pruned, outcome.failure) == (False, None)
    pruned = score(task, GOOD, lambda epoch, value: epoch == 3)
    assert pruned.pruned
    assert pruned.epochs <= 3


def test_a_trial_keeps_its_best_epoch_unless_a_schedule_ends_it(rows, tmp_path):
    free = score(task_of(rows, tmp_path, {}), GOOD | {"lr": 0.01}, lambda *_: False)
    assert 1 <= free.epochs <= 5
    assert score(task_of(rows, tmp_path, {"schedule": "cosine"}), GOOD, lambda *_: False).epochs == 5


def test_the_best_is_trained_again_for_its_whole_schedule(rows):
    best = Trial(0, {}, GOOD, "complete", Outcome(0.9, 0.1, epochs=4))
    for schedule, epochs in (("one_cycle", 9), ("constant", 4), (None, 4)):
        plan = make_plan(make_dataset(*rows, "set"), FIXED | {"seed": 1, "epochs": 9, "schedule": schedule})
        found = Tuned(plan, [best], [best], None)
        assert (found.training["epochs"], found.training["schedule"]) == (epochs, schedule)
        assert len(found.fit(*rows)[1]) == epochs


def test_the_first_trial_is_not_given_up():
    board = board_of()
    first, *others = [board.claim(None) for _ in range(30)]
    hopeless = [board.is_hopeless(other, 1, 0.9 - other.number / 100) for other in others]
    assert any(hopeless)
    board.study.pruner = SimpleNamespace(prune=lambda *_: True)
    assert board.is_hopeless(others[0], 3, 0.1)
    assert not board.is_hopeless(first, 1, 0.1)


def test_a_cross_validated_trial_is_the_mean_of_its_folds(rows, tmp_path):
    task = task_of(rows, tmp_path, {"schedule": "cosine"}, folds=3)
    whole = score(task, GOOD, lambda *_: False)
    single = [
        score(replace(task, parts=replace(task.parts, rounds=(one,))), GOOD, lambda *_: False)
        for one in task.parts.rounds
    ]
    assert whole.value == pytest.approx(np.mean([outcome.value for outcome in single]))
    assert len({outcome.loss for outcome in single}) == 3


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"optimizer": "momentum", "lr": 1e30}, "diverged: "), ({"dropout": [0.1, 0.2]}, "UsageError: --dropout")],
)
def test_a_trial_that_fails_says_why(rows, tmp_path, settings, text):
    outcome = score(task_of(rows, tmp_path, {}), GOOD | settings, lambda *_: False)
    assert outcome.failure.startswith(text)
    assert outcome.value is None


def test_tune_finds_settings_that_train(rows):
    found = fastnet.tune(*rows, trials=6, jobs=1, epochs=5, seed=3, **FIXED)
    again = fastnet.tune(*rows, trials=6, jobs=2, epochs=5, seed=3, **FIXED)
    assert len(found.trials) == len(again.trials) == 6
    assert found.trials[0].outcome.value == again.trials[0].outcome.value
    net, history = found.fit(*rows)
    assert net.evaluate(*rows).accuracy > 0.8
    assert len(history) == found.best.outcome.epochs == found.training["epochs"]
    twin = fastnet.Network(**found.network)
    fastnet.train(twin, *rows, **found.training)
    assert np.array_equal(twin.params, net.params)
    assert {record["state"] for record in found.records()} <= {"complete", "pruned"}
    assert max(map(len, str(found).splitlines())) <= 80
    assert found.study.best_value == found.best.outcome.value


def test_tune_of_values_and_of_validation_rows(rows):
    X = rows[0]
    values = X[:, :2] @ np.array([1.0, -2.0]) + 0.5
    found = fastnet.tune(
        X[:90], values[:90], validation=(X[90:], values[90:]), trials=4, jobs=1, epochs=5, optimizer="adam", **FIXED
    )
    assert found.plan.monitor == "val_r2"
    assert found.settings["output"] == "identity"
    net, _ = found.fit(X, values)
    assert net.is_regression


def test_failures_are_noted_and_do_not_end_a_search(rows):
    space_of_both = {"lr": [1e30, 0.05], "activation": ["relu"]}
    found = fastnet.tune(
        *rows, trials=8, jobs=1, epochs=2, search_space=space_of_both, optimizer="momentum", dropout=0.0, **FIXED
    )
    states = [trial.state for trial in found.trials]
    assert len(states) == 8
    assert "failed" in states
    assert found.best.settings["lr"] == 0.05


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"trials": 0}, "trials must be a whole number"),
        ({"jobs": 0}, "jobs must be a whole number"),
        ({"time": "soon"}, "expected a time like 90s"),
        ({"monitor": "loss"}, "monitor must be one of val_accuracy"),
        ({"hiden": [3]}, "a setting must be one of .*did you mean 'hidden'"),
        ({"optimizer": "adamw"}, "optimizer must be one of"),
        ({"activation": "rilu"}, "no trial can be trained: ValueError: .*'rilu'"),
        ({"output": "softmax", "loss": "mse"}, "goes with cross_entropy, got 'mse'"),
        ({"folds": 1}, "folds must be a whole number from 2"),
    ],
)
def test_bad_arguments_are_told(rows, settings, text):
    with pytest.raises(ValueError, match=text):
        fastnet.tune(*rows, **{"jobs": 1, "trials": 3} | FIXED | settings)


def test_the_pictures_of_a_search(rows):
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    from figure_checks import inside

    found = fastnet.tune(*rows, trials=5, jobs=1, epochs=3, backend="reference", seed=3)
    figure = found.plot()
    assert inside(figure)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles[:2] == ["Accuracy by trial", "Accuracy by hidden units"]
    assert len(titles) == 8
    assert [axis.get_xlabel() for axis in figure.axes[:3]] == ["trial", "hidden units", "activation"]
    assert {axis.get_ylabel() for axis in figure.axes} == {"accuracy"}
    best = next(line for line in figure.axes[0].lines if line.get_label() == "best so far")
    assert best.get_ydata()[-1] == found.best.outcome.value


def test_importance_is_of_what_makes_trials_good(rows):
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    from fastnet.pictures import search, search_importance

    board = board_of()
    play_until(board, 60)
    plan = replace(make_plan(make_dataset(*rows, "set"), {"seed": 1, "hidden": [5]}), space=SPACE)
    found = Tuned(plan, list(board.trials.values()), board.ranking(), board.study, 1.0, board)
    shares = found.importance
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) in ("adam.lr", "optimizer")
    assert shares["batch_size"] < 0.3
    axis = search_importance(found).axes[0]
    assert axis.get_yticklabels()[0].get_text() in ("lr (adam)", "optimizer")
    assert axis.get_xlabel() == "share in what makes a trial good"
    assert search(found).axes[-1].get_title(loc="left") == "Importance of the settings"


def test_few_trials_say_nothing_of_importance():
    board = board_of()
    play_until(board, 10)
    assert importances(board.study, list(SPACE)) == {}


def test_time_ends_a_search_when_a_trial_is_over(rows):
    found = fastnet.tune(*rows, time=1e-3, jobs=1, **FIXED)
    assert [trial.state for trial in found.trials] == ["complete"]


def test_the_time_of_a_search_begins_with_a_worker_that_is_ready(rows, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("fastnet.tuning.search.time.monotonic", lambda: now[0])
    crew = Crew(task_of(rows, tmp_path, {}), 2)
    search = Search(board_of(epochs=5), crew, most=None, seconds=5.0, listener=Silent())
    late = []
    for seconds, is_ready in ((1000, False), (1000, True), (1004, True), (1005.5, False)):
        now[0] = seconds
        if is_ready:
            search._act(SimpleNamespace(trial=None, is_ready=False), ("ready",))
        late.append(search._is_late())
    assert late == [False, False, False, True]


def test_few_rows_are_judged_by_folds():
    def plan(rows, **settings):
        return make_plan(make_dataset(np.zeros((rows, 2), np.float32), np.arange(rows) % 2, "set"), {}, **settings)

    assert [plan(rows).folds for rows in (9, 10, 999, 1000)] == [None, 5, 5, None]
    assert plan(500, folds=3).folds == 3
    assert (plan(500, amount=0.2).folds, plan(500, amount=0.2).amount) == (None, 0.2)
    assert plan(500, shuffle=False).folds is None  # the last rows, as for time series


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("shuffle", [True, False])
def test_rounds_of_a_table_learn_columns_from_their_own_rows(folds, shuffle, rng):
    age, town, y = (
        rng.normal(40, 10, 90),
        rng.choice(["a", "b"], 90).astype(object),
        np.array(["no", "yes"])[np.arange(90) % 2],
    )
    town[7] = "only here"

    def rounds(age):
        loader = TableLoader({"age": age, "town": town, "y": y}, "y")
        data = loader.split().train
        table = parts.TableRows(loader, loader.drawn())
        sets = list(table.divided(data, 0.2, folds, seed=1, shuffle=shuffle))
        numbers = list(parts.held_out(data, 0.2, folds, seed=1, shuffle=shuffle))
        return sets[::2], sets[1::2], numbers, data

    trained, held, numbers, data = rounds(age)
    assert len(trained) == len(held) == (folds or 1)
    for fitted, judged, chosen in zip(trained, held, numbers, strict=True):
        assert np.allclose(fitted.X[:, 0].mean(), 0, atol=1e-5)
        assert np.array_equal(judged.y, data.y[chosen])
        assert ("town=only here" in fitted.preprocess.feature_names) == (7 not in chosen)
    age[numbers[0]] += 1000
    changed, _, _, whole = rounds(age)
    assert np.array_equal(changed[0].X, trained[0].X)
    assert not np.allclose(whole.X[:, 0], data.X[:, 0], atol=0.1)


def test_a_table_and_its_arrays_are_divided_alike(rng):
    values = rng.normal(size=60)
    loader = TableLoader({"a": rng.normal(size=60), "y": values}, "y")
    data = loader.split().train
    table = parts.TableRows(loader, loader.drawn())
    fitted, judged = table.divided(data, 0.25, None, seed=4, shuffle=True)
    kept, held = parts.divided(data, 0.25, None, seed=4, shuffle=True)
    in_units = [part.preprocess.inverse_target(part.y) for part in (fitted, judged, kept, held)]
    assert np.allclose(in_units[0], in_units[2])
    assert np.allclose(in_units[1], in_units[3])


def test_failures_are_counted_by_reason(rows):
    failures = [
        "diverged: the loss is not finite",
        "diverged: it grew",
        "MemoryError: no 3 GB",
        "ValueError: " + "x" * 200,
    ]
    trials = [Trial(i, {}, {}, "failed", Outcome(failure=text)) for i, text in enumerate(failures)]
    found = words.failures(trials)
    assert list(found.items())[:2] == [("diverged", 2), ("out of memory", 1)]
    assert max(map(len, found)) < 110
    assert words.none_complete(trials[:2]) == (
        "none of 2 trials came to its end (2 diverged): standardise the inputs, or set a smaller lr"
    )
    plan = make_plan(make_dataset(*rows, "set"), {})
    tuned = Tuned(plan, trials[:3], [], None)
    assert str(tuned).endswith("failed: 2 diverged, 1 out of memory")
    with pytest.raises(
        ValueError, match=r"none of 3 trials came to its end \(2 diverged, 1 out of memory\): standardise"
    ):
        _ = tuned.best


class Killer(Silent):
    """Kills the worker after the first trial."""

    def __init__(self, crew):
        self.crew = crew

    def over(self, trial, board):
        if trial.number == 0:
            self.crew.workers[0].process.kill()


def test_a_worker_that_dies_is_replaced(rows, tmp_path):
    board = board_of(epochs=5)
    crew = Crew(task_of(rows, tmp_path, {}), 1)
    Search(board, crew, most=3, seconds=None, listener=Killer(crew)).run()
    assert board.counted() == 3
    assert [trial.state for trial in board.trials.values()].count("failed") <= 1
    assert all(worker.process.returncode is not None for worker in crew.workers)


def test_settings_of_a_trial_in_a_line():
    settings = {"dropout": 0.1, "l2": 0.001, "hidden": [64, 32], "optimizer": "adam", "activation": "relu"}
    assert told(settings) == "64-32  relu  adam  dropout 0.1  l2 0.001"


def test_a_plan_monitors_what_patience_watches(rows):
    data = make_dataset(*rows, "set")
    fixed = {"seed": 1}
    assert "monitor" not in make_plan(data, fixed | {"monitor": "val_loss"}, monitor="val_loss").fixed
    watched = make_plan(data, fixed | {"patience": 3}, monitor="val_loss")
    assert (watched.monitor, watched.fixed["monitor"]) == ("val_loss", "val_loss")


TUNE = (
    "tune", "--data", "set.npz", "--backend", "reference", "--hidden", "5", "--batch-size", "16", "--epochs", "5",
    "--jobs", "1",
)  # fmt: skip


def test_the_command_searches_saves_and_goes_on(csv, capsys):
    outputs = ("--save", "net.npz", "--json", "run.json", "--picture", "page.html")
    assert main([*TUNE, "--trials", "4", *outputs]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "study: set.tune.db, a new one\n" in out
    assert max(map(len, out.splitlines())) <= 80
    about = json.loads(Path("run.json").read_text())
    assert len(about["trials"]) == 4
    assert about["best"]["settings"]["hidden"] == [5]
    assert about["test"] is None
    assert fastnet.Network.load("net.npz").sizes == [9, 5, 3]
    assert Path("page.html").read_text(encoding="utf-8").count("<img") > 3
    assert main([*TUNE, "--trials", "6"]) == 0
    assert "study: set.tune.db, going on after 4 trials\n" in capsys.readouterr().out
    assert main([*TUNE, "--trials", "6"]) == 0
    assert "study: set.tune.db, finished with 6 trials; --trials MORE goes on with it\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--folds", "3", "--validation-split", "0.2"), "not both"),
        (("--validation-split", "0"), "held out, got 0"),
        (("--validation-split", "90"), "expected 1 to 89 of 90 rows"),
        (("--folds", "91"), "--folds: expected 2 to 90, the number of training rows, got 91"),
        (("--storage", "a.db"), "--storage is called --study here"),
        (("--n-jobs", "2"), "--n-jobs is called --jobs here"),
        (
            ("--optimizer", "sgd", "--lr", "1e30"),
            "none of 2 trials came to its end (2 diverged): standardise the inputs",
        ),
        (("--picture", "a.txt"), "--picture: expected a name ending in"),
        (("--study", "no/such.db"), "--study: cannot write"),
        (("--monitor", "loss"), "monitor must be one of val_accuracy"),
        (("--study", "nosuch://place"), "cannot be used as a study"),
    ],
)
def test_the_command_refuses(csv, capsys, options, text):
    assert main([*TUNE, "--trials", "2", *options]) == (3 if "diverged" in text else 2)
    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1


def test_several_searches_that_a_launcher_started_are_warned(csv, capsys, monkeypatch):
    command = [*TUNE, "--folds", "91"]
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    assert main(command) == 2
    assert "warning: one of 2 processes, each of which searches and prints: start" in capsys.readouterr().err
    monkeypatch.setenv("PMI_RANK", "1")
    assert main(command) == 2
    assert "one of 2 processes" not in capsys.readouterr().err


def test_the_reasons_of_failures_are_in_the_file(csv, capsys):
    assert main([*TUNE, "--trials", "2", "--optimizer", "sgd", "--lr", "1e30", "--json", "run.json"]) == 3
    assert capsys.readouterr().err.count("\n") == 1
    about = json.loads(Path("run.json").read_text())
    assert about["failures"] == {"diverged": 2}
    assert about["best"] is None
    assert [trial["failure"][:8] for trial in about["trials"]] == ["diverged"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_search_that_is_ended_loses_only_what_ran(csv, capsys, number, code):
    command = [sys.executable, "-m", "fastnet", *TUNE, "--trials", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    done = wait_for_trials(3)
    workers = children(process.pid)
    process.send_signal(number)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == code
    end = time.monotonic() + 30
    while any(map(_lives, workers)):
        assert time.monotonic() < end, "workers outlive the search"
        time.sleep(0.05)
    if number != signal.SIGKILL:
        assert "fastnet: trials that are over are in set.tune.db; the same command goes on\n" in err
    with_lost = states()
    assert with_lost.count("COMPLETE") + with_lost.count("PRUNED") >= done
    assert main([*TUNE, "--trials", str(len(with_lost) + 2)]) == 0
    ended = states()
    assert ended.count("FAIL") <= 1
    assert len(ended) - ended.count("FAIL") == len(with_lost) + 2


def children(pid):
    """The processes that one has started, where there is a command that tells."""
    if shutil.which("pgrep") is None:
        return []
    told = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    assert told
    return list(map(int, told.split()))


def wait_for_trials(most):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        done = [state for state in states() if state in ("COMPLETE", "PRUNED")] if Path("set.tune.db").exists() else []
        if len(done) >= most:
            return len(done)
        time.sleep(0.1)
    raise AssertionError("no trial came to its end")


def states():
    """The states of the trials, as SQLite has them; none before there is a table."""
    import sqlite3

    connection = sqlite3.connect("set.tune.db", timeout=60)
    try:
        return [state for (state,) in connection.execute("SELECT state FROM trials")]
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


@pytest.mark.parametrize("deed", ["claim", "trials", "beat"])
def test_a_database_that_fails_in_the_middle_of_a_search(tmp_path, monkeypatch, deed):
    from sqlalchemy.exc import OperationalError

    ledger = ledger_at(tmp_path / "set.db")

    def fails(*_, **__):
        raise OperationalError("INSERT", {}, OSError("database or disk is full"))

    monkeypatch.setattr(ledger.storage, "create_new_trial", fails)
    for name in ("get_trials", "set_user_attr"):
        monkeypatch.setattr(ledger.study, name, fails)
    arguments = {"claim": ({}, {})}.get(deed, ())
    with pytest.raises(DataError, match=r"set\.db cannot be used as a study of Optuna: .*disk is full"):
        getattr(ledger, deed)(*arguments)
    ledger.close()
