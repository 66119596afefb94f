"""Processes in a network of their own, whoever of keeper and server dies."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from sbxcompose.host.keeper import namespaces
from sbxcompose.host.keeper.client import SpawnFailed
from tests.live.keeper.rig import Rig, rig
from tests.support.rights import needs_namespaces

OWN = os.readlink("/proc/self/ns/net")
SHOW = ("readlink", "/proc/self/ns/net")

pytestmark = needs_namespaces


async def network_of(own: Rig, unit: str, namespace: str | None = "net") -> str:
    """The network that a process of that unit finds itself in."""
    _, out = await own.spawn(unit, *SHOW, namespace=namespace)
    return (await out.text()).strip()


def name_of(fd: int) -> str:
    return f"net:[{os.fstat(fd).st_ino}]"


def test_a_process_is_in_the_network_it_was_started_in_and_the_keeper_is_not() -> None:
    async def run() -> None:
        async with rig() as own:
            fd = namespaces.make()
            assert os.readlink("/proc/thread-self/ns/net") == OWN
            own.client.keep("net", fd)
            assert await network_of(own, "a") == name_of(fd) != OWN
            assert await network_of(own, "b", None) == OWN
            with pytest.raises(SpawnFailed, match="no such file"):
                await own.spawn("c", "/no/such/program", namespace="net")
            assert await network_of(own, "d", None) == OWN

    asyncio.run(run())


def test_there_is_a_loopback_and_nothing_else() -> None:
    script = "import socket\ns = socket.create_server(('127.0.0.1', 8080)); print('up', flush=True)\ns.accept()"

    async def run() -> None:
        async with rig() as own:
            fd = namespaces.make()
            own.client.keep("net", fd)
            _, devices = await own.spawn("a", "ls", "/proc/self/net/dev_snmp6", namespace="net")
            assert (await devices.text()).split() == ["lo"]
            _, out = await own.spawn("b", "python3", "-c", script, namespace="net")
            assert await out.line() == "up"
            with namespaces.Inside(fd):
                inside = socket.socket()
            with inside:
                inside.connect(("127.0.0.1", 8080))
            await own.exit_of("b")

    asyncio.run(run())


def test_a_network_outlives_the_keeper() -> None:
    async def run() -> None:
        async with rig() as own:
            own.client.keep("net", namespaces.make())
            before = await network_of(own, "a")
            await own.kill_keeper()
            assert await network_of(own, "b") == before

    asyncio.run(run())


def test_a_network_outlives_the_server() -> None:
    async def run() -> None:
        async with rig() as own:
            own.client.keep("net", namespaces.make())
            before = await network_of(own, "a")
            await own.kill_server()
            await own.connect()
            await own.client.adopt()
            kept = own.client.kept("net")
            assert kept is not None
            assert name_of(kept) == before
            assert await network_of(own, "c") == before

    asyncio.run(run())


def test_in_a_network_that_was_dropped_nothing_is_started() -> None:
    async def run() -> None:
        async with rig() as own:
            own.client.keep("net", namespaces.make())
            own.client.drop("net")
            own.client.drop("net")
            with pytest.raises(SpawnFailed, match="network net not found"):
                await own.spawn("a", "true", namespace="net")

    asyncio.run(run())
