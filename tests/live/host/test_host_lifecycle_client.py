"""Our own client of the control plane, against a real host: over the Unix socket, and over TCP with a key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest
from sbxcompose.api.snapshots import SnapshotClient
from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.errors import Conflict, NotFound, Refused
from tests.live.host.conftest import KEY
from tests.live.host.hosts import LiveHost

Body = Callable[[Lifecycle, SnapshotClient], Awaitable[None]]
Do = Callable[[Body], None]


@pytest.fixture(params=["socket", "tcp"])
def do(kept_host: LiveHost, request: pytest.FixtureRequest) -> Do:
    """Runs a body with clients of a host."""
    address = _address(kept_host, request.param)

    def run(body: Body) -> None:
        asyncio.run(_with_clients(address, body))

    return run


def _address(host: LiveHost, way: str) -> HostAddress:
    if way == "socket":
        return HostAddress(path=str(host.path))
    url = urlsplit(host.status["tcp"])
    return HostAddress(host=str(url.hostname), port=int(url.port or 0), key=KEY)


async def _with_clients(address: HostAddress, body: Body) -> None:
    transport = Transport(address)
    try:
        async with asyncio.timeout(120):
            await body(Lifecycle(transport), SnapshotClient(transport))
    finally:
        transport.close()


def test_from_its_creation_to_the_archive(do: Do) -> None:
    async def body(boxes: Lifecycle, _: SnapshotClient) -> None:
        number = await boxes.create(CreateRequest(name="box", exposed_ports=[80]))
        found = await boxes.find("box")
        assert found is not None
        assert (found.id, found.status, found.exposed_ports) == (number, "running", [80])
        with pytest.raises(Conflict, match="exists already"):
            await boxes.create(CreateRequest(name="box"))
        assert [sandbox.id for sandbox in await boxes.sandboxes("running")] == [number]
        assert await boxes.sandboxes("suspended") == []
        await boxes.terminate("box")
        await boxes.terminate("box")
        assert await boxes.find("box") is None
        (archived,) = [sandbox for sandbox in await boxes.archived() if sandbox.id == number]
        assert archived.archived_at == archived.terminated_at
        assert archived == await boxes.find_archived(number)
        assert await boxes.find_archived("nope") is None

    do(body)


def test_changes(do: Do) -> None:
    async def body(boxes: Lifecycle, _: SnapshotClient) -> None:
        number = await boxes.create(CreateRequest())
        info = await boxes.update(number, PatchRequest(name="box", auto_resume=False))
        assert (info.name, info.auto_resume) == ("box", False)
        resized = await boxes.update("box", PatchRequest(resources={"cpus": 2}))
        assert resized.resource_resize is not None
        assert (resized.resources["cpus"], resized.resource_resize.status) == (2, "succeeded")
        assert (await boxes.update("box", PatchRequest(), clear_network=True)).network is None
        with pytest.raises(Refused, match="at least one of name"):
            await boxes.update("box", PatchRequest())
        with pytest.raises(NotFound):
            await boxes.update("nope", PatchRequest(name="other"))
        await boxes.create(CreateRequest(name="taken"))
        with pytest.raises(Conflict, match="exists already"):
            await boxes.update("box", PatchRequest(name="taken"))
        assert (await boxes.update("box", PatchRequest(name="renamed"))).id == number
        assert await boxes.find("box") is None

    do(body)


def test_suspend_and_resume(do: Do) -> None:
    async def body(boxes: Lifecycle, _: SnapshotClient) -> None:
        await boxes.create(CreateRequest(name="box"))
        assert await boxes.suspend("box")
        assert await boxes.suspend("box")
        assert [sandbox.name for sandbox in await boxes.sandboxes("suspended")] == ["box"]
        assert await boxes.resume("box")
        ephemeral = await boxes.create(CreateRequest())
        with pytest.raises(Refused, match="only named sandboxes"):
            await boxes.suspend(ephemeral)

    do(body)


def test_snapshots_and_copies(do: Do) -> None:
    async def body(boxes: Lifecycle, snapshots: SnapshotClient) -> None:
        number = await boxes.create(CreateRequest(name="box"))
        taken = await snapshots.take("box")
        assert (taken.status, taken.sandbox_id) == ("completed", number)
        assert await snapshots.find(taken.id) == taken
        assert await snapshots.list() == await snapshots.list("box") == [taken]
        restored = await boxes.create(CreateRequest(name="restored", snapshot_id=taken.id))
        assert restored != number
        copies = await boxes.copy("box", 2)
        assert [copy.status for copy in copies] == ["running", "running"]
        await snapshots.delete(taken.id)
        await snapshots.delete(taken.id)
        assert await snapshots.find(taken.id) is None
        with pytest.raises(NotFound):
            await boxes.create(CreateRequest(snapshot_id=taken.id))
        with pytest.raises(NotFound):
            await snapshots.take("nope")
        with pytest.raises(NotFound):
            await boxes.copy("nope")

    do(body)
