"""What a command and its fork server say to each other over a Unix socket.

A fork says hello first: descriptors in the queue of a server that never accepts would keep the caller's pipes open. The
request is a length, a marshalled dictionary, and descriptors (SCM_RIGHTS). Everything after it is two bytes: a
letter and a number. (marshal is part of the interpreter, whose version both sides share, and needs no import; it gives
no protection, and none is needed between processes of one user.)
"""

from __future__ import annotations

import marshal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Any
else:
    import _socket as socket  # `socket` makes many enumerations when it is imported: 5 of 20 ms

HELLO = b"H"
"""Fork: I am here, and will read a request."""
READY = b"R"
"""Fork: everything is as the command needs it; carries a pidfd of the fork."""
COLD = b"N"
"""Fork: this command needs a process of its own."""
GO = b"G"
"""Client: begin."""
EXIT = b"E"
"""Fork: the command has ended with this code."""
KILLED = b"K"
"""Server: the fork was killed by this signal."""
STOP = b"T"
"""Fork: stop me and yourself, by this signal."""
STOP_GROUP = b"B"
"""Fork: stop me and everything of your process group, by this signal."""
READING = b"r"
"""Fork: a read of the terminal begins (1) or is over (0)."""
RESUME = b"C"
"""Client: we have been stopped, and continue; 1 if we can never use the terminal again."""

MAX_DESCRIPTORS = 250
"""The kernel sends at most 253 in one message."""
LARGEST_REQUEST = 1 << 23
_LENGTH = 4
_INT = 4


def send_request(sock: socket.socket, request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Send a request. Raises `OSError`."""
    data = marshal.dumps(request)
    data = len(data).to_bytes(_LENGTH, "little") + data
    # Descriptors go with the first byte; what does not fit into the socket's buffer follows without them.
    sent = sock.sendmsg([data], _rights(descriptors))
    if sent < len(data):
        sock.sendall(data[sent:])


def receive_request(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return a request and its descriptors. Raises `OSError` or `ValueError` for what is none."""
    data, descriptors = receive_with_descriptors(sock, 1 << 16, MAX_DESCRIPTORS)
    while len(data) < _LENGTH:
        data += _more(sock)
    length = int.from_bytes(data[:_LENGTH], "little")
    # Before it is read: whatever has connected, it must not fill the memory.
    if length > LARGEST_REQUEST:
        raise ValueError("the request is too long")
    while len(data) < _LENGTH + length:
        data += _more(sock)
    request = marshal.loads(data[_LENGTH:])
    if not isinstance(request, dict):
        raise ValueError("not a request")
    return request, descriptors


def send(sock: socket.socket, letter: bytes, number: int = 0, descriptors: Sequence[int] = ()) -> None:
    """Send a letter and a number below 256. Raises `OSError`."""
    sock.sendmsg([letter + bytes([number])], _rights(descriptors))


def receive(sock: socket.socket) -> tuple[bytes, int]:
    """Return the next letter and number; an empty letter at the end. Raises `OSError`."""
    data = sock.recv(2)
    if len(data) == 1:
        data += sock.recv(1)
    return (data[:1], data[1]) if len(data) == 2 else (b"", 0)


def receive_with_descriptors(sock: socket.socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """Return data with the descriptors that came with it. Raises `OSError`, also if some could not be received."""
    data, messages, flags, _ = sock.recvmsg(size, socket.CMSG_SPACE(most * _INT), socket.MSG_CMSG_CLOEXEC)
    found = [
        int.from_bytes(content[start : start + _INT], sys.byteorder, signed=True)
        for level, kind, content in messages
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for start in range(0, len(content) - len(content) % _INT, _INT)
    ]
    # The command starts cold then: with one missing, the others would be taken for those before them.
    if flags & socket.MSG_CTRUNC:
        raise OSError("descriptors were lost")
    return data, found


def _rights(descriptors: Sequence[int]) -> list[tuple[int, int, bytes]]:
    if not descriptors:
        return []
    packed = b"".join(number.to_bytes(_INT, sys.byteorder) for number in descriptors)
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)]


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 18)
    if not data:
        raise OSError("the request ends early")
    return data
