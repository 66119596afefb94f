"""What keys of `top` that need the session do, and how what is shown of it stays current."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from sbxcompose.cli.context import GlobalOptions
from sbxcompose.cli.top.app import TopApp
from sbxcompose.cli.top.effects import Effects
from sbxcompose.cli.top.feed import TopFeed
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.requests import Pane, TopAction, TopRequest
from sbxcompose.cli.top.run import stay_connected
from sbxcompose.engine.sandbox_connection import ConnectionHub
from sbxcompose.engine.session import Session
from sbxcompose.errors import Unreachable
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, ObservedSandbox, SandboxState
from sbxcompose.spec.project import Process, Project, Sandbox
from sbxcompose.tasks import Tasks
from tests.unit.cli.top.project import row

WEB, DB = Instance("main", "web"), Instance("main", "db")
PROCESSES = (Process("main", "web", ("web",), "3f2a9c1d", port=8080), Process("main", "db", ("db",), "3f2a9c1d"))


class OneConnection:
    """The connection to a sandbox, as far as `stay_connected` sees it."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self.error = error


class QuietSession:
    """A session whose rows a test sets; a look at it has one of `answers` as its result."""

    kept_lines: int | None = None

    def __init__(self) -> None:
        self.project = Project("shop", "/shop", "local", (Sandbox("main", "shop-main", processes=PROCESSES),))
        self.rows: tuple[ObservedRow, ...] = (row("web"), row("db"))
        self.connections: dict[str, Any] = {}
        self.hub = ConnectionHub(lambda event: None)
        self.changed = asyncio.Event()
        self.answers: list[Callable[[], None]] = []
        self.looked = asyncio.Event()

    def on_connection(self, call: object) -> None:
        pass

    def listen(self, emit: object) -> None:
        pass

    def observed(self) -> Observed:
        return Observed((ObservedSandbox("main", SandboxState.RUNNING, self.rows),))

    async def observe_again(self) -> None:
        self.looked.set()
        self.answers.pop(0)()


class FakeApp:
    """Takes what is copied."""

    def __init__(self) -> None:
        self.copied: list[str] = []
        self.ignores_keys = False

    def copy_to_clipboard(self, text: str) -> None:
        self.copied.append(text)


class Parts:
    """What `top` is made of, without a terminal."""

    def __init__(self) -> None:
        self.session = QuietSession()
        self.model = TopModel("shop", "local")
        secrets = KnownSecrets(["hunter2"])
        self.feed = TopFeed(self.model, secrets, lambda: None)
        self.feed.attach(cast(Session, self.session))
        self.feed.begin()
        self.effects = Effects(self.model, self.feed, cast(Session, self.session), secrets, GlobalOptions())
        self.feed.rows_changed = self.effects.renew
        self.app = FakeApp()
        self.effects.app = cast(TopApp, self.app)
        self.feed.refresh()

    async def done(self, request: TopRequest) -> None:
        """Carry out a request, to its end."""
        await self.effects._carry_out(request)

    @property
    def said(self) -> str:
        return self.model.message.text if self.model.message is not None else ""


def try_out(script: Callable[[Parts], Awaitable[None]]) -> None:
    async def run() -> None:
        parts = Parts()
        try:
            await script(parts)
        finally:
            await parts.effects.close()

    asyncio.run(run())


def test_the_port_is_opened_in_a_browser_or_else_its_url_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", browse)

    async def script(parts: Parts) -> None:
        monkeypatch.setattr("sbxcompose.cli.top.effects.has_browser", lambda: True)
        await parts.done(TopRequest(TopAction.OPEN, WEB))
        assert (opened, parts.said) == (["http://127.0.0.1:8080/"], "opened http://127.0.0.1:8080/")
        monkeypatch.setattr("sbxcompose.cli.top.effects.has_browser", lambda: False)
        await parts.done(TopRequest(TopAction.OPEN, WEB))
        assert (len(opened), parts.app.copied) == (1, ["http://127.0.0.1:8080/"])
        assert parts.said == "web: http://127.0.0.1:8080/ (copied; no browser found)"
        await parts.done(TopRequest(TopAction.OPEN, DB))
        assert parts.said == "db has no `port` in the file"
        assert parts.model.message is not None
        assert parts.model.message.bad

    try_out(script)


def test_the_explanation_is_made_anew_when_processes_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sbxcompose.cli.top.effects.RENEW", 0.0)

    async def script(parts: Parts) -> None:
        await parts.done(TopRequest(TopAction.WHY, WEB))
        assert "running" in parts.model.text[0]
        parts.session.rows = (row("db"),)
        parts.feed._stir()
        parts.feed.refresh()
        while "running" in parts.model.text[0]:
            await asyncio.sleep(0)
        assert "has not been started" in parts.model.text[0]
        parts.model.press("l")
        parts.session.rows = (row("web"), row("db"))
        parts.feed._stir()
        parts.feed.refresh()
        while parts.effects._renewing:
            await asyncio.sleep(0)
        assert parts.model.pane is Pane.LOGS

    try_out(script)


def test_a_shell_gets_the_keys_that_follow_its_own() -> None:
    async def script(parts: Parts) -> None:
        parts.effects(TopRequest(TopAction.SHELL, Instance("main", "gone")))
        assert parts.app.ignores_keys
        await parts.done(TopRequest(TopAction.SHELL))
        assert not parts.app.ignores_keys

    try_out(script)


def test_what_is_lost_is_looked_for_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sbxcompose.cli.top.run.POLL_INTERVAL", 1000.0)

    async def script(parts: Parts) -> None:
        session, poll = parts.session, asyncio.Event()

        def unreachable() -> None:
            raise Unreachable("the host does not answer")

        def back() -> None:
            session.connections["main"] = OneConnection("main")

        session.connections["main"] = OneConnection("main", Unreachable("gone"))
        session.answers = [unreachable, unreachable, back]
        async with Tasks() as tasks:
            staying = tasks.start(stay_connected(cast(Session, session), parts.feed, poll))
            for connection in ("not connected, trying again", "not connected, trying again", None):
                await session.looked.wait()
                session.looked.clear()
                await asyncio.sleep(0)
                assert parts.model.connection == connection
                poll.set()
            staying.cancel()
        assert [line.plain for line in parts.model.logs.lines(None)] == ["sandbox main: gone"]

    try_out(script)
