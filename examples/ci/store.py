"""A key-value store of one line a connection: `get KEY` or `set KEY VALUE`."""

from __future__ import annotations

import os
import signal
import socketserver
import sys

values = {"greeting": "hello"}


class Store(socketserver.StreamRequestHandler):
    """One connection, one command."""

    def handle(self) -> None:
        match self.rfile.readline().decode().split(maxsplit=2):
            case ["get", key]:
                self.wfile.write(values.get(key, "").encode())
            case ["set", key, value]:
                values[key] = value.strip()
                print(f"{key} is now {values[key]!r}")


class Server(socketserver.ThreadingTCPServer):
    """Comes back at once on the same port."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server(("127.0.0.1", int(os.environ["PORT"])), Store) as server:
        print("store is open")
        server.serve_forever()
