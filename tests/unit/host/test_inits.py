"""Starting the init process of an isolated sandbox, where the machine does not permit it."""

from __future__ import annotations

import errno
import os

import pytest

from sbxcompose.host.keeper import inits
from sbxcompose.host.keeper.explain import CannotSpawn
from sbxcompose.host.keeper.inits import Inits


def test_a_start_for_which_there_is_no_process_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: set[int] = set()

    def pipe(flags: int) -> tuple[int, int]:
        ends = os.pipe()
        opened.update(ends)
        return ends

    def close(fd: int) -> None:
        real_close(fd)
        opened.discard(fd)

    def fork(*_: object) -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    real_close = os.close
    monkeypatch.setattr(os, "pipe2", pipe)
    monkeypatch.setattr(os, "close", close)
    monkeypatch.setattr(inits, "fork_sibling", fork)
    known = Inits("/state/lock")
    known.plan("box", {"user": None, "steps": []})
    with pytest.raises(CannotSpawn, match="cannot be isolated: starting its init process: resource temporarily un"):
        known.start("box")
    assert opened == set()
