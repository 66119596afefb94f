"""What the contract's rows tell: logs, runs, ends; and how often they are asked for."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from sbxcompose.api.contract_follow import RecordLine
from sbxcompose.api.follow import RowSeen, WatchSelection
from sbxcompose.api.models import ProcessInfo
from sbxcompose.engine.contract.rows import (
    LineRange,
    as_it_began,
    distinguishable,
    ended,
    is_news,
    is_older,
    line_run,
    log_of,
    pause_after,
    rows_with,
    run_of,
    unseen_end,
)
from sbxcompose.engine.contract.watch import PlainWatch
from sbxcompose.engine.observe import read_row, row_key
from sbxcompose.plan.observed import Phase
from tests.support.cases import each_case

T = 1_795_000_000_000
DIED = {"exit_code": None, "signal": 15, "oom_killed": False, "ended_at": T + 9}
FAILED = {**DIED, "exit_code": 4, "signal": None}
GOOD = {**DIED, "exit_code": 0, "signal": None}


def row(name: str = "web.3f2a9c1d", **fields: Any) -> ProcessInfo:
    managed = {
        "id": name,
        "name": name,
        "status": fields.pop("managed", "running"),
        "restart_count": fields.pop("restarts", 0),
        "restart": {"policy": fields.pop("policy", "on_failure"), "max_restarts": fields.pop("most", None)},
        "last_exit": fields.pop("last", None),
        "last_error": fields.pop("error", None),
        "health_status": fields.pop("health", "disabled"),
    }
    body = {"pid": 7, "handle": 1, "status": "running", "command": "x", "args": [], "started_at": T, **fields}
    return ProcessInfo.read({**body, "managed": managed})


def test_a_log_is_an_instances_whatever_its_digest() -> None:
    assert log_of(row("web.2.3f2a9c1d.1")) == "web.2"
    assert log_of(row("stranger")) is None


def test_runs_are_counted_from_restarts() -> None:
    assert run_of(row(restarts=3)) == 4


def test_a_line_is_the_latest_runs_or_an_earlier_ones() -> None:
    info = row(restarts=2)
    assert line_run(info, RecordLine(1, T, b"")) == 3
    assert line_run(info, RecordLine(1, T - 1, b"")) == 2
    assert line_run(row(), RecordLine(1, T - 1, b"")) == 1
    assert line_run(info, RecordLine(1, 0, b"")) == 2, "a daemon that does not know when an old line came"


@each_case("latest,run,apart", [(1, 1, True), (2, 1, True), (2, 2, True), (3, 1, False), (3, 2, False)])
def test_only_the_latest_run_can_be_found_among_many(latest: int, run: int, apart: bool) -> None:
    assert distinguishable(latest, run) is apart


def test_a_run_is_looked_for_in_the_newest_row_that_has_had_it() -> None:
    old, new = row("web.aaaaaaaa", restarts=4), row("web.bbbbbbbb", restarts=1)
    assert rows_with([old, new], LineRange(run=2)) == [new]
    assert rows_with([old, new], LineRange(run=3)) == [old]
    assert rows_with([old, new], LineRange(run=9)) == []
    assert rows_with([old, new], LineRange(tail=1)) == [old, new]


def test_a_row_has_ended_once_its_supervisor_has() -> None:
    assert ended(row(managed="stopped", status="exited"))
    assert not ended(row(managed="backing_off", status="exited"))


def test_a_crash_between_two_looks_is_reported() -> None:
    between = unseen_end(row(), row(restarts=1, last=FAILED, pid=8, started_at=T + 20))
    assert between is not None
    seen = read_row("app", between)
    assert seen is not None
    assert seen.phase is Phase.BACKING_OFF
    assert seen.exit is not None
    assert seen.exit.code == 4
    assert unseen_end(row(), row()) is None


def test_what_ended_before_it_was_seen_has_run_before_that() -> None:
    before = as_it_began(row(managed="stopped", status="exited", exit_code=0, ended_at=T + 9, last=GOOD))
    assert not ended(before)
    assert before.exit_code is None


@each_case(
    "fields,phase",
    [
        ({"policy": "on_failure", "last": DIED}, Phase.STOPPED),
        ({"policy": "always", "last": GOOD}, Phase.STOPPED),
        ({"policy": "on_failure", "last": GOOD}, Phase.EXITED),
        ({"policy": "never", "last": DIED}, Phase.EXITED),
        ({"policy": "on_failure", "last": FAILED, "most": 2, "restarts": 2}, Phase.EXITED),
        ({"policy": "on_failure", "last": FAILED, "error": "gave up"}, Phase.EXITED),
        ({"policy": "on_failure", "last": DIED, "health": "unhealthy"}, Phase.EXITED),
    ],
)
def test_an_end_that_a_supervisor_would_not_have_left_alone_was_asked_for(fields: dict[str, Any], phase: Phase) -> None:
    seen = read_row("app", row(managed="stopped", status="exited", **fields))
    assert seen is not None
    assert seen.phase is phase


def test_looks_become_rarer_the_longer_nothing_changes() -> None:
    assert pause_after(0) == 0.05
    assert pause_after(2) == 0.5
    assert pause_after(3600) == 1.0


def test_a_list_from_before_a_start_is_older_than_its_answer() -> None:
    answer = row(handle=2, started_at=T + 5)
    assert is_older(row(handle=1, started_at=T), answer)
    assert not is_older(row(handle=2, started_at=T + 5), answer)
    assert not is_older(row(handle=3, started_at=T + 9), answer)
    # A row that is starting has the time at which the list was made.
    assert is_older(row(handle=2, started_at=T + 9, managed="starting", pid=0), answer)


def test_an_older_list_that_arrives_late_does_not_hide_the_answer_to_a_start() -> None:
    async def emit() -> list[object]:
        watch = PlainWatch(cast(Any, None), WatchSelection(states=True, logs=None), eager=False)
        starting, running = row(managed="starting", pid=0), row(started_at=T + 5)
        watch._rows["web"] = running  # the answer came while what the list said was being told
        await watch._changed("web", None, starting)
        await watch._changed("web", None, running)
        return [watch._queue.get_nowait() for _ in range(watch._queue.qsize())]

    assert asyncio.run(emit()) == [RowSeen(row(started_at=T + 5))]


def test_an_answer_to_a_start_is_news_unless_the_list_knows_more() -> None:
    answer = row(handle=2, started_at=T + 5)
    over = row(handle=2, started_at=T + 5, managed="stopped", status="exited", last=GOOD)
    assert is_news(None, answer)
    assert is_news(row(handle=1, started_at=T, managed="stopped", status="exited", last=GOOD), answer)
    assert is_news(row(handle=2, started_at=T + 9, managed="starting", pid=0), answer)
    assert is_news(row(handle=1, pid=6, started_at=T + 5), answer)  # two runs that began in one millisecond
    assert is_news(answer, over)
    assert not is_news(answer, answer)
    assert not is_news(over, answer)
    assert not is_news(row(handle=3, started_at=T + 9), answer)


def test_an_end_that_only_the_answer_to_a_start_reports_is_reported_once() -> None:
    over = row(managed="stopped", status="exited", last=GOOD)

    class Client:
        """The answer to the start arrives while an older list is on its way."""

        async def processes(self) -> list[ProcessInfo]:
            assert await watch.started(over)
            return [row()]

    async def emit() -> list[object]:
        watch._tasks.start(asyncio.Event().wait())  # it is watching
        watch._rows[row_key(over)] = row()
        await watch._poll_rows()
        return [watch._queue.get_nowait() for _ in range(watch._queue.qsize())]

    watch = PlainWatch(cast(Any, Client()), WatchSelection(states=True, logs=None), eager=False)
    assert asyncio.run(emit()) == [RowSeen(over)]


def test_a_run_that_began_and_ended_between_two_looks_is_reported_as_both() -> None:
    async def emit() -> list[object]:
        watch = PlainWatch(cast(Any, None), WatchSelection(states=True, logs=None), eager=False)
        before, after = (row(managed="stopped", status="exited", started_at=T + n, last=GOOD) for n in (0, 5))
        watch._rows["web"] = after
        await watch._changed("web", before, after)
        return [watch._queue.get_nowait() for _ in range(watch._queue.qsize())]

    first, second = asyncio.run(emit())
    assert isinstance(first, RowSeen)
    assert isinstance(second, RowSeen)
    assert (ended(first.info), ended(second.info)) == (False, True)


class Suspended:
    """A sandbox that is suspended once its rows have been listed; `log` has what is asked of it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.asked = asyncio.Condition()

    async def processes(self) -> list[ProcessInfo]:
        await self._note("list")
        return [row()]

    async def is_suspended(self) -> bool:
        await self._note("state")
        return True

    async def _note(self, what: str) -> None:
        async with self.asked:
            self.log.append(what)
            self.asked.notify_all()

    async def wait_until(self, count: int) -> list[str]:
        async with self.asked:
            await self.asked.wait_for(lambda: len(self.log) >= count)
        return self.log[:count]


def polled(client: Suspended, count: int, *, start: bool) -> list[str]:
    """The first `count` requests of a watch that wants all changes, which is told of a start if wished."""

    async def main() -> list[str]:
        watch = PlainWatch(cast(Any, client), WatchSelection(states=True, logs=None), eager=True)
        events = watch.events()
        await anext(events)
        if start:
            await watch.started(row(started_at=T + 5))
        try:
            return await client.wait_until(count)
        finally:
            await events.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("start", [False, True])
def test_rows_are_not_listed_while_the_sandbox_is_suspended_however_lately_something_was_started(start: bool) -> None:
    assert polled(Suspended(), 4, start=start) == ["list", "state", "state", "state"]


def test_the_end_waits_for_a_list_that_is_on_its_way() -> None:
    """Coming after a suspension that follows the end, it would wake the sandbox."""

    async def main() -> None:
        client = Suspended()
        held = asyncio.Event()

        async def processes() -> list[ProcessInfo]:
            await client._note("list")
            if len(client.log) > 1:
                await held.wait()
                client.log.append("answered")
            return [row()]

        async def runs() -> bool:
            return False

        client.processes = processes  # type: ignore[method-assign]
        client.is_suspended = runs  # type: ignore[method-assign]
        watch = PlainWatch(cast(Any, client), WatchSelection(states=True, logs=None), eager=True)
        events = watch.events()
        await anext(events)
        await watch.started(row(started_at=T + 5))
        await client.wait_until(2)
        asyncio.get_running_loop().call_soon(held.set)
        await events.aclose()
        assert client.log == ["list", "list", "answered"]

    asyncio.run(main())
