"""Readers that never read cost the server a bounded amount of memory, which it gives back."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live.host.hosts import Box, LiveHost
from tests.support.waiting import until

READERS = 40
MOST_EACH = 512 * 1024
"""Bytes of memory that one reader may cost, with a wide margin: measured are 180 to 260 KB."""
MAX_LEFT = 6 * 1024 * 1024
"""Bytes that may stay when all have gone: measured are 2.4 MB."""
LOUD = """
import sys, time
sys.stdout.write({text!r} * {times})
sys.stdout.flush()
print("up", file=sys.stderr, flush=True)
time.sleep(1000)
"""
OUTPUT = 8 * 1024 * 1024


def memory(host: LiveHost) -> int:
    """Bytes that the server has in memory."""
    status = Path(f"/proc/{host.status['pid']}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def silent(box: Box, method: str, path: str, body: Any = None) -> socket.socket:
    """Ask, read the head of the answer, and read no more."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(str(box.host.path))
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-Tensorlake-Sandbox-Id: {box.id}\r\n"
    sock.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    assert sock.recv(12) == b"HTTP/1.1 200"
    return sock


def request_of(route: str) -> tuple[str, str, Any]:
    """Method, path and body of a request that follows."""
    if route == "watch":
        return "POST", "/watch", {"logs": "all", "states": True, "follow": True}
    return "GET", f"/processes/loud/{route}", None


@pytest.mark.parametrize("route", ["output/follow", "stdout/follow", "output", "watch"])
def test_a_reader_that_never_reads_costs_little(host: LiveHost, route: str) -> None:
    for name, text in (("short-lines", "x\n"), ("long-lines", "y" * 4000 + "\n")):
        box = host.box(name)
        box.begin("python3", "-c", LOUD.format(text=text, times=OUTPUT // len(text)), name="loud")
        box.wait_for_line("loud", "up", "stderr")
        with silent(box, *request_of(route)):
            pass  # what the first reader costs stays: code that is imported, and so on
        before = memory(host)
        with ExitStack() as readers:
            for _ in range(READERS):
                readers.enter_context(silent(box, *request_of(route)))
            assert memory(host) - before < READERS * MOST_EACH, name
        until(lambda: memory(host), (before + MAX_LEFT).__ge__)
