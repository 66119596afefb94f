"""Who answers on a port of this machine: a process of the sandbox, or a known stranger.

The kernel says which socket listens, /proc which process holds it. Where that cannot be seen (another user's
process), and for programs that listen on behalf of others (a container's proxy, an ssh master), no process
is called a stranger.
"""

from __future__ import annotations

import os

from sbxcompose.host.keeper.census import marked_unit
from sbxcompose.linux.listeners import held_by, listeners_at
from sbxcompose.linux.processes import command_of, read_process

ON_BEHALF = (
    *("docker-proxy", "dockerd", "podman", "conmon", "rootlessport", "rootlesskit", "slirp4netns", "pasta", "gvproxy"),
    *("containerd", "systemd", "ssh", "sshd", "kubectl"),
)
"""How programs are called that listen for processes which are not theirs."""


def stranger_on(port: int, host: str, leader: int, sandbox: str, keeper: int) -> str | None:
    """Name the program that listens on `port` of `host`, if it is known to be none of the sandbox's.

    `leader` is the process that was started, `sandbox` what the names of the sandbox's units begin with, `keeper` the
    keeper as it is now.
    """
    sockets = listeners_at(port, host)
    if not sockets or held_by(leader, sockets):
        return None
    holders = [int(name) for name in os.listdir("/proc") if name.isdigit() and held_by(int(name), sockets)]
    if not holders or any(_belongs(pid, leader, sandbox, keeper) for pid in holders):
        return None
    return f"{command_of(holders[0])} (pid {holders[0]})"


def _belongs(pid: int, leader: int, sandbox: str, keeper: int) -> bool:
    """Return whether a process is the sandbox's, may be (a child of our keeper), or listens for another program."""
    if _name(pid).startswith(ON_BEHALF):
        return True
    current: int | None = pid
    while current is not None and current > 1:
        process = read_process(current)
        if current == leader or (process is not None and process.session == leader):
            return True
        unit = marked_unit(current)
        if unit is not None:
            return unit.rpartition(".")[0] == sandbox
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
