"""Files that appear whole or not at all, whenever an interrupt comes."""

import os
import signal

import numpy as np
import pytest

import fastnet
from fastnet import files


def test_a_file_takes_the_place_of_another(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with files.replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def interrupt_first(monkeypatch, owner, name, *, after):
    """The first call of a function is interrupted: before it does anything, or when it is done."""
    function, calls = getattr(owner, name), []

    def called(*arguments, **settings):
        calls.append(name)
        if len(calls) == 1 and not after:
            raise KeyboardInterrupt
        function(*arguments, **settings)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, called)


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (files.Path, "mkdir", True),
        (files, "remove_tree", False),
        (files, "remove_tree", True),
        (files.os, "replace", False),
        (files.os, "fsync", True),
    ],
)
def test_an_interrupt_leaves_nothing_temporary(tmp_path, monkeypatch, owner, name, after):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    interrupt_first(monkeypatch, owner, name, after=after)
    with pytest.raises(KeyboardInterrupt), files.replacing(path) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() in (b"old", b"new")


def test_what_is_being_made_can_be_removed_by_a_process_that_ends(tmp_path):
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "a") as file:  # noqa: PT012
        file.write(b"half")
        assert len(list(tmp_path.iterdir())) == 1
        files.remove_unfinished()
        assert list(tmp_path.iterdir()) == []
    assert not files._workshops


def test_a_place_is_tried(tmp_path):
    files.try_to_make(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="too long"):
        files.try_to_make(tmp_path / ("a" * 300))
    with pytest.raises(FileNotFoundError):
        files.try_to_make(tmp_path / "nowhere" / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_while_a_network_is_saved_comes_when_the_file_is_whole(tmp_path, monkeypatch):
    """zipfile would raise a ValueError in its place."""
    savez, path = np.savez, tmp_path / "net.npz"

    def interrupted(file, **arrays):
        signal.raise_signal(signal.SIGINT)
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", interrupted)
    net = fastnet.Network([3, 2], seed=1)
    with pytest.raises(KeyboardInterrupt):
        net.save(path)
    assert (fastnet.Network.load(path).params == net.params).all()
    assert list(tmp_path.iterdir()) == [path]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
