"""Rude and endless requests: a clear error body each; memory stays bounded and nobody else is held up."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live.host.hosts import PATIENCE, Box, LiveHost, client_of, ended, live_host
from tests.support.home import Home

MEGABYTE = 1024 * 1024
MOST_MEMORY = 200 * MEGABYTE
"""What the server may have at most: a tenth of what a request here tries to make it hold."""


def memory(host: LiveHost) -> int:
    """Bytes of memory that the server has had at most."""
    status = Path(f"/proc/{host.status['pid']}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def connected(host: LiveHost) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    sock.connect(str(host.path))
    return sock


def answer_of(sock: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and error of the answer that ends the connection."""
    received = b""
    with suppress(ConnectionResetError):  # what it has not read is an error for us, once its answer is read
        while piece := sock.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def asked(host: LiveHost, request: bytes) -> tuple[int, dict[str, Any]]:
    with connected(host) as sock:
        with suppress(OSError):  # it may hang up in the middle; its answer is there all the same
            sock.sendall(request)
        return answer_of(sock)


CLOSE = b" HTTP/1.1\r\nHost: box.local\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "request_line, more, status, code",
    [
        (b"OPTIONS /api/v1/processes", b"", 405, "METHOD_NOT_ALLOWED"),
        (b"TRACE /sandboxes", b"", 405, "METHOD_NOT_ALLOWED"),
        (b"BREW /sandboxes", b"", 405, "METHOD_NOT_ALLOWED"),
        (b"OPTIONS *", b"", 404, "NOT_FOUND"),
        (b"PATCH /api/v1/files?path=x", b"", 405, "METHOD_NOT_ALLOWED"),
        (b"GET /%FF%00", b"", 404, "NOT_FOUND"),
        (b"GET /api/v1/processes/%ED%A0%80", b"", 404, "NOT_FOUND"),
        (b"POST /api/v1/processes", b"", 422, "INVALID"),
        (b"POST /api/v1/processes/nobody/restart", b"", 404, "NOT_FOUND"),
        (b"GET /api/v1/processes", b"X: " + b"y" * 2_000_000 + b"\r\n", 431, "BAD_REQUEST"),
        (b'GET "quoted\\" /', b"", 400, "BAD_REQUEST"),
        (b"POST /sandboxes", b"Transfer-Encoding: gzip\r\n", 501, "BAD_REQUEST"),
        (b"POST /sandboxes", b"Content-Length: 1\r\nContent-Length: 2\r\n", 400, "BAD_REQUEST"),
        (b"POST /sandboxes", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400, "BAD_REQUEST"),
    ],
)
def test_odd_requests(
    kept_host: LiveHost, kept_box: Box, request_line: bytes, more: bytes, status: int, code: str
) -> None:
    found, told = asked(kept_host, request_line + CLOSE + more + b"\r\n")
    assert (found, told["code"]) == (status, code)
    assert told["error"]
    assert "Traceback" not in kept_host.log


def test_odd_bodies(box: Box) -> None:
    expected = {
        b"{": (400, "BAD_JSON"),
        b"\xff": (400, "BAD_JSON"),
        b"[" * 100_000: (400, "BAD_JSON"),
        b"1" * 10_000: (400, "BAD_JSON"),
        b"[]": (422, "INVALID"),
        b'{"command": "\\ud800"}': (422, "INVALID"),
        b'{"command": "x", "name": "\\udfff"}': (422, "INVALID"),
        b'{"command": "true", "env": {"\\ud800": ""}}': (422, "INVALID"),
        b'{"command": "true", "user": "\\ud800"}': (422, "INVALID"),
        b'{"command": NaN}': (422, "INVALID"),
    }
    assert {body: box.refused("POST", "/processes", content=body)[:2] for body in expected} == expected
    assert box.rows() == []
    assert "Traceback" not in box.host.log


@pytest.mark.parametrize("framing", [b"zz\r\n{}\r\n", b"2\r\n{}}}\r\n", b"2\r\n{}\r\n-1\r\n", b"f" * 100 + b"\r\n"])
@pytest.mark.parametrize("path", ["/sandboxes", "/api/v1/processes"])
def test_broken_chunks_are_answered_and_the_connection_is_closed(
    kept_host: LiveHost, kept_box: Box, framing: bytes, path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: box.local\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with connected(kept_host) as sock:
        sock.sendall(head + framing)
        status, told = answer_of(sock)
        assert (status, told["code"]) == (400, "BAD_REQUEST")
        assert sock.recv(1) == b"", "closed"
    assert kept_box.rows() == []
    assert "Traceback" not in kept_host.log


def test_two_lengths_of_a_body_never_smuggle_a_second_request(kept_host: LiveHost, kept_box: Box) -> None:
    second = b"DELETE /sandboxes/box HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"GET /sandboxes HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
    with connected(kept_host) as sock:
        sock.sendall(head + b"0\r\n\r\n" + second)
        assert answer_of(sock)[0] == 400
        assert sock.recv(1) == b"", "closed"
    assert kept_host.http.get("/sandboxes/box").json()["status"] == "running"


def test_a_post_without_a_length_has_an_empty_body(kept_host: LiveHost, kept_box: Box) -> None:
    kept_box.shell("exec sleep 1000", "web")
    with connected(kept_host) as sock:
        sock.sendall(b"POST /api/v1/processes/web/restart HTTP/1.1\r\nHost: box.local\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_head_of_a_stream_has_an_end(kept_host: LiveHost, kept_box: Box) -> None:
    kept_box.shell("while :; do echo line; done", "loud")
    with connected(kept_host) as sock:
        for _ in range(3):
            sock.sendall(b"HEAD /api/v1/processes/loud/output/follow HTTP/1.1\r\nHost: box.local\r\n\r\n")
            head = sock.recv(65536)
            assert head.startswith(b"HTTP/1.1 200")
            assert head.endswith(b"\r\n\r\n")
    kept_box.delete("loud", grace_ms=0)


def test_a_body_that_never_ends_is_refused(host: LiveHost, box: Box) -> None:
    piece = b"100000\r\n" + b" " * MEGABYTE + b"\r\n"
    for path in (b"/sandboxes", b"/api/v1/processes", b"/api/v1/processes/run", b"/api/v1/watch"):
        with connected(host) as sock:
            sock.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: box.local\r\nTransfer-Encoding: chunked\r\n\r\n")
            with suppress(OSError):
                for _ in range(2000):
                    sock.sendall(piece)
            assert answer_of(sock)[0] == 413, path
    assert memory(host) < MOST_MEMORY


def test_a_body_that_does_not_come_blocks_nothing(kept_host: LiveHost, kept_box: Box) -> None:
    head = b"POST /api/v1/processes HTTP/1.1\r\nHost: box.local\r\nContent-Length: 1000\r\n\r\n{"
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(kept_host)).sendall(head)
        assert kept_box.shell("exec sleep 1000", "web")["status"] == "running"
        assert len(kept_box.rows()) == 1


@pytest.fixture
def _many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("too few descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.time_limit(500)
@pytest.mark.usefixtures("_many_descriptors")
def test_thousands_of_requests_at_once(host: LiveHost, box: Box) -> None:
    row = box.shell("exec sleep 1000", "web")
    request = b"GET /api/v1/processes/web HTTP/1.1\r\nHost: box.local\r\n"
    with ExitStack() as stack:
        socks = [stack.enter_context(connected(host)) for _ in range(1000)]
        for sock in socks:
            sock.sendall((request + b"\r\n") * 2 + request + b"Connection: close\r\n\r\n")
        assert box.row("web") == row
        for sock in socks:
            answers = b"".join(iter(lambda: sock.recv(65536), b""))  # noqa: B023
            assert answers.count(b"HTTP/1.1 200") == answers.count(b'"name":"web"') == 3
    assert memory(host) < MOST_MEMORY


@pytest.mark.parametrize("path", ["processes/loud/output/follow", "processes/loud/output"])
def test_a_reader_that_never_reads(host: LiveHost, box: Box, path: str) -> None:
    box.shell("read line; yes | head -c 300000000", "loud", stdin_mode="pipe")
    with connected(host) as sock:
        if path.endswith("follow"):
            sock.sendall(f"GET /api/v1/{path} HTTP/1.1\r\nHost: box.local\r\n\r\n".encode())
        box.ask("POST", "/processes/loud/stdin", content=b"go\n")
        box.wait("loud", ended)
        if not path.endswith("follow"):
            sock.sendall(f"GET /api/v1/{path} HTTP/1.1\r\nHost: box.local\r\n\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert box.shell("exec sleep 1000", "web")["status"] == "running"
        assert memory(host) < MOST_MEMORY
    assert "Traceback" not in host.log


def test_unauthenticated_clients_get_a_reason_and_nothing_else(host_environ: Home) -> None:
    with live_host(host_environ, port=0, key="sesame") as host:
        box = host.box()
        row = box.shell("exec sleep 1000", "web")
        address = host.status["tcp"]
        refusals = [
            ({}, 401, "UNAUTHORIZED"),
            ({"Authorization": "Bearer wrong"}, 401, "UNAUTHORIZED"),
            ({"Authorization": "Basic sesame"}, 401, "UNAUTHORIZED"),
            ({"Authorization": "sesame"}, 401, "UNAUTHORIZED"),
            ({"Authorization": "Bearer sesame", "Origin": "https://example.com"}, 403, "FORBIDDEN_ORIGIN"),
            ({"Authorization": "Bearer sesame", "Host": "example.com"}, 403, "FORBIDDEN_HOST"),
        ]
        with client_of(tcp=address) as http:
            for headers, status, code in refusals:
                for method, path in (("GET", "/sandboxes"), ("DELETE", "/sandboxes/box"), ("POST", "/host/v1/stop")):
                    answer = http.request(method, path, headers=headers, content=b"x" * MEGABYTE)
                    assert (answer.status_code, answer.json()["code"]) == (status, code)
                    assert "sesame" not in answer.text
        assert box.rows() == [row]
