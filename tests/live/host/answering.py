"""An HTTP server that runs in a sandbox, as what a health check asks there must."""

from __future__ import annotations

from typing import Any

from tests.live.host.hosts import Box
from tests.support.ports import free_port

_SERVER = """
import sys, pathlib
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, flush=True)
        self.send_response(int(pathlib.Path(sys.argv[2]).read_text()))
        self.end_headers()
    def log_message(self, *args):
        pass
server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", flush=True)
server.serve_forever()
"""
_STATUS = "status"
"""The file that says how to answer, in the sandbox's workspace."""


class Answering:
    """A process of `box` that answers every request with a status that can be changed."""

    def __init__(self, box: Box, status: int = 200) -> None:
        self._box = box
        self.port = free_port()
        self.answer(status)
        row = box.begin(box.python, "-S", "-c", _SERVER, str(self.port), _STATUS)
        self._pid = row["pid"]
        box.wait_for_line(self._pid, "listening")

    def answer(self, status: int) -> None:
        """Answer with this status from now on."""
        self._box.ask("PUT", "/files", params={"path": _STATUS}, content=str(status).encode()).raise_for_status()

    def paths(self) -> list[str]:
        """What it was asked for."""
        return self._box.lines(self._pid)[1:]

    def check(self, **fields: Any) -> dict[str, Any]:
        """A health check that asks it, and waits for its answer: it may not get its turn at once."""
        patient = {"timeout_ms": 60_000, "initial_delay_ms": 60_000}
        return {"type": "http", "port": self.port, "interval_ms": 10, **patient, **fields}
