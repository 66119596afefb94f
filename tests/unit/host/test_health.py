"""What a check's result means, and when the next one is due; and `look` against small real servers."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.models import HealthCheckConfig
from sbxcompose.host.supervise.health import (
    CheckResult,
    Health,
    after_check,
    at_start,
    check_by_command,
    check_port,
    next_pause_ms,
    watch,
)

TCP = HealthCheckConfig(type="tcp", port=1, initial_delay_ms=1_000, interval_ms=100, failure_threshold=3)


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


def test_without_a_check_health_is_disabled() -> None:
    assert at_start(None) == Health("disabled")
    assert at_start(TCP) == Health("starting")


def test_failures_during_the_initial_delay_do_not_count() -> None:
    assert after_check(TCP, Health("starting"), CheckResult("refused"), 999) == Health("starting", 0, None, "refused")


def test_a_success_during_the_initial_delay_does() -> None:
    assert after_check(TCP, Health("starting"), CheckResult(None), 3) == Health("healthy", answered=True)


def test_before_the_first_success_failures_count_an_interval_apart() -> None:
    health = Health("starting")
    counted = []
    for age in range(900, 1_300, 10):
        health = after_check(TCP, health, CheckResult("refused"), age)
        counted.append((age, health.failures, health.status))
    changes = [item for before, item in itertools.pairwise(counted) if before[1:] != item[1:]]
    assert changes == [(1_000, 1, "starting"), (1_100, 2, "starting"), (1_200, 3, "unhealthy")]


def test_once_healthy_every_failure_counts_until_a_success() -> None:
    health = Health("healthy")
    for age in (5, 6):
        health = after_check(TCP, health, CheckResult("refused"), age)
    assert health == Health("healthy", 2, 6, "refused")
    assert after_check(TCP, health, CheckResult(None), 7) == Health("healthy", answered=True)
    assert after_check(TCP, health, CheckResult("refused"), 7).status == "unhealthy"


def test_checks_begin_often_and_stretch_with_the_time_waited() -> None:
    slow = HealthCheckConfig(type="tcp", port=1, initial_delay_ms=60_000)
    pauses = [next_pause_ms(slow, Health("starting"), age) for age in (0, 100, 200, 1_000, 10_000, 50_000)]
    assert pauses == [10, 10, 10, 50, 500, 1_000]


@pytest.mark.parametrize("answer", [http("503 No"), b"", b"SSH-2.0-x\r\n"])
def test_once_something_has_answered_checks_keep_to_the_interval(answer: bytes) -> None:
    async def check() -> CheckResult:
        async with serving(answer) as port:
            return await check_port(HealthCheckConfig(type="http", port=port))

    seen = asyncio.run(check())
    assert (seen.answered, seen.host) == (True, "127.0.0.1")
    health = after_check(TCP, Health("starting"), seen, 5)
    assert (health.status, next_pause_ms(TCP, health, 5)) == ("starting", 100)
    refused = after_check(TCP, health, CheckResult("refused"), 200)
    assert next_pause_ms(TCP, refused, 200) == 100


def test_an_answer_by_a_stranger_is_no_success_and_is_looked_into_once_only_when_healthy() -> None:
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
            config = HealthCheckConfig(type="http", port=port, interval_ms=1)
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


def test_a_command_is_as_good_as_its_exit_code_and_has_a_time_limit() -> None:
    config = HealthCheckConfig(type="exec", command=["pg_isready", "-q"], timeout_ms=20)

    async def check(answer: str | None, *, late: bool = False) -> str | None:
        async def run() -> str | None:
            if late:
                await asyncio.Event().wait()
            return answer

        return (await check_by_command(config, run)).failure

    assert asyncio.run(check(None)) is None
    assert asyncio.run(check("exited with code 2: no response")) == "pg_isready -q: exited with code 2: no response"
    assert asyncio.run(check(None, late=True)) == "pg_isready -q: not done within 20 ms"


def test_commands_are_not_run_as_often_as_ports_are_asked() -> None:
    config = HealthCheckConfig(type="exec", command=["true"], interval_ms=1000)
    assert [next_pause_ms(config, at_start(config), age) for age in (0, 1000, 10_000)] == [50, 250, 1000]


def test_once_healthy_checks_keep_to_the_interval() -> None:
    assert next_pause_ms(TCP, Health("healthy"), 1) == 100


@given(st.integers(0, 100_000), st.integers(1, 5_000), st.integers(0, 5_000))
def test_a_check_is_never_later_than_the_interval_nor_than_one_that_counts(age: int, interval: int, since: int) -> None:
    config = HealthCheckConfig(type="tcp", port=1, interval_ms=interval)
    counted = Health("starting", 1, max(0, age - since))
    pause = next_pause_ms(config, counted, age)
    assert 1 <= pause <= interval
    assert age + pause <= max(age + 1, (counted.counted_at_ms or 0) + interval)


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
            return (await check_port(HealthCheckConfig(type="http", port=port, path="/healthz"))).failure, port

    seen, port = asyncio.run(check())
    assert seen == (words and words.format(port=port))


def test_the_path_is_a_slash_unless_given() -> None:
    async def check() -> tuple[str | None, int]:
        async with serving(http("500 No")) as port:
            return (await check_port(HealthCheckConfig(type="http", port=port))).failure, port

    seen, port = asyncio.run(check())
    assert seen == f"GET :{port}/ answered 500"


def test_a_server_on_ipv6_alone_is_found() -> None:
    async def check() -> str | None:
        try:
            async with serving(b"", "::1") as port:
                return (await check_port(HealthCheckConfig(type="tcp", port=port))).failure
        except OSError:
            pytest.skip("no IPv6 loopback here")

    assert asyncio.run(check()) is None


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_nobody_listening_is_refused(kind: str) -> None:
    port = free_port()
    config = HealthCheckConfig(type="tcp" if kind == "tcp" else "http", port=port)
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

    async def check() -> None:
        config = HealthCheckConfig(type="tcp", port=free_port(), initial_delay_ms=0, interval_ms=1, failure_threshold=2)
        ages = iter(range(0, 1_000, 5))
        async with asyncio.timeout(20):
            await watch(config, at_start(config), lambda: next(ages), reported.append, lambda: check_port(config))

    asyncio.run(check())
    assert [item.failures for item in reported] == [1, 2]
    assert reported[-1].status == "unhealthy"
