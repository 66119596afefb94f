"""A long answer lets others have their turn, whatever its client does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

from sbxcompose.host.http.protocol import Activity, Connection
from sbxcompose.host.http.stream import StreamAnswer
from sbxcompose.tasks import TaskOwner

PIECES = 1000
REQUEST = b"GET /output HTTP/1.1\r\nHost: localhost\r\n\r\n"


class FakeTransport:
    """Takes everything at once, as a client that keeps up does; with `gone_after` so many writes none is there."""

    def __init__(self, connection: Connection, gone_after: int) -> None:
        self._connection = connection
        self._gone_after = gone_after
        self.writes = 0

    def writelines(self, pieces: Sequence[bytes]) -> None:
        self.writes += 1
        if self.writes == self._gone_after:  # asyncio tells it in the loop's next turn
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def get_extra_info(self, name: str) -> None:
        return None

    def set_write_buffer_limits(self, high: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...


def answered(gone_after: int = 0) -> tuple[int, int]:
    """How many pieces of a long answer have been sent when another task has its turn, and how many are made at all."""
    made = 0

    async def content() -> AsyncGenerator[bytes, None]:
        nonlocal made
        while made < PIECES:
            made += 1
            yield b"a piece"

    async def main() -> int:
        answer: Any = StreamAnswer(content(), "text/event-stream")
        async with TaskOwner() as tasks:
            connection = Connection(answer, Activity(tasks), trusted=True)
            transport = FakeTransport(connection, gone_after)
            connection.connection_made(cast(asyncio.Transport, transport))
            connection.data_received(REQUEST)
            while not transport.writes:
                await asyncio.sleep(0)
            sent = transport.writes
            while tasks.busy:
                await tasks.wait()
        return sent

    return asyncio.run(main()), made


def test_others_have_their_turn_while_a_client_takes_everything_at_once() -> None:
    sent, made = answered()
    assert (sent < 10, made) == (True, PIECES)


def test_an_answer_ends_when_its_client_has_gone() -> None:
    _, made = answered(gone_after=5)
    assert made < 10
