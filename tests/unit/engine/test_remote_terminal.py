"""A remote terminal over connections that break, at daemons that know positions and at those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import pytest

from sbxcompose.api import pty
from sbxcompose.api.pty import PtyRequest
from sbxcompose.api.terminals import PtySession, TerminalsClient
from sbxcompose.api.websocket import Closed
from sbxcompose.engine import remote_terminal as module
from sbxcompose.engine.remote_terminal import RemoteTerminal, seen_again
from sbxcompose.errors import NotFound, ProcessFailed, ProviderError, SbxError, Unreachable, Unsupported


class FakeSocket:
    """Says what it is told to, and then closes."""

    def __init__(self, frames: Iterable[bytes], closed: Closed, position: int | None) -> None:
        self.headers = {} if position is None else {pty.POSITION_HEADER: str(position)}
        self.closing = False
        self._frames = list(frames)
        self._closed = closed

    async def receive(self) -> bytes:
        if not self._frames:
            raise self._closed
        return self._frames.pop(0)

    async def send(self, data: bytes) -> None:
        pass

    async def finish(self) -> None:
        pass

    async def keep_alive(self) -> None:
        await asyncio.Event().wait()

    async def __aenter__(self) -> FakeSocket:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class FakeTerminals:
    """Connects with one prepared socket, or failure, after the other."""

    def __init__(self, *connections: FakeSocket | SbxError) -> None:
        self._connections = list(connections)
        self.asked: list[int | None] = []

    async def connect(self, session: PtySession, since: int | None = None) -> FakeSocket:
        self.asked.append(since)
        found = self._connections.pop(0)
        if isinstance(found, SbxError):
            raise found
        return found


BROKEN = Closed(1006, "the connection broke")


def shown(*connections: FakeSocket | SbxError, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, int, list[int | None]]:
    """What is shown, the exit code, and from where each connection went on."""
    monkeypatch.setattr(module, "PAUSES", (0.0, 0.0, 0.0))
    terminals = FakeTerminals(*connections)

    async def main() -> tuple[bytes, int]:
        terminal = RemoteTerminal(cast(TerminalsClient, terminals), PtySession("s", "t"), 24, 80)
        output = bytearray()
        code = await terminal.run(output.extend)
        return bytes(output), code

    output, code = asyncio.run(main())
    return output, code, terminals.asked


def data(*pieces: bytes) -> list[bytes]:
    return [pty.encode_data(piece) for piece in pieces]


def test_it_continues_where_it_was_at_a_daemon_that_knows_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    first = FakeSocket(data(b"one ", b"two "), BROKEN, 0)
    second = FakeSocket([*data(b"three"), pty.encode_exit(7)], BROKEN, 8)
    assert shown(first, Unreachable("not yet"), second, monkeypatch=monkeypatch) == (b"one two three", 7, [None, 8, 8])


def test_what_another_daemon_shows_again_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    first = FakeSocket(data(b"one ", b"two "), BROKEN, None)
    second = FakeSocket(data(b"one t", b"wo three"), Closed(1000, "exit:-1"), None)
    assert shown(first, second, monkeypatch=monkeypatch)[:2] == (b"one two three", -1)


def test_more_than_such_a_daemon_keeps_is_shown_again() -> None:
    assert [seen_again(size) for size in (0, 5, 1024 * 1024, 1024 * 1024 + 1)] == [0, 5, 1024 * 1024, 0]


@pytest.mark.parametrize(
    "connections, error",
    [
        ([FakeSocket([], Closed(1001, "session terminated"), 0)], ProcessFailed),
        ([FakeSocket([], Closed(1008, "too much"), 0)], ProviderError),
        ([FakeSocket([], BROKEN, 0), NotFound("gone", status=404)], ProcessFailed),
        ([Unreachable("no")] * 3, Unreachable),
    ],
)
def test_other_ends_are_errors(connections: list[Any], error: type[SbxError], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(error):
        shown(*connections, monkeypatch=monkeypatch)


def test_a_daemon_that_would_not_hear_as_whom_is_not_asked() -> None:
    class Client:
        extensions: frozenset[str] = frozenset()

    with pytest.raises(Unsupported, match="other users"):
        asyncio.run(RemoteTerminal.start(cast(Any, Client()), PtyRequest(command="sh", user="me"), {}))
