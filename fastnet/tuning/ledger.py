"""The trials of a search in a database: what is in it survives, and is shared with other processes and machines.

A trial costs three transactions and not Optuna's twenty (70 ms of CPU in SQLite): it comes with all that was drawn,
and what came of it is one attribute. Reports at rungs are written with it, when the trial is over.
"""

import contextlib
import functools
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from fastnet.errors import DataError
from fastnet.tuning.optuna_package import optuna, silent

OWNER, OUTCOME, ABOUT = "owner", "outcome", "fastnet"  # attributes of trials and of the study
BEAT = 5.0  # seconds between two signs of life
ENDED = -1  # the sign of an owner that has ended
SILENCE = 20.0  # seconds without one after which an owner is gone
OPTIONS = {
    "figure": "--monitor",
    "validation": "--validation-split",
}  # by the names of `about` that are called otherwise
FOLLOWS = ("searched", "validation")  # what is different there may follow from other differences
TARGET = "target"  # of a table, by its name in `about`: nearly everything follows from it
BUSY = 60.0  # seconds that a writer waits for another one


def _told(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a Ledger, which tells in a line what is wrong with the file or the database."""

    @functools.wraps(method)
    def call(self: "Ledger", *arguments: Any, **settings: Any) -> Any:
        import sqlite3

        from sqlalchemy.exc import SQLAlchemyError

        try:
            return method(self, *arguments, **settings)
        except (sqlite3.Error, SQLAlchemyError, optuna().exceptions.OptunaError, RuntimeError) as error:
            text = str(error.__cause__ or error).splitlines()[0]
            raise DataError(f"{self.place} cannot be used as a study of Optuna: {text}") from None

    return call


def _difference(key: str, there: Any, here: Any) -> str:
    """What is different in a study that is there, for a message."""
    if key == TARGET:
        return f"of another target, {there!r}"
    if key == "data":
        return "of other data"
    if key == "searched":
        names = [name.replace("_", " ") for name in {**there, **here} if there.get(name) != here.get(name)]
        return f"with other ranges of {', '.join(names[:3])}{', ...' * (len(names) > 3)}"
    option = OPTIONS.get(key, f"--{key.replace('_', '-')}")
    return f"with {option} {_brief(there)} (here {_brief(here)})"


def _brief(value: Any) -> str:
    """A value of `about` in few letters."""
    text = "open" if value is None else str(value)
    return text if len(text) <= 30 else f"{text[:30]}..."


class Ledger:
    """A study of Optuna in a file or behind a URL.

    place : SQLite file, or URL of a database. name : of the study in it. about : what the search is, in types of JSON;
    DataError where the study is of another search, or the file is no database.
    """

    def __init__(self, place: str | os.PathLike, name: str, about: dict[str, Any], *, maximize: bool):
        self.place, self.owner = os.fspath(place), f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self.beats, self.due = 0, 0.0
        self.heard: dict[str, tuple[Any, float]] = {}  # owner: its last sign, and when it was new
        try:
            self._open(name, json.loads(json.dumps(about)), "maximize" if maximize else "minimize")
        except BaseException:
            self.close()
            raise

    @_told
    def _open(self, name: str, about: dict[str, Any], direction: str) -> None:
        self.storage = _storage(self.place)
        with silent():
            self.study = optuna().create_study(
                storage=self.storage, study_name=name, load_if_exists=True, direction=direction
            )
        self.id = self.storage.get_study_id_from_name(name)
        self._check(about)

    def _check(self, about: dict[str, Any]) -> None:
        found = self.study.user_attrs.get(ABOUT)
        if found is None or self._is_unused():
            self.study.set_user_attr(ABOUT, about)
            return
        found = {TARGET: about.get(TARGET)} | found  # older studies do not name it; their data tells
        different = [key for key in {**found, **about} if found.get(key) != about.get(key)]
        if different:
            causes = [TARGET] if TARGET in different else [key for key in different if key not in FOLLOWS] or different
            told = [_difference(key, found.get(key), about.get(key)) for key in causes[:2]]
            raise DataError(
                f"{self.place} holds a search {' and '.join(told)}: name another file by --study (study= in Python), "
                "or give what that search had"
            )

    def _is_unused(self) -> bool:
        """Whether there is no trial, and nobody about to begin one: a search that ended on a wrong option, say."""
        owners = [key.partition(" ")[2] for key in self.study.user_attrs if key.startswith(f"{OWNER} ")]
        return not self.study.get_trials(deepcopy=False) and all(map(self.is_gone, owners))

    @_told
    def claim(self, drawn: dict[str, Any], distributions: dict[str, Any]) -> tuple[int, int]:
        """Note a trial that starts; (its id, its number)."""
        trial = optuna().trial.create_trial(
            state=optuna().trial.TrialState.RUNNING, params=drawn, distributions=distributions,
            user_attrs={OWNER: self.owner},
        )  # fmt: skip
        place = self.storage.create_new_trial(self.id, trial)
        return place, self.storage.get_trial(place).number

    @_told
    def finish(self, place: int, state: Any, value: float | None, outcome: dict[str, Any]) -> None:
        """Note what came of the trial with that id; one that was given up for lost stays so."""
        with contextlib.suppress(RuntimeError):  # it is finished: another process gave it up
            self.storage.set_trial_user_attr(place, OUTCOME, outcome)
            self.storage.set_trial_state_values(place, state, None if value is None else [value])

    @_told
    def lose(self, place: int) -> None:
        """Note that a trial came to no end."""
        with contextlib.suppress(RuntimeError):  # it is finished: another process gave it up
            self.storage.set_trial_state_values(place, optuna().trial.TrialState.FAIL)

    @_told
    def trials(self) -> list[Any]:
        """All trials, as Optuna has them, in the order of their numbers."""
        return sorted(self.study.get_trials(deepcopy=False), key=lambda trial: trial.number)

    @_told
    def beat(self) -> None:
        """Give a sign of life if it is time for one."""
        if time.monotonic() >= self.due:
            self.beats, self.due = self.beats + 1, time.monotonic() + BEAT
            self.study.set_user_attr(f"{OWNER} {self.owner}", self.beats)

    @_told
    def is_gone(self, owner: str) -> bool:
        """Whether the process that claimed a trial has ended, as far as can be told from here.

        A process of this machine is looked for; of others the signs of life are watched, which needs no common clock.
        """
        host, pid, _ = owner.split(":")
        if os.name == "posix" and host == socket.gethostname() and not _lives(int(pid)):
            return True
        sign = self.study.user_attrs.get(f"{OWNER} {owner}")
        if sign == ENDED:
            return True
        before, since = self.heard.setdefault(owner, (sign, time.monotonic()))
        if sign != before:
            self.heard[owner] = sign, time.monotonic()
        return sign == before and time.monotonic() - since > SILENCE

    def close(self) -> None:
        """Say that this process ends, and let go of the database; of SQLite one file is left then."""
        with contextlib.suppress(Exception):
            if self.beats:
                self.study.set_user_attr(f"{OWNER} {self.owner}", ENDED)
            self.storage.remove_session()
            self.storage.engine.dispose()


def _lives(pid: int) -> bool:
    """Whether there is such a process here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        pass
    return True


def _must_be_sqlite(place: str) -> None:
    """Raise where a file is no SQLite database, which Optuna would leave open."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(place, timeout=BUSY)) as connection:
        connection.execute("PRAGMA schema_version")


def _storage(place: str) -> Any:
    """Optuna's storage. A SQLite file keeps a log of what is to be written, which makes writing cheaper, and of which
    nothing is lost when a process is killed.
    """
    import sqlalchemy

    if "://" in place:
        return optuna().storages.RDBStorage(place)
    _must_be_sqlite(place)
    url = sqlalchemy.URL.create("sqlite", database=os.path.abspath(place)).render_as_string()
    storage = optuna().storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": BUSY}})

    def set_up(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()
    sqlalchemy.event.listen(storage.engine, "connect", set_up)
    return storage


def learns(place: str | os.PathLike, target: str, labels: str | None) -> bool:
    """Whether a SQLite file holds a search for that target of a table; False where the file is something else.

    labels : the hash of the target's values, which tells where the study does not name its target.
    """
    import sqlite3

    query = "SELECT value_json FROM study_user_attributes WHERE key = ?"
    try:
        with contextlib.closing(sqlite3.connect(place, timeout=BUSY)) as connection:
            found = [json.loads(text) for (text,) in connection.execute(query, (ABOUT,))]
    except (sqlite3.Error, ValueError):
        return False
    return any(about[TARGET] == target if TARGET in about else about["data"][1] == labels for about in found)
