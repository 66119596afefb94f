"""The watch: rows and output in one ordered stream of frames."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from sbxcompose.api import frame_encoding, frames
from sbxcompose.api.frames import FrameDecoder, StartNote, WatchFrame
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.logs.segments import STDERR
from sbxcompose.host.routes import watch as route
from sbxcompose.host.routes.watch import routes
from tests.support.cases import each_case
from tests.support.output import Client, FakeSource, asking


@pytest.fixture
def source(tmp_path: Path) -> Iterator[FakeSource]:
    made = FakeSource(tmp_path)
    yield made
    assert made.attached == 0
    made.close()


def decode(client: Client, *, refs: bool = False) -> list[WatchFrame]:
    return FrameDecoder(refs=refs).feed(client.body)


def watching(source: FakeSource, more: bytes | None = None, **request: Any) -> AbstractAsyncContextManager[Client]:
    """Ask for a watch; `more` is what follows the request's line, and says that the body goes on."""
    body = json.dumps(request).encode() + (b"" if more is None else b"\n" + more)
    application = Starlette(routes=routes(lambda request: source))
    return asking(application, "/api/v1/watch", "POST", body, more=more is not None)


def look(source: FakeSource, **request: Any) -> list[WatchFrame]:
    """The frames of a watch that does not follow."""

    async def exchange() -> Client:
        async with watching(source, **request) as client:
            await client.wait_until(lambda it: it.ended)
            assert client.headers[b"content-type"] == frames.MEDIA_TYPE.encode()
            return client

    return decode(asyncio.run(exchange()), refs=request.get("refs", False))


def outputs(found: list[WatchFrame], log: int = 1) -> bytes:
    return b"".join(
        item.content
        for item in found
        if isinstance(item, frames.OutputFrame) and item.log == log and isinstance(item.content, bytes)
    )


def kinds(found: list[WatchFrame]) -> list[str]:
    return [type(item).__name__.removesuffix("Frame") for item in found]


def test_nothing_asked_for_is_nothing_but_synced(source: FakeSource) -> None:
    source.start("web").write(b"x")
    assert look(source) == [frames.SyncedFrame()]


def test_output_comes_before_the_state_that_tells_of_the_end(source: FakeSource) -> None:
    row = source.start("web")
    row.write(b"last words")
    row.exit(3)
    found = look(source, states=True, logs="all")
    assert kinds(found) == ["Log", "RunBegan", "Output", "RunEnded", "State", "Synced"]
    log, began, output, ended, state, _ = found
    assert isinstance(log, frames.Log)
    assert (log.name, log.directory, log.position) == ("web", None, 0)
    assert isinstance(began, frames.RunBeganFrame)
    assert isinstance(output, frames.OutputFrame)
    assert (output.log, output.stream, output.run, output.end, output.content) == (
        log.log,
        1,
        1,
        10,
        b"last words",
    )
    assert isinstance(ended, frames.RunEndedFrame)
    assert (ended.run, ended.exit_code, ended.signal) == (1, 3, None)
    assert isinstance(state, frames.StateFrame)
    assert state.info == row.info().write()


def test_references_lead_to_the_bytes(source: FakeSource) -> None:
    row = source.start("web")
    row.write(b"out\n")
    row.write(b"err\n", STDERR)
    log, *rest = look(source, logs="all", refs=True)
    assert isinstance(log, frames.Log)
    assert log.directory is not None
    read = []
    for ref in rest:
        if isinstance(ref, frames.OutputFrame):
            assert isinstance(ref.content, frames.SegmentPlace)
            name = frames.segment_file(ref.content.segment, ref.stream)
            with open(os.path.join(log.directory, name), "rb") as file:
                file.seek(ref.content.offset)
                read.append((ref.stream, ref.end, file.read(ref.length)))
    assert read == [(1, 4, b"out\n"), (2, 8, b"err\n")]


def test_live_is_what_comes_from_now_on_also_of_logs_that_are_new(source: FakeSource) -> None:
    async def exchange() -> list[WatchFrame]:
        old = source.start("old")
        old.write(b"past\n")
        async with watching(source, states=True, follow=True, logs="live") as client:
            await client.wait_until(lambda it: frames.SyncedFrame() in decode(it))
            old.write(b"now\n")
            new = source.start("new")
            new.write(b"first\n")
            await client.wait_until(lambda it: b"first" in it.body)
            new.exit(0)
            source.drop(old)
            await client.wait_until(lambda it: frames.Dropped(old.handle) in decode(it))
            return decode(client)

    found = asyncio.run(exchange())
    assert kinds(found)[:4] == ["Log", "Suspension", "State", "Synced"]
    assert (outputs(found, 1), outputs(found, 2)) == (b"now\n", b"first\n")
    assert kinds(found).index("RunEnded") < len(found) - 2
    ends = [item.info["status"] for item in found if isinstance(item, frames.StateFrame) and item.info["log"] == "new"]
    assert ends[-1] == "exited"


def test_every_state_is_preceded_by_the_output_before_it(source: FakeSource) -> None:
    async def exchange() -> list[WatchFrame]:
        async with watching(source, states=True, follow=True, logs="live") as client:
            await client.wait_until(lambda it: it.status == 200)
            for number in range(30):
                row = source.start(f"job{number % 3}")
                row.write(b"%d\n" % number * 30_000)
                row.exit(number)
                if number % 4 == 0:
                    await asyncio.sleep(0)
            await client.wait_until(lambda it: tells_of(it, 29))
            return decode(client)

    def tells_of(client: Client, code: int) -> bool:
        return any(isinstance(item, frames.StateFrame) and item.info["exit_code"] == code for item in decode(client))

    written: dict[str, bytes] = {}
    names: dict[int, str] = {}
    for frame in asyncio.run(exchange()):
        match frame:
            case frames.Log(number, name):
                names[number] = name
            case frames.OutputFrame(log, content=bytes(data)):
                written[names[log]] = written.get(names[log], b"") + data
            case frames.StateFrame(info) if info["exit_code"] is not None:
                mine = range(info["exit_code"] % 3, info["exit_code"] + 1, 3)
                assert written[info["log"]].startswith(b"".join(b"%d\n" % item * 30_000 for item in mine))
            case _:
                pass


@pytest.mark.parametrize(
    "place,seen",
    [
        ({}, b"one\ntwo\nthree\nfour"),
        ({"tail": 2}, b"three\nfour"),
        ({"tail": 0}, b""),
        ({"run": 2}, b"three\nfour"),
        ({"run": 9}, b""),
        ({"offset": 5}, b"wo\nthree\nfour"),
        ({"since_ms": 0}, b"one\ntwo\nthree\nfour"),
        ({"since_ms": 2**45}, b""),
        ({"since_run": 2}, b"three\nfour"),
        ({"since_run": 1}, b"one\ntwo\nthree\nfour"),
        ({"since_run": 2, "tail": 3}, b"three\nfour"),
        ({"since_run": 1, "tail": 3}, b"two\nthree\nfour"),
        ({"since_run": 2, "tail": 1}, b"four"),
        ({"since_run": 0}, b"one\ntwo\nthree\nfour"),
    ],
)
def test_places_in_a_log(source: FakeSource, place: dict[str, int], seen: bytes) -> None:
    row = source.start("web")
    row.write(b"one\ntwo\n")
    row.exit(1, for_good=False)
    row.begin()
    row.write(b"three\nfour")
    source.start("other").write(b"not wanted")
    assert outputs(look(source, logs=[{"log": "web", **place}])) == seen


def test_one_run_ends_with_its_end_although_the_log_continues(source: FakeSource) -> None:
    row = source.start("web")
    row.write(b"one")
    row.exit(1, for_good=False)
    row.begin()
    row.write(b"two")
    found = look(source, logs=[{"log": "web", "run": 1}])
    assert kinds(found) == ["Log", "RunBegan", "Output", "RunEnded", "Synced"]
    assert outputs(found) == b"one"


def test_one_stream_alone(source: FakeSource) -> None:
    row = source.start("web")
    row.write(b"out")
    row.write(b"err", STDERR)
    assert outputs(look(source, logs="all", streams=["stderr"])) == b"err"


def test_a_returning_client_names_its_positions_and_neither_loses_nor_repeats(source: FakeSource) -> None:
    row = source.start("web")
    row.write(b"seen, ")
    row.write(b"not seen")
    for logs in ("live", "all", [{"log": "web", "tail": 0}]):
        found = look(source, logs=logs, since={"web": 6})
        assert isinstance(found[0], frames.Log)
        assert found[0].position == 6
        assert outputs(found) == b"not seen"


def test_a_log_that_is_wanted_may_appear_later(source: FakeSource) -> None:
    async def exchange() -> list[WatchFrame]:
        async with watching(source, follow=True, logs=[{"log": "web", "tail": 0}]) as client:
            await client.wait_until(lambda it: len(it.body) == len(frame_encoding.SYNCED))
            source.start("other").write(b"no")
            source.start("web").write(b"yes")
            await client.wait_until(lambda it: b"yes" in it.body)
            return decode(client)

    assert outputs(asyncio.run(exchange())) == b"yes"


def test_every_log_stands_for_those_that_are_not_named_and_those_that_appear(source: FakeSource) -> None:
    source.start("web").write(b"a\nb\n")
    source.start("db").write(b"c\nd\n")

    async def exchange() -> Client:
        logs = [{"log": "*", "tail": 1}, {"log": "db", "tail": 2}]
        async with watching(source, logs=logs, follow=True) as client:
            await client.wait_until(lambda it: b"d\n" in it.body)
            source.start("@7").write(b"one-off\n")
            source.start("late").write(b"e\n")
            await client.wait_until(lambda it: b"e\n" in it.body)
            return client

    found = decode(asyncio.run(exchange()))
    assert [item.name for item in found if isinstance(item, frames.Log)] == ["web", "db", "late"]
    assert [outputs(found, log) for log in (1, 2, 3)] == [b"b\n", b"c\nd\n", b"e\n"]


def test_dropped_output_is_reported(tmp_path: Path) -> None:
    source = FakeSource(tmp_path, limit=8_000)
    row = source.start("web")
    for _ in range(100):
        row.write(b"x" * 500)
    found = look(source, logs="all", since={"web": 0})
    assert kinds(found)[:2] == ["Log", "Gone"]
    assert found[1] == frames.Gone(1, row.log.start)
    assert "Gone" not in kinds(look(source, logs="all"))
    source.close()


def test_silence_is_broken_by_keep_alives(source: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "IDLE", 0.001)

    async def exchange() -> None:
        async with watching(source, follow=True) as client:
            await client.wait_until(lambda it: decode(it)[-2:] == [frames.KeepAlive()] * 2)

    asyncio.run(exchange())


def test_a_watch_ends_with_its_sandbox(source: FakeSource) -> None:
    async def exchange() -> list[WatchFrame]:
        async with watching(source, follow=True, logs="live") as client:
            await client.wait_until(lambda it: frames.SyncedFrame() in decode(it))
            row = source.start("web")
            row.write(b"last")
            source.changes.closed()
            await client.wait_until(lambda it: it.ended)
            return decode(client)

    assert outputs(asyncio.run(exchange())) == b"last"


def test_a_watch_of_a_sandbox_that_is_closed_ends_at_once(source: FakeSource) -> None:
    source.start("web").write(b"last")
    source.changes.closed()
    assert outputs(look(source, follow=True, logs="all")) == b"last"


def test_a_client_that_goes_away_frees_everything(source: FakeSource) -> None:
    async def exchange() -> None:
        row = source.start("web")
        async with watching(source, follow=True, states=True, logs="all") as client:
            await client.wait_until(lambda it: frames.SyncedFrame() in decode(it))
            client.stalled.clear()
            row.write(b"x")
            client.hang_up()
            while source.attached:
                await asyncio.sleep(0)

    asyncio.run(exchange())


def test_what_the_client_has_not_acknowledged_is_kept(tmp_path: Path) -> None:
    source = FakeSource(tmp_path, limit=8_000)

    async def exchange() -> None:
        row = source.start("web")
        async with watching(source, b"", follow=True, refs=True, acks=True, logs="all") as client:
            await client.wait_until(lambda it: frames.SyncedFrame() in decode(it, refs=True))
            for _ in range(50):
                row.write(b"x" * 500)
            await client.wait_until(lambda it: getattr(decode(it, refs=True)[-1], "end", 0) == 25_000)
            assert row.log.start == 0
            client.say(frame_encoding.encode_ack(1, 25_000) + frame_encoding.encode_ack(99, 5), more=True)
            client.say(b"nonsense", more=True)
            while row.log._readers and next(iter(row.log._readers)).held < 25_000:
                await asyncio.sleep(0)
            row.write(b"x" * 2_000)
            row.write(b"x" * 2_000)
            assert row.log.start > 0

    asyncio.run(exchange())
    source.close()


@each_case(
    "body",
    [
        b"",
        b"junk",
        b"[]",
        b"\xff",
        b'{"follow": 1}',
        b'{"logs": "some"}',
        b'{"logs": [3]}',
        b'{"logs": [{"tail": 3}]}',
        b'{"logs": [{"log": "web", "tail": -1}]}',
        b'{"logs": [{"log": "web", "tail": true}]}',
        b'{"logs": [{"log": "web", "tail": 1, "run": 1}]}',
        b'{"streams": ["stdin"]}',
        b'{"streams": [[]]}',
        b'{"since": {"web": "x"}}',
        b'{"since": [1]}',
    ],
)
def test_requests_that_make_no_sense_are_refused(source: FakeSource, body: bytes) -> None:
    async def exchange() -> None:
        application = Starlette(routes=routes(lambda request: source))
        async with asking(application, "/api/v1/watch", "POST", body):
            pass

    with pytest.raises(Problem) as problem:
        asyncio.run(exchange())
    assert problem.value.status == 400


def test_what_runs_were_started_with_comes_before_their_output(source: FakeSource) -> None:
    first = StartNote("web.1", 1, 5, None, None, ["secret"])
    second = first._replace(run=2, secrets=["other"])
    source.notes.append(first)
    row = source.start("web.1")
    row.write(b"secret\n")

    async def exchange() -> list[WatchFrame]:
        async with watching(source, logs="all", notes=True, follow=True) as client:
            await client.wait_until(lambda it: frame_encoding.SYNCED in it.body)
            row.exit(1, for_good=False)
            row.begin()
            source.changes.start_noted(second)
            row.write(b"other\n")
            await client.wait_until(lambda it: b"other\n" in it.body)
            return decode(client)

    found = asyncio.run(exchange())
    begun = [item.run for item in found if isinstance(item, StartNote | frames.OutputFrame)]
    assert [item for item in found if isinstance(item, StartNote)] == [first, second]
    assert begun == [1, 1, 2, 2]


def test_a_client_that_has_not_asked_is_not_told_what_runs_were_started_with(source: FakeSource) -> None:
    source.notes.append(StartNote("web.1", 1, 5, None, None, ["secret"]))
    assert look(source) == [frames.SyncedFrame()]
