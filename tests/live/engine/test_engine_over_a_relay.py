"""The engine and a real host, with something between them that counts, breaks and loses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sbxcompose.api.models import Env, ProcessInfo, StartRequest
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.transport import HostAddress
from sbxcompose.cli.view.announce import Announcer
from sbxcompose.engine.apply import apply
from sbxcompose.engine.events import EngineEvent, Reconnecting, ignore_event
from sbxcompose.engine.local_host import launch
from sbxcompose.engine.providers import LocalProvider
from sbxcompose.engine.result import Result
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.session import Session
from sbxcompose.plan.observed import Instance, ObservedRow
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.spec.open import open_project
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest
from tests.live.engine.relay import Relay
from tests.support.home import Home

FOREVER = "exec sleep 1000"
Body = Callable[[Relay, Project], Awaitable[None]]


def project_of(directory: Path, text: str) -> Project:
    """A project whose file is `text`."""
    directory.mkdir(exist_ok=True)
    (directory / "sbxcompose.yaml").write_text(text)
    return open_project(LoadRequest(directory=str(directory), environ=os.environ))


def with_host(home: Home, tmp_path: Path, text: str, body: Body) -> None:
    """Run `body` with a host of its own and a relay before it; everything has ended afterwards."""

    async def main() -> None:
        async with asyncio.timeout(120), Relay(home.root / "relay", launch.ensure_host()) as relay:
            await body(relay, project_of(tmp_path / "shop", text))

    try:
        asyncio.run(main())
    finally:
        launch.stop(force=True)


@asynccontextmanager
async def session(
    relay: Relay, project: Project, emit: Callable[[EngineEvent], None] = ignore_event, *, output: bool = False
) -> AsyncIterator[Session]:
    """A session that reaches the host through the relay."""
    async with Session(
        project, provider=LocalProvider(project, HostAddress(path=str(relay.path))), emit=emit, output=output
    ) as own:
        yield own


async def up(own: Session, options: PlanOptions | None = None) -> Result:
    """Bring up everything."""
    return await apply(own, Intent.UP, options or PlanOptions(), lambda plan: None)


def starts(project: Project) -> list[str]:
    """What the processes of the project have written into its file `starts`."""
    return sorted((Path(project.directory) / "starts").read_text().split())


CHAIN = f"""
processes:
  db: {{command: "echo up; {FOREVER}", ready_when: {{log: up}}}}
  job: {{command: "true", restart: never, depends_on: [db]}}
  web: {{command: {FOREVER}, depends_on: {{job: completed}}}}
"""


def test_a_second_up_makes_only_reads(host_environ: Home, tmp_path: Path) -> None:
    async def body(relay: Relay, project: Project) -> None:
        async with session(relay, project) as first:
            assert (await up(first)).good
        assert relay.writes, "the relay would see what is written"
        relay.requests.clear()
        async with session(relay, project) as second:
            assert (await up(second)).good
        assert relay.requests
        assert relay.writes == []

    with_host(host_environ, tmp_path, CHAIN, body)


def test_a_changed_value_costs_one_stop_and_one_start(host_environ: Home, tmp_path: Path) -> None:
    async def body(relay: Relay, project: Project) -> None:
        async with session(relay, project) as first:
            assert (await up(first)).good
            before = {process.name: row.pid for process in project.processes() if (row := row_of(first, process.name))}
        changed = project_of(tmp_path / "shop", CHAIN.replace("web: {", "web: {env: {A: '1'}, "))
        relay.requests.clear()
        async with session(relay, changed) as second:
            assert (await up(second)).good
            after = {process.name: row.pid for process in changed.processes() if (row := row_of(second, process.name))}
        assert len(relay.writes) == 2
        assert {name for name in before if before[name] == after[name]} == {"db", "job"}

    with_host(host_environ, tmp_path, CHAIN, body)


def row_of(own: Session, name: str) -> ObservedRow | None:
    """The row of a process of the sandbox `main`."""
    return own.connections["main"].row(Instance("main", name, 1))


@pytest.mark.parametrize("refs", [True, False], ids=["by reference", "as bytes"])
def test_a_connection_that_breaks_again_and_again_loses_and_doubles_nothing(
    host_environ: Home, tmp_path: Path, refs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut while lines are on their way: those that came before, during and after are all there, once."""
    if not refs:
        monkeypatch.setattr(
            SandboxClient, "local", property(lambda self: False, lambda self, value: None), raising=False
        )

    async def body(relay: Relay, project: Project) -> None:
        seen = bytearray()
        news = asyncio.Event()
        told: list[EngineEvent] = []

        def output(instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
            seen.extend(data)
            news.set()

        os.mkfifo(tmp_path / "shop/feed")
        feed = os.open(tmp_path / "shop/feed", os.O_RDWR)
        wanted = b""
        try:
            async with session(relay, project, told.append, output=True) as own:
                own.on_connection(lambda link: link.listen(output))
                assert (await up(own)).good
                for number in range(300):
                    line = b"line %d\n" % number
                    wanted += line
                    os.write(feed, line)
                    await asyncio.sleep(0)
                    if number % 30 == 29:
                        relay.cut()
                while len(seen) < len(wanted):
                    news.clear()
                    await news.wait()
        finally:
            os.close(feed)
        assert bytes(seen) == wanted
        assert any(isinstance(event, Reconnecting) for event in told), "no connection was broken"

    with_host(host_environ, tmp_path, "processes: {echo: {command: exec cat < feed}}\n", body)


@pytest.mark.parametrize(
    "request_lost",
    [
        "batch",
        "/sandboxes",
    ],
)
def test_an_answer_that_is_lost_starts_nothing_twice(host_environ: Home, tmp_path: Path, request_lost: str) -> None:
    text = f"""
processes:
  a: {{command: "echo a >> starts; {FOREVER}"}}
  b: {{command: "echo b >> starts; {FOREVER}"}}
  c: {{command: "echo c >> starts; echo up; {FOREVER}", depends_on: [a, b], ready_when: {{log: up}}}}
  d: {{command: "true", depends_on: [c]}}
"""

    async def body(relay: Relay, project: Project) -> None:
        relay.lose = f"^POST .*{request_lost}"
        async with session(relay, project) as own:
            result = await up(own)
            assert result.good, result.failures
            assert all(row.run == 1 for name in "abc" if (row := row_of(own, name)))
        assert relay.lost == 1
        assert starts(project) == ["a", "b", "c"]

    with_host(host_environ, tmp_path, text, body)


def test_an_answer_that_is_lost_stops_everything_all_the_same(host_environ: Home, tmp_path: Path) -> None:
    async def body(relay: Relay, project: Project) -> None:
        async with session(relay, project) as own:
            assert (await up(own)).good
            relay.lose = "batch"
            result = await apply(own, Intent.DOWN, PlanOptions(), lambda plan: None)
            assert result.good, result.failures
            assert relay.lost == 1
            assert not any(row.live for name in ("db", "web") if (row := row_of(own, name)))

    with_host(host_environ, tmp_path, CHAIN, body)


def test_nothing_is_said_to_have_ended_before_it_is_said_to_have_started(
    host_environ: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a start comes after the watch has told of its end, as it now and then does for a short command."""
    start = SandboxClient.start

    async def late(self: SandboxClient, request: StartRequest, base_env: Env | None = None) -> ProcessInfo:
        info = await start(self, request, base_env)
        link = links[0]
        await link.wait_until(Instance("main", "job", 1), lambda: ended(link))
        return info

    def ended(link: SandboxConnection) -> bool | None:
        row = link.row(Instance("main", "job", 1))
        return True if row is not None and not row.live else None

    links: list[SandboxConnection] = []

    async def body(relay: Relay, project: Project) -> None:
        said: list[str] = []
        announcer = Announcer()

        def emit(event: EngineEvent) -> None:
            said.extend(words.text for words in announcer(event))

        async with session(relay, project, emit) as own:
            own.on_connection(links.append)
            assert (await up(own)).good
        assert said == ["started", "completed"]

    monkeypatch.setattr(SandboxClient, "start", late)
    with_host(host_environ, tmp_path, "processes: {job: {command: 'true', restart: never}}\n", body)
