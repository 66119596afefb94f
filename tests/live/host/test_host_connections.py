"""Clients that connect and say nothing, and a shortage of descriptors: the host goes on with its work."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial

import httpx
import pytest

from sbxcompose.host.http.accept import AcceptedClient, Acceptor
from sbxcompose.host.http.exchange import AsgiMessage, AsgiScope
from sbxcompose.host.http.pending_clients import MOST, PendingClients
from sbxcompose.host.http.protocol import Activity, Connection
from sbxcompose.host.http.stream import Receive, Send
from sbxcompose.tasks import TaskOwner
from tests.live.host.hosts import LiveHost, client_of, live_host, running
from tests.support.home import Home

KEY = "sesame"


@pytest.fixture
def host(host_environ: Home) -> Iterator[LiveHost]:
    with live_host(host_environ, port=0, key=KEY) as own:
        yield own


@pytest.fixture
def address(host: LiveHost) -> tuple[str, int]:
    name, _, port = host.status["tcp"].removeprefix("http://").rpartition(":")
    return name, int(port)


def silent(address: tuple[str, int]) -> socket.socket:
    """A connection that says nothing."""
    return socket.create_connection(address, timeout=60)


def is_closed(client: socket.socket) -> bool:
    """Wait until the other side has closed it."""
    with suppress(ConnectionResetError):
        return client.recv(1) == b""
    return True


def is_open(client: socket.socket) -> bool:
    return not select.select([client], [], [], 0)[0]


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_the_longest_silent_goes_when_there_are_too_many(host: LiveHost, address: tuple[str, int]) -> None:
    with ExitStack() as stack, client_of(tcp=host.status["tcp"], key=KEY) as known:
        assert known.get("/host/v1/status").status_code == 200  # from now on it may be silent as long as it likes
        first = [stack.enter_context(closing(silent(address))) for _ in range(MOST)]
        later = [stack.enter_context(closing(silent(address))) for _ in range(50)]
        assert all(is_closed(client) for client in first[:50])
        assert all(is_open(client) for client in [*first[50:], *later])
        assert known.get("/host/v1/status").status_code == 200
        [pool] = [known._transport]
        assert isinstance(pool, httpx.HTTPTransport)
        assert len(pool._pool.connections) == 1, "the connection with the key was kept"


def test_thousands_of_silent_connections_hold_up_nothing(host: LiveHost, address: tuple[str, int]) -> None:
    box = host.box()
    box.shell("exec sleep 1000", "web", restart={"policy": "always"})
    before = descriptors(host.status["pid"])
    for _ in range(4):  # 20 rounds were tried, too
        with ExitStack() as stack:
            for _ in range(1000):
                with suppress(OSError):
                    stack.enter_context(closing(silent(address)))
    assert box.ask("POST", "/processes/web/restart").status_code == 200
    box.delete("web")
    assert descriptors(host.status["pid"]) <= before + MOST + 10


def test_a_shortage_of_descriptors_affects_unauthenticated_clients_only(
    host: LiveHost, address: tuple[str, int]
) -> None:
    box = host.box()
    row = box.shell("exec sleep 1000", "web", restart={"policy": "always"})
    server = host.status["pid"]
    resource.prlimit(server, resource.RLIMIT_NOFILE, (160, 160))
    with ExitStack() as stack:
        for _ in range(400):
            with suppress(OSError):
                stack.enter_context(closing(silent(address)))
        again = box.ask("POST", "/processes/web/restart")
        assert again.status_code == 200
        assert again.json()["pid"] != row["pid"]
        with client_of(tcp=host.status["tcp"], key=KEY) as known:
            assert known.get("/host/v1/status").status_code == 200
        box.shell("exec sleep 1000", "other")
    box.delete("web")
    assert host.status["pid"] == server
    assert "descriptors are in use" in host.log
    assert len(host.log) < 2000, "it says so once a minute"


def test_a_server_that_loses_its_keeper_for_want_of_descriptors_leaves_its_work_to_a_successor(host: LiveHost) -> None:
    box = host.box()
    row = box.shell("exec sleep 1000", "web", restart={"policy": "always"})
    server = host.status["pid"]
    with client_of(tcp=host.status["tcp"], key=KEY) as known, os.fdopen(os.pidfd_open(server)) as process:
        known.get("/host/v1/status")
        number = descriptors(server)
        for spare in range(20):  # enough for the logs of a run, and not for its pipes
            resource.prlimit(server, resource.RLIMIT_NOFILE, (number + spare, 4096))
            body = box.start_body("sleep", "1000", name="other")
            try:
                answer = known.post("/api/v1/processes", headers=box.headers, json=body)
            except httpx.TransportError:
                break
            assert answer.status_code == 500, spare
        assert select.select([process], [], [], 60)[0], "it ends itself"
    assert host.status["pid"] != server
    assert box.wait("web", running)["pid"] == row["pid"]
    assert box.ask("POST", "/processes/web/restart").status_code == 200


def test_a_silent_client_is_given_a_limited_time_and_one_with_a_key_is_not() -> None:
    async def answer(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if (b"authorization", b"yes") in scope["headers"]:
            scope["authenticated"] = True
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send(done)

    async def main() -> None:
        tasks = TaskOwner()
        acceptor = Acceptor(tasks, PendingClients[AcceptedClient](patience=0.2))
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            listener.setblocking(False)
            says = {
                "silent": b"",
                "slow": b"GET / HT",
                "known": head + b"Authorization: yes\r\n\r\n",
                "asks": head + b"\r\n",
            }
            clients = {name: socket.create_connection(listener.getsockname()) for name in says}
            for name, client in clients.items():
                client.sendall(says[name])  # is there before the limited time begins, however slow this machine is
            acceptor.listen(
                listener, partial(Connection, answer, Activity(tasks), trusted=False, acceptor=acceptor), trusted=False
            )
            streams = {name: await asyncio.open_connection(sock=client) for name, client in clients.items()}
            for name in ("silent", "slow", "asks"):
                await streams[name][0].read()  # to the end
            reader, writer = streams["known"]
            for _ in range(2):
                assert await reader.readline() == b"HTTP/1.1 200 \r\n"
                assert await reader.readuntil(b"\r\n\r\n")
                writer.write(head + b"\r\n")
            for _, writer in streams.values():
                writer.close()
            acceptor.stop(listener)

    done: AsgiMessage = {"type": "http.response.body", "body": b"", "more_body": False}
    head = b"GET / HTTP/1.1\r\nHost: x\r\n"
    asyncio.run(main())
