"""Who answers on a port of this machine: a process of the sandbox, or a known stranger.

The kernel says which socket listens, /proc which process holds it. Where that cannot be seen (another user's
process), and for programs that listen on behalf of others (a container's proxy, an ssh master), no process
is called a stranger.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from sbxcompose.host.keeper.census import marked_unit, unit_of
from sbxcompose.linux.listeners import held_by, listeners_at
from sbxcompose.linux.processes import command_of, read_process

PORT_FORWARDERS = (
    *("docker-proxy", "dockerd", "podman", "conmon", "rootlessport", "rootlesskit", "slirp4netns", "pasta", "gvproxy"),
    *("containerd", "systemd", "ssh", "sshd", "kubectl"),
)
"""How programs are called that listen for processes which are not theirs."""


def foreign_listener_on(port: int, host: str, leader: int, tags: Mapping[int, str], keeper: int) -> str | None:
    """Name the program that listens on `port` of `host`, if it is known to be none of the sandbox's.

    `leader` is the process that was started, `tags` are those of all units of the sandbox, which no other host's units
    have, `keeper` is the keeper as it is now.
    """
    sockets = listeners_at(port, host)
    if not sockets or held_by(leader, sockets):
        return None
    holders = [int(name) for name in os.listdir("/proc") if name.isdigit() and held_by(int(name), sockets)]
    if not holders or any(_belongs(pid, leader, tags, keeper) for pid in holders):
        return None
    return f"{command_of(holders[0])} (pid {holders[0]})"


def _belongs(pid: int, leader: int, tags: Mapping[int, str], keeper: int) -> bool:
    """Return whether a process is the sandbox's, may be (a child of our keeper), or listens for another program."""
    if _name(pid).startswith(PORT_FORWARDERS):
        return True
    current: int | None = pid
    while current is not None and current > 1:
        process = read_process(current)
        if current == leader or (process is not None and process.session == leader):
            return True
        if unit_of(current, tags) is not None:
            return True
        if marked_unit(current) is not None:  # another sandbox's, or another host's: a copy's units have the same names
            return False
        current = process.parent if process is not None else None
        if current == keeper:
            return True
    return False


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
