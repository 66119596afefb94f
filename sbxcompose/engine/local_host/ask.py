"""One question to the host of this machine, before there is an event loop: its status, or that it should stop."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from sbxcompose.errors import Conflict, Refused, Unreachable
from sbxcompose.host.base import paths
from sbxcompose.host.keeper import hostrecord

PATIENCE = 15.0
"""Seconds that a host may take to begin, to answer, or to end after its processes have."""


def ask(path: Path, method: str, target: str, body: Any = None, patience: float | None = PATIENCE) -> dict[str, Any]:
    """One request over the Unix socket. Raises `Unreachable`, `Refused` or `Conflict`."""
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(patience)
            sock.connect(os.fspath(path))
            sock.sendall(head.encode() + data)
            while piece := sock.recv(65536):
                received += piece
    except OSError as error:
        words = "it takes too long" if isinstance(error, TimeoutError) else error.strerror
        raise Unreachable(f"the host at {path} does not answer: {words}", hint=see_log()) from error
    return _answer(bytes(received))


def _answer(received: bytes) -> dict[str, Any]:
    head, _, body = received.partition(b"\r\n\r\n")
    try:
        code = int(head.split()[1])
        value = json.loads(body)
    except (IndexError, ValueError):
        raise Unreachable("the host gave no answer that makes sense", hint=see_log()) from None
    if code >= 300:
        kind = Conflict if code == 409 else Refused
        raise kind(value.get("error", f"HTTP {code}"), status=code, code=value.get("code"), hint=value.get("hint"))
    answer: dict[str, Any] = value
    return answer


def log_path() -> Path:
    """The log of the host of our state directory."""
    record = hostrecord.read(paths.lock_path())
    return paths.log_path() if record is None else Path(record.log)


def see_log() -> str:
    """The hint that names the host's log."""
    return f"see {log_path()}"
