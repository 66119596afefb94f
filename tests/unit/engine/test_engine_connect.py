"""The listener in a sandbox, as far as the connector decides on it; and two connections made one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from sbxcompose.api.models import ProcessInfo, StartRequest
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.wire_errors import tunnel_lost
from sbxcompose.engine.connect import remote_listener
from sbxcompose.engine.connect.remote_listener import NAME, RemoteListener, TakenOver, control_port
from sbxcompose.engine.connect.splice import TunnelEnd, splice
from sbxcompose.engine.down_mark import is_own
from sbxcompose.errors import Conflict, NotFound, Unsupported


def test_the_control_port_is_that_of_the_run_that_was_started() -> None:
    lines = ["control old 1111", "something else", "control new 2222", "control newer 3333"]
    assert control_port(lines, "new") == 2222
    assert control_port(lines, "ne") is None
    assert control_port(["control new x", "controlled new 5"], "new") is None


class FakeDaemon:
    """A daemon with one name; `words` is what a program that is started prints (`{mark}`: its mark)."""

    identifier = "box"
    extensions = frozenset({"stop"})

    def __init__(self, words: str = "control {mark} 4000", *, runs: bool = True) -> None:
        self.pid = 0
        self.alive = False
        self.done: list[str] = []
        self.words = words
        self.runs = runs
        self.lines: list[str] = []

    async def get(self, name: str) -> ProcessInfo:
        if not self.pid:
            raise NotFound(name, status=404)
        managed: dict[str, Any] = {
            "id": name,
            "name": name,
            "status": "running" if self.alive else "stopped",
            "restart_count": 0,
        }
        managed.update(restart={"policy": "never"}, health_status="disabled", consecutive_health_failures=0)
        row: dict[str, Any] = {
            "pid": self.pid,
            "status": "running" if self.alive else "exited",
            "command": "sh",
            "args": [],
        }
        return ProcessInfo.read({**row, "started_at": 1, "managed": managed})

    async def start(self, request: StartRequest) -> ProcessInfo:
        if self.alive:
            raise Conflict(NAME, status=409)
        self.done.append("start")
        self.pid, self.alive = self.pid + 1, self.runs
        self.lines.append(self.words.format(mark=request.args[5]))
        return await self.get(NAME)

    async def stop(self, name: str, **how: Any) -> None:
        self.done.append("stop")
        self.alive = False

    async def snapshot(self, name: str, stream: str) -> list[str]:
        return self.lines


def listener(daemon: FakeDaemon, running: Callable[[], bool] = lambda: True) -> RemoteListener:
    async def client() -> SandboxClient | None:
        return cast(SandboxClient, daemon) if running() else None

    async def serve(port: int, end: TunnelEnd) -> None:
        raise AssertionError("nothing connects")

    return RemoteListener("agent", [5432], client, serve, lambda text: None)


@pytest.fixture
def no_tunnels(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tunnels that are lost at once, five times; then what asks for one is cancelled."""
    asked: list[int] = []

    async def lost(client: SandboxClient, port: int) -> None:
        asked.append(port)
        if len(asked) > 5:
            await asyncio.Event().wait()
        raise tunnel_lost("agent")

    monkeypatch.setattr(remote_listener, "open_tunnel", lost)
    monkeypatch.setattr(remote_listener, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(remote_listener, "LONGEST_PAUSE", 0.0)
    return asked


async def _until(listener: RemoteListener, condition: Callable[[], bool]) -> None:
    task = asyncio.get_running_loop().create_task(listener.run(lambda: None))
    while not condition() and not task.done():
        await asyncio.sleep(0)
    if task.done():
        task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await listener.close()


def test_lost_tunnels_are_opened_anew_to_the_program_that_runs(no_tunnels: list[int]) -> None:
    daemon = FakeDaemon()
    asyncio.run(_until(listener(daemon), lambda: len(no_tunnels) > 5))
    assert daemon.done == ["start", "stop"], "it is started once, and ended at the end"
    assert set(no_tunnels) == {4000}


def test_a_program_that_has_ended_is_started_again(no_tunnels: list[int]) -> None:
    daemon = FakeDaemon()

    def kill() -> bool:
        if daemon.done == ["start"] and no_tunnels:
            daemon.alive = False
        return daemon.done.count("start") == 2 and len(no_tunnels) > 5

    asyncio.run(_until(listener(daemon), kill))
    assert daemon.done == ["start", "start", "stop"]


def test_what_an_earlier_connector_has_left_is_replaced(no_tunnels: list[int]) -> None:
    daemon = FakeDaemon()
    daemon.pid, daemon.alive = 7, True
    asyncio.run(_until(listener(daemon), lambda: len(no_tunnels) > 5))
    assert daemon.done == ["stop", "start", "stop"]


def test_whoever_starts_the_program_last_has_the_connections(no_tunnels: list[int]) -> None:
    daemon = FakeDaemon()

    def rival() -> bool:
        if daemon.done == ["start"] and no_tunnels:
            daemon.pid += 1
        return False

    with pytest.raises(TakenOver):
        asyncio.run(_until(listener(daemon), rival))
    assert daemon.done == ["start"], "that of the other one is left alone"


def test_a_sandbox_that_is_not_running_is_asked_for_nothing(no_tunnels: list[int]) -> None:
    daemon, looks = FakeDaemon(), 0

    def running() -> bool:
        nonlocal looks
        looks += 1
        return looks > 3

    asyncio.run(_until(listener(daemon, running), lambda: len(no_tunnels) > 5))
    assert daemon.done[0] == "start"
    assert looks > 3


@pytest.mark.parametrize("words", ["cannot listen on port 5432: address already in use", "neither python3 nor perl"])
def test_a_program_that_cannot_listen_says_why(no_tunnels: list[int], words: str) -> None:
    with pytest.raises(Unsupported, match=f"sandbox agent: {words}"):
        asyncio.run(_until(listener(FakeDaemon(words, runs=False)), lambda: False))


def test_the_row_of_the_program_is_none_of_the_projects() -> None:
    daemon = FakeDaemon()
    daemon.pid = 1
    assert is_own(asyncio.run(daemon.get(NAME)))


class FakeEnd:
    """One end of a connection; `put` gives it data (b"" ends it), `sent` is what was written to it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        self.sent: list[bytes] = []
        self.gone = asyncio.Event()

    def put(self, *pieces: bytes | OSError) -> None:
        for piece in pieces:
            self._queue.put_nowait(piece)

    async def read(self) -> bytes:
        piece = await self._queue.get()
        if isinstance(piece, OSError):
            raise piece
        return piece

    async def write(self, data: bytes) -> None:
        self.sent.append(data)

    async def end(self) -> None:
        self.sent.append(b"")

    async def peer_gone(self) -> None:
        await self.gone.wait()


def test_both_directions_are_carried_to_their_ends() -> None:
    async def main() -> None:
        consumer, target = FakeEnd(), FakeEnd()
        consumer.put(b"question", b"")
        target.put(b"long ", b"answer", b"")
        await splice(consumer, target)
        assert target.sent == [b"question", b""]
        assert consumer.sent == [b"long ", b"answer", b""]

    asyncio.run(main())


@pytest.mark.parametrize("which", ["broken", "vanished"])
def test_a_broken_side_ends_both(which: str) -> None:
    async def main() -> None:
        consumer, target = FakeEnd(), FakeEnd()
        if which == "broken":
            target.put(ConnectionResetError("reset"))
        else:
            target.gone.set()
        await splice(consumer, target)

    asyncio.run(main())
