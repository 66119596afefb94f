"""A command's output by the contract alone: complete although follows end early, and over when the command is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from sbxcompose.api.contract_follow import RecordLine
from sbxcompose.api.models import ProcessInfo
from sbxcompose.engine.contract import command_output
from sbxcompose.engine.contract.command_output import FollowedCommand, follow_command
from sbxcompose.errors import NotFound

ENDED_AT = 1795000002500
LINES = ["one", "two", "three", "four"]
STALLED = "stalled"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUIET", "FOLLOW_PAUSE"):
        monkeypatch.setattr(command_output, name, 0.0)


@pytest.fixture
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is looked at without a pause while its follow goes on."""
    monkeypatch.setattr(command_output, "FIRST_POLL", 0.0)


class Daemon:
    """A command that has written LINES; `follows` has what each follow of it brings, the last one again and again.

    A follow of which None is the last item never ends: a child of the command holds its output. What is behind
    STALLED comes while it is looked at what is kept.
    """

    def __init__(self, *follows: Sequence[str | None], running: int = 0, kept: list[str] | None = None) -> None:
        self._follows = list(follows)
        self._running = running
        self._kept = LINES if kept is None else kept
        self.followed = 0
        self.time_ms = ENDED_AT - 1000
        self.eof = False
        self.forgotten = False
        self.dropped = False
        """The record is gone, and the state is still known."""
        self.looked = asyncio.Event()
        self.all_come = asyncio.Event()
        self.all_come.set()

    @asynccontextmanager
    async def follow_output(self, process: str) -> AsyncIterator[Any]:
        self.followed += 1
        yield self._follows.pop(0) if len(self._follows) > 1 else self._follows[0]

    async def get(self, process: str) -> ProcessInfo:
        if self.forgotten:
            raise NotFound("gone", status=404)
        self._running -= 1
        if self._running >= 0:
            return ProcessInfo(pid=7, status="running", command="x", started_at=1)
        return ProcessInfo(pid=7, status="exited", exit_code=3, command="x", started_at=1, ended_at=ENDED_AT)

    async def snapshot(self, process: str, stream: str) -> list[str]:
        if self.dropped:
            raise NotFound("gone", status=404)
        self.looked.set()
        await self.all_come.wait()
        return self._kept if stream == "stdout" else []


class Body:
    """The body of one follow."""

    def __init__(self, daemon: Daemon, lines: Sequence[str | None]) -> None:
        self._daemon = daemon
        self._lines = lines

    async def chunks(self) -> AsyncIterator[bytes]:
        for line in self._lines:
            if line is None:
                await asyncio.Event().wait()
            if line == STALLED:
                self._daemon.all_come.clear()
                await self._daemon.looked.wait()
                self._daemon.all_come.set()
                continue
            data = {"line": line, "timestamp": self._daemon.time_ms, "stream": "stdout"}
            yield f"data: {json.dumps(data)}\n\n".encode()
        if self._daemon.eof:
            yield b"event: eof\ndata: {}\n\n"


def follow(daemon: Daemon) -> tuple[list[str], FollowedCommand]:
    got: list[RecordLine] = []

    class Client:
        get, snapshot = daemon.get, daemon.snapshot

        @asynccontextmanager
        async def follow_output(self, process: str) -> AsyncIterator[Body]:
            async with daemon.follow_output(process) as lines:
                yield Body(daemon, lines)

    ended = asyncio.run(follow_command(cast(Any, Client()), "7", got.append))
    return [line.text.decode() for line in got], ended


def test_the_tail_that_a_follow_has_dropped_is_there_after_the_end() -> None:
    daemon = Daemon(LINES[:2], LINES)
    lines, ended = follow(daemon)
    assert lines == LINES
    assert (ended.info and ended.info.exit_code, ended.torn) == (3, False)


def test_a_follow_that_ends_before_the_command_is_begun_again() -> None:
    daemon = Daemon(LINES[:1], LINES[:2], LINES[:2], LINES, running=2)
    assert follow(daemon)[0] == LINES


def test_where_the_record_is_complete_it_is_followed_once_more_and_no_further() -> None:
    daemon = Daemon(LINES)
    daemon.eof = True
    assert follow(daemon)[0] == LINES
    assert daemon.followed == 2


def test_lines_left_out_in_the_middle_are_reported() -> None:
    lines, ended = follow(Daemon(["one", "three"], LINES))
    assert lines[:2] == ["one", "three"]
    assert ended.torn


@pytest.mark.usefixtures("looks_at_once")
def test_a_child_that_holds_the_output_does_not_keep_it_from_ending() -> None:
    lines, ended = follow(Daemon([*LINES, None], running=3))
    assert lines == LINES
    assert (ended.info and ended.info.exit_code, ended.torn) == (3, False)


@pytest.mark.usefixtures("looks_at_once")
def test_what_is_kept_and_never_comes_is_reported() -> None:
    lines, ended = follow(Daemon(["one", None]))
    assert lines == ["one"]
    assert ended.torn


@pytest.mark.usefixtures("looks_at_once")
def test_lines_that_come_while_it_is_looked_at_what_is_kept_are_not_lost() -> None:
    lines, ended = follow(Daemon(["one", STALLED, "two", None], kept=LINES[:2]))
    assert lines == LINES[:2]
    assert not ended.torn


def test_a_child_that_continues_writing_does_not_keep_it_from_ending() -> None:
    daemon = Daemon([*LINES, *["of a child"] * 200])
    daemon.time_ms = ENDED_AT + 5000
    assert follow(daemon)[1].info is not None


def test_a_command_that_its_daemon_has_forgotten_has_no_end() -> None:
    daemon = Daemon(LINES)
    daemon.forgotten = True
    lines, ended = follow(daemon)
    assert lines == LINES
    assert ended.info is None


@pytest.mark.usefixtures("looks_at_once")
@pytest.mark.parametrize("came", [[], ["one"]])
def test_a_record_that_is_gone_before_all_has_come_is_reported(came: list[str]) -> None:
    daemon = Daemon([*came, None])
    daemon.dropped = True
    lines, ended = follow(daemon)
    assert lines == came
    assert (ended.info and ended.info.exit_code, ended.torn) == (3, True)
