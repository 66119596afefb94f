"""GET /KEY and PUT /KEY over HTTP, kept by the store."""

from __future__ import annotations

import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def ask_store(command: str) -> bytes:
    """One command to the store; returns its answer."""
    with socket.create_connection(("127.0.0.1", int(os.environ["STORE_PORT"])), timeout=5) as connection:
        connection.sendall(command.encode() + b"\n")
        with connection.makefile("rb") as answer:
            return answer.read()


class Gateway(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        value = ask_store(f"get {self.path.strip('/')}")
        self.answer(200 if value else 404, value)

    def do_PUT(self) -> None:
        value = self.rfile.read(int(self.headers["Content-Length"])).decode()
        ask_store(f"set {self.path.strip('/')} {value}")
        self.answer(204, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Gateway) as server:
        server.serve_forever()
