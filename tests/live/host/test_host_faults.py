"""Bad input and rude clients: one clear answer each, and the host goes on."""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from tests.live.host.hosts import Box, LiveHost
from tests.support.waiting import until


def exchange(host: LiveHost, data: bytes) -> bytes:
    """Send bytes on a connection of their own; all that comes back."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(host.path))
        sock.sendall(data)
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n bad: header\r\n\r\n"[:-2] + b"\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST /sandboxes HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /sandboxes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnope\r\n",
    ],
)
def test_what_is_not_http_is_refused(kept_host: LiveHost, data: bytes) -> None:
    answer = exchange(kept_host, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert kept_host.status["running_processes"] == 0
    assert "Traceback" not in kept_host.log


def test_requests_in_one_piece_are_answered_in_turn(kept_host: LiveHost) -> None:
    head = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n"
    answer = exchange(kept_host, (head + b"\r\n") * 50 + head + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == answer.count(b'{"healthy":true}') == 51


def test_a_request_in_single_bytes_is_answered(kept_host: LiveHost) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(kept_host.path))
        for byte in b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            sock.sendall(bytes([byte]))
        assert b'{"healthy":true}' in b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_head_is_answered_without_a_body(kept_host: LiveHost) -> None:
    answer = exchange(kept_host, b"HEAD /host/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(kept_host: LiveHost) -> None:
    body = b'{"name": "box"}'
    head = b"POST /sandboxes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 15\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(kept_host.path))
        sock.sendall(head)
        assert sock.recv(65536).startswith(b"HTTP/1.1 100")
        sock.sendall(body)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def bad_requests(first: int, count: int, headers: dict[str, str]) -> bytes:
    """So many requests that make no sense, one behind the other; the last one ends the connection."""
    bodies = [b"{", b"[]", b'{"command": 1, "name": "B"}', b'{"command": "x", "name": "a/b"}', b"\xff" * 100]
    paths = ["/processes", "/batch", "/processes/run", "/processes/web/signal", "/../../sandboxes", "/nope"]
    fields = {"Host": "x", **headers}
    requests = []
    for number in range(first, first + count):
        path, body = paths[number % 6], bodies[number // 6 % 5]
        last = {"Connection": "close"} if number == first + count - 1 else {}
        head = [f"{name}: {value}" for name, value in {**fields, **last, "Content-Length": str(len(body))}.items()]
        requests.append("\r\n".join([f"POST /api/v1{path} HTTP/1.1", *head, "", ""]).encode() + body)
    return b"".join(requests)


def test_thousands_of_bad_requests_do_no_harm(kept_host: LiveHost) -> None:
    box = kept_host.box()
    row = box.shell("exec sleep 1000", "web")
    with ThreadPoolExecutor(20) as clients:
        pieces = [bad_requests(first, 100, box.headers) for first in range(0, 3000, 100)]
        answers = b"".join(clients.map(exchange, repeat(kept_host), pieces))
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", answers)
    assert len(statuses) == len(re.findall(rb'{"error": ?"', answers)) == 3000
    assert {int(status) for status in statuses} <= {400, 404, 409, 413, 422}
    assert box.rows() == [row]
    assert "Traceback" not in kept_host.log


def test_readers_that_hang_up_leave_nothing_open(kept_host: LiveHost) -> None:
    box = kept_host.box()
    box.shell("while :; do echo line; done", "loud")
    descriptors = Path(f"/proc/{kept_host.status['pid']}/fd")
    before = len(list(descriptors.iterdir()))
    for path in ["/processes/loud/output/follow"] * 20:
        with kept_host.http.stream("GET", f"/api/v1{path}", headers=box.headers) as answer:
            next(answer.iter_bytes())
    until(lambda: len(list(descriptors.iterdir())) <= before + 8)
    box.delete("loud", grace_ms=0)
    assert "Traceback" not in kept_host.log


def test_the_hosts_directories_and_files_are_the_users_alone(box: Box) -> None:
    box.shell("echo up; exec sleep 1000", "web")
    box.wait_for_line("web", "up")
    home = box.host.home
    for path in [home.state, home.runtime, *home.state.rglob("*"), *home.runtime.rglob("*")]:
        if any(parent.parent == home.state / "sandboxes" / box.id / "disk" for parent in (path, *path.parents)):
            continue  # what is on a sandbox's own disk, which is in a directory that only the user may enter
        assert path.lstat().st_mode & 0o077 == 0 or (path.is_socket() and path.lstat().st_mode & 0o177 == 0), path
