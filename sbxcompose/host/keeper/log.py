"""Lines for host.log."""

from __future__ import annotations

import os
import time

from sbxcompose.clock import wall_time


def log(text: str) -> None:
    """Write a line to host.log (or the terminal, when the host runs in one)."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_time()))
    write(2, f"{moment} keeper[{os.getpid()}]: {text}\n".encode())


def write(fd: int, data: bytes) -> None:
    """Say something to whoever may listen no more."""
    try:
        os.write(fd, data)
    except OSError:
        return
