"""Ask a host directly over its Unix socket: a start of the command for each question would cost a tenth of a second."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests.support.home import wait_gone

PATIENCE = 60.0
"""Seconds for one answer."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str, body: Any = None) -> Any:
    """Send a request to the host whose socket that is; the JSON of its answer, None where there is none.

    Raises `OSError` if no host is there, or if it goes away meanwhile.
    """
    with closing(_UnixConnection(path)) as connection:
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, target, data, {} if data is None else {"Content-Type": "application/json"})
            answer = connection.getresponse().read()
        except http.client.HTTPException as error:
            raise ConnectionResetError(str(error)) from error
    return json.loads(answer) if answer else None


def host_pids(path: Path) -> dict[str, int]:
    """The process ids of the host with that socket: {"keeper": …, "server": …}; empty when none runs."""
    try:
        status = ask(path, "GET", "/host/v1/status")
    except OSError:
        return {}
    return {"keeper": status["keeper_pid"], "server": status["pid"]}


def stop(path: Path) -> None:
    """End a host with all that runs in it; nothing to do where none answers."""
    if host := host_pids(path):
        with suppress(OSError):
            ask(path, "POST", "/host/v1/stop", {"force": True})
        wait_gone(list(host.values()), PATIENCE)


def terminate_all(path: Path) -> None:
    """Terminate every sandbox of a host that is not; the newest page has them, if this is called after each test."""
    for sandbox in ask(path, "GET", "/sandboxes?limit=100&direction=backward")["sandboxes"]:
        if sandbox["status"] != "terminated":
            ask(path, "DELETE", f"/sandboxes/{sandbox['id']}")
