"""What runs on this machine, read from /proc: whose children, and in which session."""

from __future__ import annotations

import os

from sbxcompose.clock import boot_time

COMMAND_LENGTH = 200
_TICKS = os.sysconf("SC_CLK_TCK")
TICK_MS = 1000 / _TICKS
"""Milliseconds that a clock tick of /proc is long."""
_DEAD = b"ZXx"


class ProcessStat:
    """One line of /proc/<pid>/stat. `started` (clock ticks since boot) tells two owners of one number
    apart.
    """

    __slots__ = ("group", "parent", "pid", "session", "started", "state", "status")

    def __init__(self, pid: int, stat: bytes) -> None:
        fields = stat[stat.rindex(b")") + 2 :].split()
        self.pid = pid
        self.state = fields[0]
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.session = int(fields[3])
        self.started = int(fields[19])
        self.status = int(fields[49]) if len(fields) > 49 else 0

    @property
    def dead(self) -> bool:
        """It has ended and waits to be reaped."""
        return self.state in _DEAD


def read_process(pid: int) -> ProcessStat | None:
    """Return what /proc says of a process now; None when there is none."""
    stat = read_file(f"/proc/{pid}/stat")
    return ProcessStat(pid, stat) if stat else None


def ticks_now() -> int:
    """Return the time in clock ticks since boot, as /proc tells when a process started. (To ask there costs 25 µs.)"""
    return int(boot_time() * _TICKS)


def read_all() -> dict[int, ProcessStat]:
    """Return every process there is."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def children_of(pid: int) -> list[int] | None:
    """Return the children of a process, zombies too; None where the kernel has no list of them.

    Exact for the process that asks, although the list is known not to be: it goes wrong when a child is reaped while it
    is read, and only the single thread that reads here reaps children of this process.
    """
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb", 1 << 16) as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return None


def inner_pid(pid: int) -> int:
    """Return the number that a process has in its own PID namespace."""
    found = read_file(f"/proc/{pid}/status").partition(b"\nNSpid:")[2].split(b"\n")[0].split()
    return int(found[-1]) if found else pid


def command_of(pid: int) -> str:
    """Return what a process calls itself, on one line."""
    words = read_file(f"/proc/{pid}/cmdline").rstrip(b"\0").split(b"\0")
    line = b" ".join(words) or read_file(f"/proc/{pid}/comm").strip()
    text = line[:COMMAND_LENGTH].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text)


def read_file(path: str) -> bytes:
    """Return the whole of a file of /proc; empty if it cannot be read: the process has ended, or is another user's."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        pieces = []
        while piece := os.read(fd, 1 << 16):
            pieces.append(piece)
        return b"".join(pieces)
    except OSError:
        return b""
    finally:
        os.close(fd)
