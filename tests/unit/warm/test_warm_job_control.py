"""When a fork of the server may read a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sbxcompose.warm import job_control


class StandIn:
    """The command on the terminal, which tells in order what it is asked."""

    def __init__(self, *foreground: bool, gone: bool = False) -> None:
        self.said: list[str] = []
        self._foreground = iter(foreground)
        self._gone = gone

    def in_foreground(self) -> bool:
        found = next(self._foreground)
        self.said.append("in the foreground" if found else "in the background")
        return found

    def stop(self, number: int, *, group: bool) -> bool:
        self.said.append("stopped")
        return not self._gone

    def reading(self, begins: bool) -> None:
        self.said.append("reading" if begins else "has read")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A descriptor that is a terminal."""
    ours, theirs = os.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


def test_a_read_is_announced_before_the_foreground_is_looked_at(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-Z after the look stops a command that is known to read, which `bg` does not continue."""
    stand_in = StandIn(False, True)
    monkeypatch.setattr(job_control, "_remote", stand_in)
    with job_control.reading(terminal):
        stand_in.said.append("read")
    assert stand_in.said == [
        *("reading", "in the background", "stopped"),
        *("in the foreground", "read", "has read"),
    ]


def test_a_read_that_can_never_be_is_over(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn(False, gone=True)
    monkeypatch.setattr(job_control, "_remote", stand_in)
    with pytest.raises(OSError, match="Input/output error"), job_control.reading(terminal):
        pass
    assert stand_in.said == ["reading", "in the background", "stopped", "has read"]
