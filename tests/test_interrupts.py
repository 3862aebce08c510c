"""Signals act between two states, and their handlers come back."""

import signal

import pytest

from fastnet import interrupts


def guarded(interrupted):
    with interrupts.uninterrupted():
        if interrupted:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("moment", ["within", "before the handlers are back", "between two handlers"])
def test_handlers_are_back_whenever_ctrl_c_comes(monkeypatch, moment):
    before = [signal.getsignal(number) for number in interrupts.SIGNALS]
    for number in interrupts.SIGNALS[1:]:
        signal.signal(number, lambda *_: None)
    mine = [signal.getsignal(number) for number in interrupts.SIGNALS]
    install, sends = signal.signal, {"within": 0, "before the handlers are back": 1, "between two handlers": 2}[moment]
    returned = []

    def slow(number, handler):
        if handler in mine:
            returned.append(number)
            if len(returned) == sends:
                signal.raise_signal(signal.SIGTERM if sends == 2 else signal.SIGINT)
        return install(number, handler)

    try:
        monkeypatch.setattr(interrupts.signal, "signal", slow)
        if sends == 2:
            guarded(False)
        else:
            with pytest.raises(KeyboardInterrupt):
                guarded(not sends)
        assert [signal.getsignal(number) for number in interrupts.SIGNALS] == mine
        assert len(returned) == len(interrupts.SIGNALS)
    finally:
        monkeypatch.undo()
        for number, handler in zip(interrupts.SIGNALS, before, strict=True):
            signal.signal(number, handler)
