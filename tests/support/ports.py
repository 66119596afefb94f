"""Ports on which nobody listens: not those that the kernel gives away by itself, and not those of another worker."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

BLOCK = 8
"""Ports in a row that are taken together."""
WORKERS = 16
_number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
_drawn = random.SystemRandom()  # two test runs on one machine draw different ones


def _candidates() -> list[int]:
    """The first port of each of this worker's blocks."""
    lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ours = range(10_240 + _number * BLOCK, 65_536 - BLOCK, BLOCK * WORKERS)
    return [port for port in ours if port + BLOCK <= lowest or port > highest]


_left: list[int] = []


def free_port(ports: int = 1) -> int:
    """The first of so many ports in a row (at most 8) on which nobody listens. None is given out twice soon."""
    while True:
        if not _left:
            _left.extend(_candidates())
            _drawn.shuffle(_left)
        port = _left.pop()
        if all(_is_free(number) for number in range(port, port + ports)):
            return port


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
