"""Snapshots and follows: replay, then live, to the end, and nothing left when the client goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from sbxcompose.api.sse import EventDecoder
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.logs import follow
from sbxcompose.host.logs.segments import STDERR
from sbxcompose.host.routes.output import routes
from tests.support.cases import each_case
from tests.support.output import Client, FakeSource, asking


@pytest.fixture
def source(tmp_path: Path) -> Iterator[FakeSource]:
    made = FakeSource(tmp_path)
    yield made
    assert made.attached == 0
    made.close()


def application(source: FakeSource) -> Starlette:
    return Starlette(routes=routes(lambda request: source))


def lines(client: Client) -> list[str]:
    return [json.loads(item.data).get("line", "EOF") for item in EventDecoder().feed(client.body)]


def ask(source: FakeSource, path: str) -> Client:
    """The answer to a request that ends by itself."""

    async def exchange() -> Client:
        async with asking(application(source), f"/api/v1/processes/{path}") as client:
            await client.wait_until(lambda it: it.ended)
            return client

    return asyncio.run(exchange())


def answer(source: FakeSource, path: str) -> Any:
    client = ask(source, path)
    assert client.headers[b"content-type"] == b"application/json"
    return json.loads(client.body)


def test_a_snapshot_has_the_lines_of_a_stream_and_the_one_that_has_not_ended(source: FakeSource) -> None:
    row = source.start("web")
    assert answer(source, "web/output") == {"pid": 4001, "lines": [], "line_count": 0}
    row.write(b"one\r\ntwo\n")
    row.write(b"oops\n", STDERR)
    row.write(b"three? ")
    assert answer(source, "4001/stdout") == {"pid": 4001, "lines": ["one", "two", "three? "], "line_count": 3}
    assert answer(source, "web/stderr")["lines"] == ["oops"]
    assert answer(source, "web/output")["lines"] == ["one", "two", "oops", "three? "]


def test_a_row_shows_its_own_runs_only_even_where_two_write_to_one_log(source: FakeSource) -> None:
    old = source.start("web")
    old.write(b"old\n")
    new = source.start("web")
    new.log_name = "new"
    new.write(b"new\n")
    old.write(b"old again\n")
    old.exit()
    new.write(b"new again\n")
    new.exit()
    assert answer(source, "web/output")["lines"] == ["old", "old again"]
    assert answer(source, "new/output")["lines"] == ["new", "new again"]
    assert lines(ask(source, "web/output/follow")) == ["old", "old again", "EOF"]
    assert lines(ask(source, "new/output/follow")) == ["new", "new again", "EOF"]


@each_case("which", ["stdout", "stderr", "output", "stdout/follow", "output/follow"])
def test_an_unknown_process_is_a_problem(source: FakeSource, which: str) -> None:
    with pytest.raises(Problem) as problem:
        ask(source, f"nobody/{which}")
    assert (problem.value.status, problem.value.code) == (404, "NOT_FOUND")


def test_a_follow_replays_then_continues_over_restarts_to_the_end(source: FakeSource) -> None:
    async def exchange() -> Client:
        row = source.start("web")
        row.write(b"past\nhalf")
        async with asking(application(source), "/api/v1/processes/web/output/follow") as client:
            await client.wait_until(lambda it: b"past" in it.body)
            row.write(b" a line\n")
            row.exit(1, for_good=False)
            row.begin()
            row.write(b"again\n", STDERR)
            await client.wait_until(lambda it: b"again" in it.body)
            row.write(b"no newline")
            row.exit()
            await client.wait_until(lambda it: it.ended)
            return client

    client = asyncio.run(exchange())
    assert client.headers[b"content-type"] == b"text/event-stream"
    assert lines(client) == ["past", "half a line", "again", "no newline", "EOF"]
    assert client.body.endswith(b"event: eof\ndata: {}\n\n")
    first = json.loads(client.body.split(b"\n")[1].removeprefix(b"data: "))
    assert first["stream"] == "stdout"
    assert first["timestamp"] > 1_600_000_000_000


def test_a_follow_of_one_stream_says_nothing_of_streams(source: FakeSource) -> None:
    row = source.start("web")
    row.write(b"a\n")
    row.write(b"b\n", STDERR)
    row.exit()
    client = ask(source, "web/stderr/follow")
    assert lines(client) == ["b", "EOF"]
    assert b"stream" not in client.body


def test_a_run_that_ended_without_newline_does_not_run_into_the_next(source: FakeSource) -> None:
    row = source.start("web")
    row.write(b"crash")
    row.exit(1, for_good=False)
    row.begin()
    row.write(b"fine\n")
    row.exit()
    assert lines(ask(source, "web/output/follow")) == ["crash", "fine", "EOF"]


def test_silence_is_broken_by_comments(source: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "IDLE", 0.001)

    async def exchange() -> Client:
        source.start("web")
        async with asking(application(source), "/api/v1/processes/web/output/follow") as client:
            await client.wait_until(lambda it: it.body.count(b":\n\n") >= 2)
            return client

    assert set(asyncio.run(exchange()).body.split(b"\n\n")) == {b":", b""}


def test_dots_without_a_newline_are_silence_too(source: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "IDLE", 0.001)

    async def exchange() -> Client:
        row = source.start("web")
        async with asking(application(source), "/api/v1/processes/web/output/follow") as client:
            while client.body.count(b":\n\n") < 2:
                row.write(b".")
                await asyncio.sleep(0)
            return client

    assert set(asyncio.run(exchange()).body.split(b"\n\n")) == {b":", b""}


def test_a_follow_ends_with_its_sandbox(source: FakeSource) -> None:
    async def exchange() -> Client:
        row = source.start("web")
        row.write(b"last words\n")
        async with asking(application(source), "/api/v1/processes/web/output/follow") as client:
            await client.wait_until(lambda it: b"last" in it.body)
            source.changes.closed()
            await client.wait_until(lambda it: it.ended)
            return client

    assert lines(asyncio.run(exchange())) == ["last words", "EOF"]


def test_a_client_that_goes_away_frees_everything_also_while_it_is_stalled(source: FakeSource) -> None:
    async def exchange() -> None:
        row = source.start("web")
        async with asking(application(source), "/api/v1/processes/web/output/follow") as client:
            await client.wait_until(lambda it: it.status == 200)
            client.stalled.clear()
            row.write(b"x" * 1000)
            assert source.attached == 4
            client.hang_up()
            while source.attached:
                await asyncio.sleep(0)

    asyncio.run(exchange())


def test_a_late_client_is_told_in_a_comment(tmp_path: Path) -> None:
    source = FakeSource(tmp_path, limit=8_000)
    row = source.start("web")
    for _ in range(100):
        row.write(b"x" * 499 + b"\n")
    row.exit()
    client = ask(source, "web/output/follow")
    assert client.body.startswith(b": %d bytes are gone\n\n" % row.log.start)
    assert len(lines(client)) == (row.log.end - row.log.start) // 500 + 1
    source.close()


def test_many_lines_travel_in_few_pieces(source: FakeSource) -> None:
    row = source.start("web")
    for number in range(0, 5_000, 500):
        row.write(b"".join(b"line number %d\n" % one_number for one_number in range(number, number + 500)))
    row.exit()
    client = ask(source, "web/stdout/follow")
    assert lines(client) == [*(f"line number {number}" for number in range(5_000)), "EOF"]
    assert client.pieces < 15
    snapshot = answer(source, "web/output")
    assert snapshot["line_count"] == len(snapshot["lines"]) == 5_000
