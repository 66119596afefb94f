"""Who listens on which TCP port of this machine, as far as /proc lets us see it."""

from __future__ import annotations

import os

from sbxcompose.host.keeper.processes import command_of

_LISTENING = "0A"


def by_whom(port: int) -> str:
    """Who listens on a port, as " by process 12 (command)"; empty when that cannot be seen."""
    sockets = {f"socket:[{inode}]" for inode in listeners().get(port, ())}
    for name in os.listdir("/proc"):
        if name.isdigit() and _holds(name, sockets):
            return f" by process {name} ({command_of(int(name))})"
    return ""


def listeners() -> dict[int, set[str]]:
    """Every port that somebody listens on, with the inodes of the sockets."""
    found: dict[int, set[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
        except OSError:
            continue
        for row in rows:
            if row[3] == _LISTENING:
                found.setdefault(int(row[1].rpartition(":")[2], 16), set()).add(row[9])
    return found


def _holds(pid: str, sockets: set[str]) -> bool:
    try:
        fds = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    return any(_link(f"/proc/{pid}/fd/{fd}") in sockets for fd in fds)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
