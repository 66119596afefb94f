"""Runs in a sandbox: ports of its own 127.0.0.1 lead to whoever holds connections to the control port.

The contract has tunnels into a sandbox and none out of it. So the connector on the user's machine keeps a few tunnels
to the control port in reserve. Each connection that a process makes takes one of them: its port is written to it (two
bytes, big-endian); the connector connects to the target and answers with one byte; from then on both are one
connection. A tunnel must begin with the token and a line feed, since every process in the sandbox can reach the control
port. Standard library only, for any Python 3.7 or later; `PERL` is the same for sandboxes without Python.
"""

from __future__ import annotations

import hmac
import os
import select
import socket
import struct
import sys
import threading
import time
from contextlib import suppress

TOKEN = "SBXCOMPOSE_CONNECT_TOKEN"
"""The variable with the token: arguments can be read by every user of the sandbox."""
PATIENCE = 15.0
"""Seconds for which a connection waits for a tunnel, and then for the target."""
ABANDONED = 600.0
"""Seconds without a tunnel or connection after which the program ends: its connector was killed."""
FAILED = 3
"""The exit code when a port cannot be listened on."""


class Listeners:
    """The listening ports, and the tunnels in reserve."""

    def __init__(self, token: bytes, ports: list[int]) -> None:
        self._token = token + b"\n"
        self._ports: dict[int, int] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self.control = self._listen(0)
        for port in ports:
            listener = self._listen(port)
            self._ports[listener.fileno()] = port
        self._greeting: dict[int, bytes] = {}
        self._spare: list[socket.socket] = []
        self._waiting: list[tuple[socket.socket, int, float]] = []
        self._used_at = time.monotonic()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            sys.stdout.write(f"cannot listen on port {port}: {(error.strerror or str(error)).lower()}\n")
            sys.exit(FAILED)
        listener.listen(128)
        self._watch(listener)
        return listener

    def _watch(self, one: socket.socket) -> None:
        self._sockets[one.fileno()] = one
        self._poll.register(one, select.POLLIN)

    def _unwatch(self, one: socket.socket) -> None:
        self._poll.unregister(one)
        del self._sockets[one.fileno()]

    def serve(self) -> None:
        """Serve until no connector has been there for long."""
        while True:
            for fd, _ in self._poll.poll((PATIENCE if self._waiting else ABANDONED / 4) * 1000):
                if fd in self._sockets:
                    self._ready(self._sockets[fd])
            self._pair()
            now = time.monotonic()
            if self._spare or threading.active_count() > 1:
                self._used_at = now
            elif now - self._used_at > ABANDONED:
                return

    def _ready(self, one: socket.socket) -> None:
        fd = one.fileno()
        if one is self.control:
            tunnel, _ = one.accept()
            self._greeting[tunnel.fileno()] = b""
            self._watch(tunnel)
        elif fd in self._ports:
            consumer, _ = one.accept()
            self._waiting.append((consumer, self._ports[fd], time.monotonic()))
        elif fd in self._greeting:
            self._greet(one)
        else:  # a tunnel in reserve says nothing, so it was closed
            self._spare.remove(one)
            self._unwatch(one)
            one.close()

    def _greet(self, tunnel: socket.socket) -> None:
        known = self._greeting.pop(tunnel.fileno())
        try:
            known += tunnel.recv(len(self._token) - len(known))
        except OSError:
            known = b""
        if known and len(known) < len(self._token):
            self._greeting[tunnel.fileno()] = known
        elif hmac.compare_digest(known, self._token):
            self._spare.append(tunnel)
        else:
            self._unwatch(tunnel)
            tunnel.close()

    def _pair(self) -> None:
        while self._waiting and self._spare:
            tunnel = self._spare.pop(0)
            self._unwatch(tunnel)
            if is_closed(tunnel):
                tunnel.close()
                continue
            consumer, port, _ = self._waiting.pop(0)
            threading.Thread(target=connect, args=(consumer, tunnel, port), daemon=True).start()
        now = time.monotonic()
        while self._waiting and now - self._waiting[0][2] > PATIENCE:
            reset(self._waiting.pop(0)[0])


def is_closed(tunnel: socket.socket) -> bool:
    """Return whether a tunnel in reserve, which says nothing, was closed."""
    poll = select.poll()
    poll.register(tunnel, select.POLLIN)
    return bool(poll.poll(0))


def connect(consumer: socket.socket, tunnel: socket.socket, port: int) -> None:
    """Ask the other end of a tunnel for its target, and be one connection with it; else reset the consumer's."""
    try:
        tunnel.sendall(struct.pack(">H", port))
        tunnel.settimeout(PATIENCE)
        there = bool(tunnel.recv(1))
        tunnel.settimeout(None)
    except OSError:
        there = False
    if not there:
        reset(consumer)
        tunnel.close()
        return
    other = threading.Thread(target=carry, args=(tunnel, consumer), daemon=True)
    other.start()
    carry(consumer, tunnel)
    other.join()
    consumer.close()
    tunnel.close()


def carry(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes in one direction until that ends, and end it on the other side."""
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
    except OSError:
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def reset(one: socket.socket) -> None:
    """Close a connection so that its other end sees that nothing was there, and not an empty answer."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def main() -> None:
    """Listen on the ports that the arguments name, and print the first argument and the control port."""
    mark, *ports = sys.argv[1:]
    listeners = Listeners(os.environ.pop(TOKEN).encode(), [int(word) for word in ports])
    sys.stdout.write(f"control {mark} {listeners.control.getsockname()[1]}\n")
    sys.stdout.flush()
    listeners.serve()


if __name__ == "__main__":
    main()
