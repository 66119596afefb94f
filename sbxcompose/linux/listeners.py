"""Who listens on which TCP port of this machine, as far as /proc lets us see it."""

from __future__ import annotations

import os
import sys

from sbxcompose.light import socket
from sbxcompose.linux.processes import command_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING = "0A"
MAX_OTHERS = 1000
"""Sockets in a row that do not listen after which no more is read: Linux lists those that do first, and a busy machine
may have ten thousands of closed connections, which take the kernel longer to print than all else in a command.
"""


def by_whom(port: int) -> str:
    """Who listens on a port, as " by node server.js (pid 12)"; empty when that cannot be seen."""
    sockets = listeners().get(port, set())
    for name in os.listdir("/proc"):
        if name.isdigit() and held_by(int(name), sockets):
            return f" by {command_of(int(name))} (pid {name})"
    return ""


def listeners() -> dict[int, set[str]]:
    """Return every listening port with the inodes of its sockets."""
    found: dict[int, set[str]] = {}
    for _, port, inode in _listening():
        found.setdefault(port, set()).add(inode)
    return found


def listeners_at(port: int, host: str) -> set[str]:
    """Return the inodes of the sockets that get connections to a port of an address.

    A socket that is bound to just this address comes before those that are bound to all.
    """
    found = [(address, inode) for address, its_port, inode in _listening() if its_port == port]
    exact = as_the_kernel_writes(host)
    mine = {inode for address, inode in found if address in exact}
    return mine or {inode for address, inode in found if not address.strip("0")}


def held_by(pid: int, sockets: Collection[str]) -> bool:
    """Return whether a process has one of these sockets open; not if that cannot be seen."""
    try:
        fds = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    return any(_socket(f"/proc/{pid}/fd/{fd}") in sockets for fd in fds)


def _listening() -> Iterator[tuple[str, int, str]]:
    """Address, port and inode of every socket that listens."""
    for table in _TABLES:
        yield from listening_among(_rows(table))


def listening_among(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, int, str]]:
    """Yield address, port and inode of the sockets that listen; pure. Does not look further than it has to."""
    others = 0
    for row in rows:
        if row[3] == _LISTENING:
            others = 0
            address, _, port = row[1].rpartition(":")
            yield address, int(port, 16), row[9]
        else:
            others += 1
            if others > MAX_OTHERS:
                return


def tcp_rows() -> Iterator[list[str]]:
    """Yield the columns of /proc/net/tcp and tcp6 for every TCP socket: 1 and 2 are its addresses, 9 its inode."""
    for table in _TABLES:
        yield from _rows(table)


def _rows(table: str) -> Iterator[list[str]]:
    try:
        with open(table, encoding="ascii") as file:
            next(file, None)
            for line in file:
                yield line.split()
    except OSError:
        return


def as_the_kernel_writes(host: str) -> set[str]:
    """Return an address in the notation of /proc/net/tcp and tcp6: words of 32 bits in the machine's order."""
    if ":" in host:
        return {_words(socket.inet_pton(socket.AF_INET6, host))}
    packed = socket.inet_pton(socket.AF_INET, host)
    return {_words(packed), _words(bytes(10) + b"\xff\xff" + packed)}


def _words(packed: bytes) -> str:
    pieces = [packed[at : at + 4] for at in range(0, len(packed), 4)]
    return "".join(f"{int.from_bytes(piece, sys.byteorder):08X}" for piece in pieces)


def _socket(path: str) -> str:
    """Return the inode of the socket that a descriptor is; empty if it is something else."""
    try:
        target = os.readlink(path)
    except OSError:
        return ""
    return target[8:-1] if target.startswith("socket:[") else ""
