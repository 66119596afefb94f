"""Health checks of ports against small servers: what each answer is called, and what a watch makes of it."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from sbxcompose.api.models import HealthCheckConfig
from sbxcompose.host.supervise.health import (
    CheckResult,
    Health,
    at_start,
    check_port,
    watch,
)

PATIENT = 60_000
"""Milliseconds for an answer that comes: the usual half second is short for a machine that is busy."""


@asynccontextmanager
async def serving(answer: bytes, host: str = "127.0.0.1", wait: asyncio.Event | None = None) -> AsyncIterator[int]:
    """A server that answers every connection with `answer`, once `wait` is set."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if wait is not None:
            await wait.wait()
        else:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def http(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


def test_an_answer_by_a_foreign_process_is_not_a_success_and_is_looked_into_once_only_when_healthy() -> None:
    reported: list[Health] = []
    asked: list[str] = []
    strangers = ["nginx (pid 7)", None]

    def stranger(port: int, host: str) -> str | None:
        asked.append(host)
        return strangers.pop(0)

    async def check() -> int:
        checks, done = itertools.count(), asyncio.Event()

        def age() -> int:
            if next(checks) == 20:
                done.set()
            return 0

        async with serving(http("200 OK")) as port:
            config = HealthCheckConfig(type="http", port=port, interval_ms=1, timeout_ms=PATIENT)
            watching = asyncio.create_task(
                watch(config, at_start(config), age, reported.append, lambda: check_port(config), stranger)
            )
            await done.wait()
            watching.cancel()
            return port

    port = asyncio.run(check())
    words = f"GET :{port}/: answered by nginx (pid 7), which is not part of the sandbox"
    assert [health.last_check for health in reported] == [words, None]
    assert asked == ["127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("answer", [http("503 No"), b"", b"SSH-2.0-x\r\n"])
def test_a_bad_answer_is_an_answer_and_comes_from_a_host(answer: bytes) -> None:
    async def check() -> CheckResult:
        async with serving(answer) as port:
            return await check_port(HealthCheckConfig(type="http", port=port, timeout_ms=PATIENT))

    seen = asyncio.run(check())
    assert (seen.answered, seen.host) == (True, "127.0.0.1")


@pytest.mark.parametrize(
    "answer, words",
    [
        (http("200 OK"), None),
        (http("204 No Content"), None),
        (http("399 Nearly"), None),
        (http("302 Found"), None),
        (http("503 No"), "GET :{port}/healthz answered 503"),
        (http("404 No"), "GET :{port}/healthz answered 404"),
        (http("400 No"), "GET :{port}/healthz answered 400"),
        (b"", "GET :{port}/healthz: closed without an answer"),
        (b"SSH-2.0-x\r\n", "GET :{port}/healthz: the answer is not HTTP"),
        (b"HTTP/1.1 2", "GET :{port}/healthz answered 2"),
    ],
)
def test_an_http_check_says_what_it_saw(answer: bytes, words: str | None) -> None:
    async def check() -> tuple[str | None, int]:
        async with serving(answer) as port:
            config = HealthCheckConfig(type="http", port=port, path="/healthz", timeout_ms=PATIENT)
            return (await check_port(config)).failure, port

    seen, port = asyncio.run(check())
    assert seen == (words and words.format(port=port))


def test_the_path_is_a_slash_unless_given() -> None:
    async def check() -> tuple[str | None, int]:
        async with serving(http("500 No")) as port:
            return (await check_port(HealthCheckConfig(type="http", port=port, timeout_ms=PATIENT))).failure, port

    seen, port = asyncio.run(check())
    assert seen == f"GET :{port}/ answered 500"


def test_a_server_on_ipv6_alone_is_found() -> None:
    async def check() -> str | None:
        try:
            async with serving(b"", "::1") as port:
                return (await check_port(HealthCheckConfig(type="tcp", port=port, timeout_ms=PATIENT))).failure
        except OSError:
            pytest.skip("no IPv6 loopback here")

    assert asyncio.run(check()) is None


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses connections, and that nobody else can get meanwhile: it is bound, and not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_port_without_a_listener_is_refused(kind: str) -> None:
    with refusing_port() as port:
        config = HealthCheckConfig(type="tcp" if kind == "tcp" else "http", port=port, timeout_ms=PATIENT)
        seen = asyncio.run(check_port(config))
    assert not seen.answered
    assert seen.failure == (f"TCP :{port}" if kind == "tcp" else f"GET :{port}/") + ": connection refused"


def test_an_answer_that_does_not_come_is_a_failure() -> None:
    async def check() -> tuple[str | None, int]:
        never = asyncio.Event()
        async with serving(b"", wait=never) as port:
            seen = await check_port(HealthCheckConfig(type="http", port=port, timeout_ms=20))
            never.set()
            return seen.failure, port

    seen, port = asyncio.run(check())
    assert seen == f"GET :{port}/: no answer within 20 ms"


def test_a_watch_reports_changes_and_ends_when_unhealthy() -> None:
    reported: list[Health] = []

    with refusing_port() as port:
        config = HealthCheckConfig(type="tcp", port=port, initial_delay_ms=0, interval_ms=1, failure_threshold=2)
        ages = iter(range(0, 1_000, 5))
        asyncio.run(watch(config, at_start(config), lambda: next(ages), reported.append, lambda: check_port(config)))
    assert [item.failures for item in reported] == [1, 2]
    assert reported[-1].status == "unhealthy"
