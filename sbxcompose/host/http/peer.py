"""The process at the other end of a TCP connection, where it runs on this machine, and whether it has work to do."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sbxcompose.linux.listeners import as_the_kernel_writes, held_by, tcp_rows

_AT_REST = frozenset("SIXZ")
"""States of a thread that waits for something to happen, or has ended (proc(5))."""

SocketAddress = tuple[str, int]


def process_at(peer: SocketAddress, own: SocketAddress) -> int | None:
    """Return the process that has the end `peer` of a connection to `own`; None where that cannot be seen."""
    inode = _inode(peer, own)
    if inode is None:
        return None
    return next((int(name) for name in os.listdir("/proc") if name.isdigit() and held_by(int(name), {inode})), None)


def is_idle(pid: int) -> bool:
    """Return whether no thread of a process runs or is about to; true of one that has ended."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return True
    return all_at_rest(_stat(f"/proc/{pid}/task/{thread}/stat") for thread in threads)


def all_at_rest(stats: Iterable[str]) -> bool:
    """Whether these are all threads at rest, as their `stat` files say; an empty one is a thread that has ended."""
    return all(stat.rpartition(") ")[2][:1] in _AT_REST or not stat for stat in stats)


def _inode(peer: SocketAddress, own: SocketAddress) -> str | None:
    peers, owns = _written(peer), _written(own)
    return next((row[9] for row in tcp_rows() if row[1] in peers and row[2] in owns), None)


def _written(address: SocketAddress) -> set[str]:
    host, port = address
    return {f"{words}:{port:04X}" for words in as_the_kernel_writes(host)}


def _stat(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
