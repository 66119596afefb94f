"""What a session tells, as lines and processes of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from sbxcompose.cli.top.draw import header
from sbxcompose.cli.top.feed import MAX_AT_ONCE, TopFeed
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.spans import plain
from sbxcompose.engine import events
from sbxcompose.engine.sandbox_connection import ConnectionHub
from sbxcompose.engine.session import Session
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Exit, Instance, Observed, ObservedSandbox, SandboxState
from sbxcompose.spec.project import Process, Project, Sandbox
from tests.unit.cli.top.project import row

WEB, DB = Instance("main", "web"), Instance("main", "db")
PROCESSES = tuple(Process("main", name, (name,), "3f2a9c1d") for name in ("web", "db"))


class FakeSession:
    """A project with two processes, of which one runs."""

    def __init__(self) -> None:
        self.project = Project("shop", "/shop", "local", (Sandbox("main", "shop-main", processes=PROCESSES),))
        self.kept_lines: int | None = None
        self.connections: dict[str, Any] = {}
        self.hub = ConnectionHub(lambda event: None)
        self.emit: Callable[[events.EngineEvent], None] = lambda event: None

    def on_connection(self, call: object) -> None:
        pass

    def listen(self, emit: Callable[[events.EngineEvent], None]) -> None:
        self.emit = emit

    def observed(self) -> Observed:
        return Observed((ObservedSandbox("main", SandboxState.RUNNING, (row("web"),)),))


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def feed(session: FakeSession) -> TopFeed:
    made = TopFeed(TopModel("shop", "local"), KnownSecrets(["hunter2"]), lambda: None)
    made.attach(cast(Session, session))
    return made


def shown(feed: TopFeed, name: str | None = None) -> list[str]:
    return [f"{line.name}: {line.plain}" for line in feed.model.logs.lines(name)]


def test_kept_lines_are_put_in_order_and_later_ones_follow(feed: TopFeed, session: FakeSession) -> None:
    assert session.kept_lines is not None
    feed.output(WEB, 1, 1, 10, b"first\nthird\n")
    feed.output(DB, 2, 1, 5, b"before\n")
    assert shown(feed) == []
    feed.begin()
    feed.output(DB, 1, 1, 1, b"new\n")
    assert shown(feed) == ["db: before", "web: first", "web: third", "db: new"]
    assert shown(feed, "db") == ["db: before", "db: new"]
    assert [line.stream for line in feed.model.logs.lines("db")] == [2, 1]


def test_output_is_harmless_masked_and_keeps_its_colours(feed: TopFeed) -> None:
    feed.begin()
    feed.output(WEB, 1, 1, 10, b"\x1b[2Jpass \x1b[31mhun\x1b[0mter2\n50%\r100%\n\xff\n")
    (first, second, third) = feed.model.logs.lines("web")
    assert first.plain == "pass ***"
    assert second.plain == "100%"
    assert third.plain == "\ufffd"
    feed.output(WEB, 1, 1, 10, b"\x1b[32mgreen\x1b[0m\n")
    assert "\x1b[32m" in feed.model.logs.lines("web")[-1].text


def test_a_line_without_an_end_is_shown_when_its_run_has_ended(feed: TopFeed) -> None:
    feed.begin()
    feed.output(WEB, 1, 1, 10, b"last words")
    assert shown(feed) == []
    feed.on_event(events.RunEnded(WEB, 1, Exit(code=1)))
    assert shown(feed) == ["web: last words"]


def test_of_a_flood_only_the_end_is_taken_in_whole_lines(feed: TopFeed) -> None:
    feed.begin()
    feed.output(WEB, 1, 1, 10, b"half a line ")
    feed.output(WEB, 1, 1, 10, b"x" * 99 + b"\n" + b"y" * 99 + b"\n" * (MAX_AT_ONCE * 3) + b"end\n")
    lines = shown(feed)
    assert lines[-1] == "web: end"
    assert not any("half" in line for line in lines)


def test_what_happens_is_remarked_once_it_is_news(feed: TopFeed) -> None:
    before, after = row("web"), row("web", run=2)
    feed.on_event(events.RowChanged(before, None, known=True))
    feed.begin()
    feed.on_event(events.RowChanged(after, before))
    assert shown(feed) == ["*: web restarted (run 2)"]
    assert shown(feed, "web") == ["*: web restarted (run 2)"]
    assert shown(feed, "db") == []
    feed.add_note("it says \x1b[2J hunter2")
    assert shown(feed)[-1] == "*: it says  ***"


def test_a_lost_connection_is_shown_until_it_is_back(feed: TopFeed) -> None:
    feed.begin()
    feed.on_event(events.ConnectionLost("sandbox main: no answer"))
    for width in (20, 33, 60, 80):
        line = plain(header(feed.model, width))
        assert "not connected"[: width - 8] in line, line
    feed.on_event(events.ConnectionRestored(3.0))
    assert "not connected" not in plain(header(feed.model, 80))


def test_processes_are_listed_when_something_has_changed(feed: TopFeed) -> None:
    feed.begin()
    feed.refresh()
    assert [entry.label for entry in feed.model.entries] == ["web", "db"]
    assert feed.model.current is not None
    assert feed.model.current.row is not None
    entries = feed.model.entries
    feed.refresh()
    assert feed.model.entries is entries


def test_what_is_hidden_is_not_shown(feed: TopFeed) -> None:
    feed.begin()
    feed.hides = lambda instance: instance == DB
    feed.output(DB, 1, 1, 1, b"no\n")
    feed.output(WEB, 1, 1, 1, b"yes\n")
    assert shown(feed) == ["web: yes"]
