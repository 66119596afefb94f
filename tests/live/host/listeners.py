"""Servers of a test, on ports of this machine: they stand for what listens in a sandbox."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """A port whose connections are handed to `serve`, each in a thread; what they raise fails the test."""
    server = socket.create_server(("127.0.0.1", 0))
    failures: list[BaseException] = []

    def carry(connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(60)
                serve(connection)
        except BaseException as error:
            failures.append(error)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=carry, args=(connection,), daemon=True))
            threads[-1].start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in threads:
            thread.join(60)
    assert failures == []


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side says that there is no more."""
    data = b""
    while piece := connection.recv(1 << 16):
        data += piece
    return data


def read_head(connection: socket.socket) -> bytes:
    """A request's or answer's head."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"it ended in {head!r}"
        head += byte
    return head
