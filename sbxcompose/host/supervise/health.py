"""Health checks: what one check sees, when the next one is due, and what a result means (contract, section
3.4).

`Health` and `next_pause_ms` are pure. `look` makes one check with bare sockets: a client library would cost
more to import than all checks of a day.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.check_pace import next_try_in
from sbxcompose.api.models import HealthCheckConfig, HealthStatus
from sbxcompose.command_line import command_line
from sbxcompose.host.supervise.network import Namespace, socket_in

FIRST_PAUSE_MS = 10
"""The pause between checks right after a start; a check of a port without a listener costs microseconds.
"""
PAUSE_DIVISOR = 20
"""A pause is this part of the time waited so far: who is ready after a second is seen 50 ms later at the
latest.
"""
LATE_AFTER = 0.1
"""Seconds after a timeout from which on it was noticed late."""
TRIES = 3
"""So often a check is made whose timeouts are all noticed late."""
HOSTS = ("127.0.0.1", "::1")


class Health(Struct, frozen=True):
    """How a run's health stands. `counted_at_ms` is the age of the run at the last failure that counted.

    `answered`: something has answered a check of this run, well or not.
    """

    status: HealthStatus
    failures: int = 0
    counted_at_ms: int | None = None
    last_check: str | None = None
    answered: bool = False


class CheckResult(NamedTuple):
    """What one check saw: None for `failure` is a success. `host` is the address that was connected to."""

    failure: str | None
    answered: bool = False
    host: str | None = None


Seen = TypeVar("Seen")

HealthProbe = Callable[[], Awaitable[CheckResult]]
"""Makes one check."""

Stranger = Callable[[int, str], str | None]
"""Names the program that listens on a port of an address, if it is known to be none of the sandbox's."""


def at_start(config: HealthCheckConfig | None) -> Health:
    """Return the health of a run that has just begun."""
    return Health("disabled" if config is None else "starting")


def after_check(config: HealthCheckConfig, health: Health, seen: CheckResult, age_ms: int) -> Health:
    """Return the health of a run that is `age_ms` old after a check.

    Until the first success checks come oftener than the interval; then only failures an interval apart count,
    so that the threshold means the same time as if they came in step. During the initial delay none does.
    """
    if seen.failure is None:
        return Health("healthy", answered=True)
    answered = health.answered or seen.answered
    if not _counts(config, health, age_ms):
        return replace(health, last_check=seen.failure, answered=answered)
    failures = health.failures + 1
    status: HealthStatus = "unhealthy" if failures >= config.failure_threshold else health.status
    return Health(status, failures, age_ms, seen.failure, answered)


def _counts(config: HealthCheckConfig, health: Health, age_ms: int) -> bool:
    if health.status == "healthy":
        return True
    if age_ms < config.initial_delay_ms:
        return False
    return health.counted_at_ms is None or age_ms >= health.counted_at_ms + config.interval_ms


def next_pause_ms(config: HealthCheckConfig, health: Health, age_ms: int, took_ms: int = 0) -> int:
    """Return the pause before the next check: short until something answers, growing with the time waited.

    A server that answers, even with an error, is there: asking it more often than the interval fills its log. A
    command costs more than a look at a port: it rests in proportion to what the last one took, `took_ms`.
    """
    if health.status != "starting" or health.answered:
        return config.interval_ms
    if config.type == "exec":
        pause = round(1000 * next_try_in(age_ms / 1000, took_ms / 1000))
    else:
        pause = max(FIRST_PAUSE_MS, age_ms // PAUSE_DIVISOR)
    pause = min(pause, config.interval_ms)
    if health.counted_at_ms is not None:
        # The next one that counts is not to be late by a stretched pause.
        due = health.counted_at_ms + config.interval_ms - age_ms
        pause = min(pause, max(due, 1))
    return pause


async def watch(
    config: HealthCheckConfig,
    health: Health,
    age_ms: Callable[[], int],
    report: Callable[[Health], None],
    look_once: HealthProbe,
    foreign_listener: Stranger = lambda port, host: None,
) -> None:
    """Check a run until it is unhealthy. `report` is called after every check that changed anything.

    A success counts only if it comes from the sandbox. `foreign_listener` is asked when something answers that was not
    known to be healthy, and not at every check: it reads much of /proc.
    """
    while True:
        looked = age_ms()
        seen = await look_once()
        took_ms = age_ms() - looked
        if seen.failure is None and seen.host and (health.status != "healthy" or health.failures):
            who = await asyncio.to_thread(foreign_listener, config.port or 0, seen.host)
            if who is not None:
                seen = seen._replace(failure=f"{_what(config)}: answered by {who}, which is not part of the sandbox")
        after = after_check(config, health, seen, age_ms())
        if after != health:
            health = after
            report(after)
        # The lifecycle ends an unhealthy run; the next run has checks of its own.
        if health.status == "unhealthy":
            return
        await asyncio.sleep(next_pause_ms(config, health, age_ms(), took_ms) / 1000)


async def check_port(config: HealthCheckConfig, namespace: Namespace | None = None) -> CheckResult:
    """Check once, within the timeout."""

    async def ask() -> CheckResult:
        with await connect(config.port or 0, namespace) as sock:
            host = str(sock.getpeername()[0])
            failure = None if config.type == "tcp" else await _get(config, sock)
            return CheckResult(failure, answered=True, host=host)

    try:
        return await _in_time(config, ask)
    except TimeoutError:
        return CheckResult(f"{_what(config)}: no answer within {config.timeout_ms} ms")
    except OSError as error:
        return CheckResult(f"{_what(config)}: {_words(error)}", answered=error.errno in (errno.ECONNRESET, errno.EPIPE))


async def check_by_command(config: HealthCheckConfig, run: Callable[[], Awaitable[str | None]]) -> CheckResult:
    """Check once by a command, which `run` runs, and kills when cancelled: what went wrong, or None."""
    what = command_line(config.command or ())
    try:
        failure = await _in_time(config, run)
    except TimeoutError:
        return CheckResult(f"{what}: did not exit within {config.timeout_ms} ms")
    return CheckResult(None if failure is None else f"{what}: {failure}")


async def _in_time(config: HealthCheckConfig, check: Callable[[], Awaitable[Seen]]) -> Seen:
    """Await a check. Raises `TimeoutError` after its timeout, if that was noticed when it was over.

    Where it was noticed late this process has not had its turn, and the answer may have come meanwhile: so it checks
    again.
    """
    clock = asyncio.get_running_loop().time
    tries = TRIES
    while True:
        deadline = clock() + config.timeout_ms / 1000
        try:
            async with asyncio.timeout_at(deadline):
                return await check()
        except TimeoutError:
            tries -= 1
            if not tries or clock() < deadline + LATE_AFTER:
                raise


def _what(config: HealthCheckConfig) -> str:
    return f"TCP :{config.port}" if config.type == "tcp" else f"GET :{config.port}{_path(config)}"


def _path(config: HealthCheckConfig) -> str:
    path = config.path or "/"
    return path if path.startswith("/") else "/" + path


def _words(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error).lower()


async def connect(port: int, namespace: Namespace | None = None) -> socket.socket:
    """Connect to the port on the loopback device of a sandbox's network (None: of this machine), IPv4 first.

    The socket does not block, and is the caller's. Raises the `OSError` of the first address.
    """
    first: OSError | None = None
    for host in HOSTS:
        try:
            return await _connect_to(host, port, namespace)
        except OSError as error:
            first = first or error
    assert first is not None
    raise first


async def _connect_to(host: str, port: int, namespace: Namespace | None) -> socket.socket:
    sock = socket_in(namespace, socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setblocking(False)
        # Over loopback the answer is there when the call returns; only a full backlog is worth a turn of the
        # loop.
        code = sock.connect_ex((host, port))
        if code == errno.EINPROGRESS:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        if not _is_connected(sock):
            await _writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
        if sock.getsockname() == sock.getpeername():
            # A free port in the range for outgoing connections can be given to us, and we reach ourselves.
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return sock
    except BaseException:
        sock.close()
        raise


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def writable() -> None:
        if not done.done():
            done.set_result(None)

    loop.add_writer(sock, writable)
    try:
        await done
    finally:
        loop.remove_writer(sock)


async def _get(config: HealthCheckConfig, sock: socket.socket) -> str | None:
    loop = asyncio.get_running_loop()
    request = (
        f"GET {_path(config)} HTTP/1.1\r\nHost: localhost:{config.port}\r\n"
        "User-Agent: sbxcompose\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    await loop.sock_sendall(sock, request.encode("utf-8", "replace"))
    line = b""
    # The status line is all that counts: a server that answers with a large page is not made to send it.
    while b"\n" not in line and len(line) < 1024:
        chunk = await loop.sock_recv(sock, 1024)
        if not chunk:
            break
        line += chunk
    return _verdict(config, line)


def _verdict(config: HealthCheckConfig, head: bytes) -> str | None:
    words = head.split(b"\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return f"{_what(config)}: the answer is not HTTP" if head else f"{_what(config)}: closed without an answer"
    status = int(words[1])
    return None if 200 <= status < 400 else f"{_what(config)} answered {status}"
