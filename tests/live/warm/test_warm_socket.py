"""The socket of a fork server, which others remove once they find that nobody listens at it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sbxcompose.warm import control, place
from sbxcompose.warm.listen import listen


def test_it_is_at_its_place_only_once_the_server_listens(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[list[str]] = []
    begin = socket.socket.listen

    def noted(self: socket.socket, backlog: int) -> None:
        before.append(control.paths(str(short_dir)))
        begin(self, backlog)

    monkeypatch.setattr(socket.socket, "listen", noted)
    listener = listen({place.VARIABLE: str(short_dir)})
    assert listener is not None
    with listener:
        assert before == [[]]
        (path,) = control.paths(str(short_dir))
        assert control.is_alive(path)
        assert listen({place.VARIABLE: str(short_dir)}) is None, "another server has it"
